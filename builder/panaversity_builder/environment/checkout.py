"""Repositories for the image, fetched on this machine: nothing of git has to be in the image, no login gets there.

A commit is fetched once and kept under the digest of its address; what is half fetched is never taken for a whole one.
Knows folders; does not know configurations or backends.
"""

import os
import secrets
import shutil
import stat
from collections.abc import Mapping

from panaversity_builder.environment.git import FETCH_SECONDS, GitFailed, fetch
from panaversity_builder.environment.recipe import Clone, Copy
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import PhaseFailed


def checked_out(clone: Clone, cache_dir: str, environ: Mapping[str, str]) -> Copy:
    """The copy that brings the repository into the image; fetches the commit unless it is kept in ``cache_dir``.

    Raises ``PhaseFailed`` with what git said; in which phase, its caller knows.
    """
    folder = os.path.join(cache_dir, digest_of(f"{clone.url}\0{clone.ref}\0{clone.commit}".encode())[:32])
    if not os.path.isdir(folder):
        _fetched(clone, folder, environ)
    os.utime(folder)  # who prunes goes by this
    return Copy(folder, clone.target, clone.owner)


def _fetched(clone: Clone, folder: str, environ: Mapping[str, str]) -> None:
    beside = f"{folder}.{secrets.token_hex(6)}.part"
    try:
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        seconds = FETCH_SECONDS if clone.seconds is None else clone.seconds
        fetch(clone.url, clone.commit, clone.ref, beside, environ, seconds)
        _plain_modes(beside)
        os.rename(beside, folder)
    except (GitFailed, OSError) as error:
        if isinstance(error, OSError) and os.path.isdir(folder):
            return  # somebody else was quicker
        problem = f"{clone.url} cannot be fetched ({error})"
        hint = "Look at the address and the branch, and whether git may read it"
        raise PhaseFailed("env build", clone.target, problem, hint) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _plain_modes(folder: str) -> None:
    """Modes as git knows them, whatever this user's umask is: executable or not."""
    for here, folders, files in os.walk(folder):
        for name in folders:
            path = os.path.join(here, name)
            if not os.path.islink(path):
                os.chmod(path, 0o755)  # noqa: S103 — what others may read in an image
        for name in files:
            path = os.path.join(here, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode):
                os.chmod(path, 0o755 if mode & stat.S_IXUSR else 0o644)
    os.chmod(folder, 0o755)  # noqa: S103
