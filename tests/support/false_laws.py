"""Wrong laws: a net, and what a pass whose law is false would make of it, with the weights as they are."""

# ruff: noqa: E501 - a law a line

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from archdsl.compiler import compile
from archdsl.graph import Graph
from archdsl.passes.plan import Entry, Plan, identity
from archdsl.prove.weights import random_weights
from archdsl.source import Source

# Where the operation that is changed stands: it reads what a norm, a convolution, a gate or a deep chain makes.
PLACES = {
    "norm": "conv(4, 3x3, bias=false) -> batchnorm\n{op}\nconv(3, 1x1)",
    "start": "{op}\nconv(4, 3x3)",
    "end": "conv(4, 3x3) -> tanh -> conv(4, 1x1)\n{op}",
    "gate": "branches mul {{\n skip identity\n gap -> conv(2, 1x1) -> relu -> conv(4, 1x1) -> batchnorm\n{op}\n}}\nconv(3, 1x1)",
    "deep": "repeat 12 {{ conv(4, 3x3, bias=false) -> batchnorm -> relu6 }}\nconv(4, 1x1)\n{op}\ngap",
}
# Activations that are told apart at, above or below their knees alone, and pairs of arguments.
SWAPS = (
    ("relu", "relu6"), ("relu6", "relu"), ("relu", "leaky_relu(1e-6)"), ("relu", "hardtanh(0, 40)"),
    ("relu", "hardtanh(0, 1e3)"), ("relu", "hardtanh(0, 1e6)"), ("relu6", "hardtanh(0, 6.001)"),
    ("relu6", "hardtanh(-0.001, 6)"), ("identity", "hardtanh(-100, 100)"), ("identity", "relu"),
    ("hardswish", "silu"), ("hardswish", "relu6"), ("hardsigmoid", "sigmoid"), ("elu", "selu"), ("elu", "celu(1.5)"),
    ("elu", "elu(1.0001)"), ("gelu", "gelu(approximate=tanh)"), ("gelu", "silu"), ("silu", "mish"),
    ("softplus", "relu"), ("softplus", "softplus(threshold=10)"), ("tanh", "hardtanh"), ("tanh", "softsign"),
    ("sigmoid", "hardsigmoid"), ("log_sigmoid", "softplus"), ("leaky_relu", "relu"), ("leaky_relu(0.1)", "leaky_relu(0.1001)"),
    ("hardtanh(-2, 2)", "tanh"), ("celu(0.5)", "elu(0.5)"), ("softmax(axis=\"c\")", "sigmoid"), ("log_softmax(axis=\"c\")", "softmax(axis=\"c\")"),
)  # fmt: skip
OTHERS = (  # a body with a hole, what is there and what a false law puts there; the size of the input where it matters
    ("conv(4, 3x3, bias=false)\n{}\nrelu", "batchnorm(eps=1e-5)", "batchnorm(eps=1.1e-5)"),
    ("conv(4, 3x3, bias=false)\n{}\nrelu", "batchnorm", "batchnorm(eps=1e-3)"),
    ("{}\nrelu", "batchnorm(momentum=0.1)", "batchnorm(momentum=0.11)"),
    ("{}\nrelu", "batchnorm(momentum=0.1)", "batchnorm(momentum=none)"),
    ("{}\nconv(3, 1x1)", "dropout(0.3)", "dropout(0.31)"),
    ("{}\nconv(3, 1x1)", "dropout(0.3)", "identity"),
    ("{}\nconv(3, 1x1)", "dropout_channels(0.3)", "dropout(0.3)"),
    ("residual { conv(4, 3x3)\n{} }", "stochastic_depth(0.2)", "stochastic_depth(0.3)"),
    ("{}\nrelu", "conv(4, 3x3)", "conv(4, 3x3, padding_mode=replicate)"),
    ("{}\nrelu", "conv(4, 3x3, padding_mode=reflect)", "conv(4, 3x3, padding_mode=circular)"),
    ("{}\nrelu", "conv(4, 3x3, padding_mode=replicate)", "conv(4, 3x3, padding_mode=reflect)"),
    ("{}\nrelu", "conv(4, 3x3, padding=[[0, 2], [1, 1]])", "conv(4, 3x3)"),
    ("{}\nrelu", "conv(4, 3x3, padding=[[1, 1], [2, 0]])", "conv(4, 3x3)"),
    ("{}\nrelu", "conv(4, 2x2, padding=[[0, 1], [0, 1]])", "conv(4, 2x2, padding=[[1, 0], [0, 1]])"),
    ("{}\nrelu", "conv(4, 3x3, padding=2, dilation=2)", "conv(4, 3x3)"),
    ("{}\nrelu", "conv(4, 3x3, stride=2)", "conv(4, 3x3, stride=2, padding=same_tf)"),
    ("relu -> pad(1)\n{}\nrelu", "conv(4, 3x3, stride=2, padding=0)", "conv(4, 3x3, stride=2, padding=[[0, 1], [0, 1]])"),
    ("{}\nrelu", "conv(4, 2x2, stride=2, padding=same_tf)", "conv(4, 2x2, stride=2, padding=0)"),
    ("{}\nrelu", "maxpool(2x2)", "maxpool(2x2, ceil=true)"),
    ("{}\nrelu", "maxpool(3x3, stride=2, padding=1)", "maxpool(3x3, stride=2, padding=same_tf)"),
    ("{}\nrelu", "maxpool(2x2)", "avgpool(2x2)"),
    ("{}\nrelu", "avgpool(3x3, stride=1, padding=1, count_padding=true)", "avgpool(3x3, stride=1, padding=1, count_padding=false)"),
    ("{}\nrelu", "avgpool(3x3, stride=2, padding=1, count_padding=true)", "avgpool(3x3, stride=2, padding=1, count_padding=false)"),
    ("{}\nrelu", "avgpool(2x2)", "avgpool(2x2, ceil=true)"),
    ("{}\nflatten", "gap", "gmp"),
    ("{}\nflatten -> relu", "gap", "avgpool(8x8)"),
    ("{}\nrelu", "avgpool(2x2)", "adaptive_avgpool(4)"),
    ("{}\nrelu", "adaptive_avgpool(3)", "adaptive_maxpool(3)"),
    ("{}\nrelu", "maxpool(2x2)", "adaptive_maxpool(4)"),
    ("{}\nrelu", "crop(6)", "slice(1, 7, axis=\"h\") -> slice(2, 8, axis=\"w\")"),
    ("{}\nrelu", "crop(8)", "identity"),
    ("{}\nrelu", "crop(5)", "slice(2, 7, axis=\"h\") -> slice(1, 6, axis=\"w\")"),
    ("{}\nrelu", "resize(8)", "identity"),
    ("{}\nrelu", "upsample(2, mode=bilinear)", "upsample(2, mode=bilinear, align_corners=true)"),
    ("{}\nrelu", "upsample(2, mode=bilinear)", "upsample(2, mode=bicubic)"),
    ("{}\nrelu", "upsample(2)", "upsample(2, mode=bilinear)"),
    ("{}\nrelu", "upsample(2)", "resize(16)"),
    ("{}\nrelu", "upsample(1.5)", "upsample(1.5, mode=nearest_exact)"),
    ("{}\nrelu", "resize(5, mode=area)", "resize(5, mode=bilinear)"),
    ("{}\nrelu", "groupnorm(2)", "groupnorm(4)"),
    ("{}\nrelu", "groupnorm(1)", "groupnorm(2)"),
    ("{}\nrelu", "groupnorm(2)", "instancenorm(affine=true)"),
    ("{}\nrelu", "groupnorm(2, eps=1e-5)", "groupnorm(2, eps=1e-6)"),
    ("{}\nrelu", "instancenorm(eps=1e-5)", "instancenorm(eps=1e-6)"),
    ("{}\nrelu", "instancenorm", "identity"),
    ("{}\nrelu", "layernorm(axis=\"c\")", "layernorm(axis=\"c\", eps=1e-6)"),
    ("{}\nrelu", "layernorm(axis=\"h\", affine=false)", "layernorm(axis=\"w\", affine=false)"),
    ("scale(0.5)\n{}\nrelu", "layernorm(axis=\"c\")", "scale(2) -> layernorm(axis=\"c\")"),
    ("{}\nlayernorm(axis=\"c\")", "scale(0.5)", "identity"),
    ("{}\ninstancenorm", "scale(3)", "identity"),
    ("{}\nrelu", "lrn(3)", "lrn(5)"),
    ("{}\nrelu", "lrn(3, alpha=1e-4)", "lrn(3, alpha=1.1e-4)"),
    ("{}\nrelu", "lrn(3, alpha=1e-4)", "lrn(3, alpha=0)"),
    ("{}\nrelu", "lrn(3, beta=0.75)", "lrn(3, beta=0.751)"),
    ("{}\nrelu", "lrn(3, k=1)", "lrn(3, k=1.000001)"),
    ("{}\nrelu", "scale(0.3)", "scale(0.3000001)"),
    ("{}\nconv(3, 1x1)", "scale(1e-9)", "scale(1.0001e-9)"),
    ("{}\nrelu", "scale(-1)", "identity"),
    ("{}\nrelu", "affine([1, 2, 3, 4], [0, 0, 0, 0])", "affine([1, 2, 3, 4], [0, 0, 0, 1e-6])"),
    ("{}\nrelu", "affine([1, 2, 3, 4], [0, 1, 0, 1])", "affine([1, 2, 4, 3], [0, 1, 0, 1])"),
    ("{}\nrelu", "affine([1, 1, 1, 1], [1e11, 0, 0, 0])", "affine([1, 1, 1, 1.000001], [1e11, 0, 0, 0])"),
    ("{}\nrelu", "affine([1e11, 1, 1, 1], [0, 0, 0, 0])", "affine([1e11, 1, 1, 1.000001], [0, 0, 0, 0])"),
    ("{}\nconv(3, 1x1)", "shuffle(2)", "identity"),
    ("{}\nconv(3, 1x1)", "gather([3, 2, 1, 0])", "identity"),
    ("{}\nconv(3, 1x1)", "gather([0, 2, 1, 3])", "shuffle(4)"),
    ("{}\nrelu", "roll(1, axis=\"h\")", "roll(1, axis=\"w\")"),
    ("{}\nrelu", "roll(1, axis=\"h\")", "roll(-1, axis=\"h\")"),
    ("{}\nrelu", "roll(8, axis=\"h\")", "identity"),
    ("{}\nrelu", "rearrange(\"c h w -> c w h\")", "identity"),
    ("{}\nrelu", "pad(1)", "pad(1, mode=reflect)"),
    ("{}\nrelu", "pad(1, mode=replicate)", "pad(1, mode=circular)"),
    ("{}\nrelu", "pad(1)", "pad(1, value=1e-4)"),
    ("{}\nrelu", "pad([[0, 2], [1, 1]])", "pad(1)"),
    ("{}\nrelu", "pad_channels(1, 1)", "pad_channels(2, 0)"),
    ("{}\nrelu -> gap", "softmax(axis=\"h\")", "softmax(axis=\"w\")"),
    ("{}\nrelu", "conv_transpose(4, 3x3, padding=1)", "conv_transpose(4, 3x3, padding=2, dilation=2)"),
    ("{}\nrelu", "conv_transpose(4, 3x3, stride=2, output_padding=1)", "conv_transpose(4, 3x3, stride=2, padding=0, output_padding=1) -> roll(1, axis=\"h\")"),
    ("{}\nrelu", "flatten -> linear(4)", "flatten -> linear(4) -> scale(1.0000001)"),
    ("relu\n{}\nrelu", "maxpool(1x1, stride=2)", "avgpool(2x2)"),
    ("{}\nbranches concat {\n relu\n tanh\n}", "identity", "relu"),
    ("{}\nconv(3, 3x3)", "relu -> relu", "relu -> tanh"),
    ("split(2) as a, b\nfrom [{}] -> concat -> conv(3, 1x1)", "a, b", "b, a"),
    ("branches {}{{\n relu\n sigmoid\n}}\nconv(3, 1x1)", "add ", "mul "),
    ("branches {}{{\n relu\n sigmoid\n}}\nconv(3, 1x1)", "add ", "mean "),
    ("{}", "relu -> affine([1, 1, 1, 1], [1e15, 1e15, 1e15, 1e15])", "tanh -> affine([1, 1, 1, 1], [1e15, 1e15, 1e15, 1e15])"),
    ("{}", "relu -> affine([1, 1, 1, 1], [1e17, 1e17, 1e17, 1e17])", "tanh -> affine([1, 1, 1, 1], [1e17, 1e17, 1e17, 1e17])"),
    ("{}", "relu -> affine([1, 1, 1, 1], [1e12, 1e12, 1e12, 1e12])", "leaky_relu(1e-5) -> affine([1, 1, 1, 1], [1e12, 1e12, 1e12, 1e12])"),
    ("scale(1e300) -> scale(1e300) -> softmax\n{}\nconv(3, 1x1)", "relu", "tanh"),
    ("scale(1e300) -> scale(1e300)\n{}", "relu", "leaky_relu"),
    ("scale(1e200)\nbranches mul {\n identity\n identity\n}\n{}", "relu", "tanh"),
    ("sigmoid -> scale(1e-30) -> affine([1, 1, 1, 1], [1, 1, 1, 1])\n{}", "relu", "relu6"),
    ("{}", "scale(0) -> sigmoid", "scale(0) -> tanh"),
    ("{}\nscale(1e-300)", "relu", "relu6"),
    ("{}\nscale(1e300)", "relu", "relu6"),
    ("conv(4, 1x1)\n{}\nbatchnorm", "scale(1)", "scale(-1)"),
)  # fmt: skip


