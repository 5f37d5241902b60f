"""The benchmarks' proxy for tests: a live server behind a link that is slow, is cut, stalls or refuses.

Knows where the proxy lies; does not know what travels.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

_SOURCE = Path(__file__).parents[2] / "benchmarks" / "delay_proxy.py"


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("delay_proxy", _SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["delay_proxy"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_MODULE = _loaded()
Link: Any = _MODULE.Link


def proxy_to(url: str, **link: Any) -> Any:
    """A proxy to the server at ``url``, a context manager with ``url`` and ``link``; ``link`` says how the way is."""
    parts = urlsplit(url)
    return _MODULE.DelayProxy(str(parts.hostname), int(parts.port or 80), Link(**link))
