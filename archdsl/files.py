"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

if sys.platform != "win32":
    import fcntl

from archdsl.diagnostics import ArchdslError, UsageError
from archdsl.gate import plain, shown

Bytes: TypeAlias = bytes | bytearray | memoryview
STANDARD = "-"  # stands for stdin or stdout on the command line
STREAMS = ("/dev/", "/proc/")  # what stands there is a device or an open file of some process
PART = (".archdsl-", ".part")  # how the names of unfinished files begin and end


class FileError(ArchdslError):
    """A file that cannot be read or written; the message names it and says why."""


def write_atomic(path: str | os.PathLike[str], data: Bytes | Iterable[Bytes]) -> None:
    """The file holds exactly these bytes, or is as it was before.

    The bytes (of one buffer, or of several in a row) go to a temporary file in the same folder, which takes the place
    of the target once it is on the disk. A link is followed, an existing file keeps its permissions. A device, a pipe
    or a path under `/dev` is no file that could be replaced: the bytes are written into it. Raises `FileError`;
    whatever the failure, also one of the iterable, nothing is left.
    """
    with errors(path):
        target = Path(os.path.realpath(path))
        whole = replaceable(path)
    if target.is_dir():
        raise FileError(f"{_shown(path)} is a directory")
    with errors(path):
        if not whole:
            with open(path, "wb", opener=_without_truncating) as stream:
                stream.writelines(_chunks(data))
            return
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        with _temporary(target.parent) as (file, name):
            file.writelines(_chunks(data))
            _put(file, name, target)


def write_by_digest(named: Callable[[str], Path], data: Bytes | Iterable[Bytes]) -> Path:
    """The path of a new file of these bytes, which `named` makes of the SHA-256 of the bytes (in hexadecimal digits).

    Files of different contents have different names, so that what points to such a file never meets other bytes.
    Raises `FileError`.
    """
    folder = named("").parent
    with errors(folder), _temporary(folder) as (file, name):
        digest = hashlib.sha256()
        for chunk in _chunks(data):
            digest.update(chunk)
            file.write(chunk)
        target = named(digest.hexdigest())
        _put(file, name, target)
    return target


def replaceable(path: str | os.PathLike[str]) -> bool:
    """Whether what a path names, links followed, is a file or nothing yet: no device, no pipe, nothing in `/dev`."""
    if os.path.abspath(path).startswith(STREAMS):
        return False
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return True
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def write(path: str | os.PathLike[str], data: Bytes | Iterable[Bytes]) -> None:
    """The bytes at a path, or on stdout for `-`, where a terminal gets them as `shown` makes them. Raises `FileError`;
    a closed pipe raises `BrokenPipeError`."""
    if os.fspath(path) != STANDARD:
        write_atomic(path, data)
        return
    terminal = sys.stdout.isatty()
    for chunk in _chunks(data):
        safe = shown(bytes(chunk).decode("utf-8", "backslashreplace")).encode() if terminal else chunk
        sys.stdout.buffer.write(safe)
    sys.stdout.buffer.flush()


def read(path: str | os.PathLike[str], limit: int | None = None) -> bytes:
    """The bytes at a path, or of stdin if the path is `-`. Raises `FileError`, also for more than `limit` bytes."""
    with errors(path):
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


def _chunks(data: Bytes | Iterable[Bytes]) -> Iterable[Bytes]:
    return [data] if isinstance(data, bytes | bytearray | memoryview) else data


def _without_truncating(path: str, flags: int) -> int:
    """An open stream: a shell's log that stands for stdout keeps what it holds."""
    return os.open(path, flags & ~(os.O_TRUNC | os.O_CREAT) | os.O_APPEND)


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[tuple[BinaryIO, str]]:
    """A new file in a folder and its name, gone when the body fails; those of killed processes are cleared away."""
    _clear(folder)
    file, name = _locked(folder)
    with file:
        try:
            yield file, name
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise


def _locked(folder: Path) -> tuple[BinaryIO, str]:
    """A new file that this process holds, and its name."""
    while True:
        handle, name = tempfile.mkstemp(prefix=PART[0], suffix=PART[1], dir=folder)
        file = os.fdopen(handle, "wb")
        _hold(file)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), os.stat(name)):
                return file, name
        file.close()  # another process has cleared it away before it was held


def _clear(folder: Path) -> None:
    """Removes unfinished files that no process holds: whoever wrote them was killed."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if not (entry.name.startswith(PART[0]) and entry.name.endswith(PART[1]) and entry.is_file()):
                continue
            with contextlib.suppress(OSError), open(entry.path, "rb") as file:
                if _hold(file):
                    os.unlink(entry.path)


def _hold(file: BinaryIO) -> bool:
    """Locks an open file until it is closed; false if another process holds it, or the system cannot tell."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _put(file: BinaryIO, name: str, target: Path) -> None:
    """A finished temporary file takes the place of the target."""
    file.flush()
    os.fsync(file.fileno())
    os.chmod(name, _permissions(target))
    os.replace(name, target)
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
def errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """What the system says about a path, as a `FileError`."""
    if "\0" in os.fspath(path):
        raise FileError(f"{_shown(path)}: no file can have this name")
    try:
        yield
    except BrokenPipeError:
        raise
    except UnicodeEncodeError as error:
        raise FileError(f"{_shown(path)}: no file can have this name") from error
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise FileError(f"{_shown(path)}: {reason[0].lower()}{reason[1:]}") from error


def _shown(path: str | os.PathLike[str]) -> str:
    """A path that is safe to print."""
    return plain(os.fspath(path))
