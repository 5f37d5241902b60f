"""What buildah itself says after a failed program, taken off the end of that program's output.

Pure. The exit status tells the same, and it is what decides.
"""

import re

_MARK = b"subprocess exited with status "
_WHOLE = re.compile(rb"(?:subprocess exited with status \d+\n?)+(?:Error: exit status \d+\n?)?\Z")
_LONGEST = 200


class Chatter:
    """Bytes in, bytes out; only what could be such words is held back, until the end shows what it was."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What can be shown now."""
        self._held += data
        found = self._held.find(_MARK)
        while 0 <= found < len(self._held) - _LONGEST:  # too far from the end to be buildah's
            found = self._held.find(_MARK, found + 1)
        cut = len(self._held) - _begun(self._held) if found < 0 else found
        shown, self._held = self._held[:cut], self._held[cut:]
        return shown

    def rest(self) -> bytes:
        """What was held back and is the program's own."""
        shown, self._held = _WHOLE.sub(b"", self._held), b""
        return shown


def _begun(data: bytes) -> int:
    """How many bytes at the end may be the begin of such words."""
    numbers = range(min(len(data), len(_MARK)), 0, -1)
    return next((number for number in numbers if data.endswith(_MARK[:number])), 0)
