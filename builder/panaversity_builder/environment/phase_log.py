"""The log of one phase: what its commands wrote, each under its title, and the end of it for an error.

Knows one file; does not know secrets (they are masked before bytes get here) or what a command is.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

TAIL_LINES = 20
TAIL_BYTES = 65536
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@contextmanager
def phase_log(path: str) -> Iterator[IO[bytes]]:
    """A new log at this path, readable by its owner. Raises ``OSError``."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        yield file


def titled(log: IO[bytes], title: str) -> int:
    """Begin what one command writes; answers where that begins."""
    log.write(f"== {_clean(title)}\n".encode())
    log.flush()
    return log.tell()


def log_tail(path: str, begin: int = 0) -> list[str]:
    """The last lines from ``begin`` on, at most ``TAIL_LINES``, without colours, control characters and empty lines."""
    try:
        with open(path, "rb") as file:
            file.seek(max(begin, os.path.getsize(path) - TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").replace("\r", "\n").split("\n")
    except OSError:
        return []
    return [clean for line in lines if (clean := _clean(line)).strip()][-TAIL_LINES:]


def _clean(line: str) -> str:
    return "".join(sign for sign in _COLOUR.sub("", line).replace("\t", "  ") if sign.isprintable())
