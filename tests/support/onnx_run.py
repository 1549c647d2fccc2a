"""Runs ONNX models in two runtimes, and holds them to the checker and to our shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from archdsl.graph import Graph

Array = NDArray[Any]
onnxruntime.set_default_logger_severity(3)


def random_weights(graph: Graph, seed: int = 0, dtype: str = "float64") -> dict[str, Array]:
    """Random values for every entry of the state_dict; variances log-uniform, so that a wrong `eps` shows."""
    rng = np.random.default_rng(seed)
    return {key: _entry(rng, key, tensor.sizes, tensor.dtype, dtype) for key, _, tensor in graph.state()}


def _entry(rng: np.random.Generator, key: str, sizes: Sequence[int], kind: str, dtype: str) -> Array:
    if kind == "int64":
        return np.zeros(sizes, np.int64)
    if key.endswith("running_var"):
        return np.exp(rng.uniform(np.log(0.05), np.log(5.0), sizes)).astype(dtype)
    fan = max(1, int(np.prod(sizes[1:])))
    values = rng.standard_normal(sizes) / np.sqrt(fan)
    return np.asarray(np.abs(values) + 0.1 if key.endswith("weight_g") else values, dtype)


def random_inputs(graph: Graph, batch: int, seed: int = 0, dtype: str = "float64") -> dict[str, Array]:
    """A random batch for every input, by name."""
    rng = np.random.default_rng(seed + 1000)
    shapes = {graph.nodes[index].path: graph.nodes[index].outputs[0].sizes for index in graph.inputs}
    return {name: rng.standard_normal((batch, *sizes)).astype(dtype) for name, sizes in shapes.items()}


def run_onnxruntime(data: bytes | str, inputs: Mapping[str, Array]) -> list[Array]:
    """The outputs of a float32 model (its bytes, or the path of its file)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    fed = {name: value.astype(np.float32) for name, value in inputs.items()}
    return [np.asarray(value) for value in session.run(None, fed)]


def run_reference(model: onnx.ModelProto, inputs: Mapping[str, Array]) -> list[Array]:
    """The outputs of a float64 model in onnx's own evaluator, with its known mistakes put right."""
    evaluator = ReferenceEvaluator(model, new_ops=[ConvTranspose, LRN, MaxPool, AveragePool, Mean])
    return [np.asarray(value) for value in evaluator.run(None, dict(inputs))]


class ConvTranspose(OpRun):  # type: ignore[misc]
    """By definition: each input element spreads the kernel. onnx 1.23's mixes up the channels of groups."""

    def _run(self, x: Array, w: Array, bias: Array | None = None, **given: Any) -> tuple[Array]:
        rank = x.ndim - 2
        stride, dilation = given.get("strides") or [1] * rank, given.get("dilations") or [1] * rank
        pads, extra = given.get("pads") or [0] * 2 * rank, given.get("output_padding") or [0] * rank
        groups, kernel = given.get("group") or 1, w.shape[2:]
        full = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(x.shape[2:], stride, kernel, dilation, strict=True)]
        out = np.zeros((x.shape[0], groups, w.shape[1], *(n + e for n, e in zip(full, extra, strict=True))), x.dtype)
        xs = x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
        ws = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
        for tap in np.ndindex(*kernel):
            spread = np.einsum("bgi...,gio->bgo...", xs, ws[(..., *tap)])
            at = [
                slice(t * d, t * d + (n - 1) * s + 1, s)
                for t, d, n, s in zip(tap, dilation, x.shape[2:], stride, strict=True)
            ]
            out[(slice(None), slice(None), slice(None), *at)] += spread
        cut = [slice(pads[i], full[i] + extra[i] - pads[rank + i]) for i in range(rank)]
        result = out.reshape(x.shape[0], -1, *out.shape[3:])[(slice(None), slice(None), *cut)]
        return (result if bias is None else result + bias.reshape(-1, *[1] * rank),)


