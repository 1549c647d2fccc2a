"""A path is made of labels and positions, exactly as the reference says."""

from __future__ import annotations

import pytest

from tests.support.specs import codes, keys, levels, net, program

UNIT = "block Unit(out) { conv(out, 1x1) -> relu -> conv(out, 1x1) }\n"

# What stands in the body of an arch, and the paths of the layers with weights.
PATHS: dict[str, tuple[str, list[str]]] = {
    "a layer is named by its position": ("conv(4, 1x1)\nconv(4, 1x1)", ["0", "1"]),
    "activations count": ("conv(4, 1x1) -> relu\nconv(4, 1x1)", ["0", "2"]),
    "identity counts": ("conv(4, 1x1)\nidentity\nconv(4, 1x1)", ["0", "2"]),
    "a labelled layer takes a position too": ("a: conv(4, 1x1)\nconv(4, 1x1)", ["a", "1"]),
    "a labelled scope takes one position": ("a { conv(4, 1x1) -> relu }\nconv(4, 1x1)", ["a.0", "1"]),
    "a dotted label opens levels": ('"a.b": conv(4, 1x1)\nconv(4, 1x1)', ["a.b", "1"]),
    "a dotted label reopens a level": (
        '"up.0": conv(4, 1x1)\n"up.1": conv(4, 1x1)\nconv(4, 1x1)',
        ["up.0", "up.1", "1"],
    ),
    "positions go on in a level that is opened again": (
        'a { conv(4, 1x1) }\n"a.b": conv(4, 1x1)\nconv(4, 1x1)',
        ["a.0", "a.b", "1"],
    ),
    "`_` opens no level and takes no position": ("_ { conv(4, 1x1) -> relu }\nconv(4, 1x1)", ["0", "2"]),
    "merges take none": ("residual { conv(3, 1x1) }\nconv(4, 1x1)", ["0", "1"]),
    "`branches` opens no level": (
        "branches concat { conv(4, 1x1)\nconv(4, 1x1) }\nconv(4, 1x1)",
        ["0", "1", "2"],
    ),
    "`from`, `let` and `as` take none": (
        "conv(4, 1x1) as a\nlet n = 4\nfrom a -> conv(n, 1x1)",
        ["0", "1"],
    ),
    "`none` takes none": ("let act = none\nconv(4, 1x1) -> act -> conv(4, 1x1)", ["0", "1"]),
    "`if` opens none": ("if true { conv(4, 1x1) }\nconv(4, 1x1)", ["0", "1"]),
    "loops open none": ("repeat 2 { conv(4, 1x1) }\nfor w in [4, 5] { conv(w, 1x1) }", ["0", "1", "2", "3"]),
    "a role alone opens none": ("stem { conv(4, 1x1) }\nhead { conv(4, 1x1) }", ["0", "1"]),
    "a role before a layer opens none": ("stem conv(4, 1x1)\nhead conv(4, 1x1)", ["0", "1"]),
    "a role with a label opens its level": ('stem "stem" { conv(4, 1x1) }\nstage a: conv(4, 1x1)', ["stem.0", "a"]),
    "templates hold indices": ('repeat 2 as i { "b{i}-x": conv(4, 1x1) }', ["b0-x", "b1-x"]),
    "a template may be dotted": ('repeat 2 as i { "b.{i}.x": conv(4, 1x1) }', ["b.0.x", "b.1.x"]),
    "a shortcut counts like what stands before it": (
        "residual { conv(4, 1x1) -> relu } skip conv(4, 1x1)\nconv(4, 1x1)",
        ["0", "2", "3"],
    ),
    "a labelled shortcut has its level": (
        "residual { conv(4, 1x1) } skip down { conv(4, 1x1) -> batchnorm }",
        ["0", "down.0", "down.1"],
    ),
    "digits are labels in quotes": ('"7": conv(4, 1x1)\nconv(4, 1x1)', ["7", "1"]),
}


@pytest.mark.parametrize("case", PATHS, ids=str)
def test_the_paths_of(case: str) -> None:
    body, expected = PATHS[case]
    assert levels(net(body)) == expected


BLOCKS: dict[str, tuple[str, list[str]]] = {
    "a block's call is a level at its position": ("conv(4, 1x1)\nUnit(4)\nconv(4, 1x1)", ["0", "1.0", "1.2", "2"]),
    "a labelled call is a level of its label": ("a: Unit(4)\nconv(4, 1x1)", ["a.0", "a.2", "1"]),
    "`_` before a call opens none": ("_: Unit(4)\nconv(4, 1x1)", ["0", "2", "3"]),
    "a chain of calls takes positions": ("Unit(4) -> Unit(4)", ["0.0", "0.2", "1.0", "1.2"]),
}


@pytest.mark.parametrize("case", BLOCKS, ids=str)
def test_the_paths_in_blocks(case: str) -> None:
    body, expected = BLOCKS[case]
    assert levels(program(f"{UNIT}arch net() {{ input 3x8x8\n{body} }}")) == expected


@pytest.mark.parametrize(
    "body",
    [
        "a: conv(4, 1x1)\na: conv(4, 1x1)",
        "a { conv(4, 1x1) }\na { conv(4, 1x1) }",
        'conv(4, 1x1)\n"0": conv(4, 1x1)',
        "repeat 2 { a: conv(4, 1x1) }",
        "a: conv(4, 1x1)\n_ { a: conv(4, 1x1) }",
        'a: conv(4, 1x1)\n"a.b": conv(4, 1x1)',
        '"a.b": conv(4, 1x1)\n"a.b": conv(4, 1x1)',
    ],
)
def test_the_same_full_path_twice_is_an_error(body: str) -> None:
    assert codes(f"arch net() {{ input 3x8x8\n{body} }}") == ["E0209"]


def test_learned_tensors_come_before_the_children_of_their_level() -> None:
    built = net("""
    a {
        conv(4, 1x1)
        param g: ones([4, 1, 1])
        from [here, g] -> mul
    }
    param final: zeros([4, 1, 1])
    from [here, final] -> mul
    """)
    assert keys(built) == ["final", "a.g", "a.0.weight", "a.0.bias"]
