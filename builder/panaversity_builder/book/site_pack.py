"""A built site as one stream of bytes, and a folder made of such a stream (S23).

The stream is a pack: ``tree.json`` (path, digest and size of every file, sorted), then every distinct file once, under
its digest, in the order of the list. Equal folders give equal streams. Whoever unpacks believes nothing: the list must
hash to the folder digest that was promised before a byte is written, each file to its digest, and no name leads out of
the folder; a member's name is never a path. Knows folders and packs; does not know servers, keys or compression.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass

from panaversity_builder.book.trees import marks_digest, tree_marks
from panaversity_builder.client.packs import member_bytes
from panaversity_builder.client.site_cache import OPERATION, wrong
from panaversity_builder.durable import write_all
from panaversity_fs.core import pack
from panaversity_fs.core.digest import Digest, is_digest

LIST_MEMBER = "tree.json"
FORMAT = 1
MOST_FILES = 100_000
LONGEST_LIST = 32 * 1024 * 1024
LARGEST_SITE = 8 * 1024**3
"""Bytes of a whole site unpacked."""
_PIECE = 1024 * 1024


class NotShareable(Exception):
    """This folder cannot be sent as it is; the text says why, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class SiteFile:
    """One file of a site: its path below the folder, with slashes, its digest and its size in bytes."""

    path: str
    digest: Digest
    size: int


def pack_site(folder: str, output: str) -> Iterator[bytes]:
    """The folder as a stream. Raises ``NotShareable`` when it is not the one whose digest is ``output`` (any more), or
    holds what no stream may hold; ``OSError``."""
    files = _listed(folder, output)
    rows = [[file.path, file.digest, file.size] for file in files]
    document = json.dumps({"format": FORMAT, "files": rows}, ensure_ascii=False, separators=(",", ":"))
    yield pack.member(LIST_MEMBER, document.encode())
    for digest, file in _distinct(files).items():
        yield pack.header(digest, file.size)
        yield from _bytes(os.path.join(folder, file.path), file)
        yield pack.padding(file.size)
    yield pack.END


def _listed(folder: str, output: str) -> list[SiteFile]:
    marks = tree_marks(folder)
    if marks_digest(marks) != output:
        raise NotShareable("it changed after it was built")
    files = []
    for path, mark in sorted(marks.items()):
        kind, _, digest = mark.partition(" ")
        if kind != "file":
            raise NotShareable(f"it holds a symbolic link ({path})")
        files.append(SiteFile(path, Digest(digest), os.lstat(os.path.join(folder, path)).st_size))
    if problem := fault_of(files):
        raise NotShareable(problem)
    return files


def _distinct(files: list[SiteFile]) -> dict[Digest, SiteFile]:
    first: dict[Digest, SiteFile] = {}
    for file in files:
        first.setdefault(file.digest, file)
    return first


def _bytes(path: str, file: SiteFile) -> Iterator[bytes]:
    """The file's bytes, which must still be those of the list."""
    digest, left = hashlib.sha256(), file.size
    with open(path, "rb", buffering=0) as source:
        while left and (piece := source.read(min(_PIECE, left))):
            digest.update(piece)
            left -= len(piece)
            yield piece
        if left or source.read(1) or digest.hexdigest() != file.digest:
            raise NotShareable("it changed while it was sent")


def unpack_site(chunks: Iterator[bytes], folder: str, output: str) -> None:
    """Fill a folder, which is made here, with the site whose digest is ``output``.

    Raises ``HashMismatch`` for any other stream, what ``chunks`` raises, and ``OSError``; then the folder holds a part
    of it and is to be thrown away.
    """
    reader = pack.PackReader(MOST_FILES + 1, OPERATION)
    events = (event for chunk in chunks for event in reader.feed(chunk))
    files = _read_list(events, output)
    _require_room(folder, sum(file.size for file in files))
    os.mkdir(folder)
    first = _distinct(files)
    for digest, file in first.items():
        begin = next(events, None)
        if begin != pack.Begin(digest, file.size):
            raise wrong("a file of its list does not come in its place")
        _receive(events, os.path.join(folder, file.path), file)
    for file in files:
        if first[file.digest] is not file:
            _copy(os.path.join(folder, first[file.digest].path), os.path.join(folder, file.path))
    if next(events, None) is not None:
        raise wrong("more comes than its list names")
    reader.close()


def _read_list(events: Iterator[pack.Event], output: str) -> list[SiteFile]:
    """The list of files, which must be that of the promised folder. Raises ``HashMismatch``."""
    begin = next(events, None)
    if not isinstance(begin, pack.Begin) or begin.name != LIST_MEMBER or begin.size > LONGEST_LIST:
        raise wrong("it does not begin with its list of files")
    data = b"".join(_member(events))
    try:
        body = json.loads(data)
        if body["format"] != FORMAT:
            raise wrong("its format is not known here")
        files = [SiteFile(path, digest, size) for path, digest, size in body["files"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise wrong("its list of files is malformed") from None
    if problem := fault_of(files):
        raise wrong(problem)
    if marks_digest({file.path: f"file {file.digest}" for file in files}) != output:
        raise wrong("its list of files has another digest")
    return files


def fault_of(files: list[SiteFile]) -> str:
    """Why this list cannot be a site's, or nothing: forms, bounds, and names that would leave the folder or meet."""
    if len(files) > MOST_FILES:
        return f"it holds more than {MOST_FILES} files"
    sizes: dict[str, int] = {}
    paths: set[str] = set()
    for file in files:
        if not (_is_name(file.path) and is_digest(file.digest) and _is_size(file.size)):
            return "it holds a file whose name or size is not allowed"
        if file.path in paths or sizes.setdefault(file.digest, file.size) != file.size:
            return "a file comes twice in its list"
        paths.add(file.path)
    if any(folder in paths for path in paths for folder in _folders(path)):
        return "a file of its list is a folder too"
    if sum(file.size for file in files) > LARGEST_SITE:
        return f"it holds more than {LARGEST_SITE} bytes"
    return ""


def _is_size(size: object) -> bool:
    return isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= LARGEST_SITE


def _is_name(path: object) -> bool:
    """True for a relative path of plain segments in UTF-8."""
    if not isinstance(path, str) or len(path) > 4000 or "\0" in path or "\\" in path:
        return False
    try:
        segments = path.encode().split(b"/")
    except UnicodeEncodeError:
        return False
    return all(segment not in (b"", b".", b"..") and len(segment) <= 255 for segment in segments)


def _folders(path: str) -> Iterator[str]:
    end = path.rfind("/")
    while end != -1:
        yield path[:end]
        end = path.rfind("/", 0, end)


def _require_room(folder: str, size: int) -> None:
    found = os.statvfs(os.path.dirname(folder))
    if size > found.f_bavail * found.f_frsize:
        raise OSError(28, f"no room for {size} bytes", folder)


def _member(events: Iterator[pack.Event]) -> Iterator[bytes]:
    return member_bytes(events, lambda: wrong("it ends early"))


def _receive(events: Iterator[pack.Event], path: str, file: SiteFile) -> None:
    digest = hashlib.sha256()
    target = _create(path)
    try:
        for piece in _member(events):
            digest.update(piece)
            write_all(target, piece)
    finally:
        os.close(target)
    if digest.hexdigest() != file.digest:
        raise wrong("a file has another digest than its list says")


def _copy(source: str, path: str) -> None:
    target = _create(path)
    try:
        with open(source, "rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                write_all(target, piece)
    finally:
        os.close(target)


def _create(path: str) -> int:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
