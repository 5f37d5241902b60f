"""The revisions of a book, newest first, as its server tells them (``manifest log``).

Asks the tool ``history`` page by page and judges every field: who reads them trusts no server. Does not know
terminals.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from panaversity_builder.client import Server
from panaversity_builder.client.answers import malformed
from panaversity_builder.judged import a_count, a_digest_or_none, a_text
from panaversity_fs.core.digest import Digest

PAGE: Final = 100
"""Revisions a server answers at once."""
_TOOL: Final = "history"


@dataclass(frozen=True, slots=True)
class Revision:
    """One commit that changed the base of a book. ``when`` is ISO 8601 with its zone.

    ``bytes_written`` is the size of what the changed files hold since, ``bytes_replaced`` of what they held before;
    None where the server no longer knows. ``manifest_hash`` is None where nobody was told it. ``complete`` is False
    where a part of the audit log was pruned, so that more may have changed.
    """

    revision: int
    when: str
    agent: str
    operation: str
    added: int
    modified: int
    deleted: int
    settings_changed: bool
    bytes_written: int | None
    bytes_replaced: int | None
    manifest_hash: Digest | None
    complete: bool


@dataclass(frozen=True, slots=True)
class Log:
    """Some revisions of one book; ``cursor`` leads to the older ones, None when there are none."""

    book_id: str
    revisions: tuple[Revision, ...]
    cursor: str | None

    def to_json(self) -> dict[str, Any]:
        """The machine format of ``manifest log``."""
        return {
            "schema_version": 1,
            "book_id": self.book_id,
            "revisions": [asdict(one) for one in self.revisions],
            "next_cursor": self.cursor,
        }


def read_log(server: Server, book_id: str, limit: int, cursor: str | None = None) -> Log:
    """The ``limit`` newest revisions, or those that follow where ``cursor`` points; one request for each ``PAGE``.

    Raises ``NotFound`` for a book nobody created, ``Unavailable`` for an answer that is none.
    """
    found: list[Revision] = []
    while True:
        asked = {"book_id": book_id, "max_results": min(limit - len(found), PAGE)}
        page, cursor = _page(server.call(_TOOL, asked | ({"cursor": cursor} if cursor else {})))
        found += page
        if cursor is None or not page or len(found) >= limit:
            return Log(book_id, tuple(found), cursor)


def _page(body: Mapping[str, object]) -> tuple[list[Revision], str | None]:
    try:
        entries, cursor = body["entries"], body["next_cursor"]
        if not isinstance(entries, list) or not isinstance(cursor, str | None):
            raise TypeError("no page")
        return [_revision(entry) for entry in entries], cursor
    except (KeyError, TypeError, ValueError) as fault:
        raise malformed("manifest log", _TOOL, fault) from fault


def _revision(entry: Mapping[str, Any]) -> Revision:
    return Revision(
        revision=a_count(entry["revision"]),
        when=a_text(entry["timestamp"]),
        agent=a_text(entry["agent_id"]),
        operation=a_text(entry["operation"]),
        added=a_count(entry["added"]),
        modified=a_count(entry["modified"]),
        deleted=a_count(entry["deleted"]),
        settings_changed=entry["settings_changed"] is True,
        bytes_written=_size(entry["bytes_written"]),
        bytes_replaced=_size(entry["bytes_replaced"]),
        manifest_hash=a_digest_or_none(entry["manifest_hash"]),
        complete=entry["complete"] is True,
    )


def _size(value: object) -> int | None:
    return None if value is None else a_count(value)
