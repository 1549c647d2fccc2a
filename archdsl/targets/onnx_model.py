"""ONNX models, written from the graph in one pass: the same graph and weights give the same bytes.

Opset 17 and IR version 8 are what onnxruntime reads since 1.12 (2022); no operation here needs a later one. Exact
GELU, mish, group normalisation and the like are spelt out in older operators, and wherever runtimes disagree about an
operator (pools with `ceil`, asymmetric padding) it is spelt out in ones that they agree on.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath

import numpy as np
import onnx

from archdsl import __version__
from archdsl.diagnostics import UsageError
from archdsl.files import replaceable, write_atomic, write_by_digest
from archdsl.graph import Graph
from archdsl.graph.verify import held
from archdsl.ir import Value
from archdsl.ops.base import Input, Learned
from archdsl.targets.onnx_bytes import (
    GRAPH,
    Buffer,
    external_data,
    field,
    filled,
    initializer_fields,
    serialised,
)
from archdsl.targets.onnx_emit import BATCH, Array, Emission, FloatType, describe
from archdsl.targets.onnx_ops import VANISHING, emit
from archdsl.targets.onnx_place import Place

OPSET = 17
IR_VERSION = 8
DIGITS = 16  # of the digest in the name of a file of weights
BIGGEST_MODEL = 2**31 - 1  # bytes that protobuf reads as one message


def model(graph: Graph, weights: Mapping[str, Array], dtype: FloatType = "float32") -> onnx.ModelProto:
    """The inference graph as an ONNX model of this float type; its first dimension `batch` is free.

    `weights` maps the keys of the state_dict to arrays. Float64 is for checks: onnxruntime has no float64
    convolution. Raises `ArchdslError` where a weight is missing or of another size.
    """
    emission = _emitted(graph, weights, dtype)
    result = _before(graph)
    result.graph.CopyFrom(emission.nodes)
    result.graph.MergeFrom(emission.types)
    for name, array in emission.initializers.items():
        result.graph.initializer.add().CopyFrom(filled(name, array))
    result.MergeFrom(_after(graph))
    return result


def structure(graph: Graph, dtype: FloatType = "float32") -> onnx.ModelProto:
    """The model without its weights, which are inputs of it instead: small, and enough for onnx's checks."""
    zero = np.zeros((), dtype)
    weights = {key: np.broadcast_to(zero, tensor.sizes) for key, _, tensor in graph.state()}
    emission = _emitted(graph, weights, dtype)
    result = _before(graph)
    result.graph.CopyFrom(emission.nodes)
    for name, array in emission.initializers.items():
        if emission.is_weight(name):
            describe(emission.types.input.add(), name, None, array.shape, dtype)
        else:
            result.graph.initializer.add().CopyFrom(filled(name, array))
    result.graph.MergeFrom(emission.types)
    result.MergeFrom(_after(graph))
    return result


def write(
    graph: Graph,
    weights: Mapping[str, Array],
    path: str | os.PathLike[str] | None = None,
    *,
    external: bool | None = None,
    dtype: FloatType = "float32",
) -> bytes:
    """The bytes of the model, those of `model(...)` serialised; with a `path`, a file of them, and `b""`.

    With `external` the weights go to a file beside it, `NAME.onnx.DIGEST.data`; that happens by itself where the model
    would pass 2 GB, the bound of protobuf. A model written again points to another file, so that whoever reads the
    model at any time finds the data that it was written with; the data of the model before stays until the next time.
    Raises `FileError`, `UsageError` where external data has no file to stand beside, and as `model` does.
    """
    emission = _emitted(graph, weights, dtype)
    if external is None:
        external = emission.bytes > BIGGEST_MODEL
    if external and (path is None or not replaceable(path)):
        raise UsageError("weights beside the model need a file to stand beside: give a path")
    if path is None:
        return b"".join(_message(emission, None))
    data = _beside(Path(path), emission) if external else None
    write_atomic(path, _message(emission, data.name if data else None))
    if data is not None:
        _forget(data)
    return b""


def _beside(path: Path, emission: Emission) -> Path:
    """The file of the weights beside a model's, named after what it holds."""
    real = Path(os.path.realpath(path))
    return write_by_digest(
        lambda digest: real.with_name(f"{real.name}.{digest[:DIGITS]}.data"), external_data(emission.initializers)
    )


