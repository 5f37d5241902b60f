"""The bytes behind a comparison, a few files at a time: from the hydrated folder where they are what the manifest says,
else from a server, by digest, through the manifest that names them.

Every byte is hashed before it is believed. Knows places and the seam; does not know how differences are shown.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from panaversity_builder.book.compare.comparison import Change, Comparison
from panaversity_builder.book.compare.differences import LARGEST, FileDifference, file_difference, is_binary_name
from panaversity_builder.book.compare.operands import BookOnServer, HydratedFolder, Operand
from panaversity_builder.book.hydrate.folder import Changed, Folder
from panaversity_fs.core.digest import EMPTY, Digest, digest_of, short
from panaversity_fs.core.errors import BookGone, HashMismatch, NotFound
from panaversity_fs.core.mapping import decode

BATCH: Final = 32
"""Changes whose bytes are held at once: at most twice as many files of ``LARGEST`` bytes."""
_TOO_LARGE: Final = b"\0" * (LARGEST + 1)
"""Stands for a file that is not read; it is as large as it has to be to be called so."""

Bytes = dict[Digest, bytes]


def differences(
    comparison: Comparison, fallback: Callable[[], BookOnServer | None]
) -> Iterator[tuple[Change, FileDifference]]:
    """Every change with what its file differs in, in order. Requests: at most two for each ``BATCH`` changes.

    ``fallback`` is a server to ask when no place of an operand has the bytes. Raises what the server refuses.
    """
    for start in range(0, len(comparison.changes), BATCH):
        some = comparison.changes[start : start + BATCH]
        held = _bytes_of(comparison, some, fallback)
        for change in some:
            yield change, _difference(change, held)


def _difference(change: Change, held: Mapping[Digest, bytes]) -> FileDifference:
    if change.status == "R":
        return FileDifference("same")
    if is_binary_name(change.path):
        return FileDifference("binary")
    if any(digest is not None and digest not in held for digest in (change.before, change.after)):
        return FileDifference("missing")
    old = None if change.before is None else held[change.before]
    new = None if change.after is None else held[change.after]
    return file_difference(old, new, change.before and change.path, change.after and change.path)


def _bytes_of(comparison: Comparison, changes: Sequence[Change], fallback: Callable[[], BookOnServer | None]) -> Bytes:
    texts = [change for change in changes if change.status != "R" and not is_binary_name(change.path)]
    old = {change.path: change.before for change in texts if change.before is not None}
    new = {change.path: change.after for change in texts if change.after is not None}
    held: Bytes = {EMPTY: b""}
    for operand, wanted in ((comparison.a, old), (comparison.b, new)):
        if isinstance(operand.place, HydratedFolder):
            held |= _read(operand.place, wanted)
    for operand, wanted in ((comparison.a, old), (comparison.b, new)):
        if isinstance(operand.place, BookOnServer):
            _fetch(operand.place, operand, wanted, held)
    for operand, wanted in ((comparison.a, old), (comparison.b, new)):
        elsewhere = not isinstance(operand.place, BookOnServer) and set(wanted.values()) - held.keys()
        if elsewhere and (book := fallback()) is not None:
            _fetch(book, operand, wanted, held)
    return held


def _read(place: HydratedFolder, wanted: Mapping[str, Digest]) -> Bytes:
    """What the folder still holds of these; an edited, missing or unreadable file is simply not there."""
    held: Bytes = {}
    with contextlib.suppress(OSError), Folder.open(place.path) as folder:
        for path, digest in wanted.items():
            name = path if place.tree == "storage" else decode(path, place.numbering)
            with contextlib.suppress(Changed, OSError):
                if name is not None and (data := _file(folder, name, digest)) is not None:
                    held[digest] = data
    return held


def _file(folder: Folder, name: str, digest: Digest) -> bytes | None:
    """The bytes of a file that has this digest, else None."""
    with folder.reading(name) as number, open(number, "rb", closefd=False) as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        return _TOO_LARGE if folder.digest(name)[0] == digest else None
    return data if digest_of(data) == digest else None


def _fetch(book: BookOnServer, operand: Operand, wanted: Mapping[str, Digest], held: Bytes) -> None:
    """Add what the server has of these; a manifest it does not know, or knows as text only, names nothing there."""
    with contextlib.suppress(NotFound, BookGone):
        for attempt in book.server.attempts():
            with attempt:
                left = sorted({digest for digest in wanted.values() if digest not in held})
                if left:
                    _receive(book, operand.manifest_hash, left, held)
                return


def _receive(book: BookOnServer, manifest: Digest, digests: Sequence[Digest], held: Bytes) -> None:
    for digest, size, chunks in book.server.fetch_pack(book.book_id, manifest, digests):
        if size > LARGEST:
            held[digest] = _TOO_LARGE
            continue
        data = b"".join(chunks)
        if digest_of(data) != digest:
            raise HashMismatch("manifest", short(digest), "the server sent other bytes under this digest", "Try again")
        held[digest] = data
