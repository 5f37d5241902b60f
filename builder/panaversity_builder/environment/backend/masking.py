"""Secrets' values out of a stream of bytes, wherever the pieces it comes in are cut.

Pure. Does not know where a stream comes from, nor secrets that a program wrote down in another form than their own.
"""

import re
from collections.abc import Iterable

MASK = b"***"
SHORTEST_LINE = 4
"""A single line of a secret is hidden too, from this many bytes on: ``}`` alone says nothing."""


class Masker:
    """Bytes in, bytes out, each value replaced by ``***``.

    As many bytes are held back as a value might still need to show itself; ``rest`` gives them up at the end.
    """

    def __init__(self, secrets: Iterable[bytes]) -> None:
        values = sorted(_forms(secrets), key=lambda value: (-len(value), value))
        self._pattern = re.compile(b"|".join(map(re.escape, values))) if values else None
        self._margin = len(values[0]) - 1 if values else 0
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What can be shown now of everything that was fed."""
        if self._pattern is None:
            return data
        self._held += data
        return self._give(len(self._held) - self._margin)

    def rest(self) -> bytes:
        """What was held back; nothing follows."""
        return self._give(len(self._held))

    def _give(self, sure: int) -> bytes:
        """Everything before the position ``sure``, and a value that begins there to its end."""
        if sure <= 0:
            return b""
        shown, position = [], 0
        for found in self._pattern.finditer(self._held) if self._pattern else ():
            if found.start() >= sure:
                break
            shown += [self._held[position : found.start()], MASK]
            position = found.end()
        cut = max(position, sure)
        shown.append(self._held[position:cut])
        self._held = self._held[cut:]
        return b"".join(shown)


def masked(data: bytes, secrets: Iterable[bytes]) -> bytes:
    """The same for bytes that are all there."""
    masker = Masker(secrets)
    return masker.feed(data) + masker.rest()


def _forms(secrets: Iterable[bytes]) -> set[bytes]:
    """Each value as it is, without white space around it, and its lines."""
    forms: set[bytes] = set()
    for value in secrets:
        forms |= {value, value.strip()}
        forms |= {line.strip() for line in value.splitlines() if len(line.strip()) >= SHORTEST_LINE}
    return forms - {b""}
