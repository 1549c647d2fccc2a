"""What the literals of torch's calls are in the arguments of an operation and the sizes of its input."""

from __future__ import annotations

from archdsl import ops
from archdsl.ops.base import Learned, Op
from archdsl.ops.common import axis_index
from archdsl.outline.rules import Explain, Field, Half, Listed, Rule, Rules, Size
from archdsl.shapes import Shape
from archdsl.targets.torch_calls import ACTIVATIONS

# Operations whose call does not depend on the sizes of what they read.
UNSIZED = frozenset(
    [
        *("gap", "gmp", "adaptive_avgpool", "adaptive_maxpool", "flatten", "shuffle", "add", "mul", "mean", "concat"),
        *("stack", "matmul", "softmax", "log_softmax", "input", "tensor", "affine", "scale", "upsample", "lrn"),
        *("batchnorm", "groupnorm", "instancenorm", "stochastic_depth", "dropout", "dropout_channels"),
    ]
)
INITIAL = {
    "constant_": {"val": "value"},
    "normal_": {"mean": "mean", "std": "std"},
    "trunc_normal_": {"mean": "mean", "std": "std", "a": "a", "b": "b"},
    "uniform_": {"a": "low", "b": "high"},
    "xavier_normal_": {"gain": "gain"},
    "xavier_uniform_": {"gain": "gain"},
}


def rules(op: Op, inputs: tuple[Shape, ...]) -> Rules:
    """Of one operation on inputs of these shapes."""
    match op:
        case ops.Conv() | ops.ConvTranspose():
            return Rules({**_window(op), **_channels(op)}, _sized(op))
        case ops.MaxPool() | ops.AvgPool():
            return Rules(_window(op), _sized(op))
        case ops.Linear():
            return Rules({"in_features": Size(-1), "out_features": Field("out"), "bias": Field("bias")})
        case ops.LayerNorm():
            size = Size(axis_index(op, inputs[0], op.axis, -1))
            return Rules({"normalized_shape": size, "channels": size, "eps": Field("eps")})
        case ops.PadChannels():
            zeros = (0,) * 2 * (inputs[0].rank - 1)
            return Rules({"pad": Listed((*zeros, Field("before"), Field("after")))})
        case ops.Rearrange():
            return Rules({}, "(" in op.pattern or bool(op.steps(inputs[0]).new))
        case Learned():
            return Rules({"size": Field("sizes")})
    activation = ACTIVATIONS.get(type(op))
    if activation is not None:
        return Rules({name: Field(field) for field, name, _ in activation.fields})
    return Rules(_PLAIN.get(op.word, {}), op.word not in UNSIZED)


def _sized(op: Op) -> bool:
    """Whether the padding is taken from the size."""
    return getattr(op, "padding", None) in ("same_tf", "causal")


def _window(op: Op) -> dict[str, Rule]:
    """A window whose padding is said, or keeps the size: its numbers. Of others nothing is told."""
    padding = getattr(op, "padding", None)
    shown: dict[str, Rule] = {"stride": Field("stride")}
    if padding in ("same_tf", "causal") or (isinstance(padding, tuple) and any(isinstance(p, tuple) for p in padding)):
        return {}
    shown["kernel_size"] = Field("kernel")
    if padding != "same":
        shown |= {"dilation": Field("dilation")}
    elif set(_flat(getattr(op, "dilation", 1))) == {1}:
        shown["padding"] = Half("kernel")
    else:
        del shown["kernel_size"]
    if not isinstance(padding, str):
        shown["padding"] = Field("padding")
    return shown


def _flat(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


def _channels(op: Op) -> dict[str, Rule]:
    return {
        "in_channels": Size(0),
        "out_channels": Field("out"),
        "groups": Field("groups"),
        "bias": Field("bias"),
        "output_padding": Field("output_padding"),
    }


_NUMBERS: dict[str, Rule] = {"eps": Field("eps"), "momentum": Field("momentum"), "affine": Field("affine")}
_PLAIN: dict[str, dict[str, Rule]] = {
    "batchnorm": {"num_features": Size(0), **_NUMBERS, "track_running_stats": Field("track")},
    "groupnorm": {"num_groups": Field("groups"), "num_channels": Size(0), "eps": Field("eps")},
    "instancenorm": {"num_features": Size(0), "eps": Field("eps")},
    "lrn": {name: Field(name) for name in ("size", "alpha", "beta", "k")},
    "dropout_channels": {"p": Field("rate")},
    "stochastic_depth": {"p": Field("rate")},
    "shuffle": {"groups": Field("groups")},
    "scale": {"factor": Field("factor")},
}


def _argument(tensor: str) -> str:
    return "bias_init" if tensor == "bias" else "init"


def _initial(function: str, name: str) -> str | None:
    return INITIAL.get(function.rpartition(".")[2], {}).get(name)


EXPLAIN = Explain(rules, _argument, _initial)
