"""Which files a command is about: names on the command line, in a file or on standard input.

Knows how names are listed; what they mean is ``book.selection``'s business.
"""

import os
import sys
from typing import TYPE_CHECKING

from panaversity_builder.config import Config
from panaversity_fs.core.errors import InvalidArgument

if TYPE_CHECKING:
    from panaversity_builder.book.selection import Selection


def selection(
    config: Config, operation: str, words: tuple[str, ...], files_from: str | None, null: bool
) -> "Selection":
    """Everything when nothing is named at all; an empty list (``--files-from`` of an empty file) means no file.

    Raises ``InvalidArgument`` for names outside the source and a list that cannot be read.
    """
    from panaversity_builder.book.selection import EVERYTHING, resolve

    if not words and files_from is None:
        return EVERYTHING
    listed = [] if files_from is None else _listed(files_from, operation, b"\0" if null else b"\n")
    return resolve([*words, *listed], os.getcwd(), config.source_dir, operation)


def _listed(files_from: str, operation: str, end: bytes) -> list[str]:
    try:
        if files_from == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(files_from, "rb") as file:
                data = file.read()
    except OSError as fault:
        raise InvalidArgument(
            operation, "--files-from", f"{files_from} cannot be read ({fault.strerror})", "Name a file, or - for stdin",
            name="files_from",
        ) from fault  # fmt: skip
    names = data.split(end)
    return [os.fsdecode(name) for name in (n if end == b"\0" else n.removesuffix(b"\r") for n in names) if name]
