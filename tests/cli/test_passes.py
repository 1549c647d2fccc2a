"""`passes`, `rewrite`, `verify`, `lint` and `build --pass` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from archdsl.cli.main import run

SPEC = """
block Path(mid, out) {
    conv1: conv(mid, 1x1, bias=false) -> bn1: batchnorm -> relu
    conv2: conv(mid, 3x3, bias=false) -> bn2: batchnorm -> relu
    conv3: conv(out, 1x1, bias=false)
}

block Aggregated(paths) {
    residual {
        branches add {
            repeat paths as g { "path{g}": Path(3, in.c) }
        }
        bn3: batchnorm
    }
    relu
}

arch many() {
    input 6x8x8
    stem { conv1: conv(8, 3x3, bias=false) -> bn1: batchnorm -> relu }
    stage "layer1" { repeat 2 { Aggregated(4) } }
    head { gap -> flatten -> fc: linear(5) }
}
"""

GROUPED = """
block Aggregated() {
    residual {
        conv1: conv(12, 1x1, bias=false) -> bn1: batchnorm -> relu
        conv2: conv(12, 3x3, groups=4, bias=false) -> bn2: batchnorm -> relu
        conv3: conv(in.c, 1x1, bias=false) -> bn3: batchnorm
    }
    relu
}

