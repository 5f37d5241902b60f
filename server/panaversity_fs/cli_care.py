"""``panaversity-fs gc | fsck | rebuild | export | import``: looking after a store from the command line.

Knows flags, lines and exit statuses; the work is ``library.care``'s. Each command opens the store itself and works
beside a running server. JSON lines go to stdout, sentences for people to stderr.
"""

import asyncio
import json
import os
import re
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import timedelta
from hashlib import sha256
from math import ceil
from typing import TYPE_CHECKING, Any, TypeVar

import click

from panaversity_fs.core.errors import ConfigInvalid

if TYPE_CHECKING:
    from panaversity_fs.core.digest import Digest
    from panaversity_fs.library import Library
    from panaversity_fs.library.inspecting import Depth
    from panaversity_fs.store.blob_rows import BlobRow

USAGE = 64
_MIN_RETENTION = timedelta(hours=2)
"""Less could end a promise that a plan still takes for fresh (``library.telling``)."""
_Result = TypeVar("_Result")
_STORE = click.option(
    "--store", type=click.Path(exists=True, file_okay=False), help="The store's folder; else the environment says."
)
_BOOK = click.option("--book", "book_id", help="This book only.")
_YES = click.option("--yes", is_flag=True, help="Really do it; without it nothing is changed.")
_AGENT = click.option("--agent", default="operator", show_default=True, help="Whom the audit log names.")


class Duration(click.ParamType[timedelta]):
    """30d, 12h, 45m."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d{1,6})([dhm])", str(value))
        if found is None:
            self.fail(f"{value!r} is not a duration like 30d, 12h or 45m", param, ctx)
        unit = {"d": "days", "h": "hours", "m": "minutes"}[found[2]]
        return timedelta(**{unit: int(found[1])})


def open_store(
    store: str | None, operation: str, *, rebuilding: bool = False, read_only: bool = False
) -> "AbstractAsyncContextManager[Library]":
    """The library that flag and environment name, opened when it is entered. Raises ``ConfigInvalid``."""
    from panaversity_fs.config import Settings
    from panaversity_fs.library import SitePolicy, open_library
    from panaversity_fs.library.storage import blobs_of

    folder = None if store is None else os.path.abspath(store)
    if folder is not None and not os.path.isdir(folder):
        raise ConfigInvalid(operation, "--store", "is not a folder", "Name the folder of a store")
    if folder is not None and ("?" in folder or "#" in folder):
        raise ConfigInvalid(operation, "--store", "holds ? or #, which database URLs cannot", "Name another folder")
    settings = Settings.read(os.environ, store=folder)
    read_only = read_only or settings.refuses_writes
    return open_library(
        settings.database_url, settings.storage_root, read_only=read_only, rebuilding=rebuilding,
        site_policy=SitePolicy(settings.site_cache_bytes, timedelta(days=settings.site_cache_days)),
        blobs=blobs_of(settings, read_only=read_only),
    )  # fmt: skip


def _with_store(
    store: str | None, work: "Callable[[Library], Awaitable[_Result]]", *, rebuilding: bool = False
) -> _Result:
    """Do the work with the library that flag and environment name."""

    async def run() -> _Result:
        async with open_store(store, "start", rebuilding=rebuilding) as library:
            return await work(library)

    return asyncio.run(run())


def say(line: object) -> None:
    """One JSON line of data."""
    click.echo(json.dumps(line, ensure_ascii=False))


@click.command()
@_STORE
@_BOOK
@_YES
@click.option(
    "--retention", type=Duration(), default="30d", show_default=True,
    help="How long told manifests and what was written or replaced stay; longer than the longest build.",
)  # fmt: skip
@click.option("--max", "most", type=click.IntRange(0), default=10_000, show_default=True, help="Deletions at most.")
@click.option("--unknown-books", is_flag=True, help="Also take bytes of books without rows, in a rebuilt store too.")
@click.option("--all-sites", is_flag=True, help="Also let every built site of the remote build cache go.")
def gc(
    store: str | None, book_id: str | None, yes: bool, retention: timedelta, most: int, unknown_books: bool,
    all_sites: bool,
) -> int:  # fmt: skip
    """Let bytes go that nobody may ask for any more. Dry unless --yes. Works beside a running server."""
    from dataclasses import asdict

    from panaversity_fs.library.keeping import Policy

    if retention < _MIN_RETENTION:
        raise click.BadParameter("less than 2h would take what running builds were promised", param_hint="--retention")
    policy = Policy(told=retention, logged=retention, most=most, unknown_books=unknown_books or None)

    async def work(library: "Library") -> int:
        troubles = deletions = size = 0
        async for done in library.collect(policy, really=yes, book_id=book_id):
            say(asdict(done))
            troubles += bool(done.trouble)
            deletions, size = deletions + done.deletions, size + done.size
        async for gone in library.collect_sites(really=yes, book_id=book_id, everything=all_sites):
            say({"site_cache": asdict(gone)})
            deletions, size = deletions + gone.objects, size + gone.size
        verb = "removed" if yes else "would remove (say --yes)"
        click.echo(f"gc: {verb} {deletions} objects, {size} bytes", err=True)
        return 4 if troubles else 0

    return _with_store(store, work)


class _Fsck(click.Command):
    """Its usage errors leave with 64: 2 says that bytes are missing."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **options)
        except click.UsageError as error:
            error.exit_code = USAGE  # type: ignore[misc]
            raise


