"""From a folder up: to the root of the file system, or to the root of the repository it lies in.

Knows folders; does not know what is looked for in them.
"""

import os
from collections.abc import Iterator


def folders_upward(folder: str) -> Iterator[str]:
    """The folder itself, the one that holds it, and so on; a relative path ends where it begins."""
    while True:
        yield folder
        above = os.path.dirname(folder)
        if above == folder:
            return
        folder = above


def up_to_repository(folder: str) -> Iterator[str]:
    """The same, and nothing beyond the root of its repository; outside of one, all of them."""
    for here in folders_upward(folder):
        yield here
        if is_repository(here):
            return


def is_repository(folder: str) -> bool:
    """Whether the folder is the root of a git repository, or of a work tree of one."""
    return os.path.exists(os.path.join(folder, ".git"))
