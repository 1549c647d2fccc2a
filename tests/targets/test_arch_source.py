"""The readable spec: it elaborates to the same net, and reads as if it were written by hand."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archdsl.compiler import compile
from archdsl.graph.graph import Graph
from archdsl.ir.builder import Builder
from archdsl.ir.program import Output, Program, Value
from archdsl.library import specs_root
from archdsl.passes import registry
from archdsl.passes.canonical import canonical_hash
from archdsl.passes.driver import pipeline
from archdsl.source import Source
from archdsl.syntax import tree
from archdsl.syntax.formatter import format_source
from archdsl.syntax.parser import parse
from archdsl.syntax.printer import print_tree
from archdsl.targets.arch_source import arch_source
from archdsl.targets.arch_source_parts import HERE
from tests.support.nets import again as applied_again
from tests.support.random_nets import random_net
from tests.support.small_nets import conv, programs, resnet
from tests.support.wild_nets import wild_net

FEW = ["resnet18", "resnext50_multibranch", "googlenet", "densenet121", "efficientnet_b0", "unet", "tcn", "vgg11_bn"]
FEW += ["shufflenet_v2_x1_0", "inception_v3", "mobilenet_v3_large", "regnet_y_400mf", "convnext_tiny", "squeezenet1_0"]
ALL = sorted({path.stem for path in specs_root().glob("*.arch")})
REWRITTEN = {
    "resnet50a": ["resnet-b", "resnet-c", "resnet-d"],
    "resnext50_multibranch": ["multibranch-to-grouped"],
    "googlenet": ["merge-parallel-convolutions"],
    "resnet50": ["fold-batchnorm"],
    "efficientnet_b0": ["drop-dropout"],
}
WRITTEN = {
    "shared weights, learned tensors, several inputs and outputs": """
block Tower(width) { conv: conv(width, 3x3) -> relu -> conv2: conv(width, 3x3) }
arch siamese() {
    input left: 3x8x8
    input right: 3x8x8
    shared tower: Tower(8)
    from left -> tower as a
    from right -> tower as b
    param scale: normal(std=0.1, shape=[8, 1, 1])
    from [a, scale] -> mul as c
    from [b, c] -> concat -> joined: conv(4, 1x1)
    head { gap -> flatten -> fc: linear(10) }
    output logits=fc, joined
}
""",
    "a layer that one use of a block does not read": """
block Side(x) {
    conv(4, 3x3) -> relu as s
    from in -> relu
    if x { from [here, s] -> add }
}
arch net() {
    input 4x8x8
    Side(true) -> Side(false)
}
""",
    "a shared operation inside a level": """
arch net() {
    input 4x8x8
    deep {
        shared mix: conv(4, 3x3)
        mix -> relu
        mix -> relu
    }
}
""",
    "side heads": """
block Side(n) { gap -> flatten -> fc: linear(n) }
arch net() {
    input 4x8x8
    stage one { conv(8, 3x3) -> relu -> conv(8, 3x3) }
    stage two { conv(8, 3x3) -> relu }
    aux from one -> side: Side(3)
    aux from two -> other: Side(4)
    head { gap -> flatten -> fc: linear(10) }
    output logits=fc, side, other
}
""",
    "lists, pieces and values read again": """
block Cross(n) {
    let before, latest = in
    from [latest, before] -> concat -> conv(n, 1x1) as x
    split(2) as y
    from [y[1], y[0], before] -> concat -> conv(n, 1x1)
    from [here, x] -> add
}
arch net() {
    input 4x8x8
    conv(4, 3x3) as first
    conv(4, 3x3) as second
    from [first, second] -> one: Cross(4) as third
    from [second, third] -> two: Cross(4)
    branches mul { skip identity
        gap -> conv(4, 1x1) -> sigmoid }
}
""",
    "a block in a block, under labels that are words of the language": """
