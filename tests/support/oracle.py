"""An independent opinion: what `docs/operations.md` says of each operation, in numpy and float64, in inference.

Of archdsl it reads the arguments that a node was given, its path and what it reads: neither its shape rules nor a
target. Sizes, names of axes and whether a value has a batch are found here once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archdsl.graph.graph import Graph
from tests.support import oracle_merges, oracle_space
from tests.support.oracle_value import Held, Value, example

Array = NDArray[Any]
INPUT_AXES: dict[int, tuple[str | None, ...]] = {1: ("c",), 2: ("c", "l"), 3: ("c", "h", "w"), 4: ("c", "d", "h", "w")}
RULES: dict[str, Callable[..., Any]] = {**oracle_space.RULES, **oracle_merges.RULES}


def outputs(graph: Graph, weights: Mapping[str, Array], inputs: Mapping[str, Array]) -> list[Array]:
    """The outputs of a net in inference, those without a batch without that axis."""
    return [value.plain() for value in values(graph, weights, inputs)]


def values(graph: Graph, weights: Mapping[str, Array], inputs: Mapping[str, Array]) -> list[Value]:
    """The same with the names of their axes."""
    known: dict[tuple[int, int], Value] = {}
    for index, node in enumerate(graph.nodes):
        if node.training:
            continue
        read = [known[value.node, value.output] for value in node.inputs]
        own = {key.rpartition(".")[2]: np.asarray(array) for key, array in weights.items() if _owns(node.path, key)}
        for number, result in enumerate(_results(node, read, own, weights, inputs)):
            known[index, number] = result
    return [known[out.value.node, out.value.output] for out in graph.outputs if not out.training]


def _owns(path: str, key: str) -> bool:
    return key.rpartition(".")[0] == path


def _results(node: Any, read: list[Value], own: Held, weights: Held, inputs: Mapping[str, Array]) -> list[Value]:
    op = node.op
    match op.word:
        case "input":
            data = np.asarray(inputs[node.path], np.float64)
            return [Value(data, INPUT_AXES.get(data.ndim - 1, (None,) * (data.ndim - 1)), True)]
        case "param":
            return [example(np.asarray(weights[node.path], np.float64))]
        case "tensor":
            return [example(np.asarray(op.values, np.float32).astype(np.float64))]
    wide = {name: array.astype(np.float64) for name, array in own.items()}
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        made = RULES[op.word](op, read if op.takes == "list" else read[0], wide)
    return made if isinstance(made, list) else [made]
