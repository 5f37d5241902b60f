"""``panaversity manifest diff``: what leads from one manifest to another. Parses, calls, shows."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from panaversity_builder.cli import options
from panaversity_builder.cli.manifest.finding import resolver
from panaversity_builder.cli.manifest.words import SHARED, explained
from panaversity_builder.config import Config
from panaversity_builder.console import Console

if TYPE_CHECKING:
    from panaversity_builder.book.compare import Comparison, Resolver
    from panaversity_builder.book.compare.operands import BookOnServer

_VIEWS = ("name_status", "name_only", "stat", "content")


@explained
@options.subcommand(
    "diff",
    click.argument("a", default="local"),
    click.argument("b", default="remote"),
    click.argument("paths", nargs=-1, metavar="[-- PATH...]"),
    click.option("--stat", is_flag=True, help="Lines added and removed, file by file."),
    click.option("--name-status", is_flag=True, help="Status (A, M, D, R100) and path, nothing else."),
    click.option("--name-only", is_flag=True, help="Paths only."),
    click.option("--content", is_flag=True, help="The difference of every text file."),
    click.option("-z", "zero", is_flag=True, help="With names: NUL instead of tab and line end."),
    click.option("--exit-code", is_flag=True, help="Leave with status 1 when they differ; --quiet does so too."),
    options.scope,
    options.tree,
    *SHARED,
)
def difference(
    console: Console,
    config: Config,
    a: str,
    b: str,
    paths: tuple[str, ...],
    zero: bool,
    exit_code: bool,
    **views: bool,
) -> int:
    """Say what leads from manifest A to manifest B.

    Renames are found by digest. PATHs of the book (files, folders, patterns in which * crosses folders) narrow it down.
    """
    from panaversity_builder.book.compare import compare

    view = _one_view(views, zero)
    with resolver(config, console) as find:
        one, other = find.operands(a, b)
        compared = compare(one, other, config.scope, paths)
        _show(console, compared, view, "\0" if zero else "\n", find, config.book_id is not None)
    quiet = console.manner.verbosity < 0
    return 1 if compared and (exit_code or quiet) else 0


def _one_view(views: dict[str, bool], zero: bool) -> str:
    chosen = [name for name in _VIEWS if views[name]]
    if len(chosen) > 1:
        first, second = (f"--{name.replace('_', '-')}" for name in chosen[:2])
        raise click.UsageError(f"{first} and {second} exclude each other")
    if zero and chosen not in (["name_status"], ["name_only"]):
        raise click.UsageError("-z needs --name-status or --name-only")
    return chosen[0] if chosen else "list"


def _show(console: Console, compared: "Comparison", view: str, end: str, find: "Resolver", has_book: bool) -> None:
    from panaversity_builder.console import diff_lines

    body = compared.to_json()
    files = _files(compared, view, find, has_book)
    manner = console.manner
    if manner.format != "text":
        body["files"] = list(files)
        console.result(
            diff_lines.name_lines(body, view, "\n"), body, lambda limit: diff_lines.diff_markdown(body, limit)
        )
    elif manner.verbosity >= 0:
        if view in ("name_status", "name_only"):
            console.data(diff_lines.name_lines(body, view, end), end)
        else:
            for lines in diff_lines.diff_pieces(body, files, view):
                console.data(lines)
    if manner.format in ("text", "github") and manner.verbosity >= 0:
        for note in diff_lines.diff_notes(body, verbose=manner.verbosity > 0):
            console.say(note)


def _files(compared: "Comparison", view: str, find: "Resolver", has_book: bool) -> "Iterator[dict[str, Any]]":
    """The changes in machine format, with what their bytes tell where the view wants that."""
    if view not in ("stat", "content"):
        yield from (change.to_json() for change in compared.changes)
        return
    from panaversity_builder.book.compare.content import differences

    def book() -> "BookOnServer | None":
        return find.book() if has_book else None

    for change, found in differences(compared, book):
        told = found.to_json()
        if view == "stat":
            told.pop("diff", None)
        yield change.to_json() | told
