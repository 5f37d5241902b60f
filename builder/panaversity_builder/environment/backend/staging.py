"""What is copied into an image, put so that the copying program can only understand it one way.

Programs that copy treat ``*`` and ``[`` in a path as patterns and give the mode meant for files to folders as well.
Knows paths of this machine; does not know containers.
"""

import os
import posixpath
import shutil
import stat
import tempfile
from dataclasses import replace

from panaversity_builder.environment.recipe import Copy

_PATTERN = frozenset("*?[]\\")


def staged(copy: Copy, scratch: str, *, links: bool = True) -> Copy:
    """The same copy with a source that is taken as it stands, and the full path of a file as its target.

    Files that get another mode are copied to ``scratch`` first: the mode is None afterwards. Without ``links`` the
    source is no link itself, for a program that follows none. Raises ``OSError``.
    """
    is_folder = os.path.isdir(copy.source)
    target = copy.target
    if not is_folder and target.endswith("/"):
        target = posixpath.join(target, os.path.basename(copy.source))
    if copy.mode is not None:
        source = _with_mode(copy.source, copy.mode, scratch)
    else:
        source = _plain(copy.source, scratch) if links else _real(copy.source, scratch)
    return replace(copy, source=source, target=target, mode=None)


def below(source: str, target: str) -> list[str]:
    """Where everything that a copy of this source brings lies in the image, the target itself left out."""
    if not os.path.isdir(source):
        return []
    found = []
    for here, folders, files in os.walk(source):
        there = posixpath.normpath(posixpath.join(target, os.path.relpath(here, source)))
        found += [posixpath.join(there, name) for name in (*folders, *files)]
    return found


def _with_mode(source: str, mode: int, scratch: str) -> str:
    """A copy of a file, or of a folder, whose files have this mode."""
    place = os.path.join(tempfile.mkdtemp(dir=scratch), "with-mode")
    if not os.path.isdir(source):
        shutil.copyfile(source, place)
        os.chmod(place, mode)
        return place
    shutil.copytree(source, place, symlinks=True)
    for here, _, names in os.walk(place):
        for path in (os.path.join(here, name) for name in names):
            if stat.S_ISREG(os.lstat(path).st_mode):
                os.chmod(path, mode)
    return place


def _plain(path: str, scratch: str) -> str:
    """The path, or a link to it where somebody could read it as a pattern."""
    return plain_link(path, scratch) if _PATTERN & set(path) else path


def _real(path: str, scratch: str) -> str:
    """The path without links in it; a copy where somebody could read that as a pattern."""
    real = os.path.realpath(path)
    if not _PATTERN & set(real):
        return real
    place = os.path.join(tempfile.mkdtemp(dir=scratch), "plain")
    if os.path.isdir(real):
        shutil.copytree(real, place, symlinks=True)
    elif os.path.lexists(real):
        shutil.copy2(real, place)
    return place


def plain_link(path: str, scratch: str) -> str:
    """A link to the path whose own path holds no sign that means anything to anybody."""
    link = os.path.join(scratch, "link")
    if os.path.lexists(link):
        os.unlink(link)
    os.symlink(os.path.abspath(path), link)
    return link