arch few() {
    input 6x8x8
    stem { conv1: conv(8, 3x3, bias=false) -> bn1: batchnorm -> relu }
    stage "layer1" { repeat 2 { Aggregated } }
    head { gap -> flatten -> fc: linear(5) }
}
"""


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "many.arch").write_text(SPEC)
    (tmp_path / "few.arch").write_text(GROUPED)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_passes_lists_every_pass_with_its_promise_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["passes", "--json"]) == 0
    listed = {item["name"]: item for item in json.loads(capsys.readouterr().out)["passes"]}
    assert listed["multibranch-to-grouped"]["promise"] == "exact"
    assert listed["fold-batchnorm"]["promise"] == "exact-eval"
    assert listed["resnet-d"]["promise"] == "redesign"
    assert all(item["source"] and item["law"] and item["summary"] for item in listed.values())


def test_every_pass_shows_an_example_that_it_rewrites(specs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["passes", "--json"]) == 0
    for row in json.loads(capsys.readouterr().out)["passes"]:
        (specs / "example.arch").write_text(row["spec"])
        words = row["example"].split()
        assert words[0] == "archdsl"
        assert run([*words[1:], "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["rewritten"] > 0, row["example"]


def test_a_rewritten_spec_checks_and_its_weights_come_along(specs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["build", "many.arch", "-o", "old.safetensors", "--seed", "3"]) == 0
    line = ["rewrite", "many.arch", "--pass", "multibranch-to-grouped", "-o", "new.arch", "--verify", "--explain"]
    assert run([*line, "--weights", "old.safetensors", "--save-weights", "new.safetensors"]) == 0
    told = capsys.readouterr().err
    assert "multibranch-to-grouped: proved (exact)" in told
    assert "rewritten layer1.0.path0.conv1" in told
    assert "layer1.0.conv1.weight = concat(layer1.0.path0.conv1.weight" in told
    assert run(["check", "new.arch"]) == 0
    old, new = load_file("old.safetensors"), load_file("new.safetensors")
    paths = [old[f"layer1.0.path{g}.conv1.weight"] for g in range(4)]
    assert np.array_equal(new["layer1.0.conv1.weight"], np.concatenate(paths))
    assert run(["build", "new.arch", "-o", "again.onnx", "--weights", "new.safetensors"]) == 0


def test_a_net_and_its_rewritten_form_are_proved_equal(specs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "many.arch", "few.arch", "--pass", "multibranch-to-grouped"]) == 0
    assert "the same structure" in capsys.readouterr().out
    assert run(["verify", "many.arch", "few.arch"]) == 1
    assert "they part at operation" in capsys.readouterr().out


def test_a_checkpoint_matches_a_spec_by_order_and_shape(specs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["build", "few.arch", "-o", "few.safetensors"]) == 0
    assert run(["verify", "few.arch", "few.safetensors"]) == 0
    assert run(["verify", "many.arch", "few.safetensors"]) == 1
    assert "do not match by order and shape: entry" in capsys.readouterr().out


def test_build_takes_passes_and_carries_the_weights(specs: Path) -> None:
    assert run(["build", "few.arch", "-o", "plain.onnx", "--seed", "1"]) == 0
    assert run(["build", "few.arch", "-o", "folded.onnx", "--seed", "1", "--pass", "fold-batchnorm"]) == 0
    onnxruntime = pytest.importorskip("onnxruntime")
    image = np.random.default_rng(0).standard_normal((2, 6, 8, 8), np.float32)
    results = []
    for name in ("plain.onnx", "folded.onnx"):
        session = onnxruntime.InferenceSession(name, providers=["CPUExecutionProvider"])
        results.append(session.run(None, {session.get_inputs()[0].name: image})[0])
    assert np.abs(results[0] - results[1]).max() <= 5e-6 * np.abs(results[0]).max()


def test_a_wrong_pass_or_option_is_a_usage_error_with_a_suggestion(
    specs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rewrite", "few.arch", "--pass", "fold-batchnrm"]) == 2
    assert "did you mean `fold-batchnorm`?" in capsys.readouterr().err
    assert run(["rewrite", "few.arch", "--pass", "resnet-c,widht=3"]) == 2
    assert "did you mean `width`?" in capsys.readouterr().err
    assert run(["rewrite", "few.arch", "--pass", "resnet-c,width=wide"]) == 2
    assert run(["rewrite", "few.arch"]) == 2
    assert run(["rewrite", "few.arch", "--pass-file", "missing.py", "--pass", "mine"]) == 2


def test_where_limits_a_pass_to_a_part_of_the_net(specs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rewrite", "few.arch", "--pass", "fold-batchnorm,where=stem", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rewritten"] == 1


def test_lint_advises_with_a_source_and_the_pass_that_mends_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "resnet50", "--json"]) == 0
    advice = json.loads(capsys.readouterr().out)["advice"]
    assert [item["path"] for item in advice] == [f"layer{i}.0.downsample.0" for i in (2, 3, 4)]
    assert all("1812.01187" in item["source"] and "resnet-d" in item["mend"] for item in advice)
    assert run(["lint", "resnet50d", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["advice"] == []


LINTED = """
arch advised() {{
    input 8x16x16
    stem {{ first: conv(8, 3x3) -> relu }}
    {body}
    head {{ gap -> flatten -> fc: linear(4) }}
}}
"""

NARROW = "a: conv(8, 3x3, groups=8) -> b: conv(4, 1x1, bias=false) -> n: batchnorm -> r: relu"
VECTOR = 'gmp -> flatten -> n: batchnorm -> b: linear(16) -> relu -> rearrange("c -> c h w", h=1, w=1)'


@pytest.mark.parametrize(
    ("body", "rule", "path"),
    [
        ("a: conv(8, 1x1, stride=2)", "strided-pointwise", "a"),
        ("a: conv(8, 1x1) -> b: conv(8, 3x3)", "linear-pair", "b"),
        ("a: conv(8, 3x3) -> n: batchnorm -> relu", "bias-before-norm", "a"),
        (VECTOR, "affine-before-linear", "n"),
        ("residual { a: conv(8, 3x3) -> r: relu }", "relu-ends-body", "r"),
        (NARROW, "narrow-activation", "r"),
        ("a: conv(8, 1x1) -> relu -> b: conv(8, 1x1, stride=2)", "late-downsampling", "a"),
        ("a: conv(8, 3x3) -> relu -> maxpool(1x1, stride=2)", "late-downsampling", "a"),
        ("a: conv(4, 1x1) -> avgpool(2x2)", "late-downsampling", "a"),
        ("n: batchnorm -> a: conv(4, 3x3, padding=0)", "affine-before-linear", "n"),
        ('rearrange("c h w -> (h w) c") -> n: layernorm -> linear(4) -> rearrange("(h w) c -> c h w", h=16)',
         "affine-before-linear", "n"),
        ("n: batchnorm -> flatten -> linear(4) -> rearrange(\"c -> c h w\", h=1, w=1)", "affine-before-linear", "n"),
    ],
)  # fmt: skip
def test_each_rule_of_lint_finds_its_case(
    body: str, rule: str, path: str, specs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (specs / "advised.arch").write_text(LINTED.format(body=body))
    assert run(["lint", "advised.arch", "--json"]) == 0
    advice = json.loads(capsys.readouterr().out)["advice"]
    assert (rule, path) in [(item["rule"], item["path"]) for item in advice]


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("a: conv(8, 3x3, stride=2) -> relu", "strided-pointwise"),
        ("a: conv(8, 1x1) -> relu -> b: conv(8, 3x3)", "linear-pair"),
        ("a: conv(8, 1x1) as x\nb: conv(8, 1x1)\nfrom [x, here] -> add", "linear-pair"),
        ("a: conv(8, 1x1) -> b: conv(8, 3x3, groups=8)", "linear-pair"),
        ("a: conv(8, 3x3) -> b: conv(8, 3x3)", "linear-pair"),
        ("a: conv(8, 1x1, stride=2, bias=false) -> b: conv(8, 3x3)", "linear-pair"),
        ("a: conv(8, 3x3, padding_mode=reflect) -> flatten -> linear(4) -> rearrange(\"c -> c h w\", h=1, w=1)",
         "linear-pair"),
        ("a: conv(8, 3x3, bias=false) -> n: batchnorm -> relu", "bias-before-norm"),
        ("n: batchnorm -> a: conv(4, 3x3)", "affine-before-linear"),
        ("n: batchnorm(affine=false) -> a: conv(4, 1x1)", "affine-before-linear"),
        ("residual { a: conv(8, 3x3) -> tanh }", "relu-ends-body"),
        ("a: conv(8, 3x3, groups=8) -> relu -> branches mul { skip identity\n gap -> conv(2, 1x1) -> relu -> "
         "conv(8, 1x1) -> sigmoid }", "narrow-activation"),
        ("a: conv(8, 3x3) -> relu -> avgpool(2x2)", "late-downsampling"),
        ("a: conv(8, 1x1) -> maxpool(2x2)", "late-downsampling"),
    ],
)  # fmt: skip
def test_no_rule_of_lint_finds_what_is_as_advised(
    body: str, rule: str, specs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (specs / "advised.arch").write_text(LINTED.format(body=body))
    assert run(["lint", "advised.arch", "--json"]) == 0
    advice = json.loads(capsys.readouterr().out)["advice"]
    assert rule not in [item["rule"] for item in advice]


@pytest.mark.parametrize(
    ("body", "rule", "mend"),
    [
        ("a: conv(8, 1x1, stride=2) -> batchnorm -> relu -> conv(8, 3x3)", "strided-pointwise", "resnet-b"),
        ("residual { conv(8, 3x3, stride=2) } skip a: conv(8, 1x1, stride=2)", "strided-pointwise", "resnet-d"),
        ("a: conv(8, 1x1, bias=false) -> b: conv(8, 3x3)", "linear-pair", "merge-linear"),
        ("a: conv(8, 3x3) -> b: conv(8, 1x1)", "linear-pair", "merge-linear"),
        ("a: conv(8, 1x1, stride=2) -> b: conv(8, 3x3, padding=0)", "linear-pair", "merge-linear"),
        ("a: conv(8, 1x1) -> b: conv(8, 3x3, padding_mode=reflect)", "linear-pair", "merge-linear"),
        ("adaptive_avgpool(4x4) -> a: conv(8, 3x3, stride=4) -> flatten -> linear(4) "
         '-> rearrange("c -> c h w", h=1, w=1)', "linear-pair", "merge-linear"),
        ("a: conv(8, 3x3) -> n: batchnorm -> relu", "bias-before-norm", "fold-batchnorm"),
        (VECTOR, "affine-before-linear", "fold-batchnorm"),
        ("n: batchnorm -> flatten -> linear(4) -> rearrange(\"c -> c h w\", h=1, w=1)", "affine-before-linear",
         "fold-batchnorm"),
        ('n: layernorm(axis="c") -> conv(8, 2x2, stride=2, padding=0)', "affine-before-linear", "fold-affine-norm"),
        ('n: layernorm(axis="c", bias=false) -> conv(8, 3x3)', "affine-before-linear", "fold-affine-norm"),
        ("n: groupnorm(2) -> flatten -> linear(4) -> rearrange(\"c -> c h w\", h=1, w=1)", "affine-before-linear",
         "fold-affine-norm"),
        ("n: instancenorm(affine=true) -> conv(8, 1x1)", "affine-before-linear", "fold-affine-norm"),
        ("n: batchnorm(track=false) -> conv(8, 1x1)", "affine-before-linear", "fold-affine-norm"),
        ("residual { a: conv(8, 3x3) -> r: relu }", "relu-ends-body", "signed-residual"),
        ("residual { a: conv(8, 3x3) -> r: relu6 -> dropout(0.1) } -> relu", "relu-ends-body", "signed-residual"),
        ("residual { a: conv(8, 3x3) -> r: relu }", "relu-ends-body", "signed-residual,behind=true"),
        (NARROW, "narrow-activation", "linear-bottleneck"),
        ("a: conv(8, 1x1) -> relu -> b: conv(8, 1x1, stride=2)", "late-downsampling", "early-downsampling"),
        ("a: conv(8, 3x3) -> batchnorm -> relu -> maxpool(1x1, stride=2)", "late-downsampling", "early-downsampling"),
        ("a: conv(8, 3x3) -> layernorm(axis=\"c\") -> avgpool(1x1, stride=2)", "late-downsampling",
         "early-downsampling"),
        ("a: conv(4, 1x1) -> avgpool(2x2)", "late-downsampling", "early-downsampling"),
    ],
)  # fmt: skip
def test_the_pass_that_advice_names_mends_it(
    body: str, rule: str, mend: str, specs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the pass that is named, the advice is gone."""
    (specs / "advised.arch").write_text(LINTED.format(body=body))
    assert run(["lint", "advised.arch", "--json"]) == 0
    found = [item for item in json.loads(capsys.readouterr().out)["advice"] if item["rule"] == rule]
    assert [item["mend"] for item in found] == [mend.partition(",")[0]]
    assert run(["rewrite", "advised.arch", "--pass", mend, "-o", "mended.arch"]) == 0
    assert run(["lint", "mended.arch", "--json"]) == 0
    assert rule not in [item["rule"] for item in json.loads(capsys.readouterr().out)["advice"]]


