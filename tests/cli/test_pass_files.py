"""Pass files as people write them: with annotations that are text, and with promises that are false."""

from __future__ import annotations

from pathlib import Path

import pytest

from archdsl.cli.main import run
from archdsl.diagnostics import UsageError
from archdsl.passes.registry import from_file, options
from archdsl.passes.rule import pattern

NET = """arch net() {
    input 3x16x16
    conv(8, 3x3, bias=false) -> batchnorm -> relu
    gap -> flatten -> linear(5)
}
"""
PASS = '''
{future}
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archdsl.ops import Conv, Relu, Relu6
from archdsl.passes.rule import Match, Pass, Promise
{imports}


@dataclass(frozen=True)
class Clipped(Pass):
    """A ReLU becomes a ReLU6."""

    promise: ClassVar[Promise] = "exact"
    law: ClassVar[str] = "false above 6"
    source: ClassVar[str] = "none"

    most: {number} = 6

    def rewrite(self, edit: {edit}, act: {match}) -> {result}:
        """Swaps the operation."""
        edit.change(act.index, Relu6())
        return None
'''
PLAIN = {
    "future": "",
    "imports": "from archdsl.passes.edit import Edit\nfrom archdsl.passes.rule import Keep",
    "number": "int",
    "edit": "Edit",
    "match": "Match[Relu]",
    "result": "Keep | None",
}
LATER = {"future": "from __future__ import annotations"}
TYPED = {
    "imports": "if TYPE_CHECKING:\n    from archdsl.passes.edit import Edit\n    from archdsl.passes.rule import Keep"
}
FORMS = {
    "plain": {},
    "future": LATER,
    "future and types for checkers alone": {**LATER, **TYPED},
    "text": {**TYPED, "number": '"int"', "edit": '"Edit"', "match": '"Match[Relu]"', "result": '"Keep | None"'},
    "text inside": {"match": 'Match["Relu"]'},
    "a union in text": {"match": 'Match["Relu | Conv"]'},
}


def written(tmp_path: Path, changes: dict[str, str], name: str = "mine.py") -> Path:
    path = tmp_path / name
    path.write_text(PASS.format(**{**PLAIN, **changes}))
    return path


@pytest.mark.parametrize("form", FORMS)
def test_annotations_may_be_text(form: str, tmp_path: Path) -> None:
    (kind,) = from_file(written(tmp_path, FORMS[form])).values()
    (element,) = pattern(kind)  # type: ignore[arg-type]
    assert element.operations[0].__name__ == "Relu"
    assert options(kind)["most"] == (int, 6)


def test_files_of_one_name_do_not_meet(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one = from_file(written(tmp_path, LATER))["clipped"]
    two = from_file(written(tmp_path / "other", {**LATER, "match": "Match[Conv]"}))["clipped"]
    assert pattern(one)[0].operations != pattern(two)[0].operations  # type: ignore[arg-type]


def test_a_type_that_is_not_there_when_the_pass_runs_is_told(tmp_path: Path) -> None:
    hidden = {**LATER, "imports": "if TYPE_CHECKING:\n    from archdsl.ops import Tanh", "match": "Match[Tanh]"}
    with pytest.raises(UsageError, match=r"`Tanh` in Clipped is not known .* outside of `if TYPE_CHECKING`"):
        from_file(written(tmp_path, hidden))


def test_a_false_promise_is_refused_and_where_it_was_tried_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.arch").write_text(NET)
    written(tmp_path, LATER)
    assert run(["rewrite", "net.arch", "--pass-file", "mine.py", "--pass", "clipped", "--verify"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "clipped: NOT equal (exact): outputs " in told.err
    assert run(["rewrite", "net.arch", "--pass", "fold-batchnorm", "--verify"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("arch net() {")
    assert "; at 3x11x10, 3x16x16, 3x17x19, 3x6x7; values of about 1, 8" in told.err
