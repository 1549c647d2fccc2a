"""Generated source against a direct run of the graph, on random nets: outputs, gradients and buffers, bit for bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from archdsl.graph.graph import Graph
from archdsl.targets.torch_module import instantiate
from archdsl.weights import initial
from tests.support import interpreter
from tests.support.random_nets import random_net

torch.set_num_threads(1)


def randomised(graph: Graph, seed: int) -> dict[str, Tensor]:
    """Random weights and statistics in float64, which tell eps and every buffer apart."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for key, _, tensor in graph.state():
        drawn = torch.randn(tensor.sizes, generator=generator, dtype=torch.float64)
        if tensor.dtype == "int64":
            state[key] = torch.zeros(tensor.sizes, dtype=torch.int64)
        else:
            state[key] = drawn.exp() if key.endswith("running_var") else drawn * 0.5
    return state


@pytest.mark.parametrize("seed", range(120))
def test_a_random_net_computes_what_its_graph_says(seed: int) -> None:
    graph = random_net(seed)
    state = randomised(graph, seed)
    module = instantiate(graph, initial(graph, 0)).double()
    assert list(module.state_dict()) == [key for key, _, _ in graph.state()]
    module.load_state_dict(state)
    (sizes,) = (graph.nodes[index].outputs[0].sizes for index in graph.inputs)
    x = torch.randn(3, *sizes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for training in (False, True):
        module.train(training)
        reference = {key: value.clone().requires_grad_(value.is_floating_point()) for key, value in state.items()}
        for key in reference:
            if "running" in key:
                reference[key] = state[key].clone()
        expected = interpreter.run(graph, reference, {"input": x}, training)
        given = module(x.clone())
        results = list(given) if isinstance(given, tuple) else [given]
        assert len(results) == len(expected)
        assert all(torch.equal(a, b) for a, b in zip(results, expected, strict=True))
        torch.stack([value.square().sum() for value in results]).sum().backward()
        torch.stack([value.square().sum() for value in expected]).sum().backward()
        for key, parameter in module.named_parameters():
            left, right = parameter.grad, reference[key].grad
            assert (left is None and right is None) or torch.equal(left, right), key  # type: ignore[arg-type]
            parameter.grad = None
        for key, buffer in module.named_buffers():
            assert torch.equal(buffer, reference[key]), key
