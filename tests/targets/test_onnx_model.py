"""Whole nets in ONNX: names, types, outputs, weights, bytes."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings

import archdsl
from archdsl import ops
from archdsl.diagnostics import ArchdslError, UsageError
from archdsl.graph import Graph
from archdsl.ir.builder import Builder
from archdsl.ir.program import Output, Program, Value
from archdsl.prove.compare import ONNXRUNTIME, REFERENCE, deviation
from archdsl.targets import onnx_model
from tests.support import interpreter, onnx_run
from tests.support.nets import again
from tests.support.small_nets import programs

SPECS = (  # the other specs stand in tests/specs
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "wide_resnet101_2"),
    *("resnext50", "resnext50_multibranch", "resnext101_32x8d", "resnext101_64x4d"),
)
BATCHES = (1, 3)


def small() -> Graph:
    """A residual net of a few layers."""
    b = Builder("small")
    x = b.input(3, 8, 8)
    y = b.add(ops.Conv(out=4, kernel=3, bias=False), (x,), "stem.conv")[0]
    y = b.add(ops.BatchNorm(), (y,), "stem.bn")[0]
    z = b.add(ops.Conv(out=4, kernel=3), (y,), "body.0")[0]
    z = b.add(ops.StochasticDepth(rate=0.1), (z,), "body.1")[0]
    y = b.add(ops.Add(), (z, y), b.free_path(0, "add"))[0]
    y = b.add(ops.GlobalAvgPool(), (y,), "gap")[0]
    y = b.add(ops.Flatten(), (y,), "flatten")[0]
    y = b.add(ops.Dropout(), (y,), "dropout")[0]
    return Graph(b.program(b.add(ops.Linear(out=5), (y,), "fc")[0], doc="A test.", digest="5f", source="/a/small.arch"))


def wide() -> Graph:
    """A net whose weights are worth a file of their own."""
    b = Builder("net")
    x = b.add(ops.Flatten(), (b.input(3, 8, 8),), "0")[0]
    x = b.add(ops.Linear(out=50), (x,), "1")[0]
    x = b.add(ops.Linear(out=30), (x,), "2")[0]
    return Graph(b.program(b.add(ops.Linear(out=20), (x,), "3")[0]))


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def assert_agrees(graph: Graph, gate: float = REFERENCE) -> None:
    """Sound, and both runtimes compute what torch does."""
    weights = onnx_run.random_weights(graph)
    onnx_run.assert_sound(onnx_model.model(graph, weights))
    double, single = onnx_model.model(graph, weights, "float64"), onnx_model.write(graph, weights)
    for batch in BATCHES:
        inputs = onnx_run.random_inputs(graph, batch, seed=batch)
        expected = interpreter.outputs(graph, weights, inputs, "float64")
        for ours, theirs in zip(onnx_run.run_reference(double, inputs), expected, strict=True):
            assert deviation(ours, theirs) <= gate
        expected = interpreter.outputs(graph, weights, inputs, "float32")
        for ours, theirs in zip(onnx_run.run_onnxruntime(single, inputs), expected, strict=True):
            assert deviation(ours, theirs) <= ONNXRUNTIME


@pytest.mark.parametrize("spec", SPECS)
def test_a_published_net_is_sound_and_computes_what_torch_does(spec: str) -> None:
    """onnx accepts and infers every shape; onnxruntime agrees with torch in float32 at batch 1 and 3."""
    graph = archdsl.compile(spec)
    onnx_run.assert_sound(onnx_model.structure(graph))
    weights = onnx_run.random_weights(graph, dtype="float32")
    data = onnx_model.write(graph, weights)
    for batch in BATCHES:
        inputs = onnx_run.random_inputs(graph, batch, dtype="float32")
        (expected,) = interpreter.outputs(graph, weights, inputs, "float32")
        (found,) = onnx_run.run_onnxruntime(data, inputs)
        assert found.shape == (batch, 1000)
        assert deviation(found, expected) <= ONNXRUNTIME


def test_the_initializers_are_the_state_dict_without_its_counters() -> None:
    graph = archdsl.compile("resnet18")
    model = onnx_model.structure(graph)
    keys = [key for key, _, _ in graph.state() if not key.endswith("num_batches_tracked")]
    assert [value.name for value in model.graph.input] == ["input", *keys]
    assert not model.graph.initializer


def test_a_model_says_what_it_is_made_from() -> None:
    graph = small()
    model = onnx_model.model(graph, onnx_run.random_weights(graph))
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts == {"spec": "small.arch", "arch": "small", "digest": "5f", "archdsl": archdsl.__version__}
    assert (model.producer_name, model.producer_version) == ("archdsl", archdsl.__version__)
    assert (model.doc_string, model.graph.name) == ("A test.", "small")
    assert model.ir_version <= 10
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]


def test_nodes_and_values_are_named_by_their_paths_and_what_rests_in_inference_is_gone() -> None:
    graph = small()
    model = onnx_model.model(graph, onnx_run.random_weights(graph))
    assert [(node.name, list(node.output)) for node in model.graph.node] == [
        ("stem.conv", ["stem.conv"]),
        ("stem.bn", ["stem.bn"]),
        ("body.0", ["body.0"]),
        ("add", ["add"]),
        ("gap", ["gap"]),
        ("flatten", ["flatten"]),
        ("fc", ["output"]),
    ]
    assert onnx_run.stated(model)["add"] == ("batch", 4, 8, 8)
    assert_agrees(graph)


def test_training_nodes_and_their_outputs_are_absent() -> None:
    b = Builder("net")
    x = b.input(4)
    y = b.add(ops.Linear(out=3), (x,), "fc")[0]
    side = b.add(ops.Linear(out=2), (x,), "aux", training=True)[0]
    graph = Graph(b.program((Output("side", side, training=True), Output("logits", y))))
    model = onnx_model.model(graph, onnx_run.random_weights(graph))
    assert [value.name for value in model.graph.output] == ["logits"]
    assert [tensor.name for tensor in model.graph.initializer] == ["fc.weight", "fc.bias"]
    assert_agrees(graph)


def test_shared_weights_are_one_initializer_with_several_readers() -> None:
    b = Builder("net")
    left, right = b.input(3, 8, name="left"), b.input(3, 8, name="right")
    tower = ops.Conv(out=4, kernel=3, reparam="weight_norm")
    ends = tuple(b.add(tower, (x,), "tower", scope)[0] for x, scope in ((left, 0), (right, again(b, "tower"))))
    graph = Graph(b.program(b.add(ops.Add(), ends, "add")[0]))
    model = onnx_model.model(graph, onnx_run.random_weights(graph))
    assert [tensor.name for tensor in model.graph.initializer] == ["tower.weight", "tower.bias"]
    assert [node.name for node in model.graph.node] == ["tower", "tower#2", "add"]
    assert_agrees(graph)


def learned(b: Builder, path: str, *sizes: int) -> Value:
    return b.add(ops.Learned(init=ops.Ones(), sizes=sizes), (), path)[0]


def test_learned_tensors_are_initializers_that_stretch_over_the_batch() -> None:
    """A class token joined, positions added, and a gate made of learned tensors alone."""
    b = Builder("net")
    x = b.add(ops.Rearrange(pattern="c l -> l c"), (b.input(4, 6),), "0")[0]
    x = b.add(ops.Concat(), (learned(b, "token", 1, 4), x), "concat")[0]
    x = b.add(ops.Add(), (x, learned(b, "positions", 7, 4)), "add")[0]
    gate = b.add(ops.Sigmoid(), (learned(b, "gate", 1, 4),), "1")[0]
    x = b.add(ops.Mul(), (gate, x), "mul")[0]
    pair = b.add(ops.Stack(), (x, learned(b, "other", 7, 4)), "stack")[0]
    graph = Graph(b.program((Output("x", x), Output("pair", pair))))
    model = onnx_model.model(graph, onnx_run.random_weights(graph))
    assert {"token", "positions", "gate", "other"} <= {tensor.name for tensor in model.graph.initializer}
    assert_agrees(graph)


def test_what_is_made_of_learned_tensors_alone_has_no_batch_as_an_output() -> None:
    b = Builder("net")
    tensor = learned(b, "tensor", 2, 3)
    x = b.add(ops.Add(), (b.input(2, 3), tensor), "add")[0]
    doubled = b.add(ops.Scale(factor=2.0), (tensor,), "scale")[0]
    graph = Graph(b.program((Output("sum", x), Output("tensor_", tensor), Output("doubled", doubled))))
    weights = onnx_run.random_weights(graph)
    onnx_run.assert_sound(onnx_model.model(graph, weights))
    inputs = onnx_run.random_inputs(graph, 2)
    _, same, twice = onnx_run.run_reference(onnx_model.model(graph, weights, "float64"), inputs)
    assert np.array_equal(same, weights["tensor"])
    assert np.array_equal(twice, 2 * weights["tensor"])


def test_outputs_have_their_names_whatever_they_are() -> None:
    """An input, a value twice, a value behind a dropout, and names that paths have too."""
    b = Builder("net")
    x = b.input(4)
    y = b.add(ops.Linear(out=4), (x,), "fc")[0]
    z = b.add(ops.Dropout(), (y,), "drop")[0]
    t = b.add(ops.Relu(), (y,), "logits")[0]
    named = (("through", x), ("logits", y), ("again", y), ("dropped", z), ("fc", t), ("input", t))
    graph = Graph(b.program(tuple(Output(name, value) for name, value in named)))
    model = onnx_model.model(graph, onnx_run.random_weights(graph))
    assert [value.name for value in model.graph.output] == [name for name, _ in named]
    onnx_run.assert_sound(model)
    inputs = {model.graph.input[0].name: np.arange(4.0).reshape(1, 4)}
    found = onnx_run.run_reference(onnx_model.model(graph, onnx_run.random_weights(graph), "float64"), inputs)
    assert np.array_equal(found[0], inputs[model.graph.input[0].name])
    assert np.array_equal(found[1], found[2])
    assert np.array_equal(found[1], found[3])
    assert np.array_equal(found[4], np.maximum(found[1], 0))
    assert np.array_equal(found[4], found[5])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_bytes_are_those_that_protobuf_writes(dtype: str) -> None:
    graph = small()
    weights = onnx_run.random_weights(graph)
    model = onnx_model.model(graph, weights, dtype)  # type: ignore[arg-type]
    data = onnx_model.write(graph, weights, dtype=dtype)  # type: ignore[arg-type]
    assert data == model.SerializeToString(deterministic=True)


def test_weights_may_lie_in_memory_in_any_way() -> None:
    """Other types, byte orders and strides, and arrays that cannot be written to, make the same file."""
    graph = small()
    weights = {key: value.astype(np.float32) for key, value in onnx_run.random_weights(graph).items()}
    expected = onnx_model.write(graph, weights)
    for change in (np.asfortranarray, lambda a: a.astype(">f4"), lambda a: a.astype(np.float64), _frozen):
        assert onnx_model.write(graph, {key: change(value) for key, value in weights.items()}) == expected


def _frozen(array: np.ndarray) -> np.ndarray:
    copy = np.repeat(array[..., None], 2, axis=-1)[..., 0]
    copy.flags.writeable = False
    return copy


def test_a_missing_weight_and_one_of_another_size_are_said_by_key() -> None:
    graph = small()
    weights = onnx_run.random_weights(graph)
    with pytest.raises(ArchdslError, match=r"the weights have no `fc\.bias`"):
        onnx_model.write(graph, {key: value for key, value in weights.items() if key != "fc.bias"})
    with pytest.raises(ArchdslError, match=r"the weights have `fc\.bias` as 1x5, not 5"):
        onnx_model.write(graph, {**weights, "fc.bias": weights["fc.bias"][None]})


def test_weights_beside_the_model_compute_the_same(tmp_path: Path) -> None:
    graph = wide()
    weights, path = onnx_run.random_weights(graph), tmp_path / "a.onnx"
    assert onnx_model.write(graph, weights, path, external=True) == b""
    assert [re.sub("[0-9a-f]{16}", "DIGEST", name) for name in names(tmp_path)] == ["a.onnx", "a.onnx.DIGEST.data"]
    assert path.stat().st_size < 4_000
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(path)
    keys = [tensor.name for tensor in model.graph.initializer]
    assert keys == ["1.weight", "1.bias", "2.weight", "2.bias", "3.weight", "3.bias"]
    for tensor in model.graph.initializer:
        assert np.array_equal(onnx.numpy_helper.to_array(tensor), weights[tensor.name].astype(np.float32))
    bare = onnx.load(path, load_external_data=False)
    places = [{entry.key: entry.value for entry in tensor.external_data} for tensor in bare.graph.initializer]
    assert [int(place["offset"]) % 4096 for place in places if place] == [0, 0, 0]
    inputs = onnx_run.random_inputs(graph, 2)
    whole = onnx_run.run_onnxruntime(onnx_model.write(graph, weights), inputs)
    beside = onnx_run.run_onnxruntime(str(path), inputs)
    assert np.array_equal(whole[0], beside[0])


def test_a_reader_finds_the_data_of_the_model_that_it_opened(tmp_path: Path) -> None:
    """Models of other weights have data of other names; the last one's stays, so that who just opened it can go on."""
    graph, path = wide(), tmp_path / "a.onnx"
    unrelated = tmp_path / "a.onnx.data"
    unrelated.write_bytes(b"mine")
    weights = [onnx_run.random_weights(graph, seed) for seed in range(4)]
    for before, after in itertools.pairwise(weights):
        onnx_model.write(graph, before, path, external=True)
        opened = onnx.load(path, load_external_data=False)
        onnx_model.write(graph, after, path, external=True)
        for model, expected in ((opened, before), (onnx.load(path, load_external_data=False), after)):
            onnx.external_data_helper.load_external_data_for_model(model, str(tmp_path))
            for tensor in model.graph.initializer:
                assert np.array_equal(onnx.numpy_helper.to_array(tensor), expected[tensor.name].astype(np.float32))
    assert len(names(tmp_path)) == 4  # the model, its data, that of the model before, and what was there
    assert unrelated.read_bytes() == b"mine"


