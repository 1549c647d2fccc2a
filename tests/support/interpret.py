"""A graph run node by node with plain torch functions: what a generated module must compute, written without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from archdsl.graph.graph import Graph
from archdsl.ir.program import Node

Arrays = Mapping[str, Tensor]


def interpret(graph: Graph, state: Arrays, inputs: tuple[Tensor, ...], training: bool) -> list[Tensor]:
    """The outputs that are there in this mode, in order. In training the running statistics in `state` are updated."""
    values: dict[tuple[int, int], Tensor] = {}
    given = iter(inputs)
    for index, node in enumerate(graph.nodes):
        if node.training and not training:
            continue
        if node.op.word == "input":
            values[index, 0] = next(given)
            continue
        results = _apply(node, state, [values[value.node, value.output] for value in node.inputs], training)
        values.update({(index, output): result for output, result in enumerate(results)})
    return [values[out.value.node, out.value.output] for out in graph.outputs if training or not out.training]


def _apply(node: Node, state: Arrays, values: list[Tensor], training: bool) -> tuple[Tensor, ...]:
    op: Any = node.op

    def own(name: str) -> Any:
        return state.get(f"{node.path}.{name}")

    match op.word:
        case "param":
            return (state[node.path],)
        case "conv":
            padding = op.padding if isinstance(op.padding, int) else op.dilation * (op.kernel - 1) // 2
            args = (op.stride, padding, op.dilation, op.groups)
            return (F.conv2d(values[0], own("weight"), own("bias"), *args),)
        case "linear":
            return (F.linear(values[0], own("weight"), own("bias")),)
        case "batchnorm":
            if training:
                own("num_batches_tracked").add_(1)
            mean, var = own("running_mean"), own("running_var")
            return (F.batch_norm(values[0], mean, var, own("weight"), own("bias"), training, op.momentum, op.eps),)
        case "relu":
            return (values[0].relu(),)
        case "sigmoid":
            return (values[0].sigmoid(),)
        case "gelu":
            return (F.gelu(values[0]),)
        case "leaky_relu":
            return (F.leaky_relu(values[0], op.slope),)
        case "identity":
            return (values[0],)
        case "maxpool":
            return (F.max_pool2d(values[0], op.kernel, op.stride or op.kernel, op.padding),)
        case "gap":
            return (F.adaptive_avg_pool2d(values[0], 1),)
        case "flatten":
            return (values[0].flatten(1),)
        case "add":
            total = values[0]
            for value in values[1:]:
                total = total + value
            return (total,)
        case "mul":
            product = values[0]
            for value in values[1:]:
                product = product * value
            return (product,)
        case "concat":
            return (torch.cat(values, 1),)
        case "split":
            return tuple(values[0].chunk(op.pieces, 1))
        case word:
            raise AssertionError(word)
