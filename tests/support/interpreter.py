"""A graph run node by node in plain torch, in inference and in training: an opinion that no target has part in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from archdsl import ops
from archdsl.graph.graph import Graph
from archdsl.ir.program import Node
from archdsl.ops.base import Input, Learned
from tests.support import torch_oracle

State = Mapping[str, Tensor]
FLOAT32 = 2.0**-24  # how far a number may be from the nearest of float32, relatively


def run(
    graph: Graph,
    state: State,
    inputs: Mapping[str, Tensor],
    training: bool,
    disturbed: tuple[type[ops.Op], ...] = (),
    shaken: float = 0.0,
) -> list[Tensor]:
    """The outputs that are there in this mode. In training the running statistics in `state` are updated, and what is
    dropped is drawn from torch's generator in program order.

    What the `disturbed` operations compute is moved as much as float32 rounds a number, up or down at random. What any
    operation computes is moved by `shaken` times the largest number that it reads or makes, up or down at random: as
    far as a runtime may be off that approximates functions, or adds in another order.
    """
    signs = torch.Generator().manual_seed(0)
    batch = next(iter(inputs.values())).shape[0]
    values: dict[tuple[int, int], Tensor] = {}
    for index, node in enumerate(graph.nodes):
        if node.training and not training:
            continue
        read = _spread(node, [values[value] for value in node.inputs])
        results = _results(graph, node, state, inputs, read, training)
        if isinstance(node.op, disturbed):
            results = [result * (1 + FLOAT32 * _signs(result, signs)) for result in results]
        if shaken and node.inputs:
            largest = max(float(value.abs().max()) for value in (*(values[value] for value in node.inputs), *results))
            results = [result + shaken * largest * _signs(result, signs) for result in results]
        for number, result in enumerate(results):
            lead = 1 if index in graph.batchless else batch
            assert result.shape == (lead, *node.outputs[number].sizes), (node.path, result.shape, node.outputs)
            values[index, number] = result
    there = [output.value for output in graph.outputs if training or not output.training]
    return [values[value][0] if value.node in graph.batchless else values[value] for value in there]


def outputs(graph: Graph, weights: Mapping[str, Any], inputs: Mapping[str, Any], dtype: str) -> list[Any]:
    """The outputs in inference, from arrays to arrays, in this type."""
    kind = getattr(torch, dtype)
    state = {key: torch.from_numpy(np.asarray(array)) for key, array in weights.items()}
    state = {key: value.to(kind) if value.is_floating_point() else value for key, value in state.items()}
    fed = {name: torch.from_numpy(array).to(kind) for name, array in inputs.items()}
    with torch.no_grad():
        return [output.numpy() for output in run(graph, state, fed, training=False)]


def _spread(node: Node, values: list[Tensor]) -> list[Tensor]:
    """What a merge reads that joins values: one example without a batch is there for each of the others."""
    if not isinstance(node.op, (ops.Concat, ops.Stack, ops.Attention)):
        return values
    most = max(value.shape[0] for value in values)
    return [value.expand(most, *value.shape[1:]) for value in values]


def _signs(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, like.shape, generator=generator).to(like.dtype) * 2 - 1


def _results(
    graph: Graph,
    node: Node,
    state: State,
    inputs: Mapping[str, Tensor],
    values: list[Tensor],
    training: bool,
) -> list[Tensor]:
    op, prefix = node.op, f"{node.path}."
    if isinstance(op, Input):
        return [inputs[node.path]]
    if isinstance(op, Learned):
        return [state[node.path][None]]
    if isinstance(op, ops.TensorLiteral):
        return [torch_oracle.written(op, next(iter(inputs.values())))]
    own = {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
    if training:
        result = _in_training(op, values[0], own)
        if result is not None:
            return [result]
    made: Any = torch_oracle.compute(op, values, graph.program.shapes_in(node), own)
    return list(made) if isinstance(made, (list, tuple)) else [made]


def _in_training(op: ops.Op, x: Tensor, own: State) -> Tensor | None:
    """The result of an operation that does something else in training, `None` for all others."""
    match op:
        case ops.BatchNorm(track=True):
            own["num_batches_tracked"].add_(1)
            momentum = 1 / int(own["num_batches_tracked"]) if op.momentum is None else op.momentum
            weight, bias, mean, var = (own.get(name) for name in ("weight", "bias", "running_mean", "running_var"))
            return F.batch_norm(x, mean, var, weight, bias, True, momentum, op.eps)
        case ops.Dropout():
            return F.dropout(x, op.rate)
        case ops.DropoutChannels():
            return {3: F.dropout1d, 4: F.dropout2d, 5: F.dropout3d}[x.dim()](x, op.rate)
        case ops.StochasticDepth():
            if op.rate == 0:
                return x
            kept = x.new_empty(x.shape[0]).bernoulli_(1 - op.rate).div_(1 - op.rate)
            return x * kept.reshape(-1, *[1] * (x.dim() - 1))
        case _:
            return None
