"""Laws between text and tree, on random trees and on damaged texts."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archdsl.diagnostics import CompileError, Diagnostic
from archdsl.source import Source
from archdsl.syntax import tree
from archdsl.syntax.parser import parse, parse_expression
from archdsl.syntax.printer import format_source, print_expression, print_tree
from tests.support.spec_trees import exprs, files

quickly = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
SPECS = sorted((Path(__file__).parents[2] / "specs").rglob("*.arch"))
MARKS = [
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "->",
    "\n",
    '"',
    "skip",
    "if",
    "else",
    "=",
    ",",
    "3x3",
    "25abc",
    "\u00e9",
    "#",
    " as ",
    "{i}",
]


@quickly
@given(exprs)
def test_printing_then_parsing_gives_the_same_expression(expr: tree.Expr) -> None:
    assert parse_expression(Source(print_expression(expr))) == expr


@settings(quickly, max_examples=60)
@given(files())
def test_printing_then_parsing_gives_the_same_tree(file: tree.File) -> None:
    text = print_tree(file)
    assert parse(Source(text)) == file
    assert format_source(Source(text)) == text


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_spec_survives_printing(path: Path) -> None:
    file = parse(Source(path.read_text(encoding="utf-8")))
    assert parse(Source(print_tree(file))) == file


@quickly
@given(st.sampled_from(SPECS), st.integers(0, 2**32))
def test_a_damaged_spec_is_a_tree_or_diagnostics_and_formats_to_the_same_tree(path: Path, seed: int) -> None:
    chance = random.Random(seed)
    text = path.read_text(encoding="utf-8")
    for _ in range(chance.randrange(1, 4)):
        at, length = chance.randrange(len(text)), chance.choice([0, 1, 1, 5, 40])
        text = text[:at] + chance.choice(["", *MARKS]) + text[at + length :]
    assert_tree_or_diagnostics(text)


@quickly
@given(
    st.lists(
        st.sampled_from([*MARKS, "block", "arch", "relu", "x", "let", "residual", "branches", ":", "for", "in", " "])
    )
)
def test_random_tokens_are_a_tree_or_diagnostics(parts: list[str]) -> None:
    assert_tree_or_diagnostics(" ".join(parts))


@quickly
@given(st.text(max_size=60))
def test_random_text_is_a_tree_or_diagnostics(text: str) -> None:
    assert_tree_or_diagnostics(text)


def parsed(text: str) -> tuple[tree.File | None, tuple[Diagnostic, ...]]:
    """The tree or the diagnostics; anything else that is raised fails the test."""
    try:
        return parse(Source(text)), ()
    except CompileError as error:
        return None, error.diagnostics


def assert_tree_or_diagnostics(text: str) -> None:
    file, diagnostics = parsed(text)
    if file is None:
        assert diagnostics
        for diagnostic in diagnostics:
            assert diagnostic.span is not None
            assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text) + 1
        return
    formatted = format_source(Source(text))
    again = parse(Source(formatted))
    assert again == file
    assert format_source(Source(formatted)) == formatted
    assert [comment.text for comment in again.comments] == [comment.text for comment in file.comments]
