"""What every test run shares: the hypothesis profiles, the marker ``full`` and the line that says how much was drawn.

Knows how thoroughly to test; does not know servers, folders or fixtures of any one part (those are in ``support``).
``PANAVERSITY_TEST_FULL=1`` (``make test-full``) runs the exhaustive counts; anything else runs the sampled ones.
"""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

# A shell lets its background jobs ignore SIGINT, ``nohup`` SIGHUP, and children inherit that: neither could be tested.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"

_UNHURRIED = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("sampled", _UNHURRIED, max_examples=30, stateful_step_count=18)
settings.register_profile("full", _UNHURRIED, max_examples=2000, stateful_step_count=60)
settings.load_profile("full" if FULL else "sampled")


def pytest_report_header(config: pytest.Config) -> str:
    seed = config.getoption("--hypothesis-seed")
    name, examples = ("full" if FULL else "sampled"), settings().max_examples
    return f"counts: {name}, {examples} examples a property, seed {seed if seed is not None else 'chosen per test'}"


_LONG = (
    "browser/", "integration/test_incremental_site", "integration/test_env_", "faults/test_power_cuts", "security/"
)  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let long files begin, or the last of them keeps one worker busy when the others have nothing left; leave the
    exhaustive tests out of a sampled run, visibly: they count as deselected."""
    items.sort(key=lambda item: not any(part in item.nodeid for part in _LONG))
    if FULL:
        return
    exhaustive = [item for item in items if item.get_closest_marker("full")]
    if exhaustive:
        config.hook.pytest_deselected(items=exhaustive)
        items[:] = [item for item in items if not item.get_closest_marker("full")]
