"""The pages of the project say what the compiler does: every spec on them compiles, or fails as the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

import archdsl.elaborate.problems
from archdsl.diagnostics import CompileError, Problem
from archdsl.elaborate import check
from archdsl.source import Source
from archdsl.syntax import problems as syntax_problems
from archdsl.syntax.formatter import format_source
from archdsl.syntax.parser import parse

ROOT = Path(__file__).parents[1]
LANGUAGE = ROOT / "docs" / "language.md"
FENCE = re.compile(r"^```arch(?: error (E\d{4}))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """A spec on a page, and the code that it must fail with."""

    page: Path
    line: int
    code: str | None
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.name}:{self.line}"


def examples() -> list[Example]:
    found = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Example(page, line, match[1], match[2]))
    return found


EXAMPLES = examples()
GOOD = [example for example in EXAMPLES if example.code is None]
BAD = [example for example in EXAMPLES if example.code is not None]


@pytest.mark.parametrize("example", GOOD, ids=lambda example: example.name)
def test_an_example_compiles_and_its_claims_hold(example: Example) -> None:
    check(Source(example.text, example.name))


@pytest.mark.parametrize("example", BAD, ids=lambda example: example.name)
def test_an_example_of_a_mistake_fails_with_exactly_its_code(example: Example) -> None:
    with pytest.raises(CompileError) as caught:
        check(Source(example.text, example.name))
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {example.code}


@pytest.mark.parametrize("example", GOOD, ids=lambda example: example.name)
def test_formatting_an_example_keeps_its_meaning_and_is_done_after_one_pass(example: Example) -> None:
    source = Source(example.text, example.name)
    once = format_source(source)
    assert parse(Source(once, example.name)) == parse(source)
    assert format_source(Source(once, example.name)) == once


def test_the_language_page_shows_most_of_the_language() -> None:
    assert len(GOOD) >= 25
    assert len(BAD) >= 15


def test_every_rule_stands_on_the_page_with_its_code() -> None:
    """The page holds the sentence that each diagnostic enforces, followed by the diagnostic's code."""
    assert archdsl.elaborate.problems is not None
    assert syntax_problems is not None
    text = " ".join(LANGUAGE.read_text(encoding="utf-8").split())
    rules = {code: problem.rule for code, problem in Problem.registry.items() if code < "E09"}
    missing = [f"{rule} ({code})" for code, rule in sorted(rules.items()) if f"{rule} ({code})" not in text]
    assert not missing
    assert set(re.findall(r"\((E\d{4})\)", text)) == set(rules)
