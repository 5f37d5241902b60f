"""What two versions of one file differ in: lines of text, or the reason why there are none to show.

PURE: bytes in, values out. Bytes are never changed: a carriage return is a part of its line, a missing last line end
is said. Knows one file; does not know where its bytes come from.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from panaversity_fs.core.mapping import KIND_OF_EXTENSION, extension
from panaversity_fs.core.textdiff import TextDiff, unified

LARGEST: Final = 1024 * 1024
"""Bytes of a version that is compared line by line; a bigger one is called large."""
Kind = Literal["text", "binary", "large", "missing", "same"]
_NONE = TextDiff("", 0, 0, False)
_DRAWN_IN_TEXT = frozenset({"svg"})


@dataclass(frozen=True, slots=True)
class FileDifference:
    """How one path changed. ``kind`` is ``same`` for a rename, ``missing`` where bytes cannot be had.

    ``diff`` is empty but for ``text``. ``line_ends`` says that the texts are alike but for CR before LF.
    """

    kind: Kind
    diff: TextDiff = _NONE
    line_ends: bool = False

    def to_json(self) -> dict[str, Any]:
        """The machine format, to be joined with that of the change."""
        shown = {} if self.kind != "text" else {"diff": self.diff.text, "diff_truncated": self.diff.truncated}
        counts = {} if self.kind != "text" else {"lines_added": self.diff.added, "lines_removed": self.diff.removed}
        return {"content": self.kind, **counts, **({"line_ends_only": True} if self.line_ends else {}), **shown}


def is_binary_name(path: str) -> bool:
    """True for images, slides, videos and sound: their bytes need not be fetched to know that they are no text."""
    ending = extension(path.rpartition("/")[2])
    return ending in KIND_OF_EXTENSION and ending not in _DRAWN_IN_TEXT


def file_difference(old: bytes | None, new: bytes | None, old_name: str | None, new_name: str | None) -> FileDifference:
    """Compare two versions; None bytes stand for a version that is not there, and so do None names in the labels."""
    if max(len(old or b""), len(new or b"")) > LARGEST:
        return FileDifference("large")
    before, after = _text(old), _text(new)
    if before is None or after is None:
        return FileDifference("binary")
    labels = (f"a/{old_name}" if old_name else "/dev/null", f"b/{new_name}" if new_name else "/dev/null")
    alike = old is not None and new is not None and old.replace(b"\r\n", b"\n") == new.replace(b"\r\n", b"\n")
    return FileDifference("text", unified(before, after, *labels), alike)


def _text(data: bytes | None) -> str | None:
    """The text, or None for what is none: NUL is in no text, and the rest must be UTF-8."""
    if data is None:
        return ""
    try:
        return None if b"\0" in data else data.decode("utf-8")
    except UnicodeDecodeError:
        return None