@click.command(cls=_Fsck)
@_STORE
@_BOOK
@_YES
@click.option("--quick", is_flag=True, help="Rows, counts and heads only (this is done in any case).")
@click.option(
    "--structure", is_flag=True, help="Also compare the store's listing and the told manifests with the rows."
)
@click.option("--read-data", is_flag=True, help="Also read every blob.")
@click.option("--read-data-subset", "subset", metavar="n/t|x%|SIZE", help="Read a part: 3/7, 10%, 500M.")
@click.option("--audit", is_flag=True, help="Also verify the audit logs.")
@click.option("--repair", "mend", is_flag=True, help="Say what can be put right; with --yes do it. Deletes nothing.")
@click.option("--from", "source", type=click.Path(exists=True, file_okay=False), help="A folder that may hold bytes.")
def fsck(
    store: str | None, book_id: str | None, yes: bool, quick: bool, structure: bool, read_data: bool,
    subset: str | None, audit: bool, mend: bool, source: str | None,
) -> int:  # fmt: skip
    """Name every damage: one JSON line each.

    Exit status: the sum of 1 corrupt, 2 missing, 4 could not verify, 8 audit broken; 16 only unreferenced bytes; 64
    usage.
    """
    from panaversity_fs.library.inspecting import Depth, exit_status

    if (yes or source) and not mend:
        return _usage("--yes and --from go with --repair")
    if quick and (structure or read_data or subset or audit):
        return _usage("--quick is everything that the other depths begin with: give it alone")
    if read_data and subset:
        return _usage("give --read-data or --read-data-subset")
    wanted = chosen("1/1" if read_data else str(subset), secrets.token_hex(8)) if read_data or subset else None
    if subset and wanted is None:
        return _usage(f"{subset!r} is not n/t, x% or a size like 500M")
    depth = Depth(structure=structure or mend, wanted=wanted, audit=audit)

    async def work(library: "Library") -> int:
        findings = []
        async for finding in library.inspect(depth, book_id):
            findings.append(finding)
            say(finding.to_wire())
        if mend:
            async for repair in library.repair(findings, really=yes, source=source):
                say(repair.to_wire())
        if book_id is None:
            await _note(library, depth, Counter(finding.kind for finding in findings))
        click.echo(f"fsck: {len(findings)} findings", err=True)
        return exit_status(finding.kind for finding in findings)

    return _with_store(store, work)


async def _note(library: "Library", depth: "Depth", found: Mapping[str, int]) -> None:
    """Leave what a look at all books found for the server's figures, for every depth it had."""
    await library.note_run("fsck quick", found)
    if depth.structure or depth.wanted:
        await library.note_run("fsck structure", found)
    if depth.wanted:
        await library.note_run("fsck data", found)
    if depth.audit:
        await library.note_run("fsck audit", found)


def _usage(problem: str) -> int:
    click.echo(f"panaversity-fs: fsck: {problem}.", err=True)
    return USAGE


def chosen(subset: str, salt: str) -> "Callable[[Sequence[BlobRow]], set[Digest]] | None":
    """What a subset picks: n/t the same every time, so that t runs cover everything; x% and a size by ``salt``."""
    if found := re.fullmatch(r"(\d{1,4})/(\d{1,4})", subset):
        part, parts = int(found[1]), int(found[2])
        if not 1 <= part <= parts:
            return None
        return lambda rows: {row.sha256 for row in rows if int(row.sha256[:8], 16) % parts == part - 1}

    def shuffled(rows: "Sequence[BlobRow]") -> "list[BlobRow]":
        return sorted(rows, key=lambda row: sha256((salt + row.sha256).encode()).digest())

    if (found := re.fullmatch(r"(\d{1,3}(?:\.\d+)?)%", subset)) and 0 < float(found[1]) <= 100:
        share = float(found[1]) / 100
        return lambda rows: {row.sha256 for row in shuffled(rows)[: ceil(len(rows) * share)]}
    if found := re.fullmatch(r"(\d{1,12})([KMGT]?)", subset):
        left = int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[found[2]]
        return lambda rows: _up_to(shuffled(rows), left)
    return None


