"""What each command does, run in this process."""

import json
import os
from pathlib import Path

import pytest

from archdsl.cli.build import TARGETS
from archdsl.cli.explain import problems
from archdsl.cli.main import run
from archdsl.targets import registry
from tests.support.command import BROKEN, SPECS, TINY

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a spec that holds and one that does not."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.arch").write_text(TINY)
    (tmp_path / "broken.arch").write_text(BROKEN)
    return tmp_path


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"tiny.arch", "broken.arch"}


# ---------------------------------------------------------------------- check


@pytest.mark.parametrize("more", [[], ["--json"], ["nosuch.arch"]])
def test_several_processes_say_what_one_says(more: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    command = ["check", "broken.arch", "resnet18", "tiny.arch", *more]
    one = (run([*command, "--jobs", "1"]), capfd.readouterr())
    assert one[0] == (2 if "nosuch.arch" in more else 1)
    assert (run([*command, "--jobs", "2"]), capfd.readouterr()) == one


def test_check_reads_whole_folders(capsys: Captured) -> None:
    assert run(["check", str(SPECS / "families"), "tiny.arch"]) == 0
    assert "resnet.arch: ok" in capsys.readouterr().out


def test_check_takes_a_graph_as_every_command_does(folder: Path, capsys: Captured) -> None:
    assert run(["build", "tiny.arch", "-o", "tiny.graph"]) == 0
    assert run(["check", "tiny.graph"]) == 0
    assert "tiny.graph: ok (tiny: " in capsys.readouterr().out
    (folder / "bad.graph").write_text((folder / "tiny.graph").read_text().replace("conv(out=8", "conv(out=9"))
    assert run(["check", "bad.graph"]) == 1
    assert "error[E09" in capsys.readouterr().err


def test_check_goes_on_after_a_spec_that_is_wrong(capsys: Captured) -> None:
    assert run(["check", "broken.arch", "tiny.arch"]) == 1
    assert "tiny.arch: ok" in capsys.readouterr().out


def test_check_takes_parameters_and_shows_what_they_make(capsys: Captured) -> None:
    assert run(["check", "tiny.arch", "--set", "width=16", "--set", "rate=0"]) == 0
    assert "tiny: 362 params" in capsys.readouterr().out


def test_a_lowered_budget_is_held(capsys: Captured) -> None:
    assert run(["check", "tiny.arch", "--limit", "nodes=3"]) == 1
    assert "error[E08" in capsys.readouterr().err


# ---------------------------------------------------------------------- build


@pytest.mark.parametrize(
    "target, file",
    [("torch", "tiny.py"), ("onnx", "tiny.onnx"), ("safetensors", "tiny.safetensors"), ("graph", "tiny.graph")],
)
def test_build_names_the_file_after_the_arch(target: str, file: str, folder: Path) -> None:
    assert run(["build", "tiny.arch", "--target", target]) == 0
    assert files(folder) == {file}


@pytest.mark.parametrize("suffix", [suffix for target in registry.TARGETS.values() for suffix in target.suffixes])
def test_the_suffix_of_the_output_picks_the_target(suffix: str, folder: Path, capsys: Captured) -> None:
    code = run(["build", "tiny.arch", "-o", f"out{suffix}"])
    if suffix == ".pdf" and code == 3:
        pytest.skip("no PDF renderer here")
    assert code == 0
    assert files(folder) == {f"out{suffix}"}
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("suffix", [suffix for target in registry.TARGETS.values() for suffix in target.suffixes])
def test_what_archdsl_wrote_it_overwrites_without_force(suffix: str, folder: Path) -> None:
    if run(["build", "tiny.arch", "-o", f"out{suffix}"]) == 3:
        pytest.skip("no PDF renderer here")
    assert run(["build", "tiny.arch", "-o", f"out{suffix}", "--set", "width=4"]) == 0


@pytest.mark.parametrize("command", [["build", "tiny.arch"], ["render", "tiny.arch"], ["expand", "tiny.arch"]])
def test_what_another_wrote_stays_unless_it_is_forced(command: list[str], folder: Path, capsys: Captured) -> None:
    out = folder / ("out.arch" if command[0] == "expand" else "out.svg")
    out.write_text("<svg>mine</svg>")
    assert run([*command, "-o", str(out)]) == 2
    assert "--force" in capsys.readouterr().err
    assert out.read_text() == "<svg>mine</svg>"
    assert run([*command, "-o", str(out), "--force"]) == 0
    assert out.read_text() != "<svg>mine</svg>"


def test_a_file_that_only_speaks_of_archdsl_is_not_archdsls(folder: Path, capsys: Captured) -> None:
    """The mark counts in its place alone, in every format: a text around it, or it further down, is the user's."""
    for suffix in (suffix for target in registry.TARGETS.values() for suffix in target.suffixes):
        out = folder / f"out{suffix}"
        if run(["build", "tiny.arch", "-o", str(out)]) == 3:
            continue
        own = out.read_bytes()
        for mine in (b"import archdsl\n", b"# archdsl\n" + own + b"# archdsl\n", b"\0" * 5000 + own + b"\0" * 5000):
            out.write_bytes(mine)
            assert run(["build", "tiny.arch", "-o", str(out)]) == 2, suffix
            assert out.read_bytes() == mine
    assert "was not written by archdsl" in capsys.readouterr().err


def test_what_is_read_is_not_written_over_not_even_by_force(folder: Path, capsys: Captured) -> None:
    (folder / "main.arch").write_text('from "tiny.arch" import tiny\narch main = tiny()\n')
    (folder / "link.arch").symlink_to("tiny.arch")
    assert run(["build", "tiny.arch", "-o", "w.safetensors"]) == 0
    assert run(["rewrite", "tiny.arch", "--pass", "fold-batchnorm", "--save-weights", "w.pth", "-o", "-"]) == 0
    text = (SPECS.parent / "archdsl" / "passes" / "drop_dropout.py").read_text()
    text = text.replace("class DropDropout", "class Mine").replace("from __future__ import annotations\n", "")
    (folder / "p.py").write_text(text)
    (folder / "sizes.arch").write_text("let width = 8\n")
    (folder / "sized.arch").write_text(
        'from "sizes.arch" import width\narch sized() { input 3x8x8\n conv(width, 3x3) }\n'
    )
    before = {path: path.read_bytes() for path in folder.iterdir()}
    fold = ["--pass", "fold-batchnorm"]
    for command in (
        ["expand", "tiny.arch", "-o", "tiny.arch"],
        ["expand", "tiny.arch", "-o", "link.arch"],
        ["expand", "main.arch", "-o", "tiny.arch"],
        ["build", "main.arch", "--target", "spec", "-o", "main.arch"],
        ["build", "sized.arch", "--target", "spec", "-o", "sizes.arch"],
        ["render", "sized.arch", "--format", "dot", "-o", "sizes.arch"],
        ["render", "tiny.arch", "--format", "svg", "-o", "tiny.arch"],
        ["build", "tiny.arch", "--weights", "w.safetensors", "-o", "w.safetensors"],
        ["rewrite", "tiny.arch", *fold, "-o", "tiny.arch"],
        ["rewrite", "main.arch", *fold, "-o", "tiny.arch"],
        ["rewrite", "tiny.arch", *fold, "--weights", "w.safetensors", "--save-weights", "w.safetensors", "-o", "-"],
        ["rewrite", "tiny.arch", *fold, "--pass-file", "p.py", "-o", "p.py"],
        ["verify", "tiny.arch", "w.safetensors", "--save-weights", "w.safetensors"],
    ):
        assert run([*command, "--force"]) == 2, command
        assert "is read and would be written too" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_weights_that_archdsl_saved_are_saved_again(folder: Path) -> None:
    for _ in range(2):
        assert run(["rewrite", "tiny.arch", "--pass", "fold-batchnorm", "--save-weights", "w.pth", "-o", "-"]) == 0


def test_a_folder_that_is_not_there_is_no_file(folder: Path, capsys: Captured) -> None:
    assert run(["build", "tiny.arch", "--target", "torch", "-o", "gone/"]) == 2
    assert "gone/: there is no such folder" in capsys.readouterr().err
    assert files(folder) == set()


def test_two_archs_of_one_name_do_not_share_a_file(folder: Path, capsys: Captured) -> None:
    (folder / "out").mkdir()
    (folder / "more").mkdir()
    (folder / "more" / "tiny.arch").write_text(TINY)
    assert run(["build", "tiny.arch", "more/tiny.arch", "--target", "torch", "-o", "out"]) == 2
    assert "two of the specs have the name `tiny`" in capsys.readouterr().err


def test_what_one_spec_imports_is_not_written_over_by_another(folder: Path, capsys: Captured) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "tiny.arch").write_text(TINY)
    (folder / "two.arch").write_text('from "out/tiny.arch" import tiny\narch two = tiny(width=4)\n')
    assert run(["build", "tiny.arch", "two.arch", "--target", "spec", "-o", "out", "--force"]) == 2
    assert "is read and would be written too" in capsys.readouterr().err
    assert (folder / "out" / "tiny.arch").read_text() == TINY


