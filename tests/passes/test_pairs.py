"""Each pass turns one small spec into another that is written here: the canonical hashes agree."""

from __future__ import annotations

import pytest

from archdsl.compiler import compile
from archdsl.graph import Graph
from archdsl.passes import driver
from archdsl.passes.canonical import canonical_hash
from archdsl.passes.registry import bundled, parse
from archdsl.source import Source

UNIT = "block Unit(width) { conv(width, 3x3) -> batchnorm -> relu -> conv(width, 3x3) -> batchnorm -> relu }\n"
SHORT = "block Short(width) {\n residual { conv(width, 3x3) -> batchnorm -> relu -> conv(width, 3x3) -> batchnorm }"
TWIGS = """branches add {
    repeat 3 as g {
        "twig{g}" {
            conv(2, 1x1) -> batchnorm -> tanh -> conv(2, 3x3) -> batchnorm -> relu -> conv(4, 1x1, bias=false)
        }
    }
}"""
GATE = "branches mul { skip identity\n gap -> conv(2, 1x1) -> relu -> conv(6, 1x1) -> sigmoid }"
# The pass, the size of the input, the body before, the body after.
PAIRS: tuple[tuple[str, str, str, str], ...] = (
    ("merge-parallel-convolutions", "4x6x6",
     "branches concat {\n conv(2, 3x3)\n conv(3, 3x3)\n conv(2, 1x1)\n}",
     "conv(5, 3x3) -> split([2, 3]) as p\nbranches concat {\n from p[0]\n from p[1]\n from in -> conv(2, 1x1)\n}"),
    ("regroup-split", "4x6x6",
     "split(2) as a, b\nbranches concat {\n from a -> conv(3, 3x3)\n from b -> conv(3, 3x3)\n}",
     "conv(6, 3x3, groups=2) -> split(2) -> concat"),
    ("sum-of-convolutions", "4x6x6",
     "split([1, 3]) as a, b\nbranches add {\n from a -> conv(3, 3x3, bias=false)\n"
     " from b -> conv(3, 3x3, bias=false)\n}",
     "conv(3, 3x3, bias=false)"),
    ("sum-of-convolutions,biases=true", "4x6x6",
     "split(2) as a, b\nbranches add {\n from a -> conv(4, 3x3)\n from in -> relu\n from b -> conv(4, 3x3)\n}",
     "branches add {\n conv(4, 3x3)\n relu\n}"),
    ("multibranch-to-grouped", "4x6x6",
     TWIGS,
     "conv(6, 1x1) -> batchnorm -> tanh -> conv(6, 3x3, groups=3) -> batchnorm -> relu -> conv(4, 1x1, bias=false)"),
    ("grouped-to-multibranch", "4x6x6",
     "conv(6, 1x1) -> batchnorm -> tanh -> conv(6, 3x3, groups=3) -> batchnorm -> relu -> conv(4, 1x1, bias=false)",
     TWIGS),
    ("remove-identities", "4x6x6",
     "dropout(0.0) -> scale(1) -> split([1, 3]) -> concat -> relu -> split(1) -> concat", "relu"),
    ("remove-identities", "4x6x6",
     'split(2, axis="h") -> concat(axis="h") -> relu', "relu"),
    ("merge-equal-subgraphs", "4x6x6",
     "branches concat {\n a { relu -> tanh }\n b { relu -> tanh }\n}", "relu -> tanh as t\nfrom [t, t] -> concat"),
    ("fold-batchnorm", "4x6x6", "conv(4, 3x3, bias=false) -> batchnorm -> batchnorm -> relu", "conv(4, 3x3) -> relu"),
    ("fold-batchnorm", "4x6x6",
     "conv_transpose(4, 2x2, stride=2, bias=false) -> batchnorm -> gap -> flatten -> linear(3) -> batchnorm",
     "conv_transpose(4, 2x2, stride=2) -> gap -> flatten -> linear(3)"),
    ("fold-batchnorm", "4x6x6",
     "relu -> batchnorm -> conv(6, 3x3, padding=0, groups=2, bias=false) -> relu -> batchnorm -> flatten -> linear(3)",
     "relu -> conv(6, 3x3, padding=0, groups=2) -> relu -> flatten -> linear(3)"),
    ("fold-affine", "2x6x6",
     "affine([2, 3], [1, 0]) -> conv(4, 3x3, padding=0, bias=false)", "conv(4, 3x3, padding=0)"),
    ("fold-affine", "2x6x6", "affine([2, 3], [0, 0]) -> conv(4, 3x3, bias=false)", "conv(4, 3x3, bias=false)"),
    ("fold-affine", "2x6x6", "scale(3) -> conv(4, 3x3, padding_mode=reflect)", "conv(4, 3x3, padding_mode=reflect)"),
    ("fold-affine", "2x6x6",
     "affine([2, 3], [1, 0]) -> flatten -> linear(4, bias=false)", "flatten -> linear(4)"),
    ("fold-affine", "2x6x6",
     "affine([2, 3], [0, 0]) -> conv_transpose(4, 2x2, stride=2, groups=2, bias=false)\n"
     "affine([2, 3, 1, 1], [0, 0, 1, 1]) -> conv_transpose(4, 1x1, bias=false)",
     "conv_transpose(4, 2x2, stride=2, groups=2, bias=false) -> conv_transpose(4, 1x1)"),
    ("drop-dropout", "4x6x6", "dropout(0.5) -> relu -> dropout_channels(0.2)", "relu"),
    ("merge-linear", "4x6x6",
     "conv(3, 1x1, bias=false, stride=2) -> conv(2, 1x1, stride=2)", "conv(2, 1x1, stride=4)"),
    ("merge-linear", "4x10x10",
     "conv(3, 3x3, padding=same_tf) -> conv(2, 1x1, stride=2, bias=false)", "conv(2, 3x3, stride=2, padding=1)"),
    ("merge-linear", "4x9x9",
     "conv(3, 1x1, stride=2) -> conv(2, 3x3, stride=2, padding=0)", "conv(2, 3x3, stride=4, dilation=2, padding=0)"),
    ("merge-linear", "4x6x6",
     "conv(3, 1x1) -> conv(2, 3x3, padding_mode=reflect)", "conv(2, 3x3, padding_mode=reflect)"),
    ("merge-linear", "4x6x6",
     "adaptive_avgpool(6x6) -> conv(3, 3x3, stride=2, bias=false) -> flatten -> linear(5, bias=false)",
     "adaptive_avgpool(6x6) -> flatten -> linear(5, bias=false)"),
    ("merge-linear", "4x6x6", "conv(3, 1x1) -> flatten -> linear(5)", "flatten -> linear(5)"),
    ("merge-linear", "4x6", "conv(3, 3) -> flatten -> linear(5)", "flatten -> linear(5)"),
    ("merge-linear", "4x6x6", "flatten -> linear(3, bias=false) -> linear(5) -> linear(2, bias=false)",
     "flatten -> linear(2)"),
    ("reparameterize", "4x6x6",
     "branches add {\n conv(4, 3x3, bias=false)\n conv(4, 1x1)\n skip identity\n tanh\n}",
     "branches add {\n conv(4, 3x3)\n tanh\n}"),
    ("deepen", "4x6x6",
     "residual { conv(4, 3x3) }\nrelu",
     "residual { conv(4, 3x3) }\nrelu\n"
     "residual { conv(4, 3x3, bias=false) -> batchnorm -> relu -> conv(4, 3x3, bias=false) -> batchnorm }\nrelu"),
    ("resnet-b", "4x8x8",
     "conv(2, 1x1, stride=2) -> batchnorm -> tanh -> conv(2, 3x3)",
     "conv(2, 1x1) -> batchnorm -> tanh -> conv(2, 3x3, stride=2)"),
    ("resnet-c,width=8", "3x32x32",
     "conv(16, 7x7, stride=2, bias=false) -> batchnorm(eps=1e-3) -> relu",
     "conv(8, 3x3, stride=2, bias=false) -> batchnorm(eps=1e-3) -> relu\n"
     "conv(8, 3x3, bias=false) -> batchnorm(eps=1e-3) -> relu\n"
     "conv(16, 3x3, bias=false) -> batchnorm(eps=1e-3) -> relu"),
    ("resnet-d", "4x7x7",
     "residual { conv(8, 3x3, stride=2) } skip { conv(8, 1x1, stride=2) -> batchnorm }",
     "residual { conv(8, 3x3, stride=2) } skip { avgpool(2x2, ceil=true) -> conv(8, 1x1) -> batchnorm }"),
    ("factorize-kernels", "4x16x16",
     "conv(8, 7x7, stride=2) -> batchnorm",
     "conv(8, 3x3, stride=2) -> batchnorm -> relu -> conv(8, 3x3) -> batchnorm -> relu -> conv(8, 3x3) -> batchnorm"),
    ("factorize-kernels", "4x16x16",
     "conv(8, 5x5, stride=2, padding=0) -> batchnorm",
     "conv(8, 3x3, padding=0) -> batchnorm -> relu -> conv(8, 3x3, stride=2, padding=0) -> batchnorm"),
    ("factorize-kernels,form=asymmetric", "4x16x16",
     "conv(8, 7x7, stride=2) -> batchnorm",
     "conv(8, 1x7, stride=[1, 2]) -> batchnorm -> relu -> conv(8, 7x1, stride=[2, 1]) -> batchnorm"),
    ("depthwise-separable", "4x6x6",
     "relu -> conv(8, 3x3, stride=2, bias=false) -> batchnorm",
     "relu -> conv(4, 3x3, stride=2, groups=4, bias=false) -> batchnorm -> relu\n"
     "conv(8, 1x1, bias=false) -> batchnorm"),
    ("squeeze-excite,reduction=2", "4x6x6",
     "residual { conv(4, 3x3) -> batchnorm }\nrelu",
     "residual {\n conv(4, 3x3) -> batchnorm\n"
     " branches mul {\n skip identity\n gap -> conv(2, 1x1) -> relu -> conv(4, 1x1) -> sigmoid\n }\n}\nrelu"),
    ("pool-head", "4x6x6",
     "adaptive_avgpool(2) -> flatten -> linear(8) -> relu -> dropout -> linear(3)", "gap -> flatten -> linear(3)"),
    ("concat-skip", "4x6x6",
     "residual { conv(4, 3x3) } -> batchnorm -> relu -> conv(3, 3x3)",
     "branches concat {\n conv(4, 3x3)\n skip identity\n}\nbatchnorm -> relu -> conv(3, 3x3)"),
    ("residualize", "4x6x6", "tanh -> Unit(4)", "tanh -> Short(4)"),
    ("fold-affine-norm", "[6]",
     "layernorm(init=constant(2)) -> linear(4, bias=false)", "layernorm(affine=false) -> linear(4)"),
    ("fold-affine-norm", "4x6x6",
     'layernorm(axis="c", bias=false) -> conv(4, 3x3, bias=false)',
     'layernorm(axis="c", affine=false) -> conv(4, 3x3, bias=false)'),
    ("fold-affine-norm", "4x6x6",
     "groupnorm(2) -> conv(6, 2x2, stride=2, padding=0, groups=2) -> batchnorm(track=false) -> flatten -> linear(3)",
     "groupnorm(2, affine=false) -> conv(6, 2x2, stride=2, padding=0, groups=2)\nbatchnorm(track=false, affine=false)\n"
     "flatten -> linear(3)"),
    ("fold-affine-norm", "4x6x6",
     "instancenorm(affine=true) -> conv(4, 3x3, padding_mode=reflect)",
     "instancenorm -> conv(4, 3x3, padding_mode=reflect)"),
    ("early-downsampling", "4x9x9",
     "conv(6, 3x3, bias=false) -> batchnorm -> relu -> conv(8, 1x1, stride=2) -> tanh -> maxpool(1x1, stride=2)",
     "conv(6, 3x3, bias=false, stride=4) -> batchnorm -> relu -> conv(8, 1x1) -> tanh"),
    ("early-downsampling", "4x9x9",
     "conv(6, 3x3, padding=same_tf) -> relu -> maxpool(1x1, stride=[1, 2])",
     "conv(6, 3x3, stride=[1, 2]) -> relu"),
    ("early-downsampling", "4x9x9",
     "relu -> conv(8, 1x1) -> avgpool(3x3, stride=2)", "relu -> avgpool(3x3, stride=2) -> conv(8, 1x1)"),
    ("early-downsampling", "4x9x9",
     "conv(8, 1x1, bias=false) -> avgpool(3x3, stride=2, padding=1, count_padding=true)",
     "avgpool(3x3, stride=2, padding=1, count_padding=true) -> conv(8, 1x1, bias=false)"),
    ("signed-residual", "4x6x6",
     "residual { conv(4, 3x3) -> batchnorm -> relu -> stochastic_depth(0.2) }",
     "residual { conv(4, 3x3) -> batchnorm -> stochastic_depth(0.2) }"),
    ("signed-residual,behind=true", "4x6x6",
     "residual { conv(4, 3x3) -> relu6 }\nconv(4, 3x3)\nresidual { conv(4, 3x3) -> relu } -> tanh",
     "residual { conv(4, 3x3) } -> relu6\nconv(4, 3x3)\nresidual { conv(4, 3x3) } -> tanh"),
    ("linear-bottleneck", "4x6x6",
     "conv(8, 1x1) -> relu6 -> conv(8, 3x3, groups=8) -> batchnorm -> relu6 -> conv(4, 1x1) -> batchnorm -> relu6",
     "conv(8, 1x1) -> relu6 -> conv(8, 3x3, groups=8) -> batchnorm -> relu6 -> conv(4, 1x1) -> batchnorm"),
    ("linear-bottleneck,times=3", "6x6x6",
     f"conv(6, 3x3, groups=6)\n{GATE}\n"
     "conv(2, 1x1) -> relu\nconv(4, 1x1) -> conv(4, 3x3, groups=4) -> conv(2, 1x1) -> relu",
     f"conv(6, 3x3, groups=6)\n{GATE}\n"
     "conv(2, 1x1)\nconv(4, 1x1) -> conv(4, 3x3, groups=4) -> conv(2, 1x1) -> relu"),
)  # fmt: skip
DEAD = "block Choice(both) {\n sigmoid -> tanh as side\n from in -> relu\n if both { from [here, side] -> add }\n}\n"