TRAINING = ("dropout", "momentum", "stochastic_depth")  # what differs in training alone


@dataclass(frozen=True)
class Unequal:
    """Two nets that are not one function, by name; `training` says that they differ in training alone."""

    name: str
    before: Graph
    after: Graph
    training: bool = False
    weights: Mapping[str, Any] | None = None

    def plan(self) -> Plan:
        """The left net's weights in the right one, in their order."""
        entries = zip(identity(self.before).entries, self.after.state(), strict=True)
        moved = [Entry(key, entry.expression, tensor.trainable, tensor.dtype) for entry, (key, _, tensor) in entries]
        return Plan(tuple(moved), identity(self.before).old)


def laws() -> Iterator[Unequal]:
    """Every wrong law."""
    for place, body in PLACES.items():
        for one, two in SWAPS:
            yield _pair(f"{place}: {one} as {two}", body.replace("{{", "{").replace("}}", "}"), one, two)
    for number, (body, one, two) in enumerate(OTHERS):
        yield _pair(f"{number}: {one or 'nothing'} as {two}", body.replace("{{", "{").replace("}}", "}"), one, two)


def _pair(name: str, body: str, one: str, two: str) -> Unequal:
    left, right = (net(body.replace("{op}", op).replace("{}", op)) for op in (one, two))
    return Unequal(name, left, right, any(word in one for word in TRAINING))


