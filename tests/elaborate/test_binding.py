"""Arguments, slots, variants and defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from archdsl.elaborate import Expression, check, elaborate, parameters_of
from archdsl.source import Source
from tests.support.specs import codes, levels, mistakes, program, words

UNIT = "block Unit(a, b=2, c=3) { conv(a * 100 + b * 10 + c, 1x1) }\n"


def width(text: str, **parameters: object) -> int:
    """The channels of the output."""
    built = program(text, **parameters)
    return built.shape(built.outputs[0].value).sizes[0]


@pytest.mark.parametrize(
    ("call", "out"),
    [
        ("Unit(1)", 123),
        ("Unit(1, 1)", 113),
        ("Unit(b=1, a=1)", 113),
        ("Unit(1, c=9)", 129),
        ("Apply(Unit(b=4))", 743),
        ("Apply(Unit(c=0, b=4))", 740),
        ("Two(Unit)", 563),
        ("Two(Unit(b=1))", 516),
        ("Two(Unit(c=1, b=1))", 0),
    ],
)
def test_positional_arguments_fill_the_first_parameters_not_yet_bound(call: str, out: int) -> None:
    blocks = f"{UNIT}block Apply(layer) {{ layer(7) }}\nblock Two(layer) {{ layer(5, 6) }}\n"
    text = f"{blocks}arch net() {{ input 1x2x2\n{call} }}\n"
    if out == 0:
        assert "E0403" in codes(text)
    else:
        assert width(text) == out


def test_a_default_may_read_the_parameters_before_it_and_the_file_but_no_caller() -> None:
    text = "let k = 5\nblock U(a, b=a * k) { conv(b, 1x1) }\narch net(a=9) { input 1x2x2\nU(a + 1) }"
    assert width(text) == 50


def test_keyword_arguments_of_a_variant_replace_what_was_bound_and_positional_ones_bind_the_rest() -> None:
    text = (
        UNIT
        + "block A = Unit(1, b=5)\nblock B = A(b=6)\nblock C = B(7)\narch net(layer=Unit(1)) { input 1x2x2\nlayer }\n"
    )
    assert [width(text, layer=Expression(name)) for name in "ABC"] == [153, 163, 167]
    assert codes(UNIT + "block A = Unit(1, b=5)\narch net() { input 1x2x2\nA(b=6) }") == ["E0404"]


def test_a_variant_of_an_arch_replaces_slots_and_keeps_its_own_claims_only() -> None:
    text = """
arch base(act=relu, width=4) { input 1x2x2
    conv(width, 1x1) -> act
    expect params == 8 }
arch wide = base(width=8) { expect params == 16 }
arch bare = wide(act=none)
"""
    programs = check(Source(text, "spec.arch")).programs
    assert list(programs) == ["base", "wide", "bare"]
    assert words(programs["bare"]) == ["input", "conv"]
    assert programs["bare"].params == 16


def test_defaults_hold_where_the_name_is_written_from_there_on() -> None:
    text = """
defaults conv(bias=false)
block Plain() { conv(1, 1x1) }
block Own() {
    conv(1, 1x1)
    defaults conv(bias=true)
    conv(1, 1x1)
    scope { conv(1, 1x1) }
    Plain
}
arch net() { input 1x2x2
    Own
    conv(1, 1x1)
    conv(1, 1x1, bias=true) }