block Inner(n, act=relu) { conv: conv(n, 3x3) -> act }
block Outer(n) { "head": Inner(n) -> "from": Inner(n, act=silu) -> Inner(n * 2) }
arch net() {
    input 4x8x8
    Outer(4) -> "up.0": Outer(8) -> "up.1": Outer(16)
    "1x1": conv(4, 1x1)
}
""",
}


def facts(graph: Graph) -> list[object]:
    """What a spec keeps: operations in order, their wiring, roles and marks, the keys, the outputs."""
    nodes = [(n.op, n.inputs, n.outputs, n.training, n.skip, graph.role(i)) for i, n in enumerate(graph.nodes)]
    keys = [key for key, _, _ in graph.state()]
    return [nodes, keys, [(o.name, o.value, o.training) for o in graph.outputs], canonical_hash(graph)]


def again(graph: Graph) -> tuple[str, Graph]:
    """The spec of a graph, and the graph of the spec."""
    text = arch_source(graph)
    return text, compile(Source(text, "again.arch"))


def kept_paths(graph: Graph) -> list[str]:
    """The paths that a spec must keep: of weights, and those that an author chose."""
    weights = {key.rpartition(".")[0] for key, _, _ in graph.state()}
    return [node.path for node in graph.nodes if node.path in weights or node.op.word == "param"]


def kept_of(graph: Graph) -> list[object]:
    """What a spec keeps of a random net: these share layers at positions, or named as an operation is, which have
    other keys in a spec."""
    shares = any(count > 1 for count in graph.applications.values())
    found = facts(graph)
    return [*found[:1], *found[2:]] if shares else found


def rewritten(name: str) -> Graph:
    graph = compile(name)
    return pipeline(graph, [registry.parse(step) for step in REWRITTEN[name]]).graph


def tokens(text: str) -> int:
    """The length of a spec without comments and claims, in letters that are no space."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith(("#", "expect"))]
    return sum(len("".join(line.split())) for line in lines)


@pytest.mark.parametrize("name", FEW)
def test_a_spec_that_is_found_again_elaborates_to_the_same_net(name: str) -> None:
    graph = compile(name)
    text, found = again(graph)
    assert facts(found) == facts(graph)
    assert [node.path for node in found.nodes] == [node.path for node in graph.nodes]
    assert arch_source(found) == text
    assert format_source(Source(text, "again.arch")) == text


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_every_bundled_spec_is_found_again(name: str) -> None:
    graph = compile(name)
    assert facts(again(graph)[1]) == facts(graph)


@pytest.mark.parametrize("name", list(REWRITTEN))
def test_a_rewritten_net_is_found_again(name: str) -> None:
    graph = rewritten(name)
    text, found = again(graph)
    assert facts(found) == facts(graph)
    assert kept_paths(found) == kept_paths(graph)
    assert format_source(Source(text, "again.arch")) == text


@pytest.mark.parametrize("case", list(WRITTEN))
def test_a_written_spec_is_found_again(case: str) -> None:
    graph = compile(Source(WRITTEN[case], "net.arch"))
    _, found = again(graph)
    assert facts(found) == facts(graph)
    assert kept_paths(found) == kept_paths(graph)


@pytest.mark.parametrize("seed", range(60))
def test_a_random_net_is_found_again(seed: int) -> None:
    graph = random_net(seed)
    assert kept_of(again(graph)[1]) == kept_of(graph)


@pytest.mark.parametrize("seed", range(40))
def test_a_wild_net_of_all_operations_is_found_again(seed: int) -> None:
    graph = wild_net(seed)
    assert kept_of(again(graph)[1]) == kept_of(graph)


@settings(max_examples=60, deadline=None)
@given(programs())
def test_a_small_net_with_any_scopes_is_found_again(program: Program) -> None:
    """Each value that nothing reads is an output, since a spec has no dead layers."""
    read = {value.node for node in program.nodes for value in node.inputs}
    ends = [index for index in range(len(program.nodes)) if index not in read]
    outputs = tuple(Output(f"end{index}", Value(index)) for index in ends)
    graph = Graph(replace(program, outputs=outputs))
    _, found = again(graph)
    assert facts(found)[1:] == facts(graph)[1:]
    assert [(n.op, n.inputs, n.skip) for n in found.nodes] == [(n.op, n.inputs, n.skip) for n in graph.nodes]


def by_hand() -> str:
    """The parts of the bundled family that resnet50d needs, and the variant."""
    names = {"Project", "PoolProject", "Bottleneck", "DeepStem", "resnet"}
    family = parse(Source((specs_root() / "families/resnet.arch").read_text()))
    blocks = [each for each in family.declarations if isinstance(each, tree.Block | tree.Arch)]
    kept: list[tree.Declaration] = [each for each in family.declarations if isinstance(each, tree.Defaults)]
    kept += [each for each in blocks if each.name.name in names]
    variant = parse(Source((specs_root() / "resnet50d.arch").read_text()))
    kept += [each for each in variant.declarations if isinstance(each, tree.ArchVariant)]
    return print_tree(tree.File(HERE, tuple(kept)))


