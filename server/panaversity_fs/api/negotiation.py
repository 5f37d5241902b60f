"""The request headers that shape an answer: Range, If-None-Match, If-Range, Accept-Encoding (RFC 9110).

Pure reading of header text; does not know blobs. Each blob's entity tag is its digest, strong and for ever.
"""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=\s*([0-9]{0,20})\s*-\s*([0-9]{0,20})\s*", re.IGNORECASE)


def etag(digest: str) -> str:
    """The entity tag of these bytes."""
    return f'"{digest}"'


def none_match(header: str | None, tag: str) -> bool:
    """True when ``If-None-Match`` names the tag (weak comparison), so that 304 is the answer."""
    if header is None:
        return False
    names = {name.strip().removeprefix("W/") for name in header.split(",")}
    return "*" in names or tag in names


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes ``start`` up to and without ``end`` of a blob of known size."""

    start: int
    end: int


class Unsatisfiable(Exception):
    """The range lies outside: 416."""


def parse_range(header: str | None, if_range: str | None, tag: str, size: int) -> Span | None:
    """The one range asked for; None when the whole is to be sent.

    A malformed header, several ranges and a stale ``If-Range`` mean the whole (RFC 9110, 14.2 and 13.1.5).
    Raises ``Unsatisfiable``.
    """
    match = _RANGE.fullmatch(header) if header else None
    if match is None or not (match[1] or match[2]) or (if_range is not None and if_range.strip() != tag):
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        if not length:
            raise Unsatisfiable
        return Span(size - length, size)
    start, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
    if match[2] and int(match[2]) < start:
        return None
    if start >= size:
        raise Unsatisfiable
    return Span(start, end)


ENCODINGS = ("zstd", "gzip", "identity")
"""What we can send, dearest to us first."""


def choose_encoding(header: str | None) -> str:
    """The best encoding the caller accepts; ``identity`` where nothing fits (RFC 9110, 12.5.3)."""
    weights: dict[str, float] = {}
    for part in (header or "").split(","):
        name, _, parameter = part.partition(";")
        weights[name.strip().lower()] = _weight(parameter)
    other = weights.get("*", 0.0)

    def weight(name: str) -> float:
        return weights.get(name, other if name != "identity" or other else 0.001)

    best = max(ENCODINGS, key=weight)
    return best if weight(best) > 0 else "identity"


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if not parameter.strip():
        return 1.0
    try:
        weight = float(value) if name.strip().lower() == "q" else 0.0
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