HIDDEN = {  # what hides a difference: behind or before it
    "offset 1e15": "{op}\naffine([1, 1, 1, 1], [1e15, 1e15, 1e15, 1e15])",
    "offset 1e17": "{op}\naffine([1, 1, 1, 1], [1e17, 1e17, 1e17, 1e17])",
    "an offset in the middle": "{op}\naffine([1, 1, 1, 1], [1e8, 1e8, 1e8, 1e8])\nconv(3, 1x1)",
    "one channel of 1e11": "branches concat {\n conv(1, 1x1) -> scale(1e11)\n b {\n{op}\n}\n}",
    "one quiet channel": "{op}\naffine([1e11, 1e11, 1e11, 1], [0, 0, 0, 0])\nslice(2, 4)",
    "overflow": "scale(1e300) -> scale(1e300)\n{op}\nconv(2, 1x1)",
    "inf - inf": "scale(1e300) -> scale(1e300) -> softmax\n{op}\nconv(2, 1x1)",
    "tiny results": "conv(4, 3x3)\n{op}\nscale(1e-200)",
    "tiny values": "conv(4, 3x3) -> scale(1e-4)\n{op}\nscale(1e4)",
    "huge values": "conv(4, 3x3) -> scale(1e5)\n{op}\nconv(3, 1x1)",
    "behind a gate": "branches mul {\n skip identity\n gap -> conv(4, 1x1) -> sigmoid\n}\n{op}\ngap",
    "training": "conv(4, 3x3) as x\naux from x -> side: Side()\nfrom x -> gap",
    "NaN": "c: conv(4, 3x3)\n{op}",
    "infinity": "c: conv(4, 3x3)\n{op}",
}
PAIRS = (
    ("relu", "tanh"), ("relu", "relu6"), ("relu6", "hardtanh(0, 7)"), ("hardswish", "silu"), ("hardsigmoid", "sigmoid"),
    ("elu", "selu"), ("gelu", "silu"), ("relu", "leaky_relu"), ("softplus", "relu"), ("tanh", "softsign"),
    ("relu", "softplus(beta=3)"), ("hardtanh", "tanh"), ("celu(0.5)", "elu"), ("mish", "gelu"), ("identity", "relu"),
)  # fmt: skip


def pairs() -> Iterator[Unequal]:
    """Nets that differ, and what hides that from a careless eye."""
    for hidden, body in HIDDEN.items():
        for one, two in PAIRS:
            texts = [
                f"block Side() {{\n{op}\nflatten -> linear(2)\n}}\narch net() {{\n input 4x8x8\n{body.replace('{op}', op)}\n}}"
                for op in (one, two)
            ]
            left, right = (compile(Source(text, "net.arch"), arch="net") for text in texts)
            weights: dict[str, Any] | None = None
            if hidden in ("NaN", "infinity"):
                weights = dict(random_weights(left, 0))
                weights["c.bias"][1] = np.nan if hidden == "NaN" else np.inf
            yield Unequal(f"{hidden}: {one} and {two}", left, right, hidden == "training", weights)


def net(body: str, size: str = "4x8x8") -> Graph:
    return compile(Source(f"arch net() {{\n input {size}\n{body}\n}}\n", "net.arch"))