class LRN(OpRun):  # type: ignore[misc]
    """By definition; onnx 1.23's goes over as many channels as there are examples."""

    def _run(self, x: Array, alpha: float, beta: float, bias: float, size: int) -> tuple[Array]:
        below, above = (size - 1) // 2, size // 2
        squares = [
            np.sum(np.square(x[:, max(0, c - below) : c + above + 1]), axis=1, keepdims=True) for c in range(x.shape[1])
        ]
        return (x / (bias + alpha / size * np.concatenate(squares, axis=1)) ** beta,)


class MaxPool(OpRun):  # type: ignore[misc]
    """By definition; onnx 1.23's misplaces windows whose padding differs from side to side."""

    def _run(self, x: Array, **given: Any) -> tuple[Array]:
        return (_pooled(x, -np.inf, np.maximum, given),)


class AveragePool(OpRun):  # type: ignore[misc]
    """By definition, over the elements and padding of each window, or over its elements alone."""

    def _run(self, x: Array, count_include_pad: int = 0, **given: Any) -> tuple[Array]:
        ones = np.ones_like(x)
        within = np.prod(given["kernel_shape"]) if count_include_pad else _pooled(ones, 0.0, np.add, given)
        return (_pooled(x, 0.0, np.add, given) / within,)


def _pooled(x: Array, empty: float, join: Any, given: Mapping[str, Any]) -> Array:
    """Each window of the padded input joined, tap by tap."""
    kernel, rank = given["kernel_shape"], x.ndim - 2
    assert not given.get("ceil_mode")
    assert given.get("auto_pad") in (None, "NOTSET")
    stride, dilation = given.get("strides") or [1] * rank, given.get("dilations") or [1] * rank
    pads = given.get("pads") or [0] * 2 * rank
    padded = np.pad(x, [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)], constant_values=empty)
    sizes = zip(padded.shape[2:], kernel, stride, dilation, strict=True)
    counts = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in sizes]
    result = np.full((*x.shape[:2], *counts), empty, x.dtype)
    for tap in np.ndindex(*kernel):
        places = zip(tap, dilation, counts, stride, strict=True)
        at = [slice(t * d, t * d + (n - 1) * s + 1, s) for t, d, n, s in places]
        result = join(result, padded[(slice(None), slice(None), *at)])
    return result


class Mean(OpRun):  # type: ignore[misc]
    """By definition, with the broadcasting that onnx 1.23's forgets."""

    def _run(self, *values: Array) -> tuple[Array]:
        total = values[0]
        for value in values[1:]:
            total = total + value
        return (total / total.dtype.type(len(values)),)


for _known in (ConvTranspose, LRN, MaxPool, AveragePool, Mean):
    _known.op_domain = ""


def inferred(model: onnx.ModelProto) -> dict[str, tuple[str | int, ...]]:
    """What onnx's strict shape inference finds for every value, from the inputs alone.

    It carries no free size through Resize, whose results are given to it.
    """
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    resized = {name for node in model.graph.node if node.op_type == "Resize" for name in node.output}
    del bare.graph.value_info[:]
    bare.graph.value_info.extend(value for value in model.graph.value_info if value.name in resized)
    for output in bare.graph.output:
        if output.name not in resized:
            output.type.tensor_type.ClearField("shape")
    return stated(onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True, data_prop=True))


def stated(model: onnx.ModelProto) -> dict[str, tuple[str | int, ...]]:
    """The sizes that a model states for its inputs, outputs and every value in between."""
    values = [*model.graph.input, *model.graph.value_info, *model.graph.output]
    return {value.name: _sizes(value.type.tensor_type) for value in values}


def computed(model: onnx.ModelProto) -> set[str]:
    """The name of every value that some node computes."""
    return {name for node in model.graph.node for name in node.output}


def _sizes(tensor: onnx.TypeProto.Tensor) -> tuple[str | int, ...]:
    return tuple(size.dim_param or size.dim_value for size in tensor.shape.dim)


def assert_sound(model: onnx.ModelProto) -> None:
    """The checker accepts the model, every value has a stated shape, and onnx infers the same ones."""
    onnx.checker.check_model(model, full_check=True)
    ours = stated(model)
    assert computed(model) <= set(ours)
    assert inferred(model) == ours
