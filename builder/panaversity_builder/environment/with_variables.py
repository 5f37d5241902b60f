"""A program with variables of ours whose values nobody can read on a command line: they reach it in a file in memory.

Knows the shell's word for a variable; does not know backends.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from panaversity_builder.environment.backend.secret_files import SecretFolder
from panaversity_builder.environment.recipe import Run
from panaversity_builder.environment.volumes import Volume

PLACE = "/run/panaversity"
_FILE = "variables"
_START = f'. {PLACE}/{_FILE}; exec "$@"'


@contextmanager
def with_variables(
    run: Run, volumes: Sequence[Volume], values: Mapping[str, str]
) -> Iterator[tuple[Run, Sequence[Volume]]]:
    """The program and the volumes to be used instead, as long as the context lasts; the image needs ``/bin/sh``."""
    if not values:
        yield run, volumes
        return
    folder = SecretFolder()
    text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())
    try:
        with folder.filled([_FILE], {_FILE: text.encode("utf-8", "surrogateescape")}):
            started = replace(run, argv=("/bin/sh", "-c", _START, "sh", *run.argv))
            yield started, [*volumes, (folder.path, PLACE, True)]
    finally:
        folder.remove()
