"""The stable text of a graph."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archdsl import ops
from archdsl.diagnostics import CompileError
from archdsl.graph.graph import Graph
from archdsl.graph.text import print_graph, read_graph
from archdsl.graph.verify import verify
from archdsl.ir.builder import Builder
from archdsl.ir.program import Program
from archdsl.shapes import Shape
from tests.support.small_nets import programs, resnet

SMALL = resnet("bottleneck", (1, 1))


@settings(max_examples=60, deadline=None)
@given(programs())
def test_a_printed_graph_reads_back_as_itself(program: Program) -> None:
    graph = Graph(program)
    verify(graph)
    text = print_graph(graph)
    assert read_graph(text) == graph
    assert print_graph(read_graph(text)) == text


@pytest.mark.parametrize("block", ["basic", "bottleneck", "multibranch"])
def test_a_resnet_reads_back_as_itself(block: str) -> None:
    graph = resnet(block, (2, 1), groups=4, base=4)
    assert read_graph(print_graph(graph)) == graph


def test_an_order_of_declarations_other_than_execution_reads_back() -> None:
    b = Builder("net")
    x = b.input(3)
    (one,) = b.add(ops.Relu(), (x,), "one")
    (two,) = b.add(ops.Relu(), (one,), "two")
    graph = Graph(b.program(two, declared=(0, 2, 1)))
    assert "declared 0 2 1" in print_graph(graph)
    assert read_graph(print_graph(graph)) == graph
    with pytest.raises(CompileError, match="every node once"):
        read_graph(print_graph(graph).replace("declared 0 2 1", "declared 0 2 2"))


def test_a_line_reads_like_the_layer_in_the_paper() -> None:
    lines = print_graph(SMALL).splitlines()
    assert lines[0] == "archdsl-graph 1"
    assert "%1 = conv(out=64, kernel=7, stride=2, bias=false) %0 : 64x112x112  @conv1 in &2" in lines
    assert any(line.startswith("%15 = add %12, %14 : 256x56x56  @layer1.0.add in &") for line in lines)
    assert lines[-1].startswith("output output = %")


def test_text_is_ascii_with_one_fact_a_line() -> None:
    b = Builder("net")
    graph = Graph(b.program(b.input(3), doc='a\nb "c" \u200d é'))
    text = print_graph(graph)
    assert text.isascii()
    assert len(text.splitlines()) == 5
    assert read_graph(text) == graph


def test_a_size_keeps_the_names_of_its_axes() -> None:
    b = Builder("net")
    (x,) = b.add(ops.make(ops.Rearrange, pattern="c h w -> h w c"), (b.input(3, 4, 5),), "0")
    graph = Graph(b.program(x))
    assert graph.shape(x) == Shape((4, 5, 3), ("h", "w", "c"))
    assert "4x5x3[h w c]" in print_graph(graph)
    assert read_graph(print_graph(graph)) == graph


BROKEN = [
    ("", "", "begins with"),
    ("archdsl-graph 1", "archdsl-graph 2", "begins with"),
    ("arch resnet_bottleneck\n", "", "no `arch` line"),
    ("%1 = conv(", "%1 = cnov(", "did you mean `conv`"),
    ("%1 = conv(", "%7 = conv(", "numbered in order"),
    ("out=64, kernel=7", "out=64, kernel=[7, 7, 7, 7]", "one to three sizes"),
    ("out=64, kernel=7", "out=64, out=65, kernel=7", "twice"),
    ("out=64, kernel=7", "out=64, kernel=" + "[" * 99, "at most 64 deep"),
    ("out=64, kernel=7", "out=64, kernel=" + "9" * 5000, "too many digits"),
    ("out=64, kernel=7", "out=64, kernel=7, padding=sane", "it no padding|`sane` is no padding"),
    ("out=64, kernel=7", "out=64, kernel=__import__('os')", "unexpected"),
    (" : 64x112x112", " : 64x112x113", "makes 64x112x112"),
    (" : 64x112x112", " : 64x112x112[h w]", "names"),
    ("%1 = conv(out=64, kernel=7, stride=2, bias=false) %0", "%1 = conv(out=64, kernel=7) %5", "does not stand before"),
    ("@bn1", "@conv1", "already the path"),
    ("@bn1", "", "expected a path"),
    ("output output = %", "output output = %9", "does not exist"),
    ("&1 = role in &0", "&1 = role in &1", "no scope &1 before"),
    ("&1 = role in &0", "&1 = circle in &0", "no kind of scope"),
]


@pytest.mark.parametrize(("old", "new", "message"), BROKEN)
def test_a_broken_text_is_a_located_diagnostic(old: str, new: str, message: str) -> None:
    text = print_graph(SMALL).replace(old, new, 1) if old else new
    with pytest.raises(CompileError, match=message) as caught:
        read_graph(text)
    assert all(diagnostic.code in {"E0901", "E0902"} and diagnostic.span for diagnostic in caught.value.diagnostics)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_mutated_text_is_a_graph_or_diagnostics(data: Any) -> None:
    text = print_graph(SMALL)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    mutated = text[:start] + data.draw(st.text(alphabet='%&@"()[]=,:x19. \nab_é', max_size=6)) + text[end:]
    try:
        graph = read_graph(mutated)
    except CompileError as error:
        assert error.diagnostics  # noqa: PT017 - both ends are right
    else:
        verify(graph)
