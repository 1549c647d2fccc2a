"""Inner values are those that a net computes, and the first that parts is found with its place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from archdsl.compiler import compile
from archdsl.graph import Graph
from archdsl.graph.sizes import declared_sizes
from archdsl.graph.verify import verify
from archdsl.ir.program import Output, Value
from archdsl.ops import BatchNorm
from archdsl.ops.base import Input, Learned
from archdsl.prove.compare import deviation, look
from archdsl.prove.equality import compare
from archdsl.prove.parting import grounds, up_to, values_of
from archdsl.prove.probes import Probe
from archdsl.prove.weights import random_weights
from archdsl.source import Source
from tests.support.pass_nets import Direct
from tests.support.random_nets import random_net

torch.set_num_threads(1)


def net(body: str) -> Graph:
    return compile(Source(f"arch net() {{\n input 3x8x8\n {body}\n}}", "net.arch"))


def inner(graph: Graph) -> list[Value]:
    """Every value that some operation computes."""
    nodes = [(i, node) for i, node in enumerate(graph.nodes) if not isinstance(node.op, Input | Learned)]
    return [Value(i, n) for i, node in nodes for n in range(len(node.outputs))]


def inputs(graph: Graph) -> list[torch.Tensor]:
    return Probe(declared_sizes(graph), 2, 0).inputs()


@pytest.mark.parametrize("seed", range(25))
def test_inner_values_are_those_of_a_direct_run(seed: int) -> None:
    graph = random_net(seed)
    weights, values = random_weights(graph, seed), inner(graph)
    nodes = tuple(replace(node, training=False) for node in graph.nodes)
    outputs = tuple(Output(f"v{n}", value) for n, value in enumerate(values))
    whole = Graph(replace(graph.program, nodes=nodes, outputs=outputs))
    with torch.no_grad():
        expected = Direct(whole, weights).eval()(*inputs(graph))
    found = values_of(graph, values, weights, inputs(graph))
    assert len(found) == len(values)
    assert all(deviation(a, b.detach().numpy()) <= 1e-10 for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("seed", range(25))
def test_a_part_of_a_net_is_a_legal_net_with_the_same_inputs(seed: int) -> None:
    graph = random_net(seed)
    values = inner(graph)
    part = up_to(graph, [values[len(values) // 2]])
    verify(part)
    assert len(part.inputs) == len(graph.inputs)
    assert len(part.nodes) <= len(graph.nodes)


def norms(graph: Graph) -> list[int]:
    return [index for index, node in enumerate(graph.nodes) if isinstance(node.op, BatchNorm)]


@pytest.mark.parametrize("seed", [seed for seed in range(20) if norms(random_net(seed))])
def test_a_norm_with_another_eps_is_the_first_value_that_parts(seed: int) -> None:
    graph = random_net(seed)
    weights, index = random_weights(graph, seed), norms(graph)[-1]
    path = graph.nodes[index].path
    op = graph.nodes[index].op.model_copy(update={"eps": 0.3})
    nodes = tuple(replace(node, op=op) if node.path == path else node for node in graph.nodes)
    verdict = compare(graph, Graph(replace(graph.program, nodes=nodes)), weights)
    places = [place.left.partition(" ")[0] for place in verdict.alignment.differences]
    if not places:  # no output reads it
        assert verdict.word == "equal"
        return
    assert set(places) == {path}
    assert verdict.values.parting is not None
    assert verdict.values.parting.difference.left.startswith(f"{path} ")
    assert "eps" in verdict.values.parting.difference.reason


def test_the_deviation_is_that_of_the_value() -> None:
    one, two = net("c: conv(4, 3x3) -> relu -> gap"), net("c: conv(4, 3x3) -> leaky_relu(0.5) -> gap")
    verdict = compare(one, two)
    parting = verdict.values.parting
    assert parting is not None
    far = 0.0
    for ground in grounds(one, two, None, 0):
        before = [values_of(one, [Value(1)], ground.weights, probe.inputs())[0] for probe in ground.probes]
        pairs = [(np.where(value > 0, value, 0.5 * value), np.maximum(value, 0)) for value in before]
        far = max(far, look(pairs).deviation)
    assert parting.deviation == pytest.approx(far, rel=1e-6)
    assert verdict.word == "different"


def test_large_inputs_show_what_saturates() -> None:
    one, two = net("relu -> gap"), net("relu6 -> gap")
    assert compare(one, two, {}).word == "different"


def test_weights_that_no_output_depends_on_may_differ() -> None:
    """One net has a layer that leads nowhere."""
    text = "keep: conv(4, 3x3) as x\n from x -> %s as dead\n from x -> gap as kept\n output kept, dead"
    both = (net(text % "d: conv(2, 3x3)"), net(text % "e: conv(3, 1x1)"))
    one, two = (Graph(replace(graph.program, outputs=graph.outputs[:1])) for graph in both)
    verdict = compare(one, two, random_weights(one, 0))
    assert (verdict.word, verdict.keys) == ("equal", None)
    assert verdict.lines()[-1] == "some arrays are in one net alone; no output depends on them"


def test_sums_in_another_order_are_one_function() -> None:
    text = "c: conv(4, 3x3)\n branches add {\n %s\n }"
    one, two = net(text % "p: conv(4, 1x1)\n q: conv(4, 3x3)"), net(text % "q: conv(4, 3x3)\n p: conv(4, 1x1)")
    verdict = compare(one, two, random_weights(one, 0))
    assert (verdict.word, verdict.matched) == ("equal-in-inference", "by name")
    assert verdict.alignment.differences[0].reason == "kernel 1x1 against 3x3"


def test_side_heads_of_training_are_compared_too() -> None:
    text = "c: conv(4, 3x3)\n aux from c -> side: flatten -> %s\n gap"
    one, two = net(text % "s: linear(2) -> relu"), net(text % "s: linear(2) -> silu")
    verdict = compare(one, two, random_weights(one, 0))
    assert verdict.alignment.differences != ()
    assert verdict.values.parting is not None
    assert verdict.values.parting.difference.reason == "relu against silu"
