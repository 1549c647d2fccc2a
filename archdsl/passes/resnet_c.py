"""A deep stem for the 7x7."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops import BatchNorm, Conv, Relu
from archdsl.passes.common import input_shape, is_shared, only_reader
from archdsl.passes.edit import Edit, Source
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise


@dataclass(frozen=True)
class ResnetC(Pass):
    """The 7x7 convolution of a stem becomes three 3x3, the first with its stride."""

    promise: ClassVar[Promise] = "redesign"
    law: ClassVar[str] = "three 3x3 see as far as one 7x7, with two more activations and at lower cost"
    source: ClassVar[str] = (
        "He et al. 2018, arXiv:1812.01187, section 4.1 (ResNet-C); Szegedy et al. 2015, arXiv:1512.00567"
    )

    width: int = 32  # channels of the first two convolutions

    def rewrite(self, edit: Edit, conv: Match[Conv], norm: Match[BatchNorm]) -> Keep | None:
        """Puts three convolutions in the place of one that reads the input of the net."""
        graph, op = edit.graph, conv.op
        window = op.window(input_shape(graph, conv))
        if set(window.kernel) != {7} or len(window.kernel) != 2:
            return NOT_A_SITE
        if conv.node.inputs[0].node not in graph.inputs:
            return Keep("it does not read the input of the net")
        if set(window.sides) != {(3, 3)} or set(window.dilation) != {1}:
            return Keep("it pads with something other than half its size, or is dilated")
        if op.groups != 1 or is_shared(graph, conv) or only_reader(graph, conv.index) != norm.index:
            return Keep("it is grouped, shared, or read elsewhere too")
        plain = {"kernel": (3, 3), "padding": "same", "dilation": 1}
        current: Source = conv.node.inputs[0]
        level, number = conv.node.path, 0
        for last in (False, False, True):
            width = op.out if last else self.width
            stride = op.stride if number == 0 else 1
            step = op.model_copy(update={**plain, "out": width, "stride": stride})
            current = edit.add(step, (current,), at=conv.index, path=f"{level}.{number}")[0]
            if not last:
                current = edit.add(norm.op, (current,), at=conv.index, path=f"{level}.{number + 1}")[0]
                current = edit.add(Relu(), (current,), at=conv.index, path=f"{level}.{number + 2}")[0]
            number += 3
        edit.redirect(conv.value, current)
        edit.remove(conv.index)
        return None
