"""For each pass the smallest spec that shows it: what its page in the docs draws, before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Example:
    """The body of an arch (or a whole file), the sizes of its input, and options as the command line writes them."""

    body: str
    sizes: str = "8x14x14"
    options: str = ""

    @property
    def text(self) -> str:
        """The whole spec."""
        if self.body.startswith("block "):
            return self.body
        lines = "".join(f"    {line}\n" if line else "\n" for line in self.body.strip("\n").splitlines())
        return f"arch example() {{\n    input {self.sizes}\n{lines}}}\n"


_BOTTLENECK = """
conv1: conv(4, 1x1, bias=false) -> bn1: batchnorm -> relu
conv2: conv(4, 3x3, groups=2, bias=false) -> bn2: batchnorm -> relu
conv3: conv(8, 1x1, bias=false)
"""

_BRANCHES = """
branches add {
    repeat 2 as g {
        "path{g}" {
            conv(2, 1x1, bias=false) -> batchnorm -> relu
            conv(2, 3x3, bias=false) -> batchnorm -> relu
            conv(8, 1x1, bias=false)
        }
    }
}
"""

_RESIDUAL = """
residual {
    conv: conv(8, 3x3, bias=false) -> bn: batchnorm
}
relu
"""

EXAMPLES: Final[dict[str, Example]] = {
    "concat-skip": Example("residual { conv(8, 3x3) -> relu }\nconv(4, 1x1)"),
    "dead-code": Example(
        "block Choice(both) {\n    sigmoid -> tanh as side\n    from in -> relu\n"
        "    if both { from [here, side] -> add }\n}\n\n"
        "arch example() {\n    input 8x14x14\n    Choice(true) -> Choice(false)\n}\n"
    ),
    "deepen": Example(_RESIDUAL),
    "depthwise-separable": Example("relu\nconv: conv(16, 3x3, bias=false) -> bn: batchnorm"),
    "drop-dropout": Example("gap -> flatten -> dropout(0.2) -> fc: linear(10)"),
    "early-downsampling": Example(
        "conv1: conv(8, 3x3, bias=false) -> bn1: batchnorm -> relu\n"
        "conv2: conv(16, 1x1, stride=2) -> pool: avgpool(2x2)"
    ),
    "factorize-kernels": Example("conv: conv(16, 5x5, bias=false) -> bn: batchnorm -> relu"),
    "fold-affine": Example(
        "affine([4.4, 4.5, 4.4], [-2.1, -2.0, -1.8])\nconv: conv(16, 3x3, padding=0) -> relu", "3x32x32"
    ),
    "fold-affine-norm": Example("norm: layernorm -> fc: linear(16, bias=false) -> gelu", "[8]"),
    "fold-batchnorm": Example("conv: conv(16, 3x3, bias=false) -> bn: batchnorm -> relu"),
    "grouped-to-multibranch": Example(_BOTTLENECK),
    "linear-bottleneck": Example(
        "depthwise: conv(8, 3x3, groups=8, bias=false) -> bn1: batchnorm -> relu6\n"
        "project: conv(4, 1x1, bias=false) -> bn2: batchnorm -> relu6"
    ),
    "merge-equal-subgraphs": Example(
        "branches concat {\n    a { relu -> one: conv(4, 1x1) }\n    b { relu -> two: conv(4, 3x3) }\n}"
    ),
    "merge-linear": Example("conv1: conv(4, 1x1, bias=false) -> conv2: conv(16, 3x3) -> relu"),
    "merge-parallel-convolutions": Example(
        "branches concat {\n    a: conv(4, 1x1)\n    b { reduce: conv(2, 1x1) -> relu -> conv: conv(6, 3x3) }\n}"
    ),
    "multibranch-to-grouped": Example(_BRANCHES),
    "pool-head": Example("flatten -> fc1: linear(32) -> relu -> dropout -> fc2: linear(10)", "8x7x7"),
    "regroup-split": Example(
        "split(2) as a, b\nbranches concat {\n    from a -> one: conv(4, 3x3)\n    from b -> two: conv(4, 3x3)\n}"
    ),
    "remove-identities": Example("split(2) -> concat -> dropout(0.0) -> relu"),
    "reparameterize": Example(
        "branches add {\n    three: conv(8, 3x3)\n    one: conv(8, 1x1)\n    skip identity\n}\nrelu"
    ),
    "residualize": Example(
        "block Plain(width, stride=1) {\n"
        "    conv1: conv(width, 3x3, stride=stride, bias=false) -> bn1: batchnorm -> relu\n"
        "    conv2: conv(width, 3x3, bias=false) -> bn2: batchnorm -> relu\n}\n\n"
        "arch example() {\n    input 8x14x14\n    relu -> block1: Plain(16, stride=2)\n}\n"
    ),
    "resnet-b": Example(
        "conv1: conv(4, 1x1, stride=2, bias=false) -> bn1: batchnorm -> relu\n"
        "conv2: conv(4, 3x3, bias=false) -> bn2: batchnorm -> relu"
    ),
    "resnet-c": Example("conv1: conv(64, 7x7, stride=2, bias=false) -> bn1: batchnorm -> relu", "3x224x224"),
    "resnet-d": Example(
        "residual {\n    conv: conv(16, 3x3, stride=2, bias=false) -> bn: batchnorm\n"
        "} skip downsample {\n    conv(16, 1x1, stride=2, bias=false) -> batchnorm\n}\nrelu"
    ),
    "signed-residual": Example("residual {\n    conv: conv(8, 3x3, bias=false) -> bn: batchnorm -> relu\n}"),
    "squeeze-excite": Example(_RESIDUAL, options="reduction=4"),
    "sum-of-convolutions": Example(
        "split(2) as a, b\nbranches add {\n    from a -> one: conv(8, 3x3, bias=false)\n"
        "    from b -> two: conv(8, 3x3, bias=false)\n}"
    ),
}
