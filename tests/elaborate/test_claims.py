"""`expect` and `require`, held against the finished net."""

from __future__ import annotations

import pytest

from tests.support.specs import codes, mistakes, program

NET = """
block Unit(out) {{
    conv(out, 3x3) -> relu
    {block}
}}
arch net(width=8) {{
    input 3x16x16
    body {{
        Unit(width)
        side: conv(width, 1x1, stride=2) -> relu
    }}
    head {{ gap -> flatten -> fc: linear(10) }}
    {arch}
}}
"""


def found(arch: str = "", block: str = "") -> list[str]:
    """The codes of what is wrong with the net and its claims."""
    text = NET.format(arch=arch, block=block)
    try:
        program(text)
    except Exception as error:
        return [item.code for item in error.diagnostics]  # type: ignore[attr-defined]
    return []


HOLDS = [
    "expect params == 224 + 72 + 90",
    "expect params == body.params + fc.params",
    "expect macs == 3 * 8 * 9 * 256 + 64 * 64 + 80",
    "expect macs ~= 59K",
    "expect macs ~= 0.1M",
    "expect macs ~= 59.47K",
    "expect macs ~= 5.9e4",
    "expect depth == 3",
    "expect body.depth == 2",
    "expect shape == [10]",
    "expect body.shape == 8x8x8",
    "expect body.side.params == 72",
    "expect body.side.shape == 8x8x8",
    "expect fc.c == 10 and body.h == 8",
    "expect not (params > 400)",
    "require params < 400",
    "require fc.macs == 80",
    "require width == 8",
    "if width == 8 { expect params == 386 }",
    "if width == 9 { expect params == 0 }",
]
FAILS = [
    ("expect params == 385", "E0701"),
    ("expect params ~= 385", "E0701"),
    ("expect macs ~= 59.46K", "E0701"),
    ("expect macs ~= 60.0K", "E0701"),
    ("expect depth == 4", "E0701"),
    ("expect body.shape == 8x8x9", "E0701"),
    ("if width == 8 { expect params == 0 }", "E0701"),
    ("require params < 386", "E0702"),
    ("require width == 9", "E0702"),
    ("expect params ~= 300 + 86", "E0703"),
    ("expect params", "E0704"),
    ("require 3", "E0704"),
    ("expect fc.size == 3", "E0213"),
    ("expect fx.params == 3", "E0201"),
    ("let params = 3\nexpect params == 3", "E0214"),
    ("linear(fc.params)", "E0216"),
]


@pytest.mark.parametrize("claim", HOLDS)
def test_a_claim_that_holds_is_silent(claim: str) -> None:
    assert found(claim) == []


@pytest.mark.parametrize(("claim", "code"), FAILS)
def test_a_claim_that_does_not_hold_is_told(claim: str, code: str) -> None:
    assert found(claim) == [code]


def test_a_requirement_of_a_block_is_held_at_each_use_with_the_way_there() -> None:
    text = NET.format(arch="", block='require out % 16 == 0, "{out} is no multiple of 16"')
    (diagnostic,) = mistakes(text)
    assert diagnostic.message == "8 is no multiple of 16"
    assert diagnostic.notes[-1] == "in Unit(8), called at 9:9, as body.0"


def test_a_requirement_on_a_value_of_a_block_reads_the_finished_net() -> None:
    assert found(block="a: conv(2, 1x1)\nrequire a.params == 18 and here.c == 2") == []
    assert found(block="a: conv(2, 1x1)\nrequire a.params == 19") == ["E0702"]


def test_what_stands_behind_a_failed_requirement_of_a_block_is_not_told_too() -> None:
    assert found(block="require out == 16\nconv(4, 3x3, groups=3)") == ["E0702"]


def test_several_claims_that_do_not_hold_are_told_together() -> None:
    claims = "expect params == 1\nexpect depth == 1\nrequire macs == 1"
    assert codes(NET.format(arch=claims, block="")) == ["E0701", "E0701", "E0702"]


VARIANTS = """
arch net(width=4) {{
    input [16]
    fc: linear(width)
}}
arch small = net() {{
    expect params == 68
    require params < 100
    {claim}
}}
arch derived = small() {{ require fc.c % 2 == 0, "{{fc.c}} is odd" }}
"""


@pytest.mark.parametrize("claim", ["require fc.shape == [4]", "require depth == 1 and fc.params == params"])
def test_a_requirement_of_a_variant_reads_the_finished_net(claim: str) -> None:
    assert program(VARIANTS.format(claim=claim), "small").parameters == (("width", 4),)


@pytest.mark.parametrize("claim, code", [("require macs > 64", "E0702"), ("require fc", "E0704")])
def test_a_requirement_of_a_variant_that_is_not_met_is_told(claim: str, code: str) -> None:
    assert codes(VARIANTS.format(claim=claim), "small") == [code]


def test_a_requirement_of_a_variant_holds_in_every_build_and_its_figures_in_none_but_its_own() -> None:
    text = VARIANTS.format(claim="")
    assert program(text, "small", width=5).parameters == (("width", 5),)  # 68 parameters are expected of a width of 4
    assert codes(text, "small", width=6) == ["E0702"]


def test_a_variant_meets_what_those_before_it_require() -> None:
    text = VARIANTS.format(claim="")
    assert program(text, "derived", width=2).parameters == (("width", 2),)
    assert codes(text, "derived", width=6) == ["E0702"]
    (odd,) = mistakes(text, "derived", width=5)
    assert odd.message == "5 is odd"
    assert codes(text, "derived", width=7) == ["E0702", "E0702"]
