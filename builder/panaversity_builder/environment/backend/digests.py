"""The identity of a base that lies on this machine: a root file system by what it holds, an OCI image by its manifest.

Reads files; does not know who asks, and runs no program. A digest comes from bytes that were read, or there is none.
"""

import errno
import hashlib
import json
import os
import stat
import sys
import tarfile
from collections.abc import Iterator
from typing import Any

from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import ConfigInvalid

_ATTRIBUTES = ("security.capability", "system.posix_acl_", "user.")
"""Others belong to this machine, not to what lies there: its policies, its overlays."""
MOST_INDEX_BYTES = 4 << 20
"""An ``index.json`` is small; more than this is not one."""


def rootfs_digest(folder: str) -> Digest:
    """The digest of every name in a root file system with its kind, mode, owner, contents and those extended attributes
    that are copied with it (capabilities, access lists, the user's own); links as they stand.

    Other file systems mounted below it are left out. Raises ``ConfigInvalid`` when it cannot be read.
    """
    if not os.path.isdir(folder):
        raise _refused(folder, "is not a folder", "Name the folder of a root file system")
    whole = hashlib.sha256()
    try:
        for name, path, status in _walk(folder):
            what = f"{stat.S_IFMT(status.st_mode):o} {stat.S_IMODE(status.st_mode):o} {status.st_uid}:{status.st_gid}"
            whole.update(b"%s\0%s %s\n" % (os.fsencode(name), what.encode(), _contents(path, status)))
            for attribute, value in _attributes(path):
                told = os.fsencode(name), os.fsencode(attribute), hashlib.sha256(value).hexdigest().encode()
                whole.update(b"%s\0%s\0%s\n" % told)
    except OSError as error:
        raise _refused(folder, f"cannot be read ({error})", "Make it readable, or run as root") from error
    return Digest(whole.hexdigest())


def _walk(folder: str) -> Iterator[tuple[str, str, os.stat_result]]:
    """Every entry, in the order of its name."""
    top = os.stat(folder)
    yield ".", folder, top
    waiting = [""]
    while waiting:
        here = waiting.pop()
        with os.scandir(os.path.join(folder, here)) as entries:
            found = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        for entry in found:
            name, status = os.path.join(here, entry.name), entry.stat(follow_symlinks=False)
            if status.st_dev == top.st_dev:
                yield name, entry.path, status
                if stat.S_ISDIR(status.st_mode):
                    waiting.append(name)


def _contents(path: str, status: os.stat_result) -> bytes:
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest().encode()
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(os.fsencode(path))
    if stat.S_ISBLK(status.st_mode) or stat.S_ISCHR(status.st_mode):
        return str(status.st_rdev).encode()
    return b""


def _attributes(path: str) -> Iterator[tuple[str, bytes]]:
    """The extended attributes that count, by name; none where the system or the file system has none."""
    if sys.platform != "linux":
        return
    try:
        names = sorted(os.listxattr(path, follow_symlinks=False))
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EPERM):
            return
        raise
    for name in names:
        if name.startswith(_ATTRIBUTES):
            yield name, os.getxattr(path, name, follow_symlinks=False)


def oci_digest(path: str) -> Digest:
    """The digest of the one image in an OCI layout or an archive of one: what its ``index.json`` says.

    Raises ``ConfigInvalid`` for anything else, also where there are several images.
    """
    try:
        index = json.loads(_index(path))
        digests = [str(one["digest"]) for one in index["manifests"]]
    except (OSError, ValueError, TypeError, KeyError, RecursionError, tarfile.TarError) as error:
        problem = f"is no OCI layout and no archive of one ({type(error).__name__})"
        raise _refused(path, problem, "Make one with `panaversity env export` or `skopeo copy`") from error
    if len(digests) != 1 or not digests[0].startswith("sha256:"):
        raise _refused(path, f"holds {len(digests)} images", "Give a layout that holds exactly one")
    return Digest(digests[0].removeprefix("sha256:"))


def _index(path: str) -> bytes:
    if os.path.isdir(path):
        with open(os.path.join(path, "index.json"), "rb") as file:
            return file.read(MOST_INDEX_BYTES)
    with tarfile.open(path) as archive:
        for member in archive:
            if os.path.normpath(member.name) == "index.json" and (content := archive.extractfile(member)):
                return content.read(MOST_INDEX_BYTES)
    raise KeyError("index.json")


def _refused(subject: str, problem: str, hint: str, **details: Any) -> ConfigInvalid:
    return ConfigInvalid("env build", subject, problem, hint, key="build.base.image", **details)
