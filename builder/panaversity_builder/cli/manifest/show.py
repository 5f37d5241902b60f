"""``panaversity manifest show | export``: one manifest, as it is or for ``sha256sum``. Parses, calls, shows."""

import os

import click

from panaversity_builder.cli import options
from panaversity_builder.cli.manifest.finding import resolver, said
from panaversity_builder.cli.manifest.words import SHARED, explained
from panaversity_builder.config import Config
from panaversity_builder.console import Console


@explained
@options.subcommand("show", click.argument("operand", default="remote"), options.tree, *SHARED)
def show(console: Console, config: Config, operand: str) -> int:
    """Print a manifest, one PATH:SHA256 a line; hashed, the text is the manifest hash."""
    with resolver(config, console) as find:
        (found,) = find.operands(operand)
    _tell(console, list(found.lines()), found.to_json())
    return 0


@explained
@options.subcommand(
    "export",
    click.argument("operand", default="local"),
    click.option("-o", "--output", type=click.Path(path_type=str), help="Write there instead of standard output."),
    options.tree,
    options.scope,
    *SHARED,
)
def export(console: Console, config: Config, operand: str, output: str | None) -> int:
    """Print a manifest as lines of sha256sum, to be checked inside the docs folder.

    Of `local`, the tree and scope the folder was hydrated with are meant, else the source tree of the whole book.

    \b
        panaversity manifest export -o SHA256SUMS
        (cd book && sha256sum --check --strict --quiet) < SHA256SUMS
    """
    from panaversity_builder.book.compare.sums import sums
    from panaversity_fs.core.mapping import Numbering

    numbering = Numbering(config.numbering) if config.numbering else None
    with resolver(config, console) as find:
        (found,) = find.operands(operand)
    lines = list(sums(found, said(config, "tree"), said(config, "scope"), numbering))
    if output is not None:
        _write(output, lines)
    body = {
        **found.summary(), "file_count": len(lines), "output": output and os.path.abspath(output),
        "files": [{"path": line[66:], "sha256": line[:64]} for line in lines],
    }  # fmt: skip
    _tell(console, lines if output is None else [], body)
    return 0


def _tell(console: Console, lines: list[str], body: dict[str, object]) -> None:
    """Lines that were asked for are data: they come quiet or not."""
    if console.manner.format == "text":
        console.data(lines)
    else:
        console.result(lines, body)


def _write(path: str, lines: list[str]) -> None:
    from panaversity_builder.durable import write_beside
    from panaversity_fs.core.errors import InvalidArgument
    from panaversity_fs.core.paths import shown

    try:
        write_beside(path, "".join(line + "\n" for line in lines).encode())
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        raise InvalidArgument(
            "manifest export", shown(path), f"cannot be written ({reason})", "Name another --output"
        ) from fault
