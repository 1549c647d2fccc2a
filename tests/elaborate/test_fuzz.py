"""Random and mutated specs give a program or diagnostics, and never another exception."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from archdsl.diagnostics import CompileError, Diagnostic, render_all
from archdsl.elaborate import check
from archdsl.limits import Limits
from archdsl.source import Source

ROOT = Path(__file__).parents[2]
LIMITS = Limits(nodes=3_000, steps=20_000, turns=2_000, list_items=5_000)
PAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
SEEDS = [
    *re.findall(r"^```arch(?: error E\d+)?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL),
    *(path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests" / "diagnostics").glob("E0[2-7]*.arch"))),
    *(path.read_text(encoding="utf-8") for path in sorted((ROOT / "specs" / "families").glob("*.arch"))[:3]),
]
TOKEN = re.compile(r'"[^"\n]*"|[A-Za-z_][A-Za-z0-9_]*|[0-9][0-9x_.]*|->|\*\*|//|[=!<>~]=|[^\s]|\n')
RESERVED = frozenset(re.search(r"words of the language are `([^`]*)`", PAGE)[1].split())  # type: ignore[index]
TOKENS = sorted({token for text in SEEDS for token in TOKEN.findall(text)})


def kind(token: str) -> str:
    """What a token is: a number, a name, a string, a space or a mark of its own."""
    first = token[:1]
    if token in RESERVED or token.isspace():
        return token
    return "1" if first.isdigit() else "a" if first.isalpha() else '"' if first == '"' else token.strip()


ALIKE = {word: [token for token in TOKENS if kind(token) == word] for word in ("1", "a", '"')}


def answer(text: str) -> None:
    """Checks a text; whatever is wrong with it can be shown."""
    found: tuple[Diagnostic, ...] | None = None
    try:
        check(Source(text, "fuzz.arch"), LIMITS)
    except CompileError as error:
        found = error.diagnostics
    if found is not None:
        assert render_all(found)
        assert all(item.code and item.message for item in found)


def mutated(text: str, random_: random.Random, ways: int) -> str:
    """A text with one to four tokens replaced by one of their kind, or with `ways` of 6 in any of five ways."""
    pieces = re.split(r"(\s+)", text)
    tokens = [token for piece in pieces for token in (TOKEN.findall(piece) if not piece.isspace() else [piece])]
    for _ in range(random_.randint(1, 4)):
        where = random_.randrange(len(tokens))
        match random_.randrange(ways):
            case 0:  # one of its own kind, which mostly leaves the text well-formed
                where = random_.choice([i for i, token in enumerate(tokens) if kind(token) in ALIKE] or [where])
                tokens[where] = random_.choice(ALIKE.get(kind(tokens[where]), TOKENS))
            case 1:
                del tokens[where]
            case 2:
                tokens.insert(where, tokens[random_.randrange(len(tokens))])
            case 3:
                other = random_.randrange(len(tokens))
                tokens[where], tokens[other] = tokens[other], tokens[where]
            case 4:
                tokens[where] = random_.choice(TOKENS)
            case _:
                tokens.insert(where, f" {random_.choice(TOKENS)} ")
        if not tokens:
            return ""
    return "".join(tokens)


@pytest.mark.parametrize("start", range(8))
def test_a_mutated_spec_gives_a_program_or_diagnostics(start: int) -> None:
    random_ = random.Random(start)
    for _ in range(400):
        text = mutated(random_.choice(SEEDS), random_, random_.choice([1, 1, 6]))
        try:
            answer(text)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}\n{text}") from error


@seed(20261121)
@settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(TOKENS), max_size=40))
def test_tokens_in_any_order_in_a_body_give_diagnostics(tokens: list[str]) -> None:
    answer(f"arch net(a=1, b=relu) {{\n    input 3x8x8\n    {' '.join(tokens)}\n}}\n")


@seed(20261122)
@settings(max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=60))
def test_any_text_gives_diagnostics(text: str) -> None:
    answer(text)
    answer(f"arch net() {{ input 3x8x8\n{text}\n}}")