MENDS = ("fold-affine-norm", "signed-residual", "linear-bottleneck", "early-downsampling")


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("shared one: linear(8)\nrearrange(\"c h w -> (h w) c\") -> one -> layernorm -> one -> "
         "rearrange(\"(h w) c -> c h w\", h=16, w=16)", "affine-before-linear"),
        ("residual { relu }", "relu-ends-body"),
        ("residual { conv(8, 3x3) -> r: relu as x }\nfrom [here, x] -> add", "relu-ends-body"),
        ("shared one: relu\nconv(8, 3x3, groups=8) -> conv(4, 1x1) -> one -> conv(8, 3x3) -> one", "narrow-activation"),
        ("conv(8, 3x3) -> batchnorm(track=false) -> conv(8, 1x1, stride=2)", "late-downsampling"),
        ("shared one: conv(8, 1x1, stride=2)\nconv(8, 3x3) -> relu -> one -> tanh -> one", "late-downsampling"),
    ],
)  # fmt: skip
def test_advice_names_no_pass_that_would_keep_the_site(
    body: str, rule: str, specs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (specs / "advised.arch").write_text(LINTED.format(body=body))
    assert run(["lint", "advised.arch", "--json"]) == 0
    found = [item for item in json.loads(capsys.readouterr().out)["advice"] if item["rule"] == rule]
    assert found
    assert {item["mend"] for item in found} == {None}
    steps = [f"--pass={word}" for word in MENDS]
    assert run(["rewrite", "advised.arch", *steps, "-o", "mended.arch"]) == 0
    capsys.readouterr()
    assert run(["lint", "mended.arch", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["advice"]
    assert rule in [item["rule"] for item in again]


def test_advice_says_where_it_is_and_when_no_pass_mends_it(specs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (specs / "advised.arch").write_text(LINTED.format(body="a: conv(8, 1x1) -> b: conv(8, 3x3)"))
    assert run(["lint", "advised.arch"]) == 0
    told = capsys.readouterr().out
    assert "linear-pair  b  advised.arch:5:27" in told
    assert "once a has no bias" in told
    assert "No bundled pass mends it." in told


def test_a_pass_of_ones_own_runs_like_the_bundled_ones(specs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text(
        '''
"""Every ReLU becomes a SiLU."""

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops import Relu, Silu
from archdsl.passes.edit import Edit
from archdsl.passes.rule import Keep, Match, Pass, Promise


@dataclass(frozen=True)
class ReluToSilu(Pass):
    """Every ReLU becomes a SiLU."""

    promise: ClassVar[Promise] = "redesign"
    law: ClassVar[str] = "smooth"
    source: ClassVar[str] = "Ramachandran et al. 2017, arXiv:1710.05941"

    def rewrite(self, edit: Edit, relu: Match[Relu]) -> Keep | None:
        """Swaps one activation."""
        edit.change(relu.index, Silu())
        return None
'''
    )
    assert run(["rewrite", "few.arch", "--pass-file", "mine.py", "--pass", "relu-to-silu", "-o", "smooth.arch"]) == 0
    text = Path("smooth.arch").read_text()
    assert "silu" in text
    assert "-> relu" not in text
    assert run(["check", "smooth.arch"]) == 0


FOLD = ["rewrite", "few.arch", "--pass", "fold-batchnorm"]


def test_saved_weights_have_the_form_that_their_suffix_names(specs: Path) -> None:
    torch = pytest.importorskip("torch")
    assert run(["build", "few.arch", "-o", "old.safetensors", "--seed", "3"]) == 0
    torch.save({key: torch.from_numpy(array) for key, array in load_file("old.safetensors").items()}, "old.pt")
    assert run([*FOLD, "-o", "a.arch", "--weights", "old.pt", "--save-weights", "a.pth"]) == 0
    assert run([*FOLD, "-o", "b.arch", "--weights", "old.safetensors", "--save-weights", "b.safetensors"]) == 0
    one, two = torch.load("a.pth", weights_only=True), load_file("b.safetensors")
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[key].numpy(), two[key]) for key in two)
    assert run(["build", "a.arch", "-o", "a.onnx", "--weights", "a.pth"]) == 0


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["--save-weights", "new.npz"], "weights are written as .safetensors or .pt"),
        (["--save-weights", "-"], "name a file with --save-weights"),
        (["--save-weights", "nowhere/new.pt"], "there is no such folder"),
        (["-o", "nowhere/new.arch", "--save-weights", "new.pt"], "there is no such folder"),
        (["-o", "new.pt", "--save-weights", "./new.pt"], "cannot hold both"),
        (["--weights", "few.safetensors", "--save-weights", "few.safetensors"], "is read and would be written too"),
        (["--weights", "few.safetensors"], "name with --save-weights where to"),
        (["--json", "-o", "-"], "would both be on stdout"),
    ],
)
def test_files_that_cannot_be_written_are_told_before_anything_is(
    files: list[str], said: str, specs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["build", "few.arch", "-o", "few.safetensors"]) == 0
    before = {path.name: path.read_bytes() for path in specs.iterdir()}
    assert run([*FOLD, *files]) == 2
    told = capsys.readouterr()
    assert said in told.err + told.out
    assert {path.name: path.read_bytes() for path in specs.iterdir()} == before


