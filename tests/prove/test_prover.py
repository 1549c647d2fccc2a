"""The prover holds what is equal, and tells what is not, however near it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from archdsl.compiler import compile
from archdsl.graph import Graph
from archdsl.ops import Conv, Dropout
from archdsl.ops.base import Op
from archdsl.passes import driver
from archdsl.passes.arrays import Const, Take, Times, sizes_of
from archdsl.passes.plan import Plan, identity
from archdsl.passes.registry import parse
from archdsl.prove.prover import batch_of, likely_weights, prove
from archdsl.prove.weights import random_weights
from archdsl.source import Source
from tests.support.pass_nets import Direct

torch.set_num_threads(1)
TEXT = """
arch net() {
    input 3x8x8
    a: conv(4, 3x3) -> n: batchnorm -> relu -> b: conv(4, 3x3, stride=2) -> m: batchnorm -> tanh
    aux from a -> side: flatten -> linear(2)
    gap -> flatten -> fc: linear(3)
}
"""


def net(text: str = TEXT) -> Graph:
    return compile(Source(text, "net.arch"))


def changed(graph: Graph, path: str, change: Callable[[Op], Op]) -> Graph:
    nodes = tuple(replace(node, op=change(node.op)) if node.path == path else node for node in graph.nodes)
    return Graph(replace(graph.program, nodes=nodes))


def times(graph: Graph, factor: float) -> Plan:
    """The plan that keeps everything, one weight times a factor."""
    whole = identity(graph)
    entries = [
        replace(entry, expression=Times((entry.expression, Const((factor,), (1,)))))
        if entry.key == "a.weight"
        else entry
        for entry in whole.entries
    ]
    return Plan(tuple(entries), whole.old)


@pytest.mark.parametrize("make", [None, Direct], ids=["generated", "direct"])
def test_a_net_is_itself_to_the_bit(make: type[Direct] | None) -> None:
    graph = net()
    proof = prove(graph, graph, identity(graph), "exact", steps=3, make=make)  # type: ignore[arg-type]
    assert proof.holds
    assert proof.worst == 0.0
    names = [name for name, _ in proof.deviations]
    assert names == ["outputs", "training outputs", "gradients", "buffers", "weights after 3 steps", "momentum"]


@pytest.mark.parametrize(
    "path,change,shows",
    [
        ("n", lambda op: op.model_copy(update={"eps": 1.1e-5}), "outputs"),
        ("n", lambda op: op.model_copy(update={"momentum": 0.1001}), "buffers"),
        ("a", lambda op: op.model_copy(update={"padding_mode": "reflect"}), "outputs"),
        ("m", lambda op: op.model_copy(update={"momentum": None}), "buffers"),
    ],
)
def test_a_small_change_shows(path: str, change: Callable[[Op], Op], shows: str) -> None:
    graph = net()
    proof = prove(graph, changed(graph, path, change), identity(graph), "exact", steps=2)
    assert not proof.holds
    assert dict(proof.deviations)[shows] > 1e-10
    assert proof.text().startswith("NOT equal (exact): outputs ")


def test_a_momentum_of_a_norm_is_no_matter_of_inference() -> None:
    graph = net()
    other = changed(graph, "n", lambda op: op.model_copy(update={"momentum": 0.5}))
    assert prove(graph, other, identity(graph), "exact-eval").holds


def test_a_weight_that_is_off_shows() -> None:
    graph = net()
    proof = prove(graph, graph, times(graph, 1 + 1e-8), "exact-eval")
    assert 1e-10 < proof.worst < 1e-6
    assert not proof.holds


def test_a_plan_that_computes_is_not_exact_even_where_the_function_is() -> None:
    graph = net()
    proof = prove(graph, graph, times(graph, 1.0), "exact")
    assert not proof.holds
    assert "they are not merely rearranged" in proof.text()
    assert prove(graph, graph, times(graph, 1.0), "exact-eval").holds


def test_a_redesign_has_nothing_to_prove() -> None:
    graph = net()
    proof = prove(graph, graph, identity(graph), "redesign")
    assert proof.deviations == ()
    assert "nothing to prove" in proof.text()


def test_the_batch_is_large_enough_for_the_statistics_of_a_channel() -> None:
    assert batch_of(net("arch net() {\n input 3x2x2\n batchnorm -> gap -> flatten -> linear(2)\n}")) == 4
    assert batch_of(net("arch net() {\n input [6]\n linear(4) -> batchnorm\n}")) == 16
    assert batch_of(net("arch net() {\n input 3x64x64\n conv(4, 3x3)\n}")) == 2


def test_given_weights_are_used_and_not_changed() -> None:
    graph = net()
    weights = random_weights(graph, 5, np.float32)
    before = {key: array.copy() for key, array in weights.items()}
    result = driver.run(graph, parse("fold-batchnorm"))
    assert prove(graph, result.graph, result.plan, "exact-eval", weights=weights).holds
    assert all(np.array_equal(before[key], array) for key, array in weights.items())


def test_random_nodes_draw_alike_in_both_nets() -> None:
    graph = net("arch net() {\n input 3x8x8\n conv(4, 3x3) -> dropout(0.5) -> conv(4, 1x1)\n}")
    assert prove(graph, graph, identity(graph), "exact", steps=2).worst == 0.0
    other = Graph(
        replace(
            graph.program,
            nodes=tuple(
                replace(node, op=Dropout(rate=0.25)) if isinstance(node.op, Dropout) else node for node in graph.nodes
            ),
        )
    )
    assert not prove(graph, other, identity(graph), "exact").holds
    assert prove(graph, other, identity(graph), "exact-eval").holds


def test_random_weights_hide_nothing() -> None:
    """No scale of one, no shift of zero, no variance that an eps of 1e-5 does not move."""
    graph = net()
    arrays = random_weights(graph, 0)
    assert list(arrays) == [key for key, _, _ in graph.state()]
    for key, array in arrays.items():
        assert array.dtype == (np.int64 if key.endswith("num_batches_tracked") else np.float64)
        assert np.unique(array).size == array.size
        assert not np.isin(array, (0.0, 1.0)).any()
    again = random_weights(graph, 0)
    assert all(np.array_equal(arrays[key], again[key]) for key in arrays)


def test_norms_are_settled_so_that_values_keep_their_size() -> None:
    """Statistics near to those of a batch, and yet not those: values stay near one through 60 layers."""
    layers = "\n".join("residual { conv(8, 3x3) -> batchnorm -> relu -> conv(8, 3x3) -> batchnorm }" for _ in range(30))
    graph = net(f"arch net() {{\n input 8x8x8\n{layers}\n}}")
    arrays = likely_weights(graph, Direct, 0)  # type: ignore[arg-type]
    x = torch.randn(4, 8, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        (settled,) = Direct(graph, arrays).eval()(x)
        (training,) = Direct(graph, arrays).train()(x)
        (drawn,) = Direct(graph, random_weights(graph, 0)).eval()(x)
    assert 0.1 < settled.abs().mean() < 100
    assert settled.std() > 0.1 * settled.abs().mean()
    assert (settled - training).abs().mean() > 0.01
    assert drawn.abs().mean() > 1e6


def test_the_expressions_of_the_identity_are_the_old_entries() -> None:
    graph = net()
    assert all(entry.expression == Take(entry.key, sizes_of(entry.expression)) for entry in identity(graph).entries)
    assert any(isinstance(node.op, Conv) for node in graph.nodes)
