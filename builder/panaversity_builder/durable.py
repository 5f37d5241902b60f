"""Files that are there entirely or not at all, also after a power cut.

Knows how a file is replaced and how a file system is flushed; does not know what the files mean.
"""

import contextlib
import os
import secrets


def write_beside(path: str, data: bytes, *, dir_fd: int | None = None, flush: bool = True) -> None:
    """Let ``path`` hold ``data``: written beside it, flushed, renamed over it, the folder flushed.

    A reader sees the old bytes or the new ones, never a part. Without ``flush`` that holds for every reader until the
    power fails: for what shows its damage and costs little to lose. ``path`` may be relative to the folder descriptor
    ``dir_fd``. Whatever was there is replaced, a symbolic link too (never what it points to). Raises ``OSError`` and
    leaves nothing behind then. Mode 0644 less the umask.
    """
    folder, name = os.path.split(path)
    beside = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(6)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(beside, flags, 0o644, dir_fd=dir_fd)
    try:
        try:
            write_all(file, data)
            if flush:
                os.fsync(file)
        finally:
            os.close(file)
        os.rename(beside, path, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside, dir_fd=dir_fd)
        raise
    if flush:
        flush_folder(folder or ".", dir_fd=dir_fd)


def write_all(file: int, data: bytes | memoryview) -> None:
    """Write every byte to the descriptor, however short the single writes are. Raises ``OSError``."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def flush_folder(folder: str, *, dir_fd: int | None = None) -> None:
    """Make the names in a folder survive a power cut. Raises ``OSError``."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_filesystem(folder: str) -> None:
    """Flush everything written to the file system that holds ``folder``: one call instead of an fsync a file.

    Raises ``OSError`` when the kernel reports an error; where there is no ``syncfs``, all file systems are flushed.
    """
    import ctypes  # late: a run that changed nothing never needs it

    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), folder)
    finally:
        os.close(descriptor)
