"""The result of a pass is again a readable spec: each pass on each bundled net in which it finds a site."""

from __future__ import annotations

from functools import cache

import pytest

from archdsl.compiler import check, compile
from archdsl.graph import Graph
from archdsl.passes import driver
from archdsl.passes.canonical import canonical_hash
from archdsl.passes.registry import bundled, parse
from archdsl.source import Source
from archdsl.syntax.formatter import format_source
from archdsl.targets.arch_source import arch_source
from tests.support.by_hand import by_hand, tokens
from tests.support.shrunk import every_net

SAMPLE = (
    "resnet18",
    "convnext_tiny",
    "efficientnet_b0",
    "googlenet",
    "plain20",
    "regnet_y_400mf",
    "vgg11_bn",
    "tcn",
    "shufflenet_v2_x0_5",
    "resnet50d",
)
MOST_PATHS = 256  # branches that grouped-to-multibranch may make of one convolution in these tests
SOURCE = "again.arch"


@cache
def net(name: str) -> Graph:
    return compile(name)


def step(name: str, word: str) -> str:
    """A pass as it is tried on a net: where a depthwise convolution has hundreds of groups, on one block."""
    widest = max((getattr(node.op, "groups", 1) for node in net(name).nodes), default=1)
    if word == "grouped-to-multibranch" and widest > MOST_PATHS:
        first = next((n.path for n in net(name).nodes if 8 < getattr(n.op, "groups", 1) <= MOST_PATHS), "")
        return f"{word},where={first or '-'}"
    return word


def again(graph: Graph) -> tuple[str, Graph]:
    """The spec of a graph, held to be clean and formatted, and the graph that it gives."""
    text = arch_source(graph)
    assert format_source(Source(text, SOURCE)) == text
    (found,) = check(Source(text, SOURCE))
    return text, found


def rewritten(name: str, word: str) -> Graph | None:
    """The net after a pass, or `None` if it finds no site in it."""
    result = driver.run(net(name), parse(step(name, word)))
    return result.graph if result.rewritten else None


def holds(name: str) -> list[str]:
    """The passes that found a site in a net; what each made is written, read, and is the same net."""
    tried = []
    for word in bundled():
        graph = rewritten(name, word)
        if graph is None:
            continue
        tried.append(word)
        text, found = again(graph)
        assert canonical_hash(found) == canonical_hash(graph), word
        assert [key for key, _, _ in found.state()] == [key for key, _, _ in graph.state()], word
        assert (found.params, found.macs) == (graph.params, graph.macs)
        assert tokens(text) <= 3 * max(tokens(arch_source(net(name))), tokens(by_hand(name))), word
    return tried


@pytest.mark.parametrize("name", SAMPLE)
def test_what_a_pass_makes_of_a_net_is_again_a_readable_spec(name: str) -> None:
    assert holds(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(every_net()) - set(SAMPLE)))
def test_what_a_pass_makes_of_any_bundled_net_is_again_a_readable_spec(name: str) -> None:
    holds(name)


LENGTHS = (
    ("resnet50", "resnet-d"),
    ("resnet50", "fold-batchnorm"),
    ("resnet50", "squeeze-excite"),
    ("plain20", "residualize"),
    ("vgg16", "pool-head"),
    ("googlenet", "merge-parallel-convolutions"),
    ("inception_v3", "merge-parallel-convolutions"),
    ("efficientnet_b0", "fold-batchnorm"),
    ("efficientnet_b0", "squeeze-excite"),
    ("mobilenet_v2", "fold-batchnorm"),
    ("densenet121", "fold-batchnorm"),
    ("resnext50_multibranch", "multibranch-to-grouped"),
    ("resnext50_multibranch", "merge-parallel-convolutions"),
    ("resnext50", "grouped-to-multibranch"),
)


@pytest.mark.parametrize(("name", "word"), LENGTHS)
def test_a_rewritten_spec_is_at_most_twice_as_long_as_the_one_by_hand(name: str, word: str) -> None:
    graph = rewritten(name, word)
    assert graph is not None
    text, hand = arch_source(graph), by_hand(name)
    assert tokens(text) <= 2 * tokens(hand)
    assert len(text.splitlines()) <= 2 * len(hand.splitlines())


@pytest.mark.parametrize(
    ("name", "word", "block"),
    [
        ("resnet18", "squeeze-excite", "Basic"),
        ("efficientnet_b0", "squeeze-excite", "MBConv"),
        ("convnext_tiny", "squeeze-excite", "CNBlock"),
        ("plain20", "residualize", "Plain"),
        ("resnet18", "deepen", "Basic"),
        ("resnet18", "depthwise-separable", "Basic"),
        ("resnet50", "resnet-d", "Bottleneck"),
        ("inception_v3", "merge-parallel-convolutions", "InceptionC"),
    ],
)
def test_a_block_that_a_pass_rewrote_everywhere_is_one_block(name: str, word: str, block: str) -> None:
    graph = rewritten(name, word)
    assert graph is not None
    text = arch_source(graph)
    assert f"block {block}(" in text
    assert f"block {block}2(" not in text


CLIPPED = """
block Clipped(width) {
    residual {
        conv1: conv(width, 3x3, bias=false) -> bn1: batchnorm -> relu
        conv2: conv(width, 3x3, bias=false) -> bn2: batchnorm -> relu
    }
}

arch net() {
    input 8x16x16
    stage layer1 {
        repeat 3 { Clipped(8) }
    }
    transition: conv(16, 1x1)
    pool: avgpool(2x2)
    head { norm: layernorm(axis="c") -> gap -> flatten -> fc: linear(4) }
}
"""


def test_passes_that_mend_advice_leave_blocks_and_names_as_they_were() -> None:
    graph = compile(Source(CLIPPED, "net.arch"), arch="net")
    steps = [parse(word) for word in ("signed-residual,behind=true", "early-downsampling")]
    text, _ = again(driver.pipeline(graph, steps).graph)
    assert "        conv2: conv(8, 3x3) -> bn2: batchnorm\n    }\n    relu\n}" in text
    assert "repeat 3 { Clipped }" in text
    assert "    pool: avgpool(2x2)\n    transition: conv(16, 1x1, bias=true)\n" in text


def test_the_pieces_of_a_split_are_read_in_a_loop() -> None:
    graph = rewritten("resnext50_concat", "merge-parallel-convolutions")
    assert graph is not None
    text = arch_source(graph)
    assert "split: split(32) as x\n" in text
    assert 'repeat 32 as i { from x[i] -> "path{i}": Embedded(width // 16, stride) }' in text


def test_a_split_whose_pieces_are_joined_again_is_gone() -> None:
    """Else the spec would have a layer that nothing reads."""
    graph = driver.run(net("resnext50_concat"), parse("multibranch-to-grouped,where=layer1")).graph
    words = [node.op.word for node in graph.nodes if node.path.startswith("layer1.")]
    assert "conv" in words
    assert not {"split", "concat"} & set(words)


def test_a_comment_that_speaks_of_what_a_pass_took_is_left_out() -> None:
    graph = rewritten("plain20", "residualize")
    assert graph is not None
    assert "without the shortcut" in arch_source(net("plain20"))
    assert "without the shortcut" not in arch_source(graph)
    plain = arch_source(net("resnet50"))
    assert "## 1x1, 3x3, 1x1 (figure 5, right), the stride on the 3x3" in plain
    assert "`groups`" not in plain
