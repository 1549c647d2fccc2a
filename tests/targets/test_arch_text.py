"""The flattened spec."""

from __future__ import annotations

import pytest

from archdsl.compiler import compile
from archdsl.diagnostics import UsageError
from archdsl.graph.graph import Graph
from archdsl.ir.builder import Builder
from archdsl.source import Source
from archdsl.targets.arch_text import arch_text
from tests.support.nets import again
from tests.support.small_nets import conv

SPECS_FLATTENED = ["resnet18", "resnext50", "wide_resnet50_2", "resnext50_multibranch"]

WRITTEN = {
    "lists, side heads, learned tensors and several outputs": """
block Side(n) { gap -> flatten -> fc: linear(n) }
arch net() {
    input 4x8x8
    stem { conv(8, 3x3) -> batchnorm(eps=1e-3) -> relu }
    stage body {
        split(2) as a, b
        from b -> conv(4, 3x3) as c
        from [c, a] -> concat
        branches mul { skip identity
            gap -> conv(8, 1x1) -> sigmoid }
        stochastic_depthless: scale(0.0058823529411764705)
    }
    aux from body -> side: Side(3)
    param scale: constant(1e-6, [8, 1, 1])
    from [body, scale] -> mul
    head { gap -> flatten -> fc: linear(10) }
    output logits=fc, side
}
""".replace("stochastic_depthless: scale(0.0058823529411764705)", "scaled: scale(1 / 170)"),
    "a learned tensor whose path means another one from where it is read": """
arch net() {
    input 4x8x8
    a {
        a { param scale: ones([4, 1, 1])
            from [in, scale] -> mul }
        param scale: constant(0.5, [4, 1, 1])
        from scale -> sigmoid as s
        from [in, s] -> mul
    }
    from ["a.a.mul", "a.mul"] -> add
}
""",
    "positions that hide one another": """
arch net() {
    input 4x8x8
    conv(4, 3x3)
    relu
    deep {
        conv(4, 3x3) -> relu
        residual { conv(4, 3x3) -> relu }
        from ["1", here] -> add
    }
}
""",
    "labels that are words of the language, and dotted ones": """
arch net() {
    input 4x8x8
    "head" { "stage": conv(4, 3x3) -> "up.0": relu -> "up.1": conv(4, 1x1) -> relu }
    head "from" { gap -> flatten }
}
""",
    "several inputs": """
arch net() {
    input left: 3x8x8
    input right: 3x8x8
    concat -> conv(4, 3x3) as both
    from [left, right] -> add -> conv(4, 1x1) as sum_of_both
    from [both, sum_of_both] -> add
}
""".replace("sum_of_both", "summed"),
}


def facts(graph: Graph) -> list[object]:
    """What a flattened spec keeps."""
    nodes = [(n.path, n.op, n.inputs, n.outputs, n.training, graph.role(i)) for i, n in enumerate(graph.nodes)]
    keys = [key for key, _, _ in graph.state()]
    return [graph.name, nodes, keys, [(o.name, o.value, o.training) for o in graph.outputs]]


@pytest.mark.parametrize("name", SPECS_FLATTENED)
def test_a_flattened_spec_elaborates_to_the_same_net(name: str) -> None:
    graph = compile(name)
    flat = compile(Source(arch_text(graph), "flat.arch"))
    assert facts(flat) == facts(graph)


@pytest.mark.parametrize("case", list(WRITTEN))
def test_a_flattened_text_elaborates_to_the_same_net(case: str) -> None:
    graph = compile(Source(WRITTEN[case], "net.arch"))
    text = arch_text(graph)
    assert facts(compile(Source(text, "flat.arch"))) == facts(graph)
    assert arch_text(compile(Source(text, "flat.arch"))) == text


def test_a_flattened_spec_has_neither_blocks_nor_loops() -> None:
    lines = arch_text(compile("resnet18")).splitlines()
    assert "arch resnet18() {" in lines
    assert "        bn1: batchnorm" in lines
    assert '            from ["layer2.0.bn2", "layer2.0.downsample.1"] -> add' in lines
    assert not any(line.split()[0] in {"block", "repeat", "for", "if"} for line in lines if line)


def test_shared_weights_are_refused() -> None:
    b = Builder("net")
    (x,) = b.add(conv(4), (b.input(4, 8, 8),), "tower")
    (y,) = b.add(conv(4), (x,), "tower", again(b, "tower"))
    with pytest.raises(UsageError, match="shares weights"):
        arch_text(Graph(b.program(y)))
