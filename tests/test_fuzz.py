"""Random nets over all operations: every way to run one agrees, every text of one reads back; broken texts of specs end
in diagnostics. Seeded: a failing seed fails again. `-m slow` runs ten times as many."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import archdsl
from archdsl import ops
from archdsl.diagnostics import ArchdslError, CompileError, Diagnostic, UsageError
from archdsl.graph.graph import Graph
from archdsl.graph.read import read_graph
from archdsl.graph.text import print_graph
from archdsl.graph.verify import verify
from archdsl.limits import Limits
from archdsl.prove.compare import ONNXRUNTIME, REFERENCE, REFERENCE_FLOAT32_ATTRIBUTES, deviation, gradient_deviation
from archdsl.syntax.formatter import format_source
from archdsl.targets import onnx_model
from archdsl.targets.arch_text import arch_text
from archdsl.targets.torch_module import instantiate
from archdsl.targets.torch_source import code
from tests.support import agreement, interpreter, onnx_run, oracle, wild_sizes
from tests.support.agreement import LOOSE, results, standalone
from tests.support.edited import assert_copies, edit, outcome
from tests.support.wild_nets import AUTOMATIC, wild_net

NETS = 120
MANY = 1_200
BATCH = 16  # so many samples of a channel, at least, make a statistic
State = dict[str, Tensor]
SHAKEN = 2.0**-24  # of the largest number at an operation
CAREFUL = Limits(nodes=3_000, params=1 << 24, steps=100_000, list_items=2_000, turns=5_000, elements=1 << 24)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def seeds(count: int, many: int) -> list[Any]:
    """The seeds of the default run, then those of the slow one."""
    return [*range(count), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(count, many))]


# ------------------------------------------------------------- ways to run one


def tensors(weights: dict[str, Any], dtype: torch.dtype) -> State:
    """A copy of arrays as tensors, numbers in this type."""
    made = {key: torch.from_numpy(np.array(array)) for key, array in weights.items()}
    return {key: value.to(dtype) if value.is_floating_point() else value for key, value in made.items()}


def stepped(run: Any, parameters: dict[str, Tensor], seed: int) -> tuple[State, State]:
    """Outputs and gradients of a training step, what is dropped fixed by the seed."""
    torch.manual_seed(seed)
    outputs = results(run())
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros((), dtype=outputs[0].dtype)
    for output in outputs:
        towards = torch.randn(output.shape, generator=generator, dtype=output.dtype)
        total = total + (output * towards).sum() / towards[0].numel() ** 0.5
    if total.requires_grad:
        total.backward()  # type: ignore[no-untyped-call]
    gradients = {
        name: torch.zeros_like(value) if value.grad is None else value.grad for name, value in parameters.items()
    }
    return {str(at): output.detach() for at, output in enumerate(outputs)}, gradients


def assert_same(one: list[Tensor], other: list[Tensor]) -> None:
    assert len(one) == len(other)
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(one, other, strict=True))


def worst(ours: Any, theirs: Any, measure: Any = deviation) -> float:
    """The largest deviation of pairs."""
    pairs = zip(ours, theirs, strict=True)
    return max(
        (
            measure(
                np.asarray(a.detach() if isinstance(a, Tensor) else a),
                np.asarray(b.detach() if isinstance(b, Tensor) else b),
            )
            for a, b in pairs
        ),
        default=0.0,
    )


def gate(graph: Graph, weights: dict[str, Any], inputs: State, exact: list[Tensor]) -> float:
    """How far the reference evaluator may be away: 1e-10, or where operations carry numbers that ONNX rounds to float32
    (the nets' own arguments are exact) 1e-7 and what such a rounding of each of their results does to the outputs."""
    if not any(isinstance(node.op, LOOSE) for node in graph.nodes):
        return REFERENCE
    moved = interpreter.run(graph, tensors(weights, torch.float64), inputs, False, disturbed=LOOSE)
    return REFERENCE_FLOAT32_ATTRIBUTES + 2 * worst(moved, exact)


@dataclass
class Runs:
    """A net's two modules with the same random weights, and what goes into them."""

    graph: Graph
    live: nn.Module
    alone: nn.Module
    weights: dict[str, Any]
    inputs: dict[str, Any]

    @classmethod
    def of(cls, graph: Graph, seed: int) -> Runs:
        arrays = onnx_run.random_weights(graph, seed)
        weights = {key: array.astype(np.float32) if array.dtype.kind == "f" else array for key, array in arrays.items()}
        live, alone = instantiate(graph, weights), standalone(graph)
        assert list(alone.state_dict()) == list(live.state_dict()) == [key for key, _, _ in graph.state()]
        alone.load_state_dict(live.state_dict(), strict=True)
        return cls(graph, live.eval(), alone.eval(), weights, onnx_run.random_inputs(graph, 3, seed, "float32"))

    def inference(self, dtype: torch.dtype) -> list[Tensor]:
        """The outputs, of both modules the same bits."""
        inputs = [torch.from_numpy(array).to(dtype) for array in self.inputs.values()]
        with torch.no_grad():
            found, other = (results(module.to(dtype)(*inputs)) for module in (self.live, self.alone))
        assert_same(found, other)
        return found


def is_steady(graph: Graph, seed: int, *, evaluated: bool = True) -> bool:
    """Holds every way to run the net to the oracle, with these weights.

    False where float32 alone moves the outputs by more than 1e-6, or the error of a runtime's approximations
    (onnxruntime's sigmoid at -11, its elu at 0) moves them by half of what is allowed, so that a comparison in float32
    says nothing: with other weights it may. Then the oracle has held the module in float64 alone.
    """
    runs = Runs.of(graph, seed)
    narrow, wide = runs.inference(torch.float32), runs.inference(torch.float64)
    double = {name: torch.from_numpy(array).double() for name, array in runs.inputs.items()}
    expected = oracle.outputs(graph, runs.weights, runs.inputs)
    moved = worst(narrow, wide)
    # What float32 moves, float64 moves 2e-9 times as far, or more where a channel is saturated: its spread is rounding.
    assert worst(wide, expected) <= max(REFERENCE, 1e-2 * moved if moved > 1e-6 else 0.0)
    if moved > 1e-6:
        return False
    state = tensors(runs.weights, torch.float64)
    shaken = interpreter.run(graph, state, double, False, shaken=SHAKEN)
    if worst(shaken, expected) > ONNXRUNTIME / 2:
        return False
    if evaluated:
        model = onnx_model.model(graph, runs.weights, "float64")
        found = onnx_run.run_reference(model, {name: value.numpy() for name, value in double.items()})
        assert worst(found, wide) <= gate(graph, runs.weights, double, wide)
    assert worst(onnx_run.run_onnxruntime(onnx_model.write(graph, runs.weights), runs.inputs), expected) <= ONNXRUNTIME
    return True


def assert_trains_alike(graph: Graph, seed: int) -> None:
    """A training step: outputs, gradients and buffers of both modules the same bits, and those of the interpreter."""
    runs = Runs.of(graph, seed)
    arrays = onnx_run.random_inputs(graph, BATCH, seed)
    inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
    made = [trained(module, runs.weights, inputs, seed) for module in (runs.live, runs.alone)]
    for ours, theirs in zip(*made, strict=True):
        assert list(ours) == list(theirs)
        assert_same(list(ours.values()), list(theirs.values()))
    if any(isinstance(node.op, ops.Dropout) and node.op.rate > 0 for node in graph.nodes):
        return  # torch draws which elements drop in the order of memory, which is not the interpreter's
    state = tensors(runs.weights, torch.float64)
    parameters = {key: state[key].requires_grad_() for key, _, tensor in graph.state() if tensor.trainable}
    outputs, gradients = stepped(lambda: interpreter.run(graph, state, inputs, training=True), parameters, seed)
    assert worst(made[0][0].values(), outputs.values()) <= REFERENCE
    assert worst([made[0][1][key] for key in gradients], gradients.values(), gradient_deviation) <= REFERENCE
    assert worst(made[0][2].values(), [state[key] for key in made[0][2]]) <= REFERENCE


def trained(
    module: nn.Module, weights: dict[str, Any], inputs: dict[str, Tensor], seed: int
) -> tuple[State, State, State]:
    """Outputs, gradients and buffers of a step in float64."""
    module.double().load_state_dict(tensors(weights, torch.float64), strict=True)
    module.train()
    outputs, gradients = stepped(lambda: module(*inputs.values()), dict(module.named_parameters()), seed)
    kept = module.state_dict()  # numbers that the net gives itself are no state
    return outputs, gradients, {key: buffer for key, buffer in module.named_buffers() if key in kept}


@pytest.mark.parametrize("seed", seeds(NETS, MANY))
def test_every_way_to_run_a_net_agrees(seed: int) -> None:
    """Live module and generated source bit for bit; both against an interpreter; ONNX in two runtimes."""
    graph = wild_net(seed)
    verify(graph)
    onnx_run.assert_sound(onnx_model.model(graph, onnx_run.random_weights(graph, seed)))
    assert_trains_alike(graph, seed)
    if not any(is_steady(graph, seed + 10_000 * again) for again in range(12)):
        pytest.skip("with any weights float32 alone moves the outputs by more than 1e-6; bits and training are held")


NETS_AT_LENGTH, SHARE = 5_000, 100


@pytest.mark.slow
@pytest.mark.parametrize("share", range(NETS_AT_LENGTH // SHARE))
def test_thousands_of_nets_mean_what_the_reference_says(share: int) -> None:
    """`pytest -m slow tests/test_fuzz.py -k thousands`: 5,000 nets as above without training, in 50 shares; onnx's
    evaluator runs the small ones; as many nets at three sizes other than their own; all pickled with edits."""
    steady = 0
    for seed in range(share * SHARE, (share + 1) * SHARE):
        graph = wild_net(seed)
        small = len(graph.nodes) <= 30
        steady += any(is_steady(graph, seed + 10_000 * again, evaluated=small) for again in range(6))
        assert_follows_sizes(wild_sizes.sized_net(seed), seed)
        assert_pickles(graph, seed)
    assert steady > 0.8 * SHARE


@pytest.mark.parametrize("seed", seeds(20, 400))
def test_a_pickled_net_keeps_its_edits(seed: int) -> None:
    assert_pickles(wild_net(seed), seed)


def assert_pickles(graph: Graph, seed: int) -> None:
    """The live module with random edits is pickled as it is then."""
    weights, inputs = agreement.drawn(graph, seed, batch=2)
    module = instantiate(graph, weights).eval()
    values = tuple(torch.from_numpy(array).float() for array in inputs.values())
    try:
        edit(module, Random(seed), count=3, tame=True)
        outcome(module, values)
    except (RuntimeError, ValueError, AttributeError):  # a part named as a method is not found by `get_submodule`
        return  # PyTorch refuses the edit, or the edited net
    assert_copies(module, values)


@pytest.mark.parametrize("seed", seeds(30, 400))
def test_a_net_follows_the_sizes_that_come(seed: int) -> None:
    assert_follows_sizes(wild_sizes.sized_net(seed), seed)


def assert_follows_sizes(graph: Graph, seed: int) -> None:
    """At sizes other than the declared ones the live module does what the reference says of them, or refuses them."""
    weights, _ = agreement.drawn(graph, seed, batch=2)
    module = instantiate(graph, weights)
    for turn in range(len(wild_sizes.STEPS)):
        inputs = wild_sizes.inputs(graph, seed, turn)
        try:
            expected = oracle.outputs(graph, weights, inputs)
        except ValueError:  # a fixed size met one that is no longer the same
            with pytest.raises(RuntimeError):
                agreement.run_module(module, weights, inputs, torch.float64)
            continue
        made = agreement.run_module(module, weights, inputs, torch.float64)
        assert agreement.apart(made, expected, gradient_deviation) <= REFERENCE  # some nets make nothing but zeros


def test_the_nets_have_every_operation_and_every_kind() -> None:
    nets = [wild_net(seed) for seed in range(NETS)]
    assert {type(node.op) for net in nets for node in net.nodes} >= set(ops.OPERATIONS.values())
    computed = [any(net.nodes[index].inputs for index in net.batchless) for net in nets]
    outputs = [any(output.value.node in net.batchless for output in net.outputs) for net in nets]
    shared = [max(net.applications.values()) > 1 for net in nets]
    training = [any(output.training for output in net.outputs) for net in nets]
    automatic = [{node.path for node in net.nodes if node.op.numbered} & set(AUTOMATIC) != set() for net in nets]
    assert min(map(sum, (computed, outputs, shared, training, automatic))) > NETS // 12
    assert sum(map(both_at_one_path, nets)) > NETS // 24


def both_at_one_path(graph: Graph) -> bool:
    """Whether some weights are applied to values with and to values without a batch."""
    bare = {graph.nodes[index].path for index in graph.batchless if graph.nodes[index].op.numbered}
    return any(node.path in bare and index not in graph.batchless for index, node in enumerate(graph.nodes))


# ----------------------------------------------------------- texts of one net


def facts(graph: Graph) -> tuple[Any, ...]:
    """What a flattened spec keeps of a net."""
    nodes = [(n.path, n.op, n.inputs, n.outputs, n.training, graph.role(i)) for i, n in enumerate(graph.nodes)]
    outputs = [(output.name, output.value, output.training) for output in graph.outputs]
    return graph.name, nodes, [key for key, _, _ in graph.state()], outputs


@pytest.mark.parametrize("seed", seeds(NETS, MANY))
def test_every_text_of_a_net_reads_back(seed: int) -> None:
    """The stable text, and every target from the graph read back; the flattened spec, parsed, formatted, elaborated."""
    graph = wild_net(seed)
    text = print_graph(graph)
    again = read_graph(text)
    assert again == graph
    assert print_graph(again) == text
    assert code(again) == code(graph)
    weights = onnx_run.random_weights(graph, seed)
    assert onnx_model.write(again, weights) == onnx_model.write(graph, weights)
    if len({node.path for node in graph.nodes}) < len(graph.nodes):
        with pytest.raises(UsageError, match="shares"):
            arch_text(graph)
        return
    spec = arch_text(graph)
    assert arch_text(again) == spec
    source = archdsl.Source(spec, "net.arch")
    assert format_source(source) == spec
    assert facts(archdsl.compile(source)) == facts(graph)


# ------------------------------------------------------------- broken texts

SPECS = [path for path in sorted(archdsl.specs_root().rglob("*.arch")) if len(path.read_text()) < 6_000]
WORDS = re.findall(
    r"\S+",
    """conv(8, 3x3) relu 0 -1 3x3 1e9 [] { } ( ) -> residual skip branches add repeat 5 as i from in here let x = 2
    if else stage head aux param shared input output expect params == none true "a.{i}" , : . # ## // / ** nan""",
)
TOKEN = re.compile(r"\s+|\w+|.", re.DOTALL)


def mutated(random: Random, text: str) -> str:
    """The text with one to four tokens or lines dropped, doubled, swapped, replaced or moved."""
    parts = TOKEN.findall(text)
    places = [at for at, part in enumerate(parts) if not part.isspace()]
    for _ in range(random.randint(1, 4)):
        one, other = random.choice(places), random.choice(places)
        match random.randrange(6):
            case 0:
                parts[one] = ""
            case 1:
                parts[one] *= 2
            case 2:
                parts[one], parts[other] = parts[other], parts[one]
            case 3:
                parts[one] = parts[other]
            case 4:
                parts[one] = f" {random.choice(WORDS)} "
            case 5:
                parts[one] = f"{parts[one]} {random.choice(WORDS)}"
    return "".join(parts)


def is_a_net(text: str) -> bool:
    """Whether a text holds; if not, it ends in located diagnostics with codes, never in another exception."""
    found: tuple[Diagnostic, ...] = ()
    try:
        archdsl.check(archdsl.Source(text, "fuzzed.arch"), limits=CAREFUL)
        return True
    except CompileError as error:
        found, words = error.diagnostics, str(error)
    assert found
    assert words
    assert all(re.fullmatch(r"E\d{4}", item.code) and item.message for item in found)
    return False


@pytest.mark.parametrize("seed", seeds(100, 4_000))
def test_a_mutated_spec_is_a_net_or_diagnostics(seed: int) -> None:
    """Mutations of bundled specs, and of the flattened specs of random nets: checked whole, through elaboration."""
    random = Random(seed)
    text = random.choice(SPECS).read_text()
    if seed % 3 == 0:
        with contextlib.suppress(UsageError):
            text = arch_text(wild_net(seed))
            assert is_a_net(text)
    for _ in range(4):
        is_a_net(mutated(random, text))


@pytest.mark.parametrize("seed", seeds(60, 2_000))
def test_random_words_are_diagnostics(seed: int) -> None:
    """Words of the language in random order, bare and inside an arch."""
    random = Random(seed)
    words = " ".join(random.choice((*WORDS, "\n", "\n", *ops.OPERATIONS)) for _ in range(random.randint(1, 60)))
    is_a_net(words)
    is_a_net(f"arch a() {{\n    input 4x8x8\n    {words}\n}}\n")


@pytest.mark.parametrize("seed", seeds(60, 2_000))
def test_a_mutated_graph_text_is_a_net_or_diagnostics(seed: int) -> None:
    """The stable text, which is read from files too."""
    random, text = Random(seed), print_graph(wild_net(seed))
    for _ in range(6):
        with contextlib.suppress(ArchdslError):
            verify(read_graph(mutated(random, text)))
