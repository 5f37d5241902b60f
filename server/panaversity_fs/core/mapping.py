"""Source path ↔ book path, one path at a time: the bijection of DESIGN 4.

A source path is what the author sees (``Part-01/Chapter-02/img/d.png``), a book path what the store keeps
(``static/img/01-Part/02-Chapter/d.png``). Knows one path and the book's numbering; does not know trees, disks or
which names are ignored (that is the builder's ``book.mapping``).
"""

import re
from enum import StrEnum
from functools import lru_cache

ASSET_KINDS = ("img", "slides", "videos", "audio")
DIRECT = "@"
"""The folder that marks an asset lying directly in its folder; no source folder may bear this name."""
_IN_DIRECT = f"/{DIRECT}/"

_TABLE = {
    "img": "png jpg jpeg gif webp avif svg ico bmp tif tiff apng heic",
    "slides": "pdf ppt pptx key odp",
    "videos": "mp4 webm mov m4v avi mkv ogv",
    "audio": "mp3 wav ogg oga m4a flac aac opus",
}
KIND_OF_EXTENSION = {extension: kind for kind, names in _TABLE.items() for extension in names.split()}

_LEADING = re.compile(r"([0-9]{2})-(.+)", re.DOTALL)
_TRAILING = re.compile(r"(.+)-([0-9]{2})", re.DOTALL)
_UNSWAPPABLE = re.compile(r"[0-9]{2}|[0-9]{2}-.*|.*-[0-9]{2}", re.DOTALL)
_CATEGORY = re.compile(r"_category_\.(json|yml|yaml)", re.IGNORECASE)


class Numbering(StrEnum):
    """How folders are named in the source of one book."""

    NUMBER_NAME = "number-name"
    NAME_NUMBER = "name-number"


@lru_cache(maxsize=4096)  # a book's folders repeat with every file in them
def swap(folder: str) -> str:
    """``NN-X`` ↔ ``X-NN`` where X itself carries no such number; anything else unchanged. An involution."""
    if (match := _LEADING.fullmatch(folder)) and not _UNSWAPPABLE.fullmatch(match[2]):
        return f"{match[2]}-{match[1]}"
    if (match := _TRAILING.fullmatch(folder)) and not _UNSWAPPABLE.fullmatch(match[1]):
        return f"{match[2]}-{match[1]}"
    return folder


def _folders(segments: list[str], numbering: Numbering | None) -> list[str]:
    return [swap(s) for s in segments] if numbering is Numbering.NAME_NUMBER else segments


def extension(name: str) -> str:
    """The lower-case extension without its dot, or the empty text."""
    stem, dot, last = name.rpartition(".")
    return last.lower() if dot and stem else ""


def is_lesson(name: str) -> bool:
    """True for what Docusaurus reads as content or category: Markdown, MDX, ``_category_`` files (rule 2a)."""
    return extension(name) in ("md", "mdx") or _CATEGORY.fullmatch(name) is not None


def encode(source: str, numbering: Numbering | None) -> str | None:
    """The book path of a source path that passed the grammar; None when a folder bears the reserved name ``@``."""
    *folders, name = source.split("/")
    if DIRECT in folders:
        return None
    swapped = _folders(folders, numbering)
    if is_lesson(name):
        return "/".join(["content", *swapped, name])
    if folders and folders[-1] in ASSET_KINDS:
        return "/".join(["static", folders[-1], *swapped[:-1], name])
    if kind := KIND_OF_EXTENSION.get(extension(name)):
        return "/".join(["static", kind, *swapped, DIRECT, name])
    return "/".join(["content", *swapped, name])


def decode(book_path: str, numbering: Numbering | None) -> str | None:
    """The source path of a book path; None when it lies outside ``content/`` and ``static/{kind}/``."""
    top, *rest = book_path.split("/")
    if top == "content" and rest:
        return "/".join([*_folders(rest[:-1], numbering), rest[-1]])
    if top != "static" or len(rest) < 2 or rest[0] not in ASSET_KINDS:
        return None
    kind, *folders, name = rest
    if folders and folders[-1] == DIRECT:
        return "/".join([*_folders(folders[:-1], numbering), name])
    return "/".join([*_folders(folders, numbering), kind, name])


def legal_source(book_path: str, numbering: Numbering | None) -> str | None:
    """The source path of a book path that is kept where it says; None for one that decoding and encoding move.

    Most paths of a book are lessons whose folders keep their names: those are seen at a glance, because a book of a
    hundred thousand is judged whole on every plan.
    """
    if (
        numbering is not Numbering.NAME_NUMBER
        and book_path.startswith("content/")
        and book_path.endswith(".md")
        and _IN_DIRECT not in book_path
        and not book_path.endswith("/.md")
    ):
        return book_path[len("content/") :]
    source = decode(book_path, numbering)
    return source if source is not None and encode(source, numbering) == book_path else None


def canonical(book_path: str, numbering: Numbering | None) -> str | None:
    """Where this book path's source path is really kept; equal to ``book_path`` exactly when that is legal."""
    source = decode(book_path, numbering)
    return None if source is None else encode(source, numbering)
