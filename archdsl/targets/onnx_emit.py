"""One ONNX graph under construction: its nodes, constants, names and shapes, as emitters write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from archdsl.diagnostics import ArchdslError
from archdsl.graph import Graph
from archdsl.ir import Value
from archdsl.ops.base import Op
from archdsl.shapes import Shape

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

    def weight(self, key: str) -> str:
        """The initializer of an entry of the state_dict; all readers of one key share it."""
        name = self._keys[key]
        if name not in self.initializers:
            self.initializers[name] = self.array(key)
        return name

    def derived(self, key: str, make: Callable[[], Array]) -> str:
        """An initializer that is computed from weights, once for all readers; its key is in no state_dict."""
        if key not in self._keys:
            self._keys[key] = self.value_name(key)
            self.initializers[self._keys[key]] = make()
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


class Link(NamedTuple):
    """One node of a chain: what it reads beside the running value (`first`: before it), and the sizes that it makes."""

    op_type: str
    operands: Sequence[str]
    sizes: Sequence[int]
    suffix: str
    attributes: Mapping[str, Attribute] = {}
    first: bool = False

    def inputs(self, value: str) -> list[str]:
        """The inputs of the node for a running value."""
        return [*self.operands, value] if self.first else [value, *self.operands]


class Place:
    """One node of our graph while its ONNX nodes are written: `step`s for values in between, a `result` for its own.

    Its values have the batch as their first axis. Where no input has one, the learned tensors that come in get an
    axis of size 1 there, which stretches to any batch.
    """

    def __init__(self, emission: Emission, index: int, outputs: Mapping[Value, str]) -> None:
        self.emission = emission
        self.index = index
        node = emission.graph.nodes[index]
        self.path = node.path
        self.name = emission.node_name(node.path)
        self.shapes = tuple(emission.graph.shape(value) for value in node.inputs)
        self.outputs = node.outputs
        self._named = outputs
        leads = [emission.leads[value] for value in node.inputs]
        self.lead: Lead = BATCH if BATCH in leads else 1
        names = [emission.names[value] for value in node.inputs]
        if BATCH not in leads:
            for number, lead in enumerate(leads):
                if lead is None:
                    names[number] = self._unsqueezed_lead(names[number], number)
        self.inputs = tuple(names)
        self.leads = tuple(lead if BATCH in leads else 1 for lead in leads)

    @property
    def input(self) -> str:
        """The only input."""
        (name,) = self.inputs
        return name

    @property
    def shape(self) -> Shape:
        """The shape of the only input, without its batch."""
        (shape,) = self.shapes
        return shape

    @property
    def output(self) -> Shape:
        """The shape of the only result, without its batch."""
        (shape,) = self.outputs
        return shape

    def weight(self, name: str) -> str:
        """The initializer of a tensor of this operation."""
        return self.emission.weight(f"{self.path}.{name}")

    def has_weight(self, name: str) -> bool:
        """Whether this operation has a tensor of that name."""
        return self.emission.has(f"{self.path}.{name}")

    def weight_over_space(self, name: str, dims: int) -> str:
        """A tensor of one number a channel, with `dims` axes of size 1 behind, to act on every place."""
        weight, size = self.weight(name), self.shapes[0].sizes[0]
        if dims == 0:
            return weight
        return self.unsqueezed(weight, range(1, dims + 1), (size, *(1,) * dims), name)

    def constant(self, suffix: str, values: Any) -> str:
        """Numbers of the model's float type."""
        return self.emission.constant(f"{self.name}/{suffix}", np.asarray(values, dtype=self.emission.dtype))

    def integers(self, suffix: str, values: Any) -> str:
        """Whole numbers: sizes, axes, indices."""
        return self.emission.constant(f"{self.name}/{suffix}", np.asarray(values, dtype=np.int64))

    def unsqueezed(self, value: str, axes: Sequence[int], sizes: Sequence[int], suffix: str) -> str:
        """A value without a batch with more axes of size 1; `sizes` are those of the result."""
        inputs = [value, self.integers(f"{suffix}/axes", axes)]
        return self.step("Unsqueeze", inputs, sizes, suffix, lead=None)

    def step(
        self,
        op_type: str,
        inputs: Sequence[str],
        sizes: Sequence[int],
        suffix: str,
        *,
        lead: Lead | Literal["own"] = "own",
        dtype: str | None = None,
        **attributes: Attribute,
    ) -> str:
        """A node for a value in between, of these sizes without the batch; the value's name."""
        return self._step(op_type, inputs, sizes, suffix, self.lead if lead == "own" else lead, attributes, dtype)

    def _step(
        self,
        op_type: str,
        inputs: Sequence[str],
        sizes: Sequence[int],
        suffix: str,
        lead: Lead,
        attributes: Mapping[str, Attribute],
        dtype: str | None = None,
    ) -> str:
        name = self.emission.value_name(f"{self.name}/{suffix}")
        self.emission.add(op_type, self.emission.node_name(name), inputs, [name], attributes)
        self.emission.declare(name, lead, sizes, dtype)
        return name

    def chain(self, value: str, links: Sequence[Link]) -> str:
        """The value at the end of a chain of steps."""
        for link in links:
            value = self._step(link.op_type, link.inputs(value), link.sizes, link.suffix, self.lead, link.attributes)
        return value

    def finish(self, value: str, links: Sequence[Link]) -> None:
        """A chain whose last node is the result."""
        if not links:
            self.result("Identity", [value])
            return
        value = self.chain(value, links[:-1])
        self.result(links[-1].op_type, links[-1].inputs(value), **links[-1].attributes)

    def with_lead(self, number: int) -> str:
        """An input with a first axis for the batch, of size 1 if it had none."""
        if self.leads[number] is not None:
            return self.inputs[number]
        return self._unsqueezed_lead(self.inputs[number], number)

    def result(self, op_type: str, inputs: Sequence[str], **attributes: Attribute) -> None:
        """The node whose outputs are the results of this place."""
        names = [self._result(number) for number in range(len(self.outputs))]
        self.emission.add(op_type, self.name, inputs, names, attributes)

    def result_of(self, number: int, op_type: str, inputs: Sequence[str], **attributes: Attribute) -> None:
        """The node whose output is one of several results of this place."""
        self.emission.add(
            op_type, self.emission.node_name(f"{self.name}/{number}"), inputs, [self._result(number)], attributes
        )

    def _unsqueezed_lead(self, name: str, number: int) -> str:
        suffix = f"batch/{number}"
        axes = self.integers(f"{suffix}/axes", [0])
        return self.step("Unsqueeze", [name, axes], self.shapes[number].sizes, suffix, lead=1)

    def _result(self, number: int) -> str:
        value, emission = Value(self.index, number), self.emission
        if value in self._named:
            name = self._named[value]
        else:
            name = emission.value_name(self.name if len(self.outputs) == 1 else f"{self.name}/{number}")
            emission.declare(name, self.lead, self.outputs[number].sizes)
        emission.names[value], emission.leads[value] = name, self.lead
        return name


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


Emitters: TypeAlias = dict[type[Op], Callable[[Place, Any], None]]


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
