"""docs/operations.md says what the classes are."""

from __future__ import annotations

from pathlib import Path

import pytest

from archdsl.ops import INITIALIZERS, OPERATIONS
from archdsl.ops.reference import meaning, reference
from archdsl.ops.reference_text import FAMILIES, MEANINGS, PAGES
from archdsl.syntax.lexer import WORDS

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def test_the_page_is_current() -> None:
    """Else run `python -m archdsl.ops.reference > docs/operations.md`."""
    assert PAGE.read_text(encoding="utf-8") == reference()


def test_every_operation_stands_in_one_family() -> None:
    assert sorted(word for words in FAMILIES.values() for word in words) == sorted(OPERATIONS)
    assert set(PAGES) == set(OPERATIONS)


@pytest.mark.parametrize("word", PAGES)
def test_a_page_tells_of_tensors_and_cost_where_there_are_any(word: str) -> None:
    page = PAGES[word]
    op = OPERATIONS[word].make(**page.arguments)
    assert bool(page.tensors) == bool(op.tensors(*page.inputs))
    assert bool(page.cost) == bool(op.macs(page.inputs, op.outputs(*page.inputs)))


def test_no_meaning_is_left_over() -> None:
    classes = [*OPERATIONS.values(), *INITIALIZERS.values()]
    read = {f"{cls.word}.{name}" for cls in classes for name in cls.model_fields}
    plain = {name for cls in classes for name in cls.model_fields if f"{cls.word}.{name}" not in MEANINGS}
    assert set(MEANINGS) <= read | plain
    assert all(meaning(cls, name) for cls in classes for name in cls.model_fields)


def test_no_argument_is_a_word_of_the_language() -> None:
    """A reserved word is no argument's name, for nobody could write it."""
    names = {name for cls in (*OPERATIONS.values(), *INITIALIZERS.values()) for name in cls.model_fields}
    assert not names & WORDS
