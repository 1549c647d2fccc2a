"""The results that the passes are for: published nets that become one another, and trained weights that come along."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from archdsl.compiler import compile
from archdsl.graph import Graph
from archdsl.ops import BatchNorm, Conv, ConvTranspose, Linear
from archdsl.passes import driver
from archdsl.passes.arrays import Take
from archdsl.passes.canonical import canonical_hash
from archdsl.passes.driver import Result
from archdsl.passes.registry import parse
from archdsl.prove.prover import prove
from archdsl.prove.weights import random_weights
from tests.support.pass_nets import Direct
from tests.support.peers import torchvision_models
from tests.support.shrunk import every_net, shrunk

torch.set_num_threads(1)


def through(graph: Graph, *words: str) -> Result:
    return driver.pipeline(graph, [parse(word) for word in words])


def timm_state(name: str) -> dict[str, torch.Tensor]:
    """The state_dict of a net of timm, which imports torchvision."""
    torchvision_models()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import timm

        model: torch.nn.Module = timm.create_model(name, pretrained=False)
    return model.state_dict()


BECOMES = (
    ("resnet50a", ("resnet-b",), "resnet50"),
    ("resnet50a", ("resnet-b", "resnet-c", "resnet-d"), "resnet50d"),
    ("resnet50a", ("resnet-d", "resnet-c", "resnet-b"), "resnet50d"),
    ("resnet50", ("resnet-c",), "resnet50c"),
    ("resnet18", ("resnet-c", "resnet-d"), "resnet18d"),
    ("resnet34", ("resnet-c", "resnet-d"), "resnet34d"),
    ("resnet101", ("resnet-c", "resnet-d"), "resnet101d"),
    ("resnet152", ("resnet-c", "resnet-d"), "resnet152d"),
    ("plain20", ("residualize",), "resnet20"),
    ("plain56", ("residualize",), "resnet56"),
    ("resnext50_multibranch", ("multibranch-to-grouped",), "resnext50"),
    ("resnext50", ("grouped-to-multibranch",), "resnext50_multibranch"),
)


@pytest.mark.parametrize("before,words,after", BECOMES, ids=[f"{a}-{'-'.join(w)}-{b}" for a, w, b in BECOMES])
def test_a_published_net_becomes_another(before: str, words: tuple[str, ...], after: str) -> None:
    """The canonical hash of the bundled one, its parameters and multiplications."""
    result, expected = through(compile(before), *words), compile(after)
    assert canonical_hash(result.graph) == canonical_hash(expected)
    assert (result.graph.params, result.graph.macs) == (expected.params, expected.macs)


def test_resnext50_is_its_multibranch_form_with_the_same_weights() -> None:
    """In training too: outputs, gradients, buffers and the weights after a step."""
    graph = shrunk(compile("resnext50_multibranch"), 32)
    result = through(graph, "multibranch-to-grouped")
    assert result.plan.exact
    proof = prove(graph, result.graph, result.plan, "exact", seed=1, batch=2, make=Direct)
    assert dict(proof.deviations)["outputs"] <= 1e-10
    assert proof.deviations[0][0] == "outputs"


@pytest.mark.slow
def test_resnext50_trains_as_its_multibranch_form_does() -> None:
    graph = shrunk(compile("resnext50_multibranch"), 64)
    result = through(graph, "multibranch-to-grouped")
    proof = prove(graph, result.graph, result.plan, "exact", seed=1, batch=8, steps=1, make=Direct)
    assert proof.holds, proof.text()


def test_resnext50_goes_to_its_multibranch_form_and_back_bit_by_bit() -> None:
    graph = compile("resnext50")
    there = through(graph, "grouped-to-multibranch")
    back = through(there.graph, "multibranch-to-grouped")
    assert canonical_hash(back.graph) == canonical_hash(graph)
    old = random_weights(graph, 2, np.float32)
    again = there.plan.then(back.plan).apply(old)
    assert [array.tobytes() for array in again.values()] == [array.tobytes() for array in old.values()]
    direct = there.plan.backwards(graph).apply(there.plan.apply(old))
    assert {key: array.tobytes() for key, array in direct.items()} == {key: a.tobytes() for key, a in old.items()}


@pytest.mark.parametrize("spec,sites", [("googlenet", 9), ("inception_v3", 10)])
def test_the_parallel_convolutions_of_inception_are_one(spec: str, sites: int) -> None:
    graph = compile(spec)
    result = through(graph, "merge-parallel-convolutions")
    assert result.rewritten == sites
    assert result.plan.exact
    assert (result.graph.params, result.graph.macs) == (graph.params, graph.macs)
    small = shrunk(graph, 64)
    again = through(small, "merge-parallel-convolutions")
    assert again.plan == result.plan
    proof = prove(small, again.graph, again.plan, "exact-eval", seed=3, make=Direct)
    assert proof.holds, proof.text()


def test_resnet50d_has_the_shapes_of_timms() -> None:
    result = through(compile("resnet50a"), "resnet-b", "resnet-c", "resnet-d")
    theirs = timm_state("resnet50d")
    ours = [tensor.sizes for _, _, tensor in result.graph.state()]
    assert ours == [tuple(tensor.shape) for tensor in theirs.values()]


def test_resnext50_takes_the_tweaks_too() -> None:
    """The grouped net with a deep stem and pooled shortcuts has the shapes of timm's."""
    result = through(compile("resnext50"), "resnet-c", "resnet-d")
    theirs = timm_state("resnext50d_32x4d")
    assert [tensor.sizes for _, _, tensor in result.graph.state()] == [tuple(t.shape) for t in theirs.values()]


