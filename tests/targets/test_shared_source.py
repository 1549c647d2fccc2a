"""Shared blocks as recurrent nets apply them: not all is read at each place, and one value may stand for several."""

from __future__ import annotations

import pytest

from archdsl.compiler import compile
from archdsl.passes import driver
from archdsl.passes.canonical import canonical_hash
from archdsl.passes.registry import parse
from archdsl.source import Source
from archdsl.targets.arch_source import arch_source

GATES = """
block Gates() { linear(24) -> split(3) }
arch net() {
    input x: [8]
    input h: [8]
    shared w: Gates()
    shared u: Gates()
    from x -> w as xr, xz, xn
    from h -> u as hr, hz, hn
    from [xr, hr] -> add -> sigmoid as r
    from [xz, hz] -> add -> sigmoid as z
    from [r, hn] -> mul as rh
    from [xn, rh] -> add -> tanh as n
    from [z, n] -> mul as h1
    from x -> w as yr, yz, yn
    from h1 -> u as gr, gz, gn
    from [yr, gr] -> add -> sigmoid as r2
    from [r2, gn] -> mul as rh2
    from [yn, rh2] -> add -> tanh -> dropout(0.1) -> linear(2)
}
"""
TWICE = """
block Mix() {
    let pair = in
    from pair[0] -> w: linear(8) as a
    from pair[1] -> u: linear(8) as b
    from [a, b] -> add -> tanh
}
arch net() {
    input x: [8]
    input h: [8]
    shared mix: Mix()
    from [x, h] -> mix as h1
    from [h1, h1] -> mix as h2
    from [h2, x] -> mix -> dropout(0.1)
}
"""


@pytest.mark.parametrize("text", [GATES, TWICE], ids=["gates", "twice"])
def test_a_recurrent_net_is_rewritten_elsewhere(text: str) -> None:
    result = driver.run(compile(Source(text, "net.arch")), parse("drop-dropout"))
    assert result.rewritten == 1
    again = compile(Source(arch_source(result.graph), "net.arch"))
    assert canonical_hash(again) == canonical_hash(result.graph)
    assert again.params == result.graph.params
