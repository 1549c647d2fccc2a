"""What a rewritten spec keeps of the one that it was made from: setting a parameter of it is rewriting what is set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from archdsl.compiler import compile, graph_of, origin_of, rewritten
from archdsl.diagnostics import CompileError
from archdsl.graph.graph import Graph
from archdsl.passes.canonical import canonical_hash
from archdsl.passes.registry import bundled, parse
from archdsl.source import Source
from archdsl.syntax.formatter import format_source
from archdsl.targets.arch_source import Written, written
from archdsl.targets.arch_text import arch_text

SIDE = "block Side(classes) { gap -> flatten -> fc1: linear(16) -> relu -> fc2: linear(classes) }\n"
HEADS = f"""{SIDE}arch net(num_classes=100) {{
    input 3x32x32
    conv1: conv(8, 3x3, bias=false) -> bn1: batchnorm -> relu
    aux aux1: Side(num_classes)
    aux aux2: Side(num_classes)
    conv2: conv(8, 3x3, bias=false) -> bn2: batchnorm -> relu
    head {{ gap -> flatten -> fc: linear(num_classes) }}
    require num_classes > 1, "one class needs no net"
    require params < 100K
    expect params == 5_412
    expect macs ~= 0.81M
    expect fc.shape == [100] and depth == 3
}}
"""
WIDE = """block Unit(out, mid, drop) {
    residual { conv(mid, 1x1, bias=false) -> batchnorm -> relu -> conv(out, 3x3, bias=false) -> batchnorm }
    relu -> dropout(drop)
}
arch net(width=16, depth=2, drop=0.25, size=16, classes=10, act=relu, wide=true) {
    let bound = classes ** -0.5
    input [3, size, size]
    conv(width, 3x3) -> act
    repeat depth { Unit(width, width * 2, drop) }
    if wide { conv(width + 4, 1x1, bias=false) -> batchnorm }
    gap -> flatten -> fc: linear(classes, init=uniform(-bound, bound), bias_init=zeros)
    require width % 2 == 0, "{width} is odd"
    expect fc.params == 210
}
"""


def printed(text: str, passes: Sequence[str], **settings: Any) -> tuple[Written, Graph]:
    """The spec of a spec after passes, and its graph."""
    source = Source(text, "net.arch")
    steps = [parse(each) for each in passes]
    graph = graph_of(source, None, settings)
    result = rewritten(graph, steps).graph
    found = written(result, origin_of(source, graph, None, settings, steps))
    assert format_source(Source(found.text, "again.arch")) == found.text
    return found, result


def made(text: str, passes: Sequence[str] = (), **settings: Any) -> tuple[str, object] | None:
    """The hash and results of a spec with parameters set, after passes; `None` if it refuses them."""
    try:
        graph = rewritten(graph_of(Source(text, "net.arch"), None, settings), [parse(each) for each in passes]).graph
    except CompileError:
        return None
    return canonical_hash(graph), [(output.name, output.training) for output in graph.outputs]


def kept(text: str) -> str:
    """The parameters of a spec's arch."""
    return text.partition("arch net(")[2].partition(")")[0]


@pytest.mark.parametrize("word", ["fold-batchnorm", "remove-identities", "drop-dropout", "factorize-kernels"])
def test_every_head_follows_the_number_of_classes(word: str) -> None:
    found, _ = printed(HEADS, [word])
    assert kept(found.text) == "num_classes=100"
    assert found.text.count("Side(num_classes)") == 2
    for value in (1, 2, 3, 10, 64, 1000, 4000):
        assert made(found.text, num_classes=value) == made(HEADS, [word], num_classes=value), value


def test_claims_that_are_still_true_are_kept_and_the_others_are_told() -> None:
    found, result = printed(HEADS, ["fold-batchnorm"])
    for line in (
        "require num_classes > 1",
        "require params < 100K",
        "expect macs ~= 0.81M",
        "expect fc.shape == [100]",
    ):
        assert line in found.text
    assert f"expect params == {result.params:_}" in found.text
    (left,) = found.left
    assert left.startswith("the claim `expect params == 5_412`: this does not hold")
    assert compile(Source(found.text, "again.arch")).params == result.params


def test_what_follows_from_a_parameter_is_found_and_what_does_not_is_told() -> None:
    found, _ = printed(WIDE, ["fold-batchnorm"])
    assert kept(found.text) == "width=16, drop=0.25, size=16, classes=10"
    assert [line.split("`")[1] for line in found.left] == ["depth", "act", "wide"]
    for name, values in {"width": (2, 3, 6, 64), "drop": (0.0, 0.7), "size": (1, 5, 40), "classes": (1, 1000)}.items():
        for value in values:
            assert made(found.text, **{name: value}) == made(WIDE, ["fold-batchnorm"], **{name: value}), (name, value)
    assert made(found.text, width=8, classes=7) == made(WIDE, ["fold-batchnorm"], width=8, classes=7)


def test_a_parameter_that_decides_what_a_pass_does_is_left_out() -> None:
    text = "arch net(width=4) { input 4x8x8\nconv(width, 1x1) -> identity -> conv(4, 1x1) }\n"
    grown = "arch net(width=4) { input 4x8x8\nif width > 6 { relu }\nconv(width, 1x1) -> conv(4, 1x1) }\n"
    assert kept(printed(text, ["remove-identities"])[0].text) == "width=4"
    found, _ = printed(grown, ["remove-identities"])
    assert kept(found.text) == ""
    assert found.left == ("the parameter `width`: which layers there are depends on it",)
    merged = printed(text.replace("identity -> ", ""), ["merge-linear"])[0]
    assert (kept(merged.text), merged.left) == ("", ("the parameter `width`: nothing follows from it",))


def test_parameters_that_are_set_are_the_defaults() -> None:
    found, _ = printed(WIDE, ["fold-batchnorm"], width=8, classes=3)
    assert kept(found.text).startswith("width=8, ")
    assert made(found.text) == made(WIDE, ["fold-batchnorm"], width=8, classes=3)


@pytest.mark.parametrize("text", [HEADS, WIDE], ids=["heads", "wide"])
def test_every_pass_keeps_the_law(text: str) -> None:
    """Each pass: what is kept holds for values that were not tried as it was written; so is what is flattened."""
    for word in bundled():
        found, result = printed(text, [word])
        assert made(found.text) == (canonical_hash(result), [(o.name, o.training) for o in result.outputs]), word
        flat = arch_text(result)
        assert arch_text(compile(Source(flat, "again.arch"))) == flat, word
        for name in (item.partition("=")[0].strip() for item in kept(found.text).split(",") if item):
            value = 0.125 if name == "drop" else 12
            assert made(found.text, **{name: value}) == made(text, [word], **{name: value}), (word, name)


def test_comments_stay_on_what_no_pass_changed_and_the_others_are_told() -> None:
    """A block whose own body is as it was keeps its comment; one that was changed does not, and it is told."""
    text = """## Never changed.
block Pool() { gap -> flatten }
## A norm is in here.
block Unit(out) { conv(out, 1x1, bias=false) -> batchnorm }
arch net() {
    input 4x8x8
    Unit(8) -> Unit(4)  # two of them
    branches add { a: Pool; b: Pool }
}
""".replace("a: Pool; b: Pool", "a: Pool\nb: Pool")
    found, _ = printed(text, ["fold-batchnorm"])
    assert "## Never changed." in found.text
    assert "A norm is in here" not in found.text
    assert [line.partition(":")[0] for line in found.left] == ["the comment of `Unit`", "the comment `# two of them`"]
    untouched, _ = printed(text, ["drop-dropout"])
    assert "## A norm is in here." in untouched.text