def test_pipes_links_and_long_names_are_one_line_each(folder: Path, capsys: Captured) -> None:
    inside = folder / "inside"
    inside.mkdir()
    (inside / "again").symlink_to(inside)
    (inside / "loop.arch").symlink_to("loop.arch")
    assert run(["check", "inside", "tiny.arch"]) == 2
    said = capsys.readouterr()
    assert "tiny.arch: ok" in said.out
    assert said.err.count("\n") == 1
    os.mkfifo(inside / "pipe.arch")
    for argument in ("inside", "n" * 300, "n" * 300 + ".arch", "n/" * 3000):
        assert run(["check", argument]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_several_specs_go_to_a_folder(folder: Path) -> None:
    (folder / "out").mkdir()
    assert run(["build", "tiny.arch", "resnet18", "--target", "torch", "-o", "out"]) == 0
    assert {path.name for path in (folder / "out").iterdir()} == {"tiny.py", "resnet18.py"}


def test_a_dash_writes_the_result_on_stdout(capsys: Captured) -> None:
    assert run(["build", "tiny.arch", "--target", "torch", "-o", "-"]) == 0
    said = capsys.readouterr()
    assert "class " in said.out
    assert said.err == ""


def test_build_as_json_says_what_was_written(capsys: Captured) -> None:
    assert run(["build", "tiny.arch", "-o", "x.onnx", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["written"] == [{"arch": "tiny", "target": "onnx", "file": "x.onnx"}]
    assert said.err == ""


def test_a_seed_fixes_the_weights_and_a_checkpoint_replaces_them(folder: Path) -> None:
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        assert run(["build", "tiny.arch", "-o", f"{name}.safetensors", "--seed", seed]) == 0
    one, same, other = ((folder / f"{name}.safetensors").read_bytes() for name in "abc")
    assert one == same != other
    assert run(["build", "tiny.arch", "-o", "d.safetensors", "--seed", "9", "--weights", "a.safetensors"]) == 0
    assert (folder / "d.safetensors").read_bytes() == one


def test_weights_of_another_net_are_a_diagnostic_for_each_key(capsys: Captured) -> None:
    assert run(["build", "tiny.arch", "-o", "a.safetensors"]) == 0
    assert run(["build", "tiny.arch", "-o", "x.onnx", "--weights", "a.safetensors", "--set", "num_classes=3"]) == 1
    err = capsys.readouterr().err
    assert "`fc.weight` is 10x8 in the checkpoint and 3x8 in the net" in err
    assert err.count("error[E1003]") == 2


def test_a_wrong_spec_writes_nothing(folder: Path, capsys: Captured) -> None:
    assert run(["build", "broken.arch", "-o", "x.onnx", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert not report["ok"]
    assert report["diagnostics"][0]["line"] == 3
    assert files(folder) == set()


def test_a_graph_is_read_back_and_built(folder: Path) -> None:
    assert run(["build", "tiny.arch", "-o", "x.graph"]) == 0
    assert run(["build", "x.graph", "-o", "from_graph.onnx", "--seed", "1"]) == 0
    assert run(["build", "tiny.arch", "-o", "from_spec.onnx", "--seed", "1"]) == 0
    assert (folder / "from_graph.onnx").read_bytes() == (folder / "from_spec.onnx").read_bytes()


def test_the_help_of_build_names_every_target() -> None:
    assert TARGETS.replace(" or ", ", ").split(", ") == list(registry.TARGETS)


# --------------------------------------------------------------- render, expand


@pytest.mark.parametrize("depth", ["stage", "block", "layer"])
def test_render_draws_at_each_depth(depth: str, folder: Path) -> None:
    assert run(["render", "resnet18", "--depth", depth]) == 0
    assert "<svg" in (folder / "resnet18.svg").read_text()


def test_render_writes_the_format_that_is_asked_for(folder: Path, capsys: Captured) -> None:
    assert run(["render", "tiny.arch", "--format", "png"]) == 0
    assert (folder / "tiny.png").read_bytes().startswith(b"\x89PNG")
    assert run(["render", "tiny.arch", "--format", "dot", "-o", "-"]) == 0
    assert "digraph" in capsys.readouterr().out


def test_a_marked_png_still_reads_as_one(folder: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    assert run(["render", "tiny.arch", "-o", "x.png"]) == 0
    with image.open(folder / "x.png") as picture:
        picture.load()
        assert picture.text["Software"] == "drawn by archdsl"


def test_an_expanded_spec_is_the_same_net(folder: Path, capsys: Captured) -> None:
    assert run(["expand", "resnet18", "--set", "num_classes=10", "-o", "flat.arch"]) == 0
    assert run(["check", "flat.arch"]) == 0
    assert "resnet18: 11,181,642 params" in capsys.readouterr().out


# -------------------------------------------------------------------------- fmt

UGLY = "arch tiny( width = 8 ){\n  input 1x8x8 # an image\n  conv( width,3x3 )->relu\n}\n"


def test_fmt_formats_in_place_keeps_comments_and_is_content_with_itself(folder: Path, capsys: Captured) -> None:
    (folder / "ugly.arch").write_text(UGLY)
    assert run(["fmt", "ugly.arch"]) == 0
    formatted = (folder / "ugly.arch").read_text()
    assert formatted != UGLY
    assert "# an image" in formatted
    assert run(["fmt", "--check", "ugly.arch"]) == 0
    assert (folder / "ugly.arch").read_text() == formatted


@pytest.mark.parametrize("flag", ["--check", "--diff"])
def test_fmt_only_tells_where_it_is_asked_to(flag: str, folder: Path, capsys: Captured) -> None:
    (folder / "ugly.arch").write_text(UGLY)
    assert run(["fmt", flag, "ugly.arch"]) == 1
    said = capsys.readouterr()
    assert ("-  input 1x8x8 # an image" in said.out) == (flag == "--diff")
    assert "ugly.arch would change" in said.err
    assert (folder / "ugly.arch").read_text() == UGLY


def test_fmt_leaves_a_spec_that_does_not_parse(folder: Path, capsys: Captured) -> None:
    (folder / "bad.arch").write_text("arch {\n")
    assert run(["fmt", "bad.arch"]) == 1
    assert (folder / "bad.arch").read_text() == "arch {\n"


def test_the_bundled_specs_and_the_example_are_formatted() -> None:
    assert run(["fmt", "--check", str(SPECS), str(SPECS.parent / "examples" / "digits.arch")]) == 0


# --------------------------------------------------------- summary, list, explain


def test_summary_is_an_aligned_table_with_totals(capsys: Captured) -> None:
    assert run(["summary", "resnext50"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["path", "operation", "output", "params", "MACs"]
    assert [line.split()[0] for line in lines if line.startswith("layer")] == ["layer1", "layer2", "layer3", "layer4"]
    assert lines[-1].split()[-2:] == ["25,028,904", "4,230,479,872"]
    assert len({len(line) for line in lines if line.endswith(("0", "2"))}) == 1


def test_summary_as_json_has_rows_and_totals(capsys: Captured) -> None:
    assert run(["summary", "tiny.arch", "--depth", "layer", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["version"], report["totals"]["params"]) == (1, 186)
    assert sum(row["params"] for row in report["rows"]) == 186


def test_list_names_every_bundled_spec(capsys: Captured) -> None:
    assert run(["list", "--json"]) == 0
    listed = {row["name"] for row in json.loads(capsys.readouterr().out)["specs"]}
    assert {path.stem for path in SPECS.glob("*.arch")} <= listed


def test_list_takes_a_part_of_a_name_or_family(capsys: Captured) -> None:
    assert run(["list", "MNASnet", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["specs"]
    assert [row["name"] for row in rows] == ["mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"]
    assert run(["list", "mnasnot"]) == 2
    assert "did you mean `mnasnet`?" in capsys.readouterr().err


@pytest.mark.parametrize("code", list(problems()))
def test_every_code_is_explained_with_its_rule(code: str, capsys: Captured) -> None:
    assert run(["explain", code.lower()]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{code}: ")
    assert len(text.partition("The rule: ")[2]) > 15


def test_explain_without_a_code_lists_all(capsys: Captured) -> None:
    assert run(["explain"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(problems())


def test_explain_knows_every_problem_in_the_package() -> None:
    """No module declares a problem where `explain` does not look."""
    root = Path(registry.__file__).parents[1]
    codes = {
        line.rpartition('"E')[2][:4]
        for path in root.rglob("*.py")
        for line in path.read_text().splitlines()
        if line.startswith("    code") and '= "E' in line
    }
    assert codes == {code[1:] for code in problems()}


# ----------------------------------------------------------------------- JSON

COMMANDS = [
    "check",
    "build",
    "render",
    "fmt",
    "expand",
    "summary",
    "rewrite",
    "verify",
    "lint",
    "passes",
    "list",
    "explain",
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("arguments", [["--bogus"], ["tiny.arch", "--json=1"], ["a", "--set"]])
def test_a_wrong_command_line_is_told_as_json_where_that_is_asked_for(
    command: str, arguments: list[str], capsys: Captured
) -> None:
    code, said = run([command, *arguments, "--json"]), capsys.readouterr().out
    assert (code, json.loads(said)["ok"]) == (2, False)


def test_a_file_called_like_an_option_asks_for_no_json(capsys: Captured) -> None:
    assert run(["summary", "--", "--json"]) == 2
    assert capsys.readouterr().out == ""


def test_expand_and_render_as_json_say_what_they_made(folder: Path, capsys: Captured) -> None:
    assert run(["expand", "tiny.arch", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert run(["expand", "tiny.arch"]) == 0
    assert (found["arch"], found["spec"]) == ("tiny", capsys.readouterr().out)
    assert run(["render", "tiny.arch", "-o", "tiny.gv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["written"] == [{"arch": "tiny", "target": "dot", "file": "tiny.gv"}]
    assert files(folder) == {"tiny.gv"}
    assert run(["render", "tiny.arch", "-o", "-", "--json"]) == 2
    assert "both be on stdout" in json.loads(capsys.readouterr().out)["error"]


def test_a_budget_that_tells_no_mistake_at_all_is_refused(capsys: Captured) -> None:
    assert run(["check", "broken.arch", "--limit", "diagnostics=0"]) == 2
    assert "at least 1" in capsys.readouterr().err
