"""The bytes of initializers: protobuf's framing around arrays that are never copied.

A message is a row of fields, each a tag, a length and its bytes (protobuf.dev/programming-guides/encoding), so a
model can be put out piece by piece with the weights straight from memory. The bytes are those that protobuf itself
writes, which a test holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from archdsl.targets.onnx_emit import TENSOR_TYPES

Buffer: TypeAlias = bytes | memoryview
GRAPH = 7  # ModelProto.graph
INITIALIZER = 5  # GraphProto.initializer
RAW_DATA = 9  # TensorProto.raw_data
EXTERNAL_FROM = 1024  # bytes; smaller tensors stay in the model, so that shapes are inferred without the data
PAGE = 4096  # external tensors start on pages, so that runtimes can map them


def serialised(message: onnx.ModelProto | onnx.GraphProto | onnx.TensorProto) -> bytes:
    """A message as the same bytes each time."""
    return bytes(message.SerializeToString(deterministic=True))


def field(number: int, length: int) -> bytes:
    """What stands before a field of so many bytes."""
    return _varint(number << 3 | 2) + _varint(length)


def raw(array: NDArray[Any]) -> memoryview:
    """The elements in row-major order, low byte first, without a copy where they lie so."""
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return plain.reshape(-1).view(np.uint8).data


def described(name: str, array: NDArray[Any]) -> onnx.TensorProto:
    """A tensor without its elements."""
    return onnx.TensorProto(name=name, dims=array.shape, data_type=TENSOR_TYPES[array.dtype.name])


def filled(name: str, array: NDArray[Any]) -> onnx.TensorProto:
    """A tensor with its elements."""
    tensor = described(name, array)
    tensor.raw_data = raw(array).tobytes()
    return tensor


def initializer_fields(arrays: Mapping[str, NDArray[Any]], location: str | None) -> Iterator[Buffer]:
    """The graph's initializers; with a `location`, the big ones name their place in that file."""
    offset = 0
    for name, array in arrays.items():
        tensor = described(name, array)
        if location is not None and array.nbytes >= EXTERNAL_FROM:
            _point(tensor, location, offset, array.nbytes)
            offset = _next_page(offset + array.nbytes)
            head = serialised(tensor)
            yield field(INITIALIZER, len(head)) + head
            continue
        head, elements = serialised(tensor), raw(array)
        head += field(RAW_DATA, len(elements))
        yield field(INITIALIZER, len(head) + len(elements)) + head
        yield elements


def external_data(arrays: Mapping[str, NDArray[Any]]) -> Iterator[Buffer]:
    """The bytes of the file that `initializer_fields` points to."""
    offset = 0
    for array in arrays.values():
        if array.nbytes >= EXTERNAL_FROM:
            yield bytes(_next_page(offset) - offset)
            yield raw(array)
            offset = _next_page(offset) + array.nbytes


def _point(tensor: onnx.TensorProto, location: str, offset: int, length: int) -> None:
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)


def _next_page(offset: int) -> int:
    return -(-offset // PAGE) * PAGE


def _varint(value: int) -> bytes:
    """Seven bits a byte, lowest first, the top bit on all but the last."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
