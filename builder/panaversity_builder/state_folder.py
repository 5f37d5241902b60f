"""The project's own folder ``.panaversity``, which holds what can be made again and must not be committed.

Knows how it is made; does not know what lies in it.
"""

import contextlib
import os

NAME = ".panaversity"


def make_state_folder(path: str) -> str:
    """Let the folder be there, with a ``.gitignore`` that covers all of it. Raises ``OSError``."""
    os.makedirs(path, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        ignore = os.open(os.path.join(path, ".gitignore"), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            os.write(ignore, b"*\n")
        finally:
            os.close(ignore)
    return path
