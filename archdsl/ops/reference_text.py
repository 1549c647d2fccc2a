"""The words of the reference that no class can say: families, what arguments mean, rules of shapes, examples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from archdsl.ops.base import Word
from archdsl.shapes import Shape

FAMILIES: Final[dict[str, tuple[str, ...]]] = {
    "Convolutions and linear maps": ("conv", "conv_transpose", "linear"),
    "Pools": ("maxpool", "avgpool", "adaptive_avgpool", "adaptive_maxpool", "gap", "gmp"),
    "Normalisations": ("batchnorm", "layernorm", "groupnorm", "instancenorm", "lrn"),
    "Activations": (
        "relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "silu", "mish", "sigmoid", "log_sigmoid",
        "tanh", "softplus", "softsign", "hardswish", "hardsigmoid", "hardtanh", "softmax", "log_softmax", "scale",
        "affine", "identity",
    ),
    "Dropping at random": ("dropout", "dropout_channels", "stochastic_depth"),
    "Merges": ("add", "mul", "mean", "concat", "stack", "matmul", "attention"),
    "Lists and axes": ("split", "unstack", "slice", "last", "gather", "flatten", "rearrange", "shuffle", "roll"),
    "Literals": ("tensor",),
    "Space": ("pad", "pad_channels", "crop", "upsample", "resize"),
}  # fmt: skip

MEANINGS: Final[dict[str, str]] = {
    "out": "channels of the result",
    "linear.out": "elements of the result along the last axis",
    "kernel": "size of the window",
    "stride": "size of the window's steps",
    "maxpool.stride": "size of the window's steps; `none` is the kernel",
    "avgpool.stride": "size of the window's steps; `none` is the kernel",
    "padding": "what is added around: a size, a pair for each axis (`[[0, 1], [0, 1]]`), or a word",
    "conv_transpose.padding": "what is taken from each side of the result: a size",
    "output_padding": "what is added behind the result, below the stride or the dilation: a size",
    "groups": "parts of the channels that do not see each other",
    "shuffle.groups": "parts of the channels that are interleaved",
    "groupnorm.groups": "parts of the channels that are normalised apart",
    "dilation": "size of the steps inside the window",
    "bias": "whether a learned number is added to each channel",
    "init": "initial values of the weight; `none` is PyTorch's own",
    "batchnorm.init": "initial values of the scale; `none` is ones",
    "layernorm.init": "initial values of the scale; `none` is ones",
    "groupnorm.init": "initial values of the scale; `none` is ones",
    "instancenorm.init": "initial values of the scale; `none` is ones",
    "bias_init": "initial values of the bias; `none` is PyTorch's own",
    "padding_mode": "what the padding holds",
    "reparam": "another form of the weight, as direction and length; `none` is the weight itself",
    "ceil": "whether a last window may reach over the end; it starts inside the input or its left padding",
    "count_padding": "whether padding counts as elements; must be said where there is padding",
    "size": "sizes of the result",
    "lrn.size": "channels of a neighbourhood",
    "eps": "what is added to the variance",
    "momentum": "weight of the new statistics in the running ones; `none` averages all steps",
    "affine": "whether the result is scaled and shifted by learned numbers",
    "track": "whether running statistics are kept and used in inference",
    "axis": "the axis by name; `none` is the first",
    "layernorm.axis": "the axis by name; `none` is the last",
    "softmax.axis": "the axis by name; `none` is the last",
    "log_softmax.axis": "the axis by name; `none` is the last",
    "last.axis": "the axis by name; `none` is the last",
    "stack.axis": "a name for the new axis",
    "alpha": "scale of the negative part",
    "lrn.alpha": "weight of the squares",
    "lrn.beta": "exponent",
    "lrn.k": "what is added to the squares",
    "slope": "slope of the negative part",
    "prelu.slope": "initial slope of the negative part",
    "channelwise": "whether each channel has a slope of its own",
    "approximate": "an approximation; `none` is exact",
    "beta": "sharpness",
    "threshold": "where the function becomes x itself",
    "hardtanh.low": "smallest result",
    "hardtanh.high": "largest result",
    "low": "lower bound",
    "high": "upper bound",
    "factor": "the constant",
    "upsample.factor": "the factor, or one for each axis; also a fraction",
    "rate": "the probability to be dropped, from 0 to 1",
    "scale": "what scores are multiplied by; `none` is 1 / sqrt(features)",
    "affine.scale": "what each channel is multiplied by, a list",
    "affine.shift": "what is added to each channel, a list",
    "causal": "whether position i attends to positions up to i alone",
    "pieces": "the number of equal pieces, or a list of their sizes",
    "start": "the first element, from 0",
    "stop": "the element behind the last; `none` is the end",
    "shift": "how far elements move; below 0 to the front",
    "pattern": "the axes before and after `->`",
    "sizes": "sizes of axes that the input does not settle, as further arguments by name",
    "sides": "what is added: a size, or a pair for each axis",
    "mode": "how new elements are found",
    "kaiming_normal.mode": "which fan the variance is scaled by",
    "kaiming_uniform.mode": "which fan the variance is scaled by",
    "value": "the constant",
    "indices": "the places, from 0: a list, or lists in lists",
    "values": "the numbers: a list, or lists in lists of one length at each depth",
    "before": "channels before",
    "after": "channels after",
    "align_corners": "whether the corners of input and result are the same points",
    "mean": "the mean",
    "std": "the standard deviation",
    "a": "slope of the negative part of the activation that follows",
    "truncated_normal.a": "smallest value",
    "truncated_normal.b": "largest value",
    "gain": "a factor",
}


@dataclass(frozen=True, slots=True)
class Page:
    """What the reference says of an operation, and the example that it computes."""

    shape: str
    inputs: tuple[Shape, ...]
    arguments: dict[str, Any] = field(default_factory=dict)
    tensors: str = ""
    cost: str = ""


_REGIONS = "Region i of m covers the elements floor(i * n / m) to ceil((i + 1) * n / m), exclusive, of an axis of n."
_BIASED = "(x - mean) / sqrt(variance + eps), the variance divided by the number of elements"
_RESIZING = (
    "Place i of a result of m reads an axis of n, axis by axis, and `step` is {step}. `nearest` takes element "
    "floor(i * step) and `nearest_exact` floor((i + 0.5) * step), computed in float32, at most n - 1. `linear`, "
    "`bilinear` and `trilinear` weigh the two elements around s = (i + 0.5) * step - 0.5 by 1 - |s - element|; "
    "`bicubic` the four around it by cubic convolution with a = -0.75 (Keys 1981); elements outside are the "
    "nearest inside. With `align_corners`, s = i * (n - 1) / (m - 1), and 0 where m is 1. `area` averages regions "
    "as `adaptive_avgpool` does."
)

# What each operation computes, where its first line leaves a choice.
EXACTLY: Final[dict[str, str]] = {
    "conv": "No kernel is mirrored: result i of an axis sums weight[t] * x[i * stride + t * dilation - padding "
    "before]. `reflect` does not repeat the border, `replicate` repeats it, `circular` goes on at the other end. With "
    "`reparam=weight_norm` the weight of each output channel is `weight_g` * `weight_v` / |`weight_v`|.",
    "conv_transpose": "Element i adds x[i] * weight[t] at i * stride + t * dilation; then `padding` is cut off on both "
    "sides and `output_padding` added behind, where nothing else reaches there is the bias alone.",
    "linear": "Result o is the sum of weight[o, i] * x[i] over the last axis, plus bias[o].",
    "maxpool": "Padding is minus infinity; `same` and `same_tf` pad as for `conv`. With `ceil` a window may reach "
    "beyond the padding, where nothing is. A window of padding alone is refused.",
    "avgpool": "The sum of the elements of a window divided by how many they are, or, with `count_padding`, by the "
    "elements and padding in it; what `ceil` lets it reach beyond the padding counts never.",
    "adaptive_avgpool": _REGIONS,
    "adaptive_maxpool": _REGIONS,
    "batchnorm": f"In inference (x - running_mean) / sqrt(running_var + eps). In training, and without `track` always, "
    f"{_BIASED} over batch and space; the running variance takes the one divided by one less. A value without a batch "
    "must have more than one element a channel.",
    "layernorm": f"{_BIASED} of the axis; then times `weight` plus `bias`.",
    "groupnorm": f"{_BIASED} of the group, whose channels stand together; then each channel times its `weight` plus "
    "its `bias`. A group must have more than one element.",
    "instancenorm": f"{_BIASED}.",
    "lrn": "x / (k + alpha * s / size) ^ beta, s the sum of the squares of the channels c - floor(size / 2) to "
    "c + floor((size - 1) / 2) that there are; it is divided by `size` also at the ends. `alpha` and `k` are not "
    "both 0.",
    "prelu": "x where it is positive, else weight * x.",
    "selu": "The constants are 1.0507009873554805 and 1.6732632423543772.",
    "gelu": "x * (1 + erf(x / sqrt(2))) / 2, or x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2.",
    "dropout": "Nothing in inference.",
    "dropout_channels": "Nothing in inference.",
    "stochastic_depth": "Nothing in inference.",
    "attention": "A causal one leaves out, for query i, the keys behind i, counted from the first of both.",
    "crop": "It begins at floor((n - m) / 2) of an axis of n for a result of m.",
    "roll": "Element i moves to (i + shift) modulo the size.",
    "pad": "`reflect` does not repeat the border, `replicate` repeats it, `circular` goes on at the other end.",
    "upsample": _RESIZING.format(step="1 / factor") + " A factor that leaves an axis as it is, or doubles it for "
    "`nearest`, without being 1 or 2 is refused: PyTorch's kernels disagree there.",
    "resize": _RESIZING.format(step="n / m"),
}

_IMAGE = (Shape.of(64, 56, 56),)
_VECTOR = (Shape.of(512),)
_SEQUENCE = (Shape.of(64, 49),)
_SAME = "that of the input."
_SCALE = "`weight` and `bias`, one for each channel, if `affine`."
_WINDOW = "each spatial size n becomes floor((n + padding - dilation * (kernel - 1) - 1) / stride) + 1"
_HEADS = (Shape((8, 49, 64), (None, "l", "c")),) * 3

PAGES: Final[dict[str, Page]] = {
    "conv": Page(
        f"`c` becomes `out`; {_WINDOW}, with the padding of both sides; at least one window must fit. `same` pads "
        "dilation * (kernel - 1) // 2 on each side, and takes odd kernels only; `valid` pads nothing; `same_tf` pads "
        "so that n becomes ceil(n / stride), the odd element behind (TensorFlow); `causal`, in 1-D, pads "
        "dilation * (kernel - 1) before and nothing behind. `groups` must divide both numbers of channels.",
        (Shape.of(3, 224, 224),),
        {"out": 64, "kernel": (7, 7), "stride": 2, "bias": False},
        "`weight` out x c/groups x kernel, and `bias` out. With `reparam=weight_norm`: `bias`, `weight_g`, `weight_v`.",
        "elements of the result times c/groups times the kernel's elements.",
    ),
    "conv_transpose": Page(
        "`c` becomes `out`; n becomes (n - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1.",
        _IMAGE,
        {"out": 32, "kernel": (2, 2), "stride": 2},
        "`weight` c x out/groups x kernel, and `bias` out.",
        "elements of the input times out/groups times the kernel's elements.",
    ),
    "linear": Page(
        "the last axis becomes `c` of size `out`. An input with a named axis behind its channels is refused: "
        "`flatten` first.",
        _VECTOR,
        {"out": 1000},
        "`weight` out x in, and `bias` out.",
        "elements of the result times the elements of the last axis.",
    ),
    "maxpool": Page(
        f"{_WINDOW}; with `ceil` rounded up. Padding is at most half the kernel, and never wins.",
        _IMAGE,
        {"kernel": (3, 3), "stride": 2, "padding": 1},
    ),
    "avgpool": Page(
        f"{_WINDOW}; with `ceil` rounded up. Padding is at most half the kernel.",
        _IMAGE,
        {"kernel": (2, 2), "ceil": True},
    ),
    "adaptive_avgpool": Page("the spatial sizes become `size`.", _IMAGE, {"size": (7, 7)}),
    "adaptive_maxpool": Page("the spatial sizes become `size`.", _IMAGE, {"size": (7, 7)}),
    "gap": Page("every spatial size becomes 1.", _IMAGE),
    "gmp": Page("every spatial size becomes 1.", _IMAGE),
    "batchnorm": Page(
        _SAME,
        _IMAGE,
        {"eps": 1e-3},
        f"{_SCALE} Buffers `running_mean`, `running_var`, `num_batches_tracked`, if `track`.",
    ),
    "layernorm": Page(
        _SAME, _IMAGE, {"axis": "c"}, "`weight` and `bias`, one for each element of the axis, if `affine`."
    ),
    "groupnorm": Page(f"{_SAME} `groups` must divide the channels.", _IMAGE, {"groups": 32}, _SCALE),
    "instancenorm": Page(f"{_SAME} There must be more than one element a channel.", _IMAGE, {"affine": True}, _SCALE),
    "lrn": Page(_SAME, _IMAGE, {"size": 5}),
    "leaky_relu": Page(_SAME, _IMAGE, {"slope": 0.2}),
    "prelu": Page(_SAME, _IMAGE, {"channelwise": True}, "`weight`, one slope or one for each channel."),
    "gelu": Page(_SAME, _IMAGE, {"approximate": Word("tanh")}),
    "hardtanh": Page(_SAME, _IMAGE, {"low": 0.0, "high": 6.0}),
    "softmax": Page(_SAME, _SEQUENCE, {"axis": "c"}),
    "scale": Page(_SAME, _IMAGE, {"factor": 0.17}),
    "affine": Page(
        f"{_SAME} There is one scale and one shift for each channel.",
        (Shape.of(3, 224, 224),),
        {"scale": (4.367, 4.464, 4.444), "shift": (-2.118, -2.036, -1.804)},
    ),
    "dropout": Page(_SAME, _VECTOR, {"rate": 0.2}),
    "dropout_channels": Page(_SAME, _IMAGE, {"rate": 0.2}),
    "stochastic_depth": Page(_SAME, _IMAGE, {"rate": 0.1}),
    "add": Page("all have one shape, and so has the result. Nothing is broadcast.", _IMAGE * 2),
    "mean": Page("all have one shape, and so has the result. Nothing is broadcast.", _IMAGE * 2),
    "mul": Page(
        "all have one rank; along each axis a value has the result's size or 1, and one value has the result's shape.",
        (*_IMAGE, Shape.of(64, 1, 1)),
    ),
    "concat": Page("all agree but along the axis, where sizes add up.", (*_IMAGE, Shape.of(32, 56, 56))),
    "stack": Page("all have one shape; a new first axis counts them.", _VECTOR * 2, {"axis": "p"}),
    "matmul": Page(
        "... x n x k and ... x k x m become ... x n x m.",
        (Shape.of(49, 64), Shape.of(64, 10)),
        cost="elements of the result times k.",
    ),
    "attention": Page(
        "q ... x n x d, k ... x m x d and v ... x m x e become ... x n x e.",
        _HEADS,
        cost="the two matrix products, n * m * d and n * m * e for each of the leading elements.",
    ),
    "split": Page("a list; the sizes along the axis sum to its size, the others stay.", _IMAGE, {"pieces": 2}),
    "unstack": Page("a list as long as the axis, which goes.", (Shape.of(3, 8, 8),)),
    "slice": Page("the axis has stop - start elements.", _SEQUENCE, {"start": 0, "stop": 1, "axis": "l"}),
    "last": Page("the axis goes.", _SEQUENCE),
    "flatten": Page("one axis `c` with all elements.", (Shape.of(512, 7, 7),)),
    "rearrange": Page(
        "the axes of the right side. A merged axis has no name.",
        (Shape.of(3, 224, 224),),
        {"pattern": "c (h p) (w q) -> (h w) (c p q)", "p": 16, "q": 16},
    ),
    "shuffle": Page(f"{_SAME} `groups` must divide the channels.", _IMAGE, {"groups": 2}),
    "roll": Page(_SAME, _SEQUENCE, {"shift": -3, "axis": "l"}),
    "gather": Page(
        "the axes of the list stand where the axis stood, which keeps its name if the list is flat.",
        (Shape((169, 4), (None, None)),),
        {"indices": ((84, 71), (97, 84))},
    ),
    "tensor": Page("the lengths of the lists.", (), {"values": (((0.229,),), ((0.224,),), ((0.225,),))}),
    "pad": Page(
        "each spatial size grows by its two sides. `reflect` adds less than the size, `circular` at most that.",
        _IMAGE,
        {"sides": ((0, 1), (0, 1))},
    ),
    "pad_channels": Page("`c` grows by both.", _IMAGE, {"before": 16, "after": 16}),
    "crop": Page("the spatial sizes become `size`, which is no larger.", (Shape.of(64, 64, 64),), {"size": (56, 56)}),
    "upsample": Page(
        "each spatial size n becomes floor(n * factor).",
        _IMAGE,
        {"factor": 2, "mode": Word("bilinear"), "align_corners": True},
    ),
    "resize": Page("the spatial sizes become `size`.", _IMAGE, {"size": (224, 224), "mode": Word("bilinear")}),
    **{
        word: Page(_SAME, _IMAGE)
        for word in (*FAMILIES["Activations"], "log_softmax")
        if word not in ("leaky_relu", "prelu", "gelu", "hardtanh", "softmax", "scale", "affine")
    },
}
