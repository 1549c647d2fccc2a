"""Each operation's one emitter, and the operations that need none."""

from __future__ import annotations

from archdsl.ops.activation import Identity
from archdsl.ops.base import Op
from archdsl.ops.dropout import Dropout, DropoutChannels, StochasticDepth
from archdsl.targets import onnx_activation, onnx_layout, onnx_norm, onnx_space, onnx_window
from archdsl.targets.onnx_place import Emitters, Place

VANISHING = (Identity, Dropout, DropoutChannels, StochasticDepth)  # nothing in inference: readers read what went in
EMITTERS: Emitters = {
    **onnx_activation.EMITTERS,
    **onnx_window.EMITTERS,
    **onnx_norm.EMITTERS,
    **onnx_space.EMITTERS,
    **onnx_layout.EMITTERS,
}


def emit(place: Place, op: Op) -> None:
    """The ONNX nodes of one operation at its place."""
    EMITTERS[type(op)](place, op)
