"""Changing a part of a text without touching the rest: one replacement, or something put at its end.

Works on bytes that are UTF-8 and answers bytes; what stands outside the change is never decoded and encoded again, so
byte order marks, CRLF and a missing final newline survive (D8). Does not know files, hashes or who asks.
"""

from panaversity_fs.core.digest import short

_COUNTED = 100
"""Occurrences are counted up to here; nobody needs the exact number of more."""


class Misfit(ValueError):
    """The old text does not name one place; ``count`` says how many it names (``_COUNTED`` + 1: more than that)."""

    def __init__(self, count: int) -> None:
        many = f"more than {_COUNTED}" if count > _COUNTED else str(count)
        super().__init__(f"occurs {many} times" if count else "does not occur")
        self.count = count


def is_text(data: bytes) -> bool:
    """True for valid UTF-8."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def occurrences(data: bytes, part: bytes) -> int:
    """At how many places ``part`` begins, overlapping ones included, counted up to one above ``_COUNTED``."""
    count, at = 0, data.find(part)
    while at != -1 and count <= _COUNTED:
        count += 1
        at = data.find(part, at + 1)
    return count


def in_the_style_of(data: bytes, added: bytes) -> bytes:
    """``added`` with the line ends of ``data``: where every line there ends in CRLF, a bare LF becomes one.

    Callers read such a text and answer with LF, as language models do; taken literally, an old text of several lines
    would never be found and a new one would leave mixed line ends behind.
    """
    if b"\r\n" not in data or data.count(b"\n") != data.count(b"\r\n"):
        return added
    return added.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def replace_once(data: bytes, old: bytes, new: bytes) -> bytes:
    """``data`` with the one place that holds ``old`` holding ``new`` instead.

    Line ends follow the text's own (see ``in_the_style_of``). Raises ``Misfit`` unless there is exactly one place.
    """
    old, new = in_the_style_of(data, old), in_the_style_of(data, new)
    count = occurrences(data, old) if old else 0
    if count != 1:
        raise Misfit(count)
    before, _, after = data.partition(old)
    return before + new + after


def append(data: bytes, added: bytes) -> bytes:
    """``data`` followed by ``added``, whose line ends follow the text's own. Nothing is put in between."""
    return data + in_the_style_of(data, added)


def label(path: str, digest: str | None) -> str:
    """How a version is named in the head of a diff."""
    return f"{path} ({short(digest)})" if digest else "/dev/null"