def test_weights_go_beside_the_model_where_protobuf_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = small()
    weights = onnx_run.random_weights(graph)
    onnx_model.write(graph, weights, tmp_path / "whole.onnx")
    monkeypatch.setattr(onnx_model, "BIGGEST_MODEL", 1000)
    onnx_model.write(graph, weights, tmp_path / "apart.onnx")
    assert [name.split(".")[0] for name in names(tmp_path)] == ["apart", "apart", "whole"]
    with pytest.raises(UsageError, match="give a path"):
        onnx_model.write(graph, weights)


PROGRAM = """
import hashlib, sys
import numpy as np
import archdsl
from archdsl.targets import onnx_model
graph = archdsl.compile("resnext50_multibranch")
weights = {key: np.full(tensor.sizes, 0.5, np.float32) for key, _, tensor in graph.state()}
print(hashlib.sha256(onnx_model.write(graph, weights)).hexdigest())
print([name for name in ("torch", "networkx") if name in sys.modules])
"""


def test_the_bytes_are_the_same_in_every_process_and_torch_is_never_imported(tmp_path: Path) -> None:
    """Hash seeds and working directories leave no trace."""
    lines = set()
    for seed, folder in (("0", tmp_path), ("1", Path.cwd()), ("random", Path("/"))):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], cwd=folder, env=environment, capture_output=True, text=True, check=True
        )
        lines.add(done.stdout)
    assert len(lines) == 1
    assert lines.pop().splitlines()[1] == "[]"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(programs())
