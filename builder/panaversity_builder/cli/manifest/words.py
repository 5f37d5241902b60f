"""The options the manifest commands share, and how operands are explained in their help. Knows words only."""

import inspect

import click

from panaversity_builder.cli import options

OPERANDS = """
An operand is `remote` (the book as it is now), `local` (what the docs folder was hydrated to), `local:DIR`, `URL#BOOK`
(a book on another server), a manifest hash or its first 8 digits or more, a file (manifest text, lines of sha256sum,
a manifest.json), or `empty`.
"""
SHARED = (
    options.book_id,
    options.output_dir,
    options.manifest_file,
    options.numbering,
    options.server_url,
    options.site_dir,
)


def explained(command: click.Command) -> click.Command:
    """The command, its help saying what an operand is."""
    command.help = f"{inspect.cleandoc(command.help or '')}\n{OPERANDS}"
    return command