def _up_to(rows: "Sequence[BlobRow]", size: int) -> "set[Digest]":
    """The first rows until they count ``size`` bytes, at least one."""
    picked = set()
    for row in rows:
        picked.add(row.sha256)
        size -= row.size
        if size <= 0:
            break
    return picked


@click.command()
@_STORE
@click.option("--book", "book_id", required=True, help="The lost book.")
@click.option("--manifest", required=True, help="A manifest hash it was told: see .panaversity/manifest.json.")
@click.option("--schema", type=click.Choice(["docusaurus", "strict"]), default="docusaurus", show_default=True)
@click.option(
    "--numbering", type=click.Choice(["name-number", "number-name"]), help="How the book's source numbers its folders."
)
@_AGENT
def rebuild(store: str | None, book_id: str, manifest: str, schema: str, numbering: str | None, agent: str) -> None:
    """Make a lost book's rows again from the text of a told manifest.

    Overlays, the audit log, other promises and whatever was written after that manifest cannot come back: they were in
    the database only, so prefer a backup of it.
    """
    from panaversity_fs.core.digest import parse_digest
    from panaversity_fs.core.mapping import Numbering
    from panaversity_fs.core.schema import Schema
    from panaversity_fs.library import Caller
    from panaversity_fs.library.rebuilding import Rebuilding

    digest = parse_digest(manifest, "rebuild", "manifest")
    settings = Rebuilding(Schema(schema), Numbering(numbering) if numbering else None)

    async def work(library: "Library") -> None:
        result = await library.rebuild(book_id, digest, Caller("local", agent), settings)
        say({"book": book_id, "files": result.added, "manifest_hash": result.manifest_hash})
        click.echo(
            "rebuild: the base entries of that manifest are back. Overlays, the audit log, other promises and untold "
            "revisions are not: they are only in a backup of the database.", err=True,
        )  # fmt: skip

    _with_store(store, work, rebuilding=True)


@click.command("export")
@_STORE
@click.option("--book", "book_id", required=True)
@click.option("--overlays", is_flag=True, help="With every user's overlay; they are private, so not by default.")
@click.argument("file", type=click.Path(dir_okay=False))
def export_(store: str | None, book_id: str, overlays: bool, file: str) -> None:
    """Write a book into FILE (a tar), and its audit log into FILE.audit.jsonl.

    The log names who read and wrote what: it is as private as the overlays are.
    """

    async def work(library: "Library") -> None:
        done = await library.export_book(book_id, target, log, overlays=overlays)
        say({
            "book": book_id, "manifest_hash": done.manifest_hash, "files": done.files,
            "overlay_files": done.overlay_files, "log": done.log_entries,
        })  # fmt: skip

    log_file = f"{file}.audit.jsonl"
    try:
        with open(f"{file}.part", "wb") as target, open(f"{log_file}.part", "wb") as log:
            _with_store(store, work)
            os.fsync(target.fileno())
        for name in (file, log_file):
            os.replace(f"{name}.part", name)
    finally:
        for name in (file, log_file):
            with suppress(FileNotFoundError):
                os.unlink(f"{name}.part")


@click.command("import")
@_STORE
@click.option("--book", "book_id", required=True, help="An id that has no book.")
@_AGENT
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
def import_(store: str | None, book_id: str, agent: str, file: str) -> None:
    """Make a new book of an export; nothing of it is there unless all of it is right.

    Overlays come back where the export holds them. Interrupted between them, the same import again finishes it.
    """
    from panaversity_fs.library import Caller

    async def work(library: "Library") -> None:
        result = await library.import_book(book_id, source, Caller("local", agent))
        say({
            "book": book_id, "files": result.files, "manifest_hash": result.manifest_hash,
            "overlay_files": result.overlay_files, "refused": [list(entry) for entry in result.refused],
        })  # fmt: skip

    with open(file, "rb") as source:
        _with_store(store, work)


COMMANDS = (gc, fsck, rebuild, export_, import_)