def test_resnet50d_by_passes_is_at_most_twice_as_long_as_by_hand() -> None:
    found, hand = arch_source(rewritten("resnet50a")), by_hand()
    assert tokens(found) <= 2 * tokens(hand)
    assert len(found.splitlines()) <= 2 * len(hand.splitlines())


def test_the_multibranch_net_is_written_as_the_grouped_one() -> None:
    grouped, found = compile("resnext50"), rewritten("resnext50_multibranch")
    assert canonical_hash(found) == canonical_hash(grouped)
    own, other = arch_source(found), arch_source(grouped)
    skipped = ("##", "block Bottleneck", "block Aggregated", "arch")
    lines = [[line for line in text.splitlines() if not line.startswith(skipped)] for text in (own, other)]
    renamed = [[line.replace("Aggregated", "Bottleneck") for line in each] for each in lines]
    assert renamed[0] == renamed[1]


def test_paths_that_a_pass_mixed_stand_one_after_the_other_again() -> None:
    """The pass makes all first convolutions, then all norms, and so on; the spec has a branch for each path."""
    graph = pipeline(compile("resnext50"), [registry.parse("grouped-to-multibranch")]).graph
    text, found = again(graph)
    assert canonical_hash(found) == canonical_hash(graph)
    assert [key for key, _, _ in found.state()] == [key for key, _, _ in graph.state()]
    assert "branches add {" in text
    assert '"path{i}" {' in text
    assert len(text.splitlines()) < 60


def test_a_resnet_has_its_blocks_stages_and_conditions_again() -> None:
    text = arch_source(compile("resnet50"))
    assert "block Bottleneck(width, stride=1) {" in text
    assert "skip downsample: Project(width * 4, stride)" in text
    assert "if in.c != out { conv(out, 1x1, stride=stride) -> batchnorm }" in text
    assert "defaults conv(bias=false, init=kaiming_normal(mode=fan_out))" in text
    assert 'stage "layer{i + 1}" {' in text
    assert "repeat blocks as j { Bottleneck(width, stride if j == 0 else 1) }" in text
    assert "expect params == 25_557_032" in text


def test_a_net_from_the_builder_is_written_too() -> None:
    graph = resnet("bottleneck", (1, 2, 1, 1))
    _, found = again(graph)
    assert [node.path for node in found.nodes] == [node.path for node in graph.nodes]
    assert [(n.op, n.inputs, n.skip) for n in found.nodes] == [(n.op, n.inputs, n.skip) for n in graph.nodes]


@pytest.mark.parametrize(("path", "name"), [("conv", "shared_conv"), ("0", "shared_0"), ("a-b", "shared_layer")])
def test_shared_weights_that_no_layer_can_be_called_by_get_a_name(path: str, name: str) -> None:
    b = Builder("net")
    (x,) = b.add(conv(4), (b.input(4, 8, 8),), path)
    (y,) = b.add(conv(4), (x,), path, applied_again(b, path))
    graph = Graph(b.program(y))
    text, found = again(graph)
    assert f"shared {name}: conv(4, 3, bias=false)" in text
    assert [node.op for node in found.nodes] == [node.op for node in graph.nodes]
    assert [key for key, _, _ in found.state()] == [f"{name}.weight"]
    assert canonical_hash(found) == canonical_hash(graph)


def test_shared_weights_with_a_name_are_shared_again() -> None:
    b = Builder("net")
    (x,) = b.add(conv(4), (b.input(4, 8, 8),), "tower")
    (y,) = b.add(conv(4), (x,), "tower", applied_again(b, "tower"))
    graph = Graph(b.program(y, declared=(0, 1, 2)))
    text, found = again(graph)
    assert "shared tower: conv(4, 3, bias=false)" in text
    assert facts(found)[1:] == facts(graph)[1:]


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 10))
def test_the_time_is_linear_in_the_layers(seed: int) -> None:
    """Four times the layers take at most about four times as long (with room for noise)."""
    spent = [_seconds(count, seed) for count in (500, 2000)]
    assert spent[1] < 12 * spent[0]


def _seconds(count: int, seed: int) -> float:
    lines = "\n".join(f"conv({4 + (seed + i * i) % 7}, 3x3) -> relu" for i in range(count))
    graph = compile(Source(f"arch net() {{\n input 4x8x8\n {lines}\n}}\n", "net.arch"))
    start = time.process_time()
    arch_source(graph)
    return time.process_time() - start
