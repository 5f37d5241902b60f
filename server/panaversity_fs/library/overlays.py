"""One user's overlay over a book: what it holds, which names may join it, and what that user sees (FR-015..019, R5).

Knows the rules of layering: the overlay first, else the base; names judged against both; nothing of any other user.
Does not know manifests, plans or archives, which are the base's alone, nor who may use which overlay (the doors do).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from panaversity_fs.core.changes import Changeset, Verdict
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import InvalidArgument, SchemaViolation
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.paths import BASE, NameIndex, require_user_id
from panaversity_fs.library.answers import FileEntry
from panaversity_fs.library.views import BookView, Held, source_of
from panaversity_fs.store.books import BookRow
from panaversity_fs.store.database import Connection
from panaversity_fs.store.journal import JournalRow, entries_below, find_layers, living


@dataclass(frozen=True)
class Overlay:
    """All living entries of one user's overlay: path → digest and size."""

    entries: Mapping[str, Held]

    @cached_property
    def digests_by_path(self) -> dict[str, Digest]:
        return {path: held.digest for path, held in self.entries.items()}

    @cached_property
    def sizes(self) -> dict[Digest, int]:
        """Size of every digest the overlay names: what its user may name without bytes, beside the base's (S14)."""
        return {held.digest: held.size for held in self.entries.values()}


def require_namespace(user_id: str, operation: str) -> str:
    """The user id itself when it is the base's or one a caller may use. Raises ``InvalidArgument`` (S12)."""
    return user_id if user_id == BASE else require_user_id(user_id, operation)


def judge_namespace(changeset: Changeset) -> None:
    """An overlay bears a usable id and changes files only. Raises ``InvalidArgument`` for a setting of the book."""
    if require_namespace(changeset.user_id, changeset.operation) == BASE:
        return
    for name in ("schema", "numbering", "ingest_manifest"):
        if getattr(changeset, name) is not None:
            raise InvalidArgument(
                changeset.operation, name, "belongs to the book, not to an overlay", f"Leave out {name} or user_id",
                name=name,
            )  # fmt: skip


async def load_overlay(connection: Connection, book_id: str, user_id: str) -> Overlay:
    """One user's overlay as this transaction sees it."""
    found = await living(connection, book_id, user_id)
    return Overlay({path: Held(digest, size) for path, digest, size in found})


def name_clashes(
    base: BookView, own: Overlay, verdicts: Sequence[Verdict], numbering: Numbering | None, verb: str
) -> list[SchemaViolation]:
    """Why new paths cannot join the overlay: they meet another name of the base or of the overlay (FR-018, F45).

    The same path in the base is no clash, it is what an overlay is for. The base's index is looked into, not copied;
    names that came to the base later are the base's affair and do not spoil what the overlay holds (FR-019).
    """
    joining = [v.operation.path for v in verdicts if v.mode == "created"]
    if not joining:
        return []
    gone = {v.operation.path for v in verdicts if v.mode == "deleted"}
    names = NameIndex.of(source_of(path, numbering) for path in own.entries if path not in gone)
    clashes = []
    for path in joining:
        source = source_of(path, numbering)
        clash = names.add(source) or (None if path in base.entries else base.names.clash(source))
        if clash:
            clashes.append(
                SchemaViolation(verb, path, clash, "Give one of the two another name", path=path, reason=clash)
            )
    return clashes


def seen(layers: Mapping[str, JournalRow], user_id: str, book: BookRow) -> FileEntry | None:
    """What this user sees of one path, given its rows by namespace, tombstones included: overlay, else base, else None.

    An overlay entry is orphaned when the base held the path once and no longer does.
    """
    base, own = layers.get(BASE), layers.get(user_id)
    row = own if own is not None and not own.deleted else base
    if row is None or row.deleted:
        return None
    of_overlay = row.user_id != BASE
    return FileEntry(
        row.path, source_of(row.path, book.numbering), row.sha256, row.size, row.revision, row.last_written_at,
        row.storage_backend, row.agent_id, "overlay" if of_overlay else "base",
        orphaned=of_overlay and base is not None and base.deleted,
    )  # fmt: skip


async def find_seen(connection: Connection, book: BookRow, path: str, user_id: str) -> FileEntry | None:
    """What this user sees at a path, in one indexed query whoever asks."""
    return seen(await find_layers(connection, book.book_id, path, user_id), user_id, book)


async def all_seen(connection: Connection, book: BookRow, prefix: str, user_id: str) -> list[FileEntry]:
    """Everything this user sees whose path begins with ``prefix``, sorted by path."""
    if user_id == BASE:
        rows = await entries_below(connection, book.book_id, prefix)
    else:
        rows = await entries_below(connection, book.book_id, prefix, tombstones=True)
        rows += await entries_below(connection, book.book_id, prefix, user_id)
    layers: dict[str, dict[str, JournalRow]] = {}
    for row in rows:
        layers.setdefault(row.path, {})[row.user_id] = row
    found = (seen(of_path, user_id, book) for _, of_path in sorted(layers.items()))
    return [entry for entry in found if entry is not None]
