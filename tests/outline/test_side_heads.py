"""Side heads in any level, block, branch, loop or residual: each mode computes what the graph says, and no two heads
have one name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import archdsl
from archdsl.graph.text import print_graph, read_graph
from archdsl.source import Source
from tests.support import interpreter
from tests.support.aux_specs import aux_spec

torch.set_num_threads(1)


@pytest.mark.parametrize("seed", [*range(40), *(pytest.param(at, marks=pytest.mark.slow) for at in range(40, 1_000))])
def test_a_net_with_side_heads_anywhere_computes_its_graph_in_both_modes(seed: int) -> None:
    spec = Source(aux_spec(seed), "net.arch")
    graph = archdsl.compile(spec)
    names = [output.name for output in graph.outputs]
    assert len(set(names)) == len(names) > 1
    assert read_graph(print_graph(graph)) == graph
    module = archdsl.load(spec, seed=seed).double()
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for training in (True, False):
        state = {key: value.clone() for key, value in module.state_dict().items()}
        found = listed(module.train(training)(x))
        wanted = interpreter.run(graph, state, {graph.nodes[graph.inputs[0]].path: x}, training)
        assert len(found) == len(wanted)
        assert all(torch.allclose(one, other, rtol=1e-9, atol=1e-10) for one, other in zip(found, wanted, strict=True))


def listed(value: Any) -> list[Tensor]:
    return [value] if isinstance(value, Tensor) else list(value)


HEAD = "{ gap -> flatten -> linear(2) }"


@pytest.mark.parametrize(
    "body, names",
    [
        (f"deep {{ c: conv(4, 3x3) -> relu\n aux from c -> side {HEAD}\n d: conv(4, 3x3) }}", ["deep"]),
        (f"deep {{ relu\n aux one {HEAD}\n aux two {HEAD}\n relu }}", ["deep_one", "deep_two"]),
        (f'relu\n aux "output" {HEAD}', ["output_2"]),
        (f"a {{ b {{ relu\n aux x {HEAD}\n aux y {HEAD} }} }}\n aux c {HEAD}", ["a_b_x", "a_b_y", "c"]),
    ],
)
def test_heads_are_named_by_the_levels_that_tell_them_apart(body: str, names: list[str]) -> None:
    spec = Source(f"arch net() {{\n input 3x8x8\n {body}\n}}", "net.arch")
    graph = archdsl.compile(spec)
    assert [output.name for output in graph.outputs] == ["output", *names]
    module, x = archdsl.load(spec, seed=0), torch.zeros(2, 3, 8, 8)
    assert len(module(x)) == 1 + len(names)
    assert isinstance(module.eval()(x), Tensor)
