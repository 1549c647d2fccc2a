"""Text files that are read up to a size: no device or pipe is waited for, and no huge file is taken in."""

from __future__ import annotations

import errno
import os
import stat

MARK = 3  # bytes of a byte order mark


def start_of(path: str | os.PathLike[str], most: int) -> tuple[bytes, int]:
    """The first bytes of a file, `most` and a byte order mark of them, and the size of the whole. Raises `OSError`,
    also for what is no file: a folder, a device, a pipe (a text from there is given as `-`)."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        told = os.fstat(handle)
        if stat.S_ISDIR(told.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(told.st_mode):
            raise OSError(errno.EINVAL, "no file, but a device or a pipe")
        data = file.read(most + MARK + 1)
    return data, max(told.st_size, len(data))


def exceeds(data: bytes, most: int) -> bool:
    """True if the start of a file is longer than the whole may be."""
    return len(data) - (MARK if data.startswith(b"\xef\xbb\xbf") else 0) > most