def _forget(data: Path) -> None:
    """Removes what earlier models of this name left, save the latest: somebody may have just opened that model."""
    ours = re.compile(f"{re.escape(data.name[: -DIGITS - len('.data')])}[0-9a-f]{{{DIGITS}}}\\.data")
    with contextlib.suppress(OSError):
        others = [other for other in data.parent.iterdir() if ours.fullmatch(other.name) and other != data]
        for other in sorted(others, key=lambda file: file.stat().st_mtime)[:-1]:
            other.unlink()


def _message(emission: Emission, location: str | None) -> Iterator[Buffer]:
    """The bytes of the model in the order of its fields, weights straight from their arrays."""
    initializers = list(initializer_fields(emission.initializers, location))
    head, tail = serialised(emission.nodes), serialised(emission.types)
    yield serialised(_before(emission.graph))
    yield field(GRAPH, len(head) + sum(map(len, initializers)) + len(tail))
    yield head
    yield from initializers
    yield tail
    yield serialised(_after(emission.graph))


def _before(graph: Graph) -> onnx.ModelProto:
    """The fields of the model that stand before its graph."""
    result = onnx.ModelProto(ir_version=IR_VERSION, producer_name="archdsl", producer_version=__version__)
    result.doc_string = graph.program.doc
    return result


def _after(graph: Graph) -> onnx.ModelProto:
    """The fields of the model that stand after its graph: the opset, and what it was made from."""
    facts = {"spec": PurePath(graph.program.source).name, "arch": graph.name, "digest": graph.program.digest}
    result = onnx.ModelProto(opset_import=[onnx.OperatorSetIdProto(domain="", version=OPSET)])
    for key, value in {**facts, "archdsl": __version__}.items():
        result.metadata_props.add(key=key, value=value)
    return result


def _emitted(graph: Graph, weights: Mapping[str, Array], dtype: FloatType) -> Emission:
    """The whole inference graph, written in program order."""
    emission = Emission(held(graph), weights, dtype)
    outputs = [(emission.value_name(output.name), output.value) for output in graph.outputs if not output.training]
    _inputs(emission)
    emission.reserve_keys()
    named = _named(graph, outputs)
    for index, node in enumerate(graph.nodes):
        value = Value(index)
        match node.op:
            case _ if node.training:
                continue
            case Input():
                continue
            case Learned():
                emission.names[value], emission.leads[value] = emission.weight(node.path), None
            case _ if isinstance(node.op, VANISHING):
                emission.names[value] = emission.names[node.inputs[0]]
                emission.leads[value] = emission.leads[node.inputs[0]]
            case op:
                emit(Place(emission, index, named), op)
    for name, value in outputs:
        _output(emission, name, value, named.get(_source(graph, value)))
    return emission


def _output(emission: Emission, name: str, value: Value, computed_as: str | None) -> None:
    """States one output; what is not computed under its name is passed on to it, without the batch it never had."""
    sizes, node = emission.graph.shape(value).sizes, emission.node_name
    lead = emission.leads[value] if emission.leads[value] == BATCH else None
    if computed_as != name:
        inputs = [emission.names[value]]
        if emission.leads[value] == 1:
            axes = emission.constant(f"{name}/axes", np.asarray([0]))
            emission.add("Squeeze", node(name), [*inputs, axes], [name], {})
        else:
            emission.add("Identity", node(name), inputs, [name], {})
    describe(emission.types.output.add(), name, lead, sizes, emission.dtype)


def _inputs(emission: Emission) -> None:
    for index in emission.graph.inputs:
        node, value = emission.graph.nodes[index], Value(index)
        emission.names[value], emission.leads[value] = emission.value_name(node.path), BATCH
        describe(emission.types.input.add(), emission.names[value], BATCH, node.outputs[0].sizes, emission.dtype)


def _named(graph: Graph, outputs: list[tuple[str, Value]]) -> dict[Value, str]:
    """The values that are computed under an output's name; others reach their output by a node more."""
    named: dict[Value, str] = {}
    for name, value in outputs:
        source = _source(graph, value)
        if not isinstance(graph.nodes[source.node].op, Input) and source.node not in graph.batchless:
            named.setdefault(source, name)
    return named


def _source(graph: Graph, value: Value) -> Value:
    """The value that is computed, behind operations that do nothing in inference."""
    while isinstance(graph.nodes[value.node].op, VANISHING):
        value = graph.nodes[value.node].inputs[0]
    return value
