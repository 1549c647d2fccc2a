"""Files that are no texts, too large, or in a circle: one diagnostic each, and nothing is waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import archdsl
from archdsl.diagnostics import ArchdslError, CompileError, UsageError
from archdsl.elaborate import check
from archdsl.limits import Limits
from archdsl.source import Source

NET = "arch net() { input [16]\nlinear(1)\nU\n}\n"
UNIT = "block U() { relu }\n"


def told(spec: str | Path) -> str:
    """What is said of a spec that does not hold."""
    with pytest.raises(ArchdslError) as caught:
        archdsl.check(spec)
    if isinstance(caught.value, CompileError):
        assert len(caught.value.diagnostics) == 1, str(caught.value)
        return caught.value.diagnostics[0].message
    assert "\n" not in str(caught.value)
    return str(caught.value)


def make(kind: str, path: Path) -> None:
    """A file of some kind at a path."""
    match kind:
        case "a pipe":
            os.mkfifo(path)
        case "a folder":
            path.mkdir()
        case "a device":
            path.symlink_to("/dev/zero")
        case "a link to itself":
            path.symlink_to(path)
        case "400 MB":
            with path.open("wb") as file:
                file.truncate(400_000_000)
        case "no UTF-8":
            path.write_bytes(b"# \xff\xfe\n")
        case "2 MiB":
            path.write_text("#" * (2 << 20))


KINDS = ["a pipe", "a folder", "a device", "a link to itself", "400 MB", "no UTF-8", "2 MiB"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_spec_that_is_no_text_is_one_line(kind: str, tmp_path: Path) -> None:
    make(kind, tmp_path / "net.arch")
    assert told(tmp_path / "net.arch")


@pytest.mark.parametrize("kind", KINDS)
def test_an_import_that_is_no_text_is_one_line(kind: str, tmp_path: Path) -> None:
    make(kind, tmp_path / "u.arch")
    (tmp_path / "net.arch").write_text('from "u.arch" import U\n' + NET)
    assert told(tmp_path / "net.arch")


@pytest.mark.parametrize(
    "name", ["a" * 300, "a" * 300 + ".arch", "a" * 100_000, "x/" * 3000 + "y.arch", "a\0b", "\udcff.arch"]
)
def test_a_name_that_no_file_can_have_is_one_line(name: str) -> None:
    with pytest.raises((UsageError, ArchdslError)):
        archdsl.check(name)


@pytest.mark.parametrize("name", ["a" * 5000, "a" * 300 + ".arch", "x/" * 3000 + "y.arch", "./" * 4000 + "u.arch"])
def test_an_import_of_a_long_name_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "net.arch").write_text(f'from "{name}" import U\n{NET}')
    assert told(tmp_path / "net.arch")


def test_a_spec_and_its_imports_have_the_size_of_one_file_together(tmp_path: Path) -> None:
    lines = "# 34 characters, of which many stand here\n" * 10_000
    for i in range(3):
        (tmp_path / f"f{i}.arch").write_text(lines + f"block U{i}() {{ relu }}\n")
    imports = "".join(f'from "f{i}.arch" import U{i}\n' for i in range(3))
    (tmp_path / "net.arch").write_text(imports + "arch net() { input [16]\nlinear(1) -> U0 -> U1 -> U2 }\n")
    assert "more than" in told(tmp_path / "net.arch")
    assert len(archdsl.check(tmp_path / "net.arch", limits=Limits(source=1 << 22))) == 1


def test_many_imports_that_are_not_there_are_soon_told(tmp_path: Path) -> None:
    lines = "".join(f'from "nothing{i}.arch" import U{i}\n' for i in range(5000))
    (tmp_path / "net.arch").write_text(lines + "arch net() { input [16]\nlinear(1) }\n")
    with pytest.raises(CompileError):
        archdsl.check(tmp_path / "net.arch")


@pytest.mark.parametrize("mark", ["\f", "\v", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\r", "\ufeff"])
@pytest.mark.parametrize("before", ["# a{0}b\n", "## a{0}b\n", "#{0}\n", "# a\r\n#{0}b\r\n"])
def test_lines_end_in_one_way(mark: str, before: str) -> None:
    text = before.format(mark)
    with pytest.raises(CompileError) as caught:
        check(Source(text + "arch net() { input [16]\n  bogus }\n", "net.arch"))
    (first,) = caught.value.diagnostics
    assert first.span is not None
    assert (first.span.line, first.span.column) == (text.count("\n") + 2, 3)
    assert first.span.source.line(first.span.line) == "  bogus }"
