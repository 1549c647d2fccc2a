"""A spec answers soon, whatever it asks for, and the work grows with the net and no faster."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from archdsl.diagnostics import CompileError
from archdsl.elaborate import check, elaborate
from archdsl.source import Source

LOOP = "arch net() {{ input [16]\n{0} }}\n"


def doubled(start: str, step: str, count: int) -> str:
    """A chain of `let`s in which each holds the one before it several times."""
    lines = [f"let a0 = {start}", *(f"let a{i + 1} = {step.format(f'a{i}')}" for i in range(count))]
    return "\n".join(lines)


def layers(count: int) -> str:
    return LOOP.format(f"repeat {count} {{ linear(16) }}")


BOMBS: dict[str, str] = {
    "nested repeats": LOOP.format("repeat 1000 { " * 12 + "linear(16)" + " }" * 12),
    "nested fors": LOOP.format(
        "let r = range(1000)\n"
        + "".join(f"for x{i} in r {{ " for i in range(5))
        + "linear(x0 + x1 + x2 + x3 + x4 + 1)"
        + " }" * 5
    ),
    "a repeat of steps": LOOP.format("repeat 10 ** 15 { let _a = 1 }\nlinear(1)"),
    "repeats in branches": LOOP.format("branches add { repeat 2000 { branches add { repeat 2000 { linear(16) } } } }"),
    "repeats by arguments": "block A(n) { repeat n { linear(16) } }\nblock B(n) { repeat n { A(n) } }\n"
    "block C(n, b=B) { repeat n { b(n) } }\n" + LOOP.format("C(1000)"),
    "blocks that double": "block B0() { linear(16) }\n"
    + "".join(f"block B{i + 1}() {{ B{i} -> B{i} }}\n" for i in range(40))
    + LOOP.format("B40"),
    "blocks that are handed down": "block A(f) { f -> f -> f -> f -> f -> f -> f -> f -> f -> f }\n"
    + "".join(f"block D{i}() {{ {'A(linear(16))' if i == 0 else f'A(D{i - 1})'} }}\n" for i in range(9))
    + LOOP.format("D8"),
    "a range": LOOP.format("linear(len(range(10 ** 12)))"),
    "a range with a step": LOOP.format("linear(len(range(0, -(10 ** 18), -1)))"),
    "a tower of powers": LOOP.format("linear(2 ** 10 ** 9)"),
    "a tower of fractions": LOOP.format("linear(int(1.0000001 ** 10 ** 17))"),
    "lists that double": doubled("[1, 1]", "{0} + {0}", 60) + "\n" + LOOP.format("linear(len(a60))"),
    "lists of lists": doubled("[1]", "[{0}, {0}]", 60) + "\n" + LOOP.format("linear(len(a60))\nrequire a60 == a60"),
    "rows of rows": doubled("[1]", "zip({0}, {0})", 60) + "\n" + LOOP.format("linear(len(a60))"),
    "lists of lists in a loop": LOOP.format("repeat 60 { linear(len([[j, j] for j in range(900)])) }"),
    "strings that double": doubled('"ab"', '"{{{0}}}{{{0}}}"', 60) + "\n" + LOOP.format('"{a60}": linear(1)'),
    "a comprehension": LOOP.format("let r = range(1000)\nlinear(len([a for a in r for b in r for c in r]))"),
    "comprehensions in a loop": LOOP.format("repeat 1000 { linear(len([a for a in range(1000)])) }"),
    "a huge input": "arch net() { input 1000000x1000000x1000000\nrelu }",
    "a huge weight": LOOP.format("linear(2 ** 31 - 1)"),
    "a huge image": "arch net() { input 3x64x64\nupsample(100000) -> conv(8, 3x3) }",
    "a huge param": LOOP.format("param p: zeros([2 ** 40, 2 ** 40])\nfrom [here, p] -> mul"),
    "a million values": LOOP.format("linear(2000000) -> split(2000000) -> concat"),
    "two milliard values": "arch net() { input [2147483647]\nunstack -> add }",
    "deep brackets": LOOP.format("linear(" + "(" * 500 + "1" + ")" * 500 + ")"),
    "deep bodies": LOOP.format("if true { " * 500 + "linear(1)" + " }" * 500),
    "a long expression": LOOP.format("linear(" + "+".join(["1"] * 50_000) + ")"),
    "a million powers": LOOP.format("linear(" + "**".join(["1"] * 5_000) + ")"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_answers_within_a_second(name: str) -> None:
    source = Source(BOMBS[name], "bomb.arch")
    began = time.process_time()
    with pytest.raises(CompileError):
        check(source)
    assert time.process_time() - began < 1.0


def calls(work: Callable[[], Any]) -> int:
    """How many Python functions a piece of work calls."""
    count = 0

    def profile(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_ten_times_the_layers_take_ten_times_the_work() -> None:
    """Counted in function calls, so that a busy machine does not matter."""
    few, many = (calls(lambda n=n: elaborate(Source(layers(n), "net.arch"))) for n in (1_000, 10_000))  # type: ignore[misc]
    assert 9 < many / few < 10.5


def test_ten_times_the_labelled_blocks_take_ten_times_the_work() -> None:
    block = 'block U() {{ a: linear(16)\nfrom "a" -> relu }}\n'
    text = block + 'arch net() {{ input [16]\nrepeat {0} as i {{ "u{{i}}": U }} }}'
    few, many = (calls(lambda n=n: elaborate(Source(text.format(n), "net.arch"))) for n in (300, 3_000))  # type: ignore[misc]
    assert 9 < many / few < 10.5
