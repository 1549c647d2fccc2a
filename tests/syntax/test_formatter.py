"""What the formatter changes, and what it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from archdsl.source import Source
from archdsl.syntax.formatter import WIDTH
from archdsl.syntax.printer import format_source

SPECS = sorted((Path(__file__).parents[2] / "specs").rglob("*.arch"))


def formatted(text: str) -> str:
    return format_source(Source(text))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_bundled_specs_are_in_the_style(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert formatted(text) == text


def test_spaces_and_indentation_are_settled() -> None:
    messy = "block  A( a,b = 3 ){\n  conv( a,3x3 ,stride = 2 )->relu\n let c=- a+b [ 1 : ]\n\n\n  lab :  gap  }\n"
    clean = "block A(a, b=3) {\n    conv(a, 3x3, stride=2) -> relu\n    let c = -a + b[1:]\n\n    lab: gap\n}\n"
    assert formatted(messy) == clean


def test_comments_stay_where_they_are() -> None:
    text = "## File.\n\n# one\nblock A() {  # two\n    # three\n    relu  # four\n    # five\n}\n# six\n"
    assert formatted(text) == text


def test_an_aligned_table_stays_aligned() -> None:
    text = "let rows = [\n    # a, b\n    [1,  16, relu],\n    [6, 160, gelu],\n]\n"
    assert formatted(text) == text
    assert formatted("let a = [1,   2]\n") == "let a = [1, 2]\n"


def test_a_long_chain_goes_on_before_an_arrow() -> None:
    lines = formatted("block A() {\n    " + " -> ".join(["conv(width, 3x3)"] * 12) + "\n}\n").splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert all(line.startswith("        -> conv") for line in lines[2:-1])


def test_a_long_call_goes_to_lines_of_its_own() -> None:
    arguments = ", ".join(f"argument_{index}={index}" for index in range(16))
    lines = formatted(f"block A() {{ conv({arguments}) }}\n").splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert lines[1] == "    conv("
    assert lines[-2] == "    )"


def test_an_empty_text_stays_empty() -> None:
    assert formatted("") == ""
    assert formatted("\n\n") == ""


NAMES = ", ".join(f"a_rather_long_name_{number}" for number in range(24))


@pytest.mark.parametrize(
    "statement",
    [
        f"split(24) as {NAMES}",
        f"let {NAMES} = range(24)",
        f"output {NAMES}",
        f"from here -> conv(8, 3x3, groups=2) -> split(24) as {NAMES}",
        f"repeat 2 {{ split(24) as {NAMES} }}",
        f"for {NAMES} in rows {{ conv(a_rather_long_name_0, 1x1) }}",
        f"defaults {', '.join(f'conv{number}(bias=false)' for number in range(24))}",
    ],
)
def test_a_long_list_of_names_goes_on_before_a_comma(statement: str) -> None:
    """No bracket is open, so that only a line that starts with the comma goes on with the statement."""
    text = f"arch net() {{\n    {statement}\n}}\n"
    once = formatted(text)
    assert max(map(len, once.splitlines())) <= 120
    assert formatted(once) == once
    assert sum(line.lstrip().startswith(",") for line in once.splitlines()) >= 3


def test_a_long_import_goes_on_before_a_comma() -> None:
    once = formatted(f'from "units.arch" import {NAMES}\n')
    assert max(map(len, once.splitlines())) <= 120
    assert formatted(once) == once


def test_a_comment_among_closing_braces_stays_however_deep_it_is() -> None:
    text = f"arch a() {{ input [4]\n{'x { ' * 60} relu {'}' * 20}\n# far right\n{'}' * 41}"
    done = format_source(Source(text))
    assert "# far right\n" in done
    assert format_source(Source(done)) == done