# ------------------------------------------------------------ fold-batchnorm


def foldable(graph: Graph) -> list[tuple[int, int]]:
    """By the definition: each norm that alone reads a linear map of its own weights, and that map.

    No bundled net has a norm that only a linear map behind it could take up.
    """
    uses: dict[str, int] = {}
    for node in graph.nodes:
        uses[node.path] = uses.get(node.path, 0) + 1
    read: dict[int, int] = {}
    for node in graph.nodes:
        for value in node.inputs:
            read[value.node] = read.get(value.node, 0) + 1
    for output in graph.outputs:
        read[output.value.node] = read.get(output.value.node, 0) + 1
    found = []
    for index, node in enumerate(graph.nodes):
        if isinstance(node.op, BatchNorm):
            before = node.inputs[0].node
            linear = graph.nodes[before]
            plain = isinstance(linear.op, (Conv, ConvTranspose, Linear)) and getattr(linear.op, "reparam", None) is None
            if plain and read[before] == 1 and uses[linear.path] == uses[node.path] == 1:
                found.append((before, index))
    return found


def plan_of(result: Result) -> list[str]:
    """The layers whose weights the plan computes anew."""
    return [entry.key.rpartition(".")[0] for entry in result.plan.entries if not isinstance(entry.expression, Take)]


def check_folding(spec: str) -> None:
    graph = compile(spec)
    result = through(graph, "fold-batchnorm")
    pairs = foldable(graph)
    assert result.rewritten == len(pairs)
    assert set(plan_of(result)) == {graph.nodes[linear].path for linear, _ in pairs}
    assert len(result.graph.nodes) == len(graph.nodes) - len(pairs)
    change = 0
    for linear, norm in pairs:
        channels = graph.nodes[norm].outputs[0].sizes[0]
        change += (0 if graph.nodes[linear].op.bias else channels) - 2 * channels  # type: ignore[attr-defined]
    assert result.graph.params == graph.params + change
    assert result.graph.macs == graph.macs
    if not pairs:
        return
    if graph.params > MOST:
        return  # four copies in float64 do not fit beside other work; the same family is compared at other sizes
    small = shrunk(graph)
    again = through(small, "fold-batchnorm")
    proof = prove(small, again.graph, again.plan, "exact-eval", seed=4, make=Direct)
    assert proof.holds, f"{spec}: {proof.text()}"


MOST = 200_000_000  # parameters of a net that is run: all bundled ones with norms but regnet_y_128gf
FAST = (
    "resnet18",
    "plain20",
    "mobilenet_v2",
    "unet_bn",
    "googlenet",
    "efficientnet_b0",
    "shufflenet_v2_x0_5",
    "nin_cifar10",
)


@pytest.mark.parametrize("spec", FAST)
def test_folded_norms_leave_the_function_and_the_counts_as_computed(spec: str) -> None:
    check_folding(spec)


@pytest.mark.slow
@pytest.mark.parametrize("spec", [name for name in every_net() if name not in FAST])
def test_folded_norms_in_every_bundled_net(spec: str) -> None:
    check_folding(spec)
