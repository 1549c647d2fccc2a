"""A printed spec always checks and is the same net: its numbers to the last bit, its results in both modes."""

from __future__ import annotations

from collections.abc import Callable
from math import copysign, isfinite
from random import Random
from struct import pack, unpack

import pytest

from archdsl.compiler import compile
from archdsl.diagnostics import UsageError
from archdsl.graph.graph import Graph
from archdsl.passes.canonical import canonical_hash
from archdsl.passes.driver import pipeline
from archdsl.passes.registry import parse
from archdsl.source import Source
from archdsl.syntax import tree
from archdsl.syntax.printer import print_tree
from archdsl.targets.arch_source import arch_source
from archdsl.targets.arch_text import HERE, arch_text, expression

FORMS = pytest.mark.parametrize("form", [arch_source, arch_text], ids=["spec", "flattened"])


def net(body: str, size: str = "4x8x8") -> Graph:
    """The graph of an arch of this body."""
    return compile(Source(f"arch net() {{\ninput {size}\n{body}\n}}\n", "net.arch"))


def after(graph: Graph, *passes: str) -> Graph:
    """The graph that passes make of it."""
    return pipeline(graph, [parse(each) for each in passes]).graph


def results(graph: Graph) -> list[tuple[str, bool, tuple[int, ...]]]:
    return [(output.name, output.training, graph.shape(output.value).sizes) for output in graph.outputs]


def holds(form: Callable[[Graph], str], graph: Graph) -> None:
    """Prints a graph and holds what is read again to be the same net; printing that again gives the same text."""
    text = form(graph)
    found = compile(Source(text, "again.arch"))
    assert results(found) == results(graph), text
    assert canonical_hash(found) == canonical_hash(graph), text
    assert form(found) == text


def test_every_number_reads_back_to_the_last_bit() -> None:
    random = Random(0)
    numbers = [4.25e-17, 4.2500000000000003e-17, 5e-324, 1.7976931348623157e308, 2.225073858507201e-308, 1e22, -0.0]
    numbers += [unpack("d", pack("Q", random.getrandbits(64)))[0] for _ in range(400)]
    numbers += [random.gauss(0, 1) * 10.0 ** random.randint(-30, 30) for _ in range(300)]
    numbers = [number for number in numbers if isfinite(number)]
    layers = tuple(
        tree.Placed(HERE, tree.Ident(HERE, "scale"), (tree.Argument(HERE, None, expression(number)),), True)
        for number in numbers
    )
    chains = [tree.Chain(HERE, (tree.Layer(HERE, None, layer),)) for layer in layers]
    body = tree.Body(HERE, (tree.Input(HERE, None, expression((4,))), *chains))
    arch = tree.Arch(HERE, tree.Ident(HERE, "net"), (), body)
    graph = compile(Source(print_tree(tree.File(HERE, (arch,))), "net.arch"))
    read = [node.op.factor for node in graph.nodes[1:]]  # type: ignore[attr-defined]
    assert [(copysign(1, value), value) for value in read] == [(copysign(1, value), value) for value in numbers]


# Nets whose results are hard to say, and the passes after which they are.
RESULTS = {
    "a side head that is gone": (
        "conv1: conv(4, 3x3) -> relu\naux aux1 { identity }\nfc: conv(2, 1x1)",
        "remove-identities",
    ),
    "a piece, beside a side head": (
        "conv(4, 3x3)\naux from here -> a { flatten -> linear(3) }\nsplit([4]) as v\nfrom v[0]",
        "",
    ),
    "side heads with odd names": (
        'conv(4, 3x3) as x\naux from x -> "in": gap\naux from x -> "9" { relu }\nconv(2, 1x1)',
        "",
    ),
    "two of one value": (
        "conv(4, 3x3) -> relu as x\naux from x -> a: identity\naux from x -> b: identity\nconv(2, 1x1)",
        "remove-identities",
    ),
    "named results": (
        "c: conv(4, 3x3) -> r: relu\naux from r -> side { identity }\nd: conv(2, 1x1)\noutput logits=d, r, side",
        "remove-identities",
    ),
    "a dropout at the end of a side head": (
        "c: conv(4, 3x3)\naux side { relu -> dropout }\nconv(2, 1x1)",
        "drop-dropout",
    ),
    "heads declared against their order": (
        "a: conv(4, 3x3)\nb: conv(4, 3x3)\naux from b -> late: gap\naux from a -> soon: gap\nfrom b -> conv(2, 1x1)",
        "",
    ),
}


@FORMS
@pytest.mark.parametrize("case", RESULTS)
def test_results_are_what_they_were(form: Callable[[Graph], str], case: str) -> None:
    body, passes = RESULTS[case]
    graph = net(body)
    changed = after(graph, *passes.split())
    assert results(changed) == results(graph)
    holds(form, changed)


def test_what_a_reader_would_refuse_is_not_printed() -> None:
    graph = net("let all = range(52000)\ngather(all) -> gather(all)", "[60000]")
    with pytest.raises(UsageError, match=r"cannot be written as a spec: .* more than 200000 words"):
        arch_text(graph)
