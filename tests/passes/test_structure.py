"""Nets are matched by position, wiring, operation and shape, and never by name."""

from __future__ import annotations

import pytest

from archdsl.compiler import compile
from archdsl.graph import Graph
from archdsl.passes.structure import align, matchings
from archdsl.source import Source
from tests.support.random_nets import random_net

NET = """
arch net() {
    input 4x8x8
    stem { one: conv(4, 3x3) -> norm: batchnorm -> relu }
    residual { two: conv(4, 3x3) -> three: conv(4, 1x1) }
    head { gap -> flatten -> fc: linear(5) }
}
"""


def net(*changes: tuple[str, str]) -> Graph:
    text = NET
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return compile(Source(text, "net.arch"))


RENAMED = (("one:", "a:"), ("two:", "b:"), ("three:", "c:"), ("norm:", "n:"), ("fc:", "last:"))


def test_names_do_not_count() -> None:
    found = align(net(), net(*RENAMED))
    assert found.whole
    assert found.differences == ()
    assert dict(found.keys) == {
        f"{new[:-1]}.{name}": f"{old[:-1]}.{name}"
        for old, new in RENAMED
        for name in (
            ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
            if old == "norm:"
            else ("weight", "bias")
        )
    }


def test_initial_values_do_not_count() -> None:
    assert align(net(), net(("linear(5)", "linear(5, init=zeros)"))).differences == ()


@pytest.mark.parametrize(
    "change,position,reason,aligned",
    [
        (
            ("one: conv(4, 3x3)", "one: conv(4, 3x3, padding_mode=reflect)"),
            1,
            "padding_mode `zeros` against `reflect`",
            True,
        ),
        (("batchnorm", "batchnorm(eps=0.01)"), 2, "eps 1e-05 against 0.01", True),
        (("relu", "silu"), 3, "relu against silu", True),
        (("batchnorm", "batchnorm(affine=false)"), 2, "affine true against false", False),
        (("two: conv(4, 3x3)", "two: conv(6, 3x3)"), 4, "out 4 against 6", False),
        (("two: conv(4, 3x3)", "two: conv(4, 3x3, groups=2)"), 4, "groups 1 against 2", False),
        (("linear(5)", "linear(5, bias=false)"), 9, "bias true against false", False),
        (("-> fc: linear(5)", ""), 9, "one net goes on where the other ends", False),
        (("gap", "gmp"), 7, "gap against gmp", True),
        (("three: conv(4, 1x1)", "three: conv(4, 1x1) -> tanh"), 6, "", False),
    ],
)
def test_the_first_difference_is_named_with_how(
    change: tuple[str, str], position: int, reason: str, aligned: bool
) -> None:
    found = align(net(), net(change))
    first = found.differences[0]
    assert (first.position, first.aligned) == (position, aligned)
    assert reason in first.reason
    assert found.whole == aligned
    assert len(found.pairs) == (10 if aligned else position)


def test_all_that_differ_are_told_as_long_as_the_nets_go_together() -> None:
    found = align(net(), net(("batchnorm", "batchnorm(eps=0.01)"), ("relu", "silu"), ("linear(5)", "linear(6)")))
    assert [place.position for place in found.differences] == [2, 3, 9]
    assert [place.aligned for place in found.differences] == [True, True, False]


def test_another_wiring_is_no_match() -> None:
    text = "arch net() {\n input 4x8x8\n residual { a: conv(4, 1x1) -> %s }\n}"
    one = compile(Source(text % "residual { b: conv(4, 1x1) } -> c: conv(4, 1x1)", "net.arch"))
    two = compile(Source(text % "b: conv(4, 1x1) -> residual { c: conv(4, 1x1) }", "net.arch"))
    found = align(one, two)
    assert not found.whole
    assert found.differences[0].reason == "add against conv"


TOWERS = """
arch net() {
    input left: 4x8x8
    input right: 4x8x8
    %s
    from [a, b] -> concat -> gap
}
"""
SHARED = TOWERS % "shared tower: conv(4, 3x3)\n from left -> tower as a\n from right -> tower as b"
OWN = TOWERS % "from left -> one: conv(4, 3x3) as a\n from right -> two: conv(4, 3x3) as b"


def test_shared_weights_are_not_matched_with_weights_of_their_own() -> None:
    shared, own = (compile(Source(text, "net.arch")) for text in (SHARED, OWN))
    assert align(shared, shared).differences == ()
    assert align(own, own).differences == ()
    assert "its weights are shared against its own" in align(shared, own).differences[0].reason
    assert "its weights are its own against shared" in align(own, shared).differences[0].reason
    assert not align(shared, own).whole


def test_inputs_are_told_apart_by_their_place() -> None:
    swapped = OWN.replace("from [a, b]", "from [b, a]")
    found = align(compile(Source(OWN, "net.arch")), compile(Source(swapped, "net.arch")))
    assert found.differences[0].reason == "input 0 against input 1"


@pytest.mark.parametrize("seed", range(20))
def test_a_random_net_is_itself(seed: int) -> None:
    graph = random_net(seed)
    found = align(graph, graph)
    assert found.differences == ()
    assert all(one == other for one, other in found.keys)


def test_matchings_are_proposals_by_name_order_and_position() -> None:
    one = net()
    (word, keys), *more = matchings(one, one)
    assert word == "by name"
    assert more == []
    assert all(key == other for key, other in keys.items())
    assert [word for word, _ in matchings(one, net(*RENAMED))] == ["in order"]
    assert list(matchings(one, net(("linear(5)", "linear(6)")))) == []
    assert list(matchings(one, net(("-> fc: linear(5)", "")))) == []
