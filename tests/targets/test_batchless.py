"""One class serves values with and without a batch, and applications of one level that are written alike alone."""

from __future__ import annotations

import pytest

from archdsl.compiler import compile
from archdsl.graph.graph import Graph
from archdsl.source import Source
from archdsl.targets.torch_source import code
from tests.support import agreement

CELLS = (
    "linear(4) -> softmax",
    "linear(4) -> split([1, 3]) -> concat -> softmax",
    'linear(4) -> log_softmax -> rearrange("(h w) -> h w", h=2) -> last -> linear(4)',
    "linear(4) -> groupnorm(2) -> prelu(channelwise=true) -> flatten -> gather([3, 0]) -> pad_channels(1, 1)",
    "param p: normal([4])\n    from [in, p] -> mul -> linear(4) -> relu",
)
IMAGES = (
    "upsample(2) -> batchnorm -> shuffle(2) -> lrn(3)",
    "conv(4, 3x3) -> resize(5x7, mode=bilinear) -> groupnorm(2) -> prelu(channelwise=true)",
    'instancenorm -> rearrange("c (h p) w -> h w (c p)", p=2) -> layernorm -> linear(3) -> unstack -> add',
    "avgpool(3x3, stride=2, padding=same_tf, count_padding=false) -> groupnorm(1)",
    "affine([1, 2, 3, 4], [0, 1, 0, 1]) -> dropout_channels(0.5) -> slice(1, stop=3) -> last -> softmax",
)


def net(text: str) -> Graph:
    return compile(Source(text, "net.arch"))


def applied(cell: str, given: str, flows: str, *, shared: bool) -> Graph:
    """A block of one value with a batch and one without: the same weights, or each its own."""
    declared, call = ("shared cell: Cell", "cell") if shared else ("", "Cell()")
    return net(f"""
block Cell() {{
    {cell}
}}
arch n() {{
    input {flows}
    {given}
    {declared}
    from given -> {call} as bare
    from in -> {call} as full
    output bare, full
}}
""")


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_a_block_of_vectors_serves_both(cell: str, shared: bool) -> None:
    graph = applied(cell, "let given = tensor([1, 2, 3, 4])", "[4]", shared=shared)
    assert agreement.faults(graph, 0, 3) == []


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("cell", IMAGES)
def test_a_block_of_images_serves_both(cell: str, shared: bool) -> None:
    graph = applied(cell, "param given: normal([4, 6, 6])", "4x6x6", shared=shared)
    assert agreement.faults(graph, 0, 3) == []


def test_a_shared_block_is_one_class_with_one_forward() -> None:
    text = code(applied(CELLS[1], "let given = tensor([1, 2, 3, 4])", "[4]", shared=True)).text
    assert text.count("def forward") == 3  # of the cell, the literal and the net
    assert "dim=-1" in text


SIZED = ('slice(1, axis="h")', 'rearrange("c h w -> c (h w)")', "upsample(2) -> crop(3x3)")


@pytest.mark.parametrize("cell", SIZED)
def test_a_block_on_values_of_two_sizes_is_written_for_each(cell: str) -> None:
    """What is written of sizes (a slice's length, a reshape's sizes) is that of each application."""
    graph = net(f"""
block Cell() {{ conv(4, 3x3) -> {cell} -> flatten }}
arch n() {{
    input 4x8x8
    shared cell: Cell
    cell as large
    from in -> maxpool(2x2) -> cell as small
    output large, small
}}
""")
    assert agreement.faults(graph, 0, 2) == []


def test_labels_may_be_the_names_of_our_own_functions() -> None:
    graph = net("""
arch n() {
    input 4x6x6
    gather: conv(4, 3x3) as one
    affine: relu as two
    from one -> gather([1, 0]) as x
    from two -> affine([1, 2, 3, 4], [0, 0, 0, 0]) -> gather([0, 2]) as y
    from [one, two] -> add as z
    output x, y, z
}
""")
    assert agreement.faults(graph, 0, 2) == []
