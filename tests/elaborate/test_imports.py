"""Files that import files: inside their roots, without cycles, each with its own defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from archdsl.diagnostics import CompileError
from archdsl.elaborate import check, elaborate
from archdsl.ir.program import Program
from archdsl.source import Source

NET = "arch main() { input 3x8x8\nU }\n"


def build(folder: Path, files: dict[str, str]) -> Program:
    """The program of `main.arch` beside other files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    path = folder / "main.arch"
    return elaborate(Source(path.read_text(), "main.arch", path))


def codes(folder: Path, files: dict[str, str]) -> list[str]:
    with pytest.raises(CompileError) as caught:
        build(folder, files)
    return [item.code for item in caught.value.diagnostics]


def test_a_file_is_found_relative_to_the_file_that_imports_it(tmp_path: Path) -> None:
    files = {
        "main.arch": f'from "lib/a.arch" import U\n{NET}',
        "lib/a.arch": 'from "deep/b.arch" import V\nblock U() { V }\n',
        "lib/deep/b.arch": 'from "../c.arch" import width\nblock V() { conv(width, 1x1) }\n',
        "lib/c.arch": "let width = 7\n",
    }
    assert build(tmp_path, files).params == 28


def test_the_bundled_specs_are_found_from_anywhere(tmp_path: Path) -> None:
    text = 'from "families/resnet.arch" import resnet, Basic\narch main = resnet(Basic, [1, 1, 1, 1], num_classes=3)\n'
    assert build(tmp_path, {"main.arch": text}).shape(build(tmp_path, {}).outputs[0].value).sizes == (3,)


def test_a_file_beside_comes_before_a_bundled_one(tmp_path: Path) -> None:
    files = {"main.arch": f'from "resnet50.arch" import U\n{NET}', "resnet50.arch": "block U() { conv(1, 1x1) }\n"}
    assert build(tmp_path, files).params == 4


def test_an_imported_arch_can_be_built_and_varied(tmp_path: Path) -> None:
    files = {
        "main.arch": 'from "a.arch" import base\narch main = base(width=5)\n',
        "a.arch": "arch base(width=4) { input 1x2x2\nconv(width, 1x1)\nexpect params == 8 }\n",
    }
    assert build(tmp_path, files).params == 10
    path = tmp_path / "main.arch"
    assert list(check(Source(path.read_text(), "main.arch", path)).programs) == ["main"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"main.arch": f'from "../a.arch" import U\n{NET}'}, ["E0602"]),
        ({"main.arch": f'from "/etc/passwd" import U\n{NET}'}, ["E0602"]),
        ({"main.arch": f'from "lib/../../a.arch" import U\n{NET}'}, ["E0602"]),
        ({"main.arch": f'from "a.arch" import U\n{NET}'}, ["E0601"]),
        ({"main.arch": f'from "" import U\n{NET}'}, ["E0602"]),
        ({"main.arch": f'from "main.arch" import U\n{NET}'}, ["E0603"]),
        ({"main.arch": f'from "a.arch" import U\n{NET}', "a.arch": "block V() { relu }"}, ["E0604"]),
        ({"main.arch": f'from "a.arch" import U\n{NET}', "a.arch": "block U() { rellu }"}, ["E0202"]),
        ({"main.arch": f'from "a.arch" import U\n{NET}', "a.arch": "block U( { relu }"}, ["E0108"]),
        (
            {
                "main.arch": f'from "a.arch" import U\n{NET}',
                "a.arch": 'from "b.arch" import V\nblock U() { V }',
                "b.arch": 'from "a.arch" import U\nblock V() { U }',
            },
            ["E0603"],
        ),
    ],
)
def test_a_wrong_import_is_told_once(tmp_path: Path, files: dict[str, str], expected: list[str]) -> None:
    assert codes(tmp_path, files) == expected


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.arch").write_text("block U() { relu }\n")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a.arch").symlink_to(tmp_path / "secret.arch")
    assert codes(inside, {"main.arch": f'from "a.arch" import U\n{NET}'}) == ["E0602"]


def test_a_long_chain_of_imports_is_within_budget_or_told(tmp_path: Path) -> None:
    files = {"main.arch": f'from "f0.arch" import U\n{NET}', "f80.arch": "block U() { conv(1, 1x1) }\n"}
    files |= {f"f{i}.arch": f'from "f{i + 1}.arch" import U\n' for i in range(80)}
    assert "E0804" in codes(tmp_path, files)
    files |= {"f40.arch": "block U() { conv(1, 1x1) }\n"}
    assert build(tmp_path, files).params == 4


def test_a_mistake_in_an_imported_file_names_that_file(tmp_path: Path) -> None:
    files = {"main.arch": f'from "lib/a.arch" import U\n{NET}', "lib/a.arch": "block U() { conv(1, 9x9, padding=0) }\n"}
    with pytest.raises(CompileError) as caught:
        build(tmp_path, files)
    (item,) = caught.value.diagnostics
    assert item.span is not None
    assert item.span.location == "lib/a.arch:1:13"
    assert item.notes[-1] == "in U(), called at main.arch:3:1, as 0"


UNIT = "block Unit(out, act=relu, norm=none) { conv(out, 1x1) -> norm -> act }\n"
FAMILY = 'from "unit.arch" import Unit\ndefaults Unit(act=silu)\nblock Body(unit=Unit(norm=batchnorm)) { unit(4) }\n'


@pytest.mark.parametrize(
    ("main", "expected"),
    [
        ("Body", ["batchnorm", "silu"]),
        ("Body(unit=Unit)", ["silu"]),
        ("Body(unit=Unit(norm=batchnorm))", ["batchnorm", "silu"]),
        ("Body(unit=Unit(act=tanh))", ["tanh"]),
        ("Body(unit=Unit(act=none))", []),
        ("Body(unit=Own)", ["gelu"]),
        ("Body(unit=Wide)", ["silu"]),
        ("Wide(4)", ["relu"]),
        ("_ { defaults Unit(act=gelu)\nBody(unit=Unit) }", ["gelu"]),
        ("_ { defaults Unit(norm=batchnorm)\nBody(unit=Unit) }", ["batchnorm", "silu"]),
        ("let mine = Unit(norm=none)\nBody(unit=mine) -> mine(4)", ["silu", "conv", "relu"]),
    ],
)
def test_a_layer_in_the_place_of_the_same_one_takes_its_defaults(
    tmp_path: Path, main: str, expected: list[str]
) -> None:
    """What a file's `defaults` say of a block holds also for a caller's own, where the caller says nothing else."""
    own = "block Own(out) { conv(out, 1x1) -> gelu }\nblock Wide = Unit(norm=none)\n"
    imports = 'from "unit.arch" import Unit\nfrom "family.arch" import Body\n'
    kept = "block Kept() { Unit(3) -> Own(3) -> Wide(3) -> Body }\n"
    text = f"{imports}{own}{kept}arch main() {{ input 3x8x8\n_: Kept\n{main} }}\n"
    built = build(tmp_path, {"main.arch": text, "family.arch": FAMILY, "unit.arch": UNIT})
    before = ["input", "conv", "relu", "conv", "gelu", "conv", "relu", "conv", "batchnorm", "silu", "conv"]
    assert [node.op.word for node in built.nodes] == [*before, *expected]
