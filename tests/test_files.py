"""Files are written whole or not at all."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from archdsl.diagnostics import UsageError
from archdsl.files import FileError, needs_file, read, write, write_atomic


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("data", [b"new", bytearray(b"new"), memoryview(b"new"), [b"n", memoryview(b"ew")]])
def test_the_file_holds_exactly_the_bytes(tmp_path: Path, data: object) -> None:
    (tmp_path / "a").write_bytes(b"something longer")
    write_atomic(tmp_path / "a", data)  # type: ignore[arg-type]
    assert (tmp_path / "a").read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


def broken() -> Iterator[bytes]:
    yield b"half"
    raise RuntimeError("no more")


@pytest.mark.parametrize("before", [None, b"old"])
def test_a_failure_half_way_leaves_what_was_there_and_nothing_else(tmp_path: Path, before: bytes | None) -> None:
    target = tmp_path / "a"
    if before is not None:
        target.write_bytes(before)
    with pytest.raises(RuntimeError, match="no more"):
        write_atomic(target, broken())
    assert names(tmp_path) == ([] if before is None else ["a"])
    assert before is None or target.read_bytes() == before


def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    """`kill -9` in the middle of writing does not touch the target; the next run clears away what was unfinished, but
    not what another process is writing."""
    target = tmp_path / "a"
    target.write_bytes(b"old")
    program = (
        "import sys, time; from archdsl.files import write_atomic\n"
        "def slow():\n    yield b'x' * 1_000_000\n    print('half', flush=True)\n    time.sleep(60)\n"
        "write_atomic(sys.argv[1], slow())"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(target)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
    assert target.read_bytes() == b"old"
    assert len(names(tmp_path)) == 2

    def while_another_writes() -> Iterator[bytes]:
        yield b"n"
        write_atomic(tmp_path / "b", b"other")
        yield b"ew"

    write_atomic(target, while_another_writes())
    assert names(tmp_path) == ["a", "b"]
    assert target.read_bytes() == b"new"


def test_devices_pipes_and_open_files_are_written_into(tmp_path: Path) -> None:
    write_atomic(os.devnull, b"x")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        write_atomic(pipe, b"through")
        assert reader.communicate()[0] == b"through"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    log = tmp_path / "log"
    log.write_bytes(b"before ")
    program = "from archdsl.files import write_atomic; write_atomic('/dev/stdout', b'here'); print(' after')"
    with log.open("ab") as file:
        subprocess.run([sys.executable, "-c", program], stdout=file, check=True)
    assert log.read_bytes() == b"before here after\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_not_be_written_stays(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")
    target.chmod(0o440)
    with pytest.raises(FileError, match="permission denied"):
        write_atomic(target, b"new")
    assert target.read_bytes() == b"old"


def test_a_directory_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is a directory"):
        write_atomic(tmp_path, b"x")
    assert names(tmp_path) == []


def test_a_missing_folder_and_an_impossible_name_are_said_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"gone/a: no such file or directory"):
        write_atomic(tmp_path / "gone" / "a", b"x")
    with pytest.raises(FileError, match=r"a\\x00b: no file can have this name"):
        write_atomic("a\0b", b"x")
    with pytest.raises(FileError, match="no such file"):
        read(tmp_path / "gone")


def test_permissions_are_those_of_the_old_file_or_of_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"")
    (tmp_path / "old").chmod(0o640)
    mask = os.umask(0o027)
    try:
        write_atomic(tmp_path / "old", b"x")
        write_atomic(tmp_path / "new", b"x")
    finally:
        os.umask(mask)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("old", "new")] == [0o640, 0o640]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_dash_is_stdin_and_stdout(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write("-", [b"a", b"b"])
    assert capfdbinary.readouterr().out == b"ab"
    program = "from archdsl.files import read; print(read('-', 3))"
    done = subprocess.run([sys.executable, "-c", program], input=b"abc", capture_output=True, check=True)
    assert done.stdout == b"b'abc'\n"
    with pytest.raises(UsageError, match="two files: name a file with -o"):
        needs_file("-", "two files")


def test_reading_stops_at_the_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abcd")
    assert read(tmp_path / "a", 4) == b"abcd"
    with pytest.raises(FileError, match="more than 3 bytes"):
        read(tmp_path / "a", 3)
