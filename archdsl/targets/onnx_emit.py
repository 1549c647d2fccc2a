"""One ONNX graph under construction: its nodes, constants, names and shapes, as emitters write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from archdsl.diagnostics import ArchdslError
from archdsl.graph import Graph
from archdsl.ir import Value

Array: TypeAlias = NDArray[Any]
FloatType: TypeAlias = Literal["float32", "float64"]
Attribute: TypeAlias = int | float | str | Sequence[int]
Lead: TypeAlias = (
    Literal["batch", 1] | None
)  # the first dimension: free, one for all examples, or none (a learned tensor)
BATCH: Final = "batch"
OTHER_FIELDS = 1 << 20  # bytes that names, doc and metadata of a model stay under
TENSOR_TYPES: dict[str, int] = {
    "float32": onnx.TensorProto.FLOAT,
    "float64": onnx.TensorProto.DOUBLE,
    "int64": onnx.TensorProto.INT64,
    "bool": onnx.TensorProto.BOOL,
}


class Emission:
    """One ONNX graph while it is written, node by node in program order.

    `nodes` collects the nodes, `types` what is known of values, `initializers` the arrays by name: weights by their
    key in the state_dict, constants by the place that reads them. Nothing is renamed or taken back later.
    """

    def __init__(self, graph: Graph, weights: Mapping[str, Array], dtype: FloatType) -> None:
        self.graph = graph
        self.weights = weights
        self.dtype = dtype
        self.nodes = onnx.GraphProto(name=graph.name)
        self.types = onnx.GraphProto()
        self.initializers: dict[str, Array] = {}
        self.names: dict[Value, str] = {}
        self.leads: dict[Value, Lead] = {}
        self._value_names: dict[str, int] = {}
        self._node_names: dict[str, int] = {}
        self._sizes: dict[str, tuple[int, ...]] = {}
        self._keys: dict[str, str] = {}
        self._weights: set[str] = set()

    def reserve_keys(self) -> None:
        """Keeps the keys of the state_dict for the weights."""
        for key, _, tensor in self.graph.state():
            self._sizes[key] = tensor.sizes
            self._keys[key] = self.value_name(key)

    def value_name(self, wanted: str) -> str:
        """The wanted name for a value, or the first free one of `wanted#2`, `wanted#3`; taken from now on."""
        return _free(wanted, self._value_names)

    def node_name(self, wanted: str) -> str:
        """The same among the names of nodes, which are apart from those of values."""
        return _free(wanted, self._node_names)

    def has(self, key: str) -> bool:
        """Whether the state_dict has this key."""
        return key in self._sizes

    def is_weight(self, name: str) -> bool:
        """Whether an initializer holds an entry of the state_dict, or is computed from such."""
        return name in self._weights

    def weight(self, key: str) -> str:
        """The initializer of an entry of the state_dict; all readers of one key share it."""
        name = self._keys[key]
        if name not in self.initializers:
            self.initializers[name] = self.array(key)
            self._weights.add(name)
        return name

    def derived(self, key: str, make: Callable[[], Array]) -> str:
        """An initializer that is computed from weights, once for all readers; its key is in no state_dict."""
        if key not in self._keys:
            self._keys[key] = self.value_name(key)
            self.initializers[self._keys[key]] = make()
            self._weights.add(self._keys[key])
        return self._keys[key]

    def array(self, key: str) -> Array:
        """An entry of the weights in the type of the model. Raises `ArchdslError` if there is none of the size."""
        if key not in self.weights:
            raise ArchdslError(f"the weights have no `{key}`")
        array = np.asarray(self.weights[key], dtype=self.dtype)
        if array.shape != self._sizes[key]:
            raise ArchdslError(f"the weights have `{key}` as {_sizes(array.shape)}, not {_sizes(self._sizes[key])}")
        return array

    @property
    def bytes(self) -> int:
        """No less than the size of the model."""
        arrays = sum(array.nbytes + len(name.encode()) + 128 for name, array in self.initializers.items())
        return int(arrays + self.nodes.ByteSize() + self.types.ByteSize() + OTHER_FIELDS)

    def constant(self, wanted: str, array: Array) -> str:
        """An initializer that is no weight."""
        name = self.value_name(wanted)
        self.initializers[name] = array
        return name

    def add(self, op_type: str, name: str, inputs: Sequence[str], outputs: Sequence[str], attributes: Any) -> None:
        """One ONNX node."""
        node = self.nodes.node.add(op_type=op_type, name=name, input=inputs, output=outputs)
        for key in sorted(attributes):
            _set(node.attribute.add(name=key), attributes[key])

    def declare(self, name: str, lead: Lead, sizes: Sequence[int], dtype: str | None = None) -> None:
        """States the type of a value in between."""
        describe(self.types.value_info.add(), name, lead, sizes, dtype or self.dtype)


def describe(info: onnx.ValueInfoProto, name: str, lead: Lead, sizes: Sequence[int], dtype: str) -> None:
    """Fills in a value's name, type and sizes."""
    info.name = name
    tensor = info.type.tensor_type
    tensor.elem_type = TENSOR_TYPES[dtype]
    dims = tensor.shape.dim
    if lead == BATCH:
        dims.add(dim_param=BATCH)
    elif lead == 1:
        dims.add(dim_value=1)
    for size in sizes:
        dims.add(dim_value=size)


def _sizes(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes)) or "scalar"


def _free(wanted: str, taken: dict[str, int]) -> str:
    """The name or, if it is taken, that name with the first free number; marked as taken."""
    name = wanted
    while name in taken:
        taken[wanted] += 1
        name = f"{wanted}#{taken[wanted]}"
    taken[name] = 1
    return name


def _set(attribute: onnx.AttributeProto, value: Attribute) -> None:
    match value:
        case bool():
            raise TypeError("an ONNX attribute is no bool: write 0 or 1")
        case int():
            attribute.type, attribute.i = onnx.AttributeProto.INT, value
        case float():
            attribute.type, attribute.f = onnx.AttributeProto.FLOAT, value
        case str():
            attribute.type, attribute.s = onnx.AttributeProto.STRING, value.encode()
        case _:
            attribute.type = onnx.AttributeProto.INTS
            attribute.ints.extend(value)