def test_small_nets_are_sound_and_written_as_protobuf_does(program: Program) -> None:
    graph = Graph(program)
    weights = onnx_run.random_weights(graph)
    model = onnx_model.model(graph, weights)
    onnx_run.assert_sound(model)
    assert onnx_model.write(graph, weights) == model.SerializeToString(deterministic=True)


PALETTE: tuple[ops.Op, ...] = (
    ops.Conv(out=4, kernel=3),
    ops.Conv(out=6, kernel=3, stride=2, padding="same_tf", groups=2),
    ops.Conv(out=8, kernel=1, bias=False),
    ops.Conv(out=4, kernel=3, padding_mode="reflect", reparam="weight_norm"),
    ops.ConvTranspose(out=4, kernel=2, stride=2),
    ops.BatchNorm(),
    ops.LayerNorm(axis="c"),
    ops.GroupNorm(groups=2),
    ops.MaxPool(kernel=3, stride=2, padding=1, ceil=True),
    ops.AvgPool(kernel=3, stride=2, padding=1, ceil=True, count_padding=True),
    ops.AvgPool(kernel=2, stride=1, ceil=True),
    ops.AdaptiveAvgPool(size=5),
    ops.Upsample(factor=2),
    ops.Upsample(factor=1.5, mode="bilinear"),
    ops.Pad(sides=1, mode="circular"),
    ops.Relu(),
    ops.Silu(),
    ops.Celu(alpha=0.7),
    ops.Prelu(channelwise=True),
    ops.Softplus(beta=2.0),
    ops.Shuffle(groups=2),
    ops.Dropout(),
    ops.Split(pieces=2),
    ops.Add(),
    ops.Mean(),
    ops.Concat(),
    ops.Mul(),
)


def random_net(seed: int) -> Graph:
    """15 to 40 operations on random earlier values; whatever nothing reads is an output."""
    rng = np.random.default_rng(seed)
    b = Builder("net")
    values = [b.input(4, 11, 9), b.input(6, 8, 8, name="other")]
    for index in range(int(rng.integers(15, 41))):
        op = PALETTE[int(rng.integers(len(PALETTE)))]
        x = values[int(rng.integers(max(0, len(values) - 4), len(values)))]
        inputs = (x,)
        if op.takes == "list":
            inputs = tuple(value for value in values if b.shape(value) == b.shape(x))[-3:]
        try:
            values += b.add(op, inputs, f"level{index % 3}.{index}")
        except ops.ShapeError:
            continue
    read = {value for node in b.nodes for value in node.inputs}
    ends = [value for value in values if value not in read][:6]
    return Graph(b.program(tuple(Output(f"out{number}", value) for number, value in enumerate(ends))))


@pytest.mark.parametrize("seed", range(12))
def test_random_nets_compute_what_torch_does(seed: int) -> None:
    assert_agrees(random_net(seed))