"""
    found = [key for key, _, _ in program(text).state if key.endswith("bias")]
    assert found == ["0.1.bias", "0.scope.0.bias", "2.bias"]


def test_a_default_never_counts_as_bound() -> None:
    text = "defaults Unit(a=9)\n" + UNIT + "arch net() { input 1x2x2\nUnit(1) }"
    assert width(text) == 123
    assert width("defaults Unit(a=9)\n" + UNIT + "arch net() { input 1x2x2\nUnit }") == 923


def test_defaults_do_not_reach_into_imported_blocks(tmp_path: Path) -> None:
    (tmp_path / "lib.arch").write_text("block U() { conv(2, 1x1) }\n")
    main = tmp_path / "main.arch"
    main.write_text(
        'from "lib.arch" import U\ndefaults conv(bias=false)\narch net() { input 1x2x2\nU -> conv(2, 1x1) }\n'
    )
    built = elaborate(Source(main.read_text(), "main.arch", main))
    assert [key for key, _, _ in built.state] == ["0.0.weight", "0.0.bias", "1.weight"]


def test_blocks_and_operations_stand_in_the_same_slots() -> None:
    text = "block Act() { relu -> relu6 }\narch net(act=relu) { input 1x2x2\nconv(2, 1x1) -> act }"
    assert words(program(text, act=Expression("Act"))) == ["input", "conv", "relu", "relu6"]
    assert words(program(text, act=Expression("leaky_relu(0.2)")))[-1] == "leaky_relu"
    assert words(program(text, act=None)) == ["input", "conv"]


# ------------------------------------------------------------------- from outside

OUTSIDE = """
arch net(n=4, rate=0.5, act=relu, deep=true, name="a", widths=[1, 2], must=none) {
    input 3xHxH
    conv(n + int(rate * 2) + sum(widths), 1x1) -> act
    if deep { "{name}": conv(H, 1x1) -> must }
}
"""


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"n": 2.5}, "E0413"),
        ({"n": "4"}, "E0413"),
        ({"n": True}, "E0413"),
        ({"deep": 1}, "E0413"),
        ({"act": 3}, "E0413"),
        ({"widths": 3}, "E0413"),
        ({"name": 3}, "E0413"),
        ({"H": 2.5}, "E0413"),
        ({"H": "x"}, "E0413"),
        ({"m": 4}, "E0414"),
        ({"n": 0, "deep": Expression("nothing_like_it")}, "E0201"),
        ({"n": Expression("[1,")}, "E0108"),
        ({"n": Expression("2 ** 10 ** 9")}, "E0408"),
        ({"H": 0}, "E0506"),
        ({"H": -3}, "E0506"),
        ({"n": object()}, "E0413"),
    ],
)
def test_a_wrong_value_from_outside_is_a_diagnostic(given: dict[str, object], code: str) -> None:
    assert codes(OUTSIDE, **{"H": 8, **given})[0] == code


def test_a_right_value_from_outside_stands_for_the_one_it_replaces() -> None:
    assert width(OUTSIDE, H=8, n=1, rate=2, act=None, deep=False, widths=[5]) == 1 + 4 + 5
    assert levels(program(OUTSIDE, H=8, name="tail", widths=Expression("[i for i in range(3)]"))) == ["0", "tail"]


def test_an_open_symbol_and_an_open_parameter_are_named() -> None:
    assert [item.message for item in mistakes(OUTSIDE, n=3)] == ["the size `H` has no value"]
    assert codes("arch net(n) { input 1x2x2\nconv(n, 1x1) }", arch="net") == ["E0402"]


def test_claims_of_expect_are_for_the_declared_arguments_and_those_of_require_for_every_build() -> None:
    text = "arch net(n=4) { input 1x2x2\nconv(n, 1x1)\nexpect params == 8\nrequire n < 9\nrequire params < 15 }"
    assert program(text, n=5).params == 10
    assert codes(text, n=9) == ["E0702"]
    assert codes(text, n=8) == ["E0702"]


def test_the_parameters_of_an_arch_are_listed_with_what_they_are_bound_to() -> None:
    text = "arch base(block, n=4) { input 1xHxH\nblock(n) }\nblock U(n) { conv(n, 1x1) }\narch net = base(U, n=6)\n"
    found = parameters_of(Source(text, "spec.arch"), "net")
    assert list(found) == ["block", "n", "H"]
    assert found["n"] == 6
    assert found["H"] is ...
