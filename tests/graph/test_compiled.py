"""Compiled graphs are found again, and never where anything that they are made of is another."""

import os
from pathlib import Path

import pytest

import archdsl
from archdsl import Expression, UsageError
from archdsl.graph import compiled
from archdsl.source import Source

NET = 'from "cells.arch" import Cell\narch net(n = 4, _sign = 0.5) {\n input 3x8x8\n Cell(n)\n}\n'
CELL = "block Cell(n) { conv(n, 3x3) }\n"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "cells.arch").write_text(CELL)
    (tmp_path / "net.arch").write_text(NET)
    return tmp_path / "net.arch"


def test_the_same_spec_is_compiled_once_and_with_other_arguments_again(spec: Path) -> None:
    first = archdsl.compile(spec)
    assert archdsl.compile(spec) is first
    graphs = [archdsl.compile(spec, n=n) for n in (4, 5, Expression("5"), Expression("4 + 1"))]
    assert [graph.params for graph in graphs] == [112, 140, 140, 140]
    assert len({id(graph) for graph in [first, *graphs]}) == 5
    assert archdsl.compile(spec, n=5) is graphs[1]
    signs = [dict(archdsl.compile(spec, _sign=sign).program.parameters)["_sign"] for sign in (0.0, -0.0)]
    assert [repr(sign) for sign in signs] == ["0.0", "-0.0"]
    assert archdsl.compile(spec, n=1).params == 28
    with pytest.raises(UsageError, match="whole number"):
        archdsl.compile(spec, n=True)


def test_what_an_import_says_now_counts(spec: Path, tmp_path: Path) -> None:
    assert archdsl.compile(spec).params == 112
    (tmp_path / "cells.arch").write_text(CELL.replace("3x3", "1x1"))
    assert archdsl.compile(spec).params == 16
    (tmp_path / "cells.arch").unlink()
    with pytest.raises(archdsl.CompileError):
        archdsl.compile(spec)
    (tmp_path / "cells.arch").write_text(CELL)
    assert archdsl.compile(spec).params == 112


def test_a_link_or_folder_that_leads_elsewhere_is_another_spec(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = spec.parent / "other"
    other.mkdir()
    (other / "net.arch").write_text(NET)
    (other / "cells.arch").write_text(CELL.replace("3x3", "1x1"))
    (spec.parent / "link").symlink_to(spec.parent)
    linked = spec.parent / "link" / "net.arch"
    assert archdsl.compile(linked).params == 112
    os.unlink(spec.parent / "link")
    (spec.parent / "link").symlink_to(other)
    assert archdsl.compile(linked).params == 16
    for folder, params in ((spec.parent, 112), (other, 16)):
        monkeypatch.chdir(folder)
        assert archdsl.compile("net.arch").params == params


def test_mistakes_are_told_each_time_and_little_is_kept(spec: Path) -> None:
    for _ in range(2):
        with pytest.raises(UsageError, match="wrong"):
            archdsl.compile(spec, wrong=1)
    for size in range(compiled.GRAPHS + 9):
        archdsl.compile(Source(f"arch a() {{\n input 3x8x8\n conv({size + 1}, 1x1)\n}}"))
    assert len(compiled._kept) == compiled.GRAPHS
