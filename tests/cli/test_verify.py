"""`verify`: nets of other libraries that load into ours, the first value that parts, and files that are no good."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file
from torch import Tensor, nn

import archdsl
from archdsl.cli.main import run
from archdsl.prove.compare import deviation
from tests.support.peers import torchvision_models
from tests.support.spec_peers import image_of, timm
from tests.support.twins import bare, random_state

torch.set_num_threads(1)
Captured = pytest.CaptureFixture[str]

NET = """
arch net() {
    input 3x8x8
    stem { conv1: conv(4, 3x3, bias=false) -> bn1: batchnorm -> relu }
    residual { a: conv(4, 3x3) -> tanh }
    head { gap -> flatten -> fc: linear(5) }
}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with a small spec; what is written there, which may be large, is gone afterwards."""
    monkeypatch.chdir(tmp_path)
    Path("net.arch").write_text(NET)
    yield tmp_path
    for file in tmp_path.iterdir():
        file.unlink()


def other(*changes: tuple[str, str]) -> str:
    """The small spec, changed, as a file."""
    text = NET
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path("other.arch").write_text(text)
    return "other.arch"


def told(capsys: Captured, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code of `verify --json`, and what it says."""
    capsys.readouterr()
    code = run(["verify", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


# ------------------------------------------------- checkpoints of other libraries


def timm_net(name: str) -> nn.Module:
    return bare(timm().create_model, name)


def torchvision_net(name: str) -> nn.Module:
    return bare(getattr(torchvision_models(), name), weights=None)


def outputs(module: nn.Module, image: Tensor) -> np.ndarray:
    with torch.no_grad():
        found: Tensor = module.double().eval()(image)
    return found.numpy()


def carried(capsys: Captured, spec: str, theirs: nn.Module, file: str, how: str, side: int = 32) -> None:
    """Their checkpoint is found to be the spec's, and saved under its keys computes what their net does."""
    theirs.load_state_dict(random_state(theirs), strict=True)
    state = theirs.state_dict()
    if file.endswith(".safetensors"):
        save_file(state, file)
    else:
        torch.save(state, file)
    code, found = told(capsys, spec, file, "--save-weights", "ours.safetensors")
    assert (code, found["verdict"], found["how"]) == (0, "fits", how)
    ours = archdsl.load(spec, weights="ours.safetensors")
    image = image_of(side, 2, torch.float64)
    apart = deviation(outputs(ours, image), outputs(theirs, image))
    assert apart <= 1e-10
    assert list(found["keys"]) == list(ours.state_dict())
    assert list(found["keys"].values()) == list(state)


@pytest.mark.parametrize(
    "spec,name,file,how",
    [
        ("resnet18d", "resnet18d", "theirs.safetensors", "name"),
        ("resnet50d", "resnet50d", "theirs.safetensors", "name"),
        ("efficientnet_b0", "efficientnet_b0", "theirs.safetensors", "restored"),
        ("efficientnet_b0", "efficientnet_b0", "theirs.pth", "order"),
        ("mobilenet_v2", "mobilenetv2_100", "theirs.safetensors", "restored"),
        ("mobilenet_v2", "mobilenetv2_100", "theirs.pth", "order"),
    ],
)
def test_a_net_of_timm_loads_into_ours(spec: str, name: str, file: str, how: str, capsys: Captured) -> None:
    carried(capsys, spec, timm_net(name), file, how)


@pytest.mark.parametrize("spec", ["efficientnet_b0", "mobilenet_v2"])
def test_the_same_net_of_torchvision_loads_into_ours(spec: str, capsys: Captured) -> None:
    """By the spec's own names, of which timm shares none."""
    theirs = torchvision_net(spec)
    assert not set(theirs.state_dict()) & set(
        timm_net({"mobilenet_v2": "mobilenetv2_100"}.get(spec, spec)).state_dict()
    )
    carried(capsys, spec, theirs, "theirs.safetensors", "name")


@pytest.mark.slow
def test_resnet101d_of_timm_loads_into_ours(capsys: Captured) -> None:
    carried(capsys, "resnet101d", timm_net("resnet101d"), "theirs.safetensors", "name")


@pytest.mark.parametrize(
    "spec,passes,name,file,how",
    [
        ("resnext50", ("resnet-c", "resnet-d"), "resnext50d_32x4d", "theirs.safetensors", "restored"),
        pytest.param(
            *("resnet50a", ("resnet-b", "resnet-c", "resnet-d"), "resnet50d", "theirs.pth", "order"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_rewritten_spec_takes_timms_weights(
    spec: str, passes: tuple[str, ...], name: str, file: str, how: str, capsys: Captured
) -> None:
    """The ResNet tweaks as passes give the very net that timm has."""
    chosen = [word for item in passes for word in ("--pass", item)]
    assert run(["rewrite", spec, *chosen, "-o", "tweaked.arch"]) == 0
    carried(capsys, "tweaked.arch", timm_net(name), file, how)
    code, found = told(capsys, spec, file, *chosen)
    assert (code, found["verdict"]) == (0, "fits")


@pytest.mark.parametrize("file", ["theirs.safetensors", "theirs.pth"])
def test_timms_vgg16_is_another_net_and_the_reason_is_told(file: str, capsys: Captured) -> None:
    """Its head is made of convolutions."""
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in timm().create_model("vgg16_bn").state_dict().items()}
    state = {key: torch.zeros(shape, dtype=torch.float16) for key, shape in shapes.items()}
    if file.endswith(".pth"):
        torch.save(state, file)
    else:
        save_file(state, file)
    code, found = told(capsys, "vgg16_bn", file, "--save-weights", "ours.safetensors")
    assert (code, found["verdict"]) == (1, "different")
    assert found["expected"].startswith("classifier.0")
    assert found["found"].startswith("pre_logits.fc1")
    assert "4096x25088" in found["reason"]
    assert "4096x512x7x7" in found["reason"]
    assert "a linear layer and a convolution over the whole map" in found["reason"]
    assert not Path("ours.safetensors").exists()


# ------------------------------------------------------ checkpoints without names


def weights(*arguments: str) -> dict[str, Tensor]:
    """The small spec's weights from a seed."""
    assert run(["build", "net.arch", "-o", "net.safetensors", "--seed", "3", *arguments]) == 0
    return archdsl.load("net.arch", weights="net.safetensors").state_dict()


def test_names_that_say_nothing_are_matched_in_order(capsys: Captured) -> None:
    """Neighbours of equal shape too: a norm's scale and shift."""
    state = {f"{n}": value for n, (key, value) in enumerate(weights().items()) if "num_batches" not in key}
    torch.save(state, "flat.pth")
    code, found = told(capsys, "net.arch", "flat.pth", "--save-weights", "ours.safetensors")
    assert (code, found["how"]) == (0, "order")
    assert found["keys"]["bn1.bias"] == "2"
    assert found["fresh"] == ["bn1.num_batches_tracked"]
    ours, expected = load_arrays("ours.safetensors"), load_arrays("net.safetensors")
    assert ours.keys() == expected.keys()
    assert all(np.array_equal(ours[key], expected[key]) for key in ours)
    assert ours["bn1.num_batches_tracked"].dtype == np.int64
    assert run(["build", "net.arch", "--weights", "ours.safetensors", "-o", "net.onnx"]) == 0


def test_a_missing_counter_is_zero_and_one_that_is_there_is_kept(capsys: Captured) -> None:
    state = {f"x.{key}": value for key, value in weights().items()}
    state["x.bn1.num_batches_tracked"] = torch.tensor(7)
    torch.save(state, "named.pth")
    assert told(capsys, "named.pth", "net.arch", "--save-weights", "ours.safetensors")[0] == 0
    assert load_arrays("ours.safetensors")["bn1.num_batches_tracked"] == 7
    del state["x.bn1.num_batches_tracked"]
    torch.save(state, "named.pth")
    code, found = told(capsys, "named.pth", "net.arch", "--save-weights", "ours.safetensors")
    assert (code, found["fresh"]) == (0, ["bn1.num_batches_tracked"])
    assert load_arrays("ours.safetensors")["bn1.num_batches_tracked"] == 0


def test_what_data_parallel_puts_before_every_key_does_not_count(capsys: Captured) -> None:
    save_file({f"module.{key}": value for key, value in weights().items()}, "parallel.safetensors")
    code, found = told(capsys, "net.arch", "parallel.safetensors", "--save-weights", "ours.safetensors")
    assert (code, found["how"], found["renamed"]) == (0, "name", 0)
    assert list(load_arrays("ours.safetensors")) == list(load_arrays("net.safetensors"))


def test_another_order_is_reported_with_its_first_place(capsys: Captured) -> None:
    state = {f"{n}.{key.rpartition('.')[2]}": value for n, (key, value) in enumerate(weights().items())}
    keys = list(state)
    keys[0], keys[6] = keys[6], keys[0]
    torch.save({key: state[key] for key in keys}, "mixed.pth")
    code, found = told(capsys, "net.arch", "mixed.pth")
    assert (code, found["verdict"]) == (1, "different")
    assert (found["expected"], found["found"]) == ("conv1.weight", "6.weight")
    assert found["report"] == [
        "they do not match by order and shape: entry 0: conv1.weight has the shape 4x3x3x3, and 6.weight 4x4x3x3"
    ]


def test_a_bias_in_the_place_of_a_weight_is_no_match(capsys: Captured) -> None:
    """The shapes of a norm's arrays are the same: their names in torch are not."""
    state = {key.replace("bn1.", "one." if "running" in key else "two."): v for key, v in weights().items()}
    state = {("late." + key if key.startswith("two.bias") else key): value for key, value in state.items()}
    order = sorted(
        state, key=lambda key: (not key.startswith("conv1"), not key.startswith("late."), list(state).index(key))
    )
    torch.save({key: state[key] for key in order}, "mixed.pth")
    code, found = told(capsys, "net.arch", "mixed.pth")
    assert code == 1
    assert "bn1.weight is a weight, and late.two.bias a bias" in found["reason"]


PAIR = """
arch pair() {
    input 4x8x8
    one: conv(4, 3x3) -> relu -> two: conv(4, 3x3) -> relu
    gap -> flatten -> fc: linear(5)
}
"""


def test_a_file_that_sorts_its_names_is_not_matched_by_guess(capsys: Captured) -> None:
    """Of two layers of one shape nothing says which is the first, unless the file keeps its order, or their names are
    numbers: `up2` may stand before `up1`."""
    Path("pair.arch").write_text(PAIR)
    state = archdsl.load("pair.arch", seed=0).state_dict()
    renamed = {key.replace("one", "upper").replace("two", "lower"): value for key, value in state.items()}
    save_file(renamed, "sorted.safetensors")
    code, found = told(capsys, "pair.arch", "sorted.safetensors", "--save-weights", "ours.safetensors")
    assert (code, found["verdict"]) == (1, "ambiguous")
    assert (found["expected"], found["found"]) == ("one", "lower or upper")
    assert not Path("ours.safetensors").exists()
    torch.save(renamed, "kept.pth")
    code, found = told(capsys, "pair.arch", "kept.pth")
    assert (code, found["keys"]["one.weight"]) == (0, "upper.weight")
    numbered = {key.replace("one", "2").replace("two", "10"): value for key, value in state.items()}
    save_file(numbered, "numbered.safetensors")
    code, found = told(capsys, "pair.arch", "numbered.safetensors")
    assert (code, found["keys"]["one.weight"]) == (0, "2.weight")
    stages = {key.replace("one", "up2").replace("two", "up1"): value for key, value in state.items()}
    save_file(stages, "stages.safetensors")
    code, found = told(capsys, "pair.arch", "stages.safetensors")
    assert (code, found["verdict"]) == (1, "ambiguous")
    torch.save(load_tensors("stages.safetensors"), "stages.pth")  # which keeps the sorted order
    assert told(capsys, "pair.arch", "stages.pth") == (code, found)


def test_branches_of_a_sum_that_can_change_places_are_matched_in_order(capsys: Captured) -> None:
    text = "arch total() {\n input 4x8x8\n branches add {\n a: conv(4, 3x3)\n b: conv(4, 3x3)\n }\n gap\n}\n"
    Path("total.arch").write_text(text)
    state = archdsl.load("total.arch", seed=0).state_dict()
    save_file({key.replace("a.", "x.").replace("b.", "w."): value for key, value in state.items()}, "total.safetensors")
    code, found = told(capsys, "total.arch", "total.safetensors")
    assert (code, found["how"]) == (0, "restored")
    Path("total.arch").write_text(text.replace("branches add", "branches concat"))
    code, found = told(capsys, "total.arch", "total.safetensors")
    assert (code, found["verdict"]) == (1, "ambiguous")


def test_a_parameter_of_the_spec_can_be_set(capsys: Captured) -> None:
    Path("wide.arch").write_text(NET.replace("arch net()", "arch wide(n=5)").replace("linear(5)", "linear(n)"))
    assert run(["build", "wide.arch", "--set", "n=7", "-o", "seven.safetensors"]) == 0
    assert told(capsys, "wide.arch", "seven.safetensors")[0] == 1
    assert told(capsys, "wide.arch", "seven.safetensors", "--set", "n=7")[0] == 0


# ------------------------------------------------------------------- two specs


def test_other_names_are_the_same_structure(capsys: Captured) -> None:
    code, found = told(capsys, "net.arch", other(("conv1:", "first:"), ("bn1:", "n:"), ("a:", "second:")))
    assert (code, found["verdict"], found["same_structure"]) == (0, "equal", True)
    assert found["outputs"] <= 1e-10
    assert found["keys"]["second.weight"] == "a.weight"
    assert found["report"][0] == "the same structure: 10 arrays mapped"


def test_weights_are_carried_to_the_other_specs_names(capsys: Captured) -> None:
    state = weights()
    file = other(("conv1:", "first:"), ("a:", "second:"))
    arguments = ("net.arch", file, "--weights", "net.safetensors", "--save-weights", "theirs.safetensors")
    assert told(capsys, *arguments)[0] == 0
    theirs = archdsl.load(file, weights="theirs.safetensors")
    ours = archdsl.load("net.arch", weights="net.safetensors")
    image = image_of(8, 2, torch.float64)
    assert np.array_equal(outputs(theirs, image), outputs(ours, image))
    assert torch.equal(theirs.state_dict()["second.weight"], state["a.weight"])


def test_the_first_value_that_parts_is_shown_with_how_far(capsys: Captured) -> None:
    """An argument that changes no shape: all behind it is compared too."""
    code, found = told(capsys, "net.arch", other(("batchnorm", "batchnorm(eps=0.001)"), ("tanh", "sigmoid")))
    assert (code, found["verdict"], found["differences"]) == (1, "different", 2)
    assert found["difference"]["position"] == 2
    assert found["difference"]["reason"] == "eps 1e-05 against 0.001"
    assert found["value"]["left"] == "bn1 (batchnorm, 4x8x8)"
    assert 1e-10 < found["value"]["deviation"] < 1e-2
    assert found["outputs"] > 1e-10
    assert found["report"][0].startswith("they part at operation 2: bn1 (batchnorm, 4x8x8) against bn1")
    assert "the first value that parts is at operation 2" in found["report"][2]


def test_where_shapes_part_the_values_before_are_run_and_agree(capsys: Captured) -> None:
    code, found = told(capsys, "net.arch", other(("linear(5)", "linear(6)")))
    assert (code, found["verdict"], found["value"], found["outputs"]) == (1, "different", None, None)
    assert found["difference"]["reason"] == "out 5 against 6"
    assert found["not_comparable"] == "its value has the shape 5 against 6"
    assert found["values_compared"] == 1
    assert found["report"][1].startswith("all 9 values before that agree, 8 arrays mapped")


def test_another_wiring_of_the_same_layers_shows_in_values(capsys: Captured) -> None:
    file = other(("residual { a: conv(4, 3x3) -> tanh }", "a: conv(4, 3x3) -> tanh"))
    code, found = told(capsys, "net.arch", file)
    assert (code, found["verdict"]) == (1, "different")
    assert "add" in found["difference"]["left"]


@pytest.mark.parametrize("old,new", [("relu }", "relu -> dropout(0.3) }"), ("norm", "norm(momentum=0.3)")])
def test_another_structure_that_computes_the_same_in_inference_is_told(old: str, new: str, capsys: Captured) -> None:
    code, found = told(capsys, "net.arch", other((old, new)))
    assert (code, found["verdict"], found["same_structure"]) == (0, "equal-in-inference", False)
    assert found["outputs"] <= 1e-10
    assert found["report"][-1].startswith("yet the same function in inference")


def test_one_more_activation_is_another_function(capsys: Captured) -> None:
    code, found = told(capsys, "net.arch", other(("tanh", "tanh -> tanh")))
    assert (code, found["verdict"]) == (1, "different")


def test_what_saturates_for_large_values_alone_is_found(capsys: Captured) -> None:
    code, found = told(capsys, "net.arch", other(("-> relu", "-> relu6")))
    assert (code, found["verdict"]) == (1, "different")
    assert found["value"]["reason"] == "relu against relu6"


def test_operations_in_another_order_that_commute_are_one_function(capsys: Captured) -> None:
    Path("other.arch").write_text(NET.replace("-> relu }", "-> relu -> maxpool(2) }"))
    Path("net.arch").write_text(NET.replace("-> relu }", "-> maxpool(2) -> relu }"))
    code, found = told(capsys, "net.arch", "other.arch")
    assert (code, found["verdict"], found["matched"]) == (0, "equal-in-inference", "by name")


def test_roles_are_told_and_no_function_depends_on_them(capsys: Captured) -> None:
    file = other(("stem { ", ""), ("relu }", "relu"))
    code, found = told(capsys, "net.arch", file)
    assert (code, found["verdict"]) == (0, "equal")
    assert found["role"] == "conv1 is in the stem, conv1 in no role"


def test_a_pass_is_proved_and_its_proof_is_in_the_json(capsys: Captured) -> None:
    code, found = told(capsys, "net.arch", "net.arch", "--pass", "drop-dropout")
    assert code == 0
    assert found["passes"][0]["promise"] == "exact-eval"
    assert found["passes"][0]["deviations"]["outputs"] == 0.0


# -------------------------------------------------------------------- mistakes


def failed(capsys: Captured, *arguments: str) -> tuple[int, str]:
    """The exit code and what is on stderr; nothing is written, and no trace shown."""
    before = sorted(Path().iterdir())
    code = run(["verify", *arguments])
    said = capsys.readouterr()
    assert "Traceback" not in said.err + said.out
    assert "internal error" not in said.err
    assert sorted(Path().iterdir()) == before
    return code, said.err + said.out


SAVE = ("--save-weights", "ours.safetensors")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 40,
        b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ",
        (1 << 62).to_bytes(8, "little") + b"{}",
        b'\x50\x00\x00\x00\x00\x00\x00\x00{"a":{"dtype":"F32","shape":[99999999999],"data_offsets":[0,4]}}' + b" " * 24,
        b"\x80\x04cos\nsystem\n(S'echo'\ntR.",
    ],
)
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_broken_or_hostile_checkpoint_is_one_line(content: bytes, suffix: str, capsys: Captured) -> None:
    Path(f"bad{suffix}").write_bytes(content)
    code, said = failed(capsys, "net.arch", f"bad{suffix}", *SAVE)
    assert code == 1
    assert said


def test_a_pickle_that_runs_code_is_not_run(capsys: Captured) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (Path("owned"),)

    torch.save({"conv1.weight": Hostile()}, "bad.pth")
    code, said = failed(capsys, "net.arch", "bad.pth", *SAVE)
    assert code == 1
    assert "holds a Python object" in said


def test_keys_without_end_are_refused(capsys: Captured) -> None:
    names = [".".join("a" * 3000), "0" * 6000, "\x1b[31m", ".", "..", "é" * 300]
    save_file({name: torch.zeros(2) for name in names}, "deep.safetensors")
    code, said = failed(capsys, "net.arch", "deep.safetensors", *SAVE)
    assert code == 1
    assert "\x1b" not in said
    assert len(said) < 1000


def test_more_ways_than_can_be_looked_at_are_no_match(capsys: Captured) -> None:
    layers = " -> ".join(f"c{n}: conv(2, 1x1)" for n in range(30))
    Path("long.arch").write_text(f"arch long() {{\n input 2x4x4\n {layers}\n}}\n")
    state = {key: torch.zeros(value.shape) for key, value in archdsl.load("long.arch", seed=0).state_dict().items()}
    letters = {f"c{n}": f"{chr(97 + n % 26) * (1 + n // 26)}x" for n in range(30)}
    save_file(
        {f"{letters[key.partition('.')[0]]}.{key.partition('.')[2]}": v for key, v in state.items()}, "long.safetensors"
    )
    code, said = failed(capsys, "long.arch", "long.safetensors", *SAVE)
    assert code == 1
    assert "save it as .pth" in said


def test_numbers_that_float32_rounds_are_told_and_too_large_ones_are_not_taken(capsys: Captured) -> None:
    wide = {f"x.{key}": value.double() for key, value in weights().items() if value.is_floating_point()}
    torch.save({key: value + 1e-12 for key, value in wide.items()}, "wide.pth")
    assert run(["verify", "net.arch", "wide.pth", *SAVE]) == 0
    assert "rounded to float32, which loses digits" in capsys.readouterr().err
    torch.save({key: value + 1e300 for key, value in wide.items()}, "large.pth")
    code, said = failed(capsys, "net.arch", "large.pth", *SAVE, "--force")
    assert code == 1
    assert "E1005" in said
    torch.save({f"x.{key}": value.long() for key, value in weights().items()}, "whole.pth")
    code, said = failed(capsys, "net.arch", "whole.pth", *SAVE)
    assert code == 1
    assert "E1004" in said


def test_half_precision_is_taken_and_told(capsys: Captured) -> None:
    state = weights()
    torch.save({f"x.{key}": v.half() if v.is_floating_point() else v for key, v in state.items()}, "half.pth")
    assert run(["verify", "net.arch", "half.pth", *SAVE]) == 0
    assert "float16" in capsys.readouterr().err
    ours = load_arrays("ours.safetensors")
    assert ours["a.weight"].dtype == np.float32
    assert np.array_equal(ours["a.weight"], state["a.weight"].half().float().numpy())


@pytest.mark.parametrize(
    "arguments,says",
    [
        (("net.arch",), "Missing argument 'B'"),
        (("net.arch", "missing.arch"), "missing.arch"),
        (("net.arch", "missing.pth"), "missing.pth: no such file"),
        (("net.arch", "resnet5O"), "did you mean"),
        (("one.pth", "two.safetensors"), "name the spec of one of them"),
        (("net.arch", "one.pth", "--weights", "two.pth"), "the checkpoint has the weights"),
        (("net.arch", "net.arch", *SAVE), "--save-weights needs weights to map"),
        (("net.arch", "net.arch", "--weights", "missing.pth"), "missing.pth: no such file"),
        (("net.arch", "one.pth", "--save-weights", "-"), "not written to stdout"),
        (("net.arch", "one.pth", "--save-weights", "ours.txt"), "weights are written as .safetensors"),
        (("net.arch", "one.pth", "--save-weights", "nowhere/ours.pth"), "there is no such folder"),
        (("net.arch", "net.arch", "--pass", "fold-batchnrm"), "did you mean `fold-batchnorm`?"),
        (("net.arch", "net.arch", "--set", "classes=3"), "classes"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments: tuple[str, ...], says: str, capsys: Captured) -> None:
    code, said = failed(capsys, *arguments)
    assert code == 2
    assert says in said


def test_weights_are_saved_for_torch_too(capsys: Captured) -> None:
    state = weights()
    torch.save({f"x.{key}": value for key, value in state.items()}, "theirs.pth")
    assert told(capsys, "net.arch", "theirs.pth", "--save-weights", "ours.pth")[0] == 0
    ours = torch.load("ours.pth", weights_only=True)
    assert list(ours) == list(state)
    assert all(torch.equal(ours[key], state[key]) for key in state)


def test_a_file_that_is_not_ours_is_overwritten_only_by_force(capsys: Captured) -> None:
    weights()
    Path("ours.safetensors").write_bytes(b"mine")
    assert failed(capsys, "net.arch", "net.safetensors", *SAVE)[0] == 2
    assert Path("ours.safetensors").read_bytes() == b"mine"
    assert run(["verify", "net.arch", "net.safetensors", *SAVE, "--force"]) == 0
    assert list(load_arrays("ours.safetensors")) == list(load_arrays("net.safetensors"))


def test_a_checkpoint_that_does_not_fit_leaves_no_file(capsys: Captured) -> None:
    torch.save({"0": torch.zeros(4, 3, 3, 3)}, "short.pth")
    code, said = failed(capsys, "net.arch", "short.pth", *SAVE)
    assert code == 1
    assert "the checkpoint ends before bn1.weight" in said
