"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

from archdsl.diagnostics import ArchdslError, UsageError

Bytes: TypeAlias = bytes | bytearray | memoryview
STANDARD = "-"  # stands for stdin or stdout on the command line


class FileError(ArchdslError):
    """A file that cannot be read or written; the message names it and says why."""


def write_atomic(path: str | os.PathLike[str], data: Bytes | Iterable[Bytes]) -> None:
    """The file holds exactly these bytes, or is as it was before.

    The bytes (of one buffer, or of several in a row) go to a temporary file in the same folder, which takes the place
    of the target once it is on the disk. A link is followed, an existing file keeps its permissions. Raises
    `FileError`; whatever the failure, also one of the iterable, nothing is left behind.
    """
    with _errors(path):
        target = Path(os.path.realpath(path))
    if target.is_dir():
        raise FileError(f"{_shown(path)} is a directory")
    with _errors(path), _replacing(target) as file:
        for chunk in [data] if isinstance(data, bytes | bytearray | memoryview) else data:
            file.write(chunk)


def write(path: str | os.PathLike[str], data: Bytes | Iterable[Bytes]) -> None:
    """The bytes at a path, or on stdout for `-`. Raises `FileError`; a closed pipe raises `BrokenPipeError`."""
    if os.fspath(path) != STANDARD:
        write_atomic(path, data)
        return
    for chunk in [data] if isinstance(data, bytes | bytearray | memoryview) else data:
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def read(path: str | os.PathLike[str], limit: int | None = None) -> bytes:
    """The bytes at a path, or of stdin if the path is `-`. Raises `FileError`, also for more than `limit` bytes."""
    with _errors(path):
        if os.fspath(path) == STANDARD:
            data = sys.stdin.buffer.read(-1 if limit is None else limit + 1)
        else:
            with open(path, "rb") as file:
                data = file.read(-1 if limit is None else limit + 1)
    if limit is not None and len(data) > limit:
        raise FileError(f"{_shown(path)} has more than {limit:,} bytes")
    return data


def needs_file(path: str | os.PathLike[str], why: str) -> None:
    """Raises `UsageError` if the path is stdout, for a result that is more than one stream of bytes."""
    if os.fspath(path) == STANDARD:
        raise UsageError(f"{why}: name a file with -o")


@contextlib.contextmanager
def _replacing(target: Path) -> Iterator[BinaryIO]:
    """A temporary file beside the target that replaces it when the body ends well, and is gone when it does not."""
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name[:64]}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _permissions(target))
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _settle(target.parent)


def _permissions(target: Path) -> int:
    """The mode of the file that is replaced, or the one that a new file would get (mkstemp's is private)."""
    with contextlib.suppress(OSError):
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _settle(folder: Path) -> None:
    """The folder's new entry is on the disk, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def _errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """What the system says about a path, as a `FileError`."""
    if "\0" in os.fspath(path):
        raise FileError(f"{_shown(path)}: no file can have this name")
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise FileError(f"{_shown(path)}: {reason[0].lower()}{reason[1:]}") from error


def _shown(path: str | os.PathLike[str]) -> str:
    """A path that is safe to print."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in os.fspath(path))
