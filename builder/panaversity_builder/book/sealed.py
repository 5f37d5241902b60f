"""JSON documents that show damage: the last key is the SHA-256 of every byte before it (F8, F48).

PURE: bytes in, values out. Anything odd is a ``Miss`` with its reason, never another exception. The seal shows
accidents, not attackers: who reads a document still judges every value in it.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from io import SEEK_END, BytesIO
from typing import Any

from panaversity_fs.core.digest import digest_of

_SEAL = re.compile(rb',\s*"checksum":\s*"([0-9a-f]{64})"\s*\}\s*\Z')
_SEAL_LONGEST = 200
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Miss(Exception):
    """A remembered thing is not usable; the text says why, to be shown to whoever asks why a run was full."""


def seal(document: Mapping[str, Any], *, readable: bool = False) -> bytes:
    """The document as JSON text with ``checksum`` as its last key; indented for people if ``readable``.

    A value may be an iterator over the rows of a list, which then need not all be there at once.
    """
    if readable:
        text = json.dumps(document, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace")[:-2]
        return text + f',\n  "checksum": "{digest_of(text)}"\n}}\n'.encode()
    compact = BytesIO()  # hands out what it holds without copying it: an index of 100,000 files weighs 20 MB
    _write_compact(document, compact)
    with compact.getbuffer() as body:
        digest = hashlib.sha256(body[:-1]).hexdigest()
    compact.seek(-1, SEEK_END)
    compact.write(f',"checksum":"{digest}"}}\n'.encode())
    return compact.getvalue()


def _write_compact(document: Mapping[str, Any], target: BytesIO) -> None:
    """The document on one line. A value that is an iterator is a long list: written row by row."""
    target.write(b"{")
    for number, (key, value) in enumerate(document.items()):
        target.write(b"," * bool(number) + _dumped(key) + b":")
        if isinstance(value, Iterator):
            target.write(b"[")
            for count, row in enumerate(value):
                target.write(b"," * bool(count) + _dumped(row))
            target.write(b"]")
        else:
            target.write(_dumped(value))
    target.write(b"}")


def _dumped(value: object) -> bytes:
    """Half a character, of a name that is no UTF-8, becomes the escape JSON has for it."""
    return _ENCODER.encode(value).encode("utf-8", "backslashreplace")


def unseal(data: bytes) -> dict[str, Any]:
    """The document that ``seal`` wrote, without its checksum. Raises ``Miss``."""
    if not data:
        raise Miss("is empty")
    tail_at = max(0, len(data) - _SEAL_LONGEST)
    found = _SEAL.search(data, tail_at)
    if found is None:
        raise Miss("does not end in its checksum")
    if hashlib.sha256(memoryview(data)[: found.start()]).hexdigest().encode() != found[1]:
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
