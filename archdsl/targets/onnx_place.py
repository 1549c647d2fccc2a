"""What an emitter writes with: the place of one operation in an ONNX graph, with its values and constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from archdsl.ir import Value
from archdsl.ops.base import Op
from archdsl.shapes import Shape
from archdsl.targets.onnx_emit import BATCH, Attribute, Emission, Lead


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

    def given(self, values: Any) -> None:
        """Numbers, rounded to float32, as the result of this place, without a batch."""
        numbers = np.asarray(values, dtype=np.float32).astype(self.emission.dtype)
        value = Value(self.index)
        self.emission.names[value], self.emission.leads[value] = self.emission.constant(self.name, numbers), None

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


Emitters: TypeAlias = dict[type[Op], Callable[[Place, Any], None]]
