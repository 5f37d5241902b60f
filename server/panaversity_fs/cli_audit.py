"""``panaversity-fs audit verify | prune``: looking after the audit log from the command line.

Knows flags, sentences and exit statuses; judging and pruning are the library's. Each command opens the store itself.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from panaversity_fs.cli_care import Duration, open_store, say

if TYPE_CHECKING:
    from panaversity_fs.library import Library
    from panaversity_fs.library.auditing import AuditReport

_LEAST = timedelta(days=30)
"""Of what is younger gc still keeps the bytes by its entry, and manifests that were told may lie before it."""
_STORE = click.option(
    "--store", type=click.Path(file_okay=False), help="The store's folder; else the environment says."
)


@click.group()
def audit() -> None:
    """Look after the audit log."""


@audit.command("verify")
@click.argument("book_id", metavar="BOOK")
@click.option("--since", metavar="FILE|JSON", help="A checkpoint kept elsewhere; the log has to continue it.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to answer [text].")
@_STORE
def audit_verify(book_id: str, since: str | None, form: str, store: str | None) -> int:
    """Check a book's audit log where it is stored, no server needed. Status 13: it was tampered with.

    A log that was rewritten or cut as a whole shows only against a checkpoint that was kept elsewhere.
    """
    from panaversity_fs.api.audit_forms import checkpoint_from, report_fields, verdict
    from panaversity_fs.core.errors import ChainBroken

    seen = checkpoint_from(_text(since), book_id, "audit verify") if since else None

    async def judge() -> "AuditReport":
        async with open_store(store, "audit verify", read_only=True) as library:
            return await library.verify_audit(book_id, seen)

    report = asyncio.run(judge())
    click.echo(json.dumps(report_fields(report)) if form == "json" else f"{book_id}: {verdict(report)}")
    return 0 if report.valid else ChainBroken.exit_status


def _text(since: str) -> str:
    """The JSON itself, or that of a file."""
    if since.lstrip().startswith("{"):
        return since
    try:
        with open(since, encoding="utf-8") as file:
            return file.read(1 << 20)
    except (OSError, UnicodeDecodeError) as fault:
        raise click.UsageError(f"--since: {fault}") from fault


@audit.command("prune")
@click.option("--book", "book_id", help="This book only.")
@click.option(
    "--keep", type=Duration(), help="How long entries keep their particulars, for example 365d; 30d at least."
)
@click.option("--before", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]), help="Or: the first day that stays.")
@click.option("--yes", is_flag=True, help="Really do it; without it nothing is changed.")
@click.option("--agent", default="operator", show_default=True, help="Whom the audit log names.")
@_STORE
def audit_prune(
    book_id: str | None, keep: timedelta | None, before: datetime | None, yes: bool, agent: str, store: str | None
) -> None:
    """Let the particulars of old audit entries go: who, what, when, which path. Dry unless --yes.

    Their hashes stay, so the log verifies and every checkpoint taken before still does; the last change of what is
    there now stays as it is; and an entry tells how far was pruned. Works beside a running server. Status 13: a log
    that was tampered with is not pruned.
    """
    moment = _moment(keep, before)

    async def work() -> int:
        async with open_store(store, "audit prune") as library:
            return await _prune(library, moment, agent, yes, book_id)

    gone = asyncio.run(work())
    click.echo(f"audit prune: {gone} entries {'pruned' if yes else 'would be pruned (say --yes)'}", err=True)


async def _prune(library: "Library", moment: datetime, agent: str, yes: bool, book_id: str | None) -> int:
    gone = 0
    async for done in library.prune_audit(moment, agent, really=yes, book_id=book_id):
        say({"book": done.book_id, "incarnation": done.incarnation, "upto": done.upto, "removed": done.removed})
        gone += done.removed
    return gone


def _moment(keep: timedelta | None, before: datetime | None) -> datetime:
    """The time from which entries stay. Raises a usage error for less than 30 days, both flags or none."""
    if (keep is None) == (before is None):
        raise click.UsageError("give --keep or --before")
    now = datetime.now(UTC)
    moment = now - keep if keep is not None else before.replace(tzinfo=UTC) if before is not None else now
    if moment > now - _LEAST:
        raise click.UsageError("less than 30 days must not be kept: gc keeps old bytes by these entries")
    return moment
