"""JSON documents that show damage: the last key is the SHA-256 of every byte before it (F8, F48).

PURE: bytes in, values out. Anything odd is a ``Miss`` with its reason, never another exception. The seal shows
accidents, not attackers: who reads a document still judges every value in it.
"""

import json
import re
from typing import Any

from panaversity_fs.core.digest import digest_of

_SEAL = re.compile(rb',\s*"checksum":\s*"([0-9a-f]{64})"\s*\}\s*\Z')
_SEAL_LONGEST = 200


class Miss(Exception):
    """A remembered thing is not usable; the text says why, to be shown to whoever asks why a run was full."""


def seal(document: dict[str, Any], *, readable: bool = False) -> bytes:
    """The document as JSON text with ``checksum`` as its last key; indented for people if ``readable``."""
    if readable:
        text, joint, end = json.dumps(document, ensure_ascii=False, indent=2)[:-2], ",\n  ", "\n}\n"
        colon = ": "
    else:
        text, joint, end = json.dumps(document, ensure_ascii=False, separators=(",", ":"))[:-1], ",", "}\n"
        colon = ":"
    body = text.encode()
    return body + f'{joint}"checksum"{colon}"{digest_of(body)}"{end}'.encode()


def unseal(data: bytes) -> dict[str, Any]:
    """The document that ``seal`` wrote, without its checksum. Raises ``Miss``."""
    if not data:
        raise Miss("is empty")
    tail_at = max(0, len(data) - _SEAL_LONGEST)
    found = _SEAL.search(data, tail_at)
    if found is None:
        raise Miss("does not end in its checksum")
    if digest_of(data[: found.start()]).encode() != found[1]:
        raise Miss("does not match its checksum")
    try:
        document = json.loads(data, object_pairs_hook=_distinct, parse_constant=_refused)
    except (ValueError, RecursionError, MemoryError) as fault:
        raise Miss(f"is not JSON ({type(fault).__name__})") from fault
    if not isinstance(document, dict):
        raise Miss("is not an object")
    del document["checksum"]
    return document


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key occurs twice")
    return document


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
