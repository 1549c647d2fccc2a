"""A net run in every way there is, each held to the oracle in float64: what disagrees, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from archdsl import ops
from archdsl.graph.graph import Graph
from archdsl.prove.compare import ONNXRUNTIME, REFERENCE, REFERENCE_FLOAT32_ATTRIBUTES, deviation
from archdsl.targets.onnx_model import model, write
from archdsl.targets.torch_module import instantiate
from archdsl.targets.torch_source import code
from tests.support import onnx_run, oracle

# Operations that carry a number which ONNX keeps in float32, and that moves their results.
LOOSE = (ops.LeakyRelu, ops.Hardswish, ops.Hardsigmoid, ops.Selu, ops.Gelu, ops.Elu, ops.Celu, ops.LocalResponseNorm)
Arrays = dict[str, Any]


def standalone(graph: Graph) -> nn.Module:
    """The generated source executed alone, as a user's file would be."""
    generated = code(graph)
    names: dict[str, Any] = {"__name__": "generated"}
    exec(compile(generated.text, "generated.py", "exec", dont_inherit=True), names)
    module: nn.Module = names[generated.name]()
    return module


def drawn(graph: Graph, seed: int, batch: int) -> tuple[Arrays, Arrays]:
    """Random weights and inputs that float32 holds exactly."""
    weights = onnx_run.random_weights(graph, seed)
    inputs = onnx_run.random_inputs(graph, batch, seed)
    return _rounded(weights), _rounded(inputs)


def _rounded(arrays: Arrays) -> Arrays:
    return {
        key: array.astype(np.float32).astype(np.float64) if array.dtype.kind == "f" else array
        for key, array in arrays.items()
    }


def results(outputs: Any) -> list[Tensor]:
    """The outputs of a module as a list."""
    return [outputs] if isinstance(outputs, Tensor) else list(outputs)


def run_module(module: nn.Module, weights: Arrays, inputs: Arrays, dtype: torch.dtype) -> list[Any]:
    """The outputs of a module with these weights, in inference."""
    module.to(dtype).load_state_dict({key: torch.from_numpy(np.array(array)) for key, array in weights.items()})
    with torch.no_grad():
        made = module.eval()(*(torch.from_numpy(array).to(dtype) for array in inputs.values()))
    return [output.detach().numpy() for output in results(made)]


def faults(graph: Graph, seed: int, batch: int, *, tolerance: float = ONNXRUNTIME) -> list[str]:
    """Each way to run the net that is away from the oracle, and how far."""
    weights, inputs = drawn(graph, seed, batch)
    expected = oracle.outputs(graph, weights, inputs)
    found = [*_shape_faults(graph, oracle.values(graph, weights, inputs))]
    runs = _runs(graph, weights, inputs, tolerance)
    return found + [f"{name}: {away}" for name, made, gate in runs if (away := apart(made, expected)) > gate]


def _shape_faults(graph: Graph, values: list[Any]) -> Iterator[str]:
    """Where our shape rules, names of axes and batches are not the oracle's."""
    for output, value in zip([output for output in graph.outputs if not output.training], values, strict=True):
        shape = graph.shape(output.value)
        ours = (shape.sizes, shape.axes, output.value.node not in graph.batchless)
        if ours != (value.data.shape[1:], value.axes, value.batched):
            yield f"{output.name} is {ours}, not {(value.data.shape[1:], value.axes, value.batched)}"


def _runs(graph: Graph, weights: Arrays, inputs: Arrays, tolerance: float) -> Iterator[tuple[str, list[Any], float]]:
    """Each way to run the net: its name, the outputs, and how far they may be away."""
    live, alone = instantiate(graph, weights), standalone(graph)
    wide = run_module(live, weights, inputs, torch.float64)
    yield "live module", wide, REFERENCE
    same = all(map(np.array_equal, wide, run_module(alone, weights, inputs, torch.float64)))
    yield "standalone source against live module", wide if same else [], REFERENCE
    loose = any(is_loose(node.op) for node in graph.nodes)
    evaluated = onnx_run.run_reference(model(graph, weights, "float64"), inputs)
    yield "onnx's evaluator", evaluated, REFERENCE_FLOAT32_ATTRIBUTES if loose else REFERENCE
    yield "onnxruntime", onnx_run.run_onnxruntime(write(graph, weights), inputs), tolerance


def is_loose(op: ops.Op) -> bool:
    """Whether an operation carries a number that ONNX keeps in float32 and that moves its result."""
    return isinstance(op, LOOSE) or (isinstance(op, ops.BatchNorm) and op.eps > 1e-5)


def apart(ours: list[Any], theirs: list[Any], measure: Callable[[Any, Any], float] = deviation) -> float:
    """The largest deviation of the pairs, infinite where there is another number of them."""
    if len(ours) != len(theirs):
        return np.inf
    return max(map(measure, map(np.asarray, ours), map(np.asarray, theirs)), default=0.0)