def net(size: str, body: str) -> Graph:
    text = f"{UNIT}{SHORT}\n relu\n}}\narch net() {{\n    input {size}\n{body}\n}}\n"
    return compile(Source(text, "net.arch"), arch="net")


def cleaned(graph: Graph) -> str:
    return canonical_hash(driver.run(graph, parse("dead-code,weights=true")).graph)


@pytest.mark.parametrize("word,size,before,after", PAIRS, ids=[f"{word}-{n}" for n, (word, *_) in enumerate(PAIRS)])
def test_a_spec_becomes_the_one_that_is_written(word: str, size: str, before: str, after: str) -> None:
    graph, expected = net(size, before), net(size, after)
    result = driver.run(graph, parse(word))
    assert result.rewritten > 0
    assert cleaned(result.graph) == cleaned(expected)
    assert result.graph.params == expected.params
    assert result.graph.macs == expected.macs


def test_dead_code_leaves_what_outputs_read() -> None:
    text = f"{DEAD}arch net() {{\n input 4x6x6\n Choice(true) -> Choice(false)\n}}\n"
    graph = compile(Source(text, "net.arch"), arch="net")
    result = driver.run(graph, parse("dead-code"))
    assert len(graph.nodes) - len(result.graph.nodes) == 2
    assert canonical_hash(result.graph) == canonical_hash(graph)


def test_every_pass_has_its_pair() -> None:
    assert {word.partition(",")[0] for word, *_ in PAIRS} | {"dead-code"} == set(bundled())