BROKEN = '''
from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops import Relu, Silu
from archdsl.passes.edit import Edit
from archdsl.passes.rule import Keep, Match, Pass, Promise


@dataclass(frozen=True)
class Wrong(Pass):
    """Says that a SiLU is a ReLU."""

    promise: ClassVar[Promise] = "exact-eval"
    law: ClassVar[str] = "none"
    source: ClassVar[str] = "none"

    def rewrite(self, edit: Edit, relu: Match[Relu]) -> Keep | None:
        """Swaps one activation."""
        edit.change(relu.index, Silu())
        return None
'''


def test_nothing_is_written_where_a_promise_does_not_hold(specs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("wrong.py").write_text(BROKEN)
    line = ["rewrite", "few.arch", "--pass-file", "wrong.py", "--pass", "wrong", "--verify"]
    assert run([*line, "-o", "new.arch", "--save-weights", "new.pt"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "wrong: " in told.err
    assert "nothing was written" in told.err
    assert not Path("new.arch").exists()
    assert not Path("new.pt").exists()
    assert run([*line, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_a_spec_that_archdsl_rewrote_says_how_and_is_rewritten_again(specs: Path) -> None:
    assert run([*FOLD, "-o", "new.arch"]) == 0
    first = Path("new.arch").read_bytes()
    assert first.startswith(b"# archdsl rewrite few --pass fold-batchnorm\n\n")
    assert run([*FOLD, "-o", "new.arch"]) == 0
    assert Path("new.arch").read_bytes() == first
    assert run(["fmt", "new.arch", "--check"]) == 0
    assert run([*FOLD, "-o", "few.arch"]) == 2


def test_a_part_that_the_net_does_not_have_is_a_usage_error(specs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rewrite", "few.arch", "--pass", "fold-batchnorm,where=stm"]) == 2
    assert "did you mean `stem`?" in capsys.readouterr().err
    assert run(["verify", "few.arch", "few.arch", "--pass", "fold-batchnorm,where=layer9"]) == 2
    assert "no path, block or role of the net has the name `layer9`" in capsys.readouterr().err
    Path("few.safetensors").write_bytes(b"")
    assert run(["verify", "few.arch", "few.safetensors", "--pass", "fold-batchnorm,where=layer9"]) == 2
    assert "no path, block or role of the net has the name `layer9`" in capsys.readouterr().err
    assert run(["build", "few.arch", "-o", "few.onnx", "--pass", "fold-batchnorm,where=layer9"]) == 2
    assert not Path("few.onnx").exists()
    assert run(["rewrite", "few.arch", "--pass", "fold-batchnorm,where=stem,where=layer1"]) == 2
    assert "twice" in capsys.readouterr().err
    assert run(["rewrite", "few.arch", "--pass", "fold-batchnorm,where"]) == 2
    assert "write `where=...`" in capsys.readouterr().err


def test_what_is_new_and_what_is_left_behind_is_told(specs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The zeros that a deeper net starts with are new too, though no draw makes them."""
    assert run(["rewrite", "few.arch", "--pass", "deepen,where=layer1", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {name for name in facts["new"] if name.endswith("bn2.weight")}
    assert any("bn2.weight = constant" in line for line in facts["plan"])
    (specs / "wide.arch").write_text("arch wide() { input 4x9x9\n relu -> c: conv(6, 5x5) -> batchnorm }")
    assert run(["rewrite", "wide.arch", "--pass", "factorize-kernels", "--explain"]) == 0
    told = capsys.readouterr().err
    assert "c.weight is left behind" in told
    assert "1 site rewritten, 9 arrays new, 2 arrays left behind" in told


def test_what_is_said_of_a_net_is_said_of_the_net_before_the_passes(tmp_path: Path) -> None:
    """Twice rewritten, it is said once."""
    first, second = tmp_path / "first.arch", tmp_path / "second.arch"
    assert run(["rewrite", "resnet50a", "--pass", "resnet-b", "-o", str(first)]) == 0
    assert run(["rewrite", str(first), "--pass", "resnet-d", "-o", str(second)]) == 0
    for file in (first, second):
        said = [line for line in file.read_text().splitlines() if line.startswith("## ")]
        assert said[0] == "## Before the passes:"
        assert said[1].startswith('## ResNet-50 as published ("A")')
