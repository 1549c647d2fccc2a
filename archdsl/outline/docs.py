"""What a spec says of a block, as far as it is about what the class has."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SENTENCE = re.compile(r"((?<=\.)\s+(?=[A-Z`]))")


def spoken(doc: str, missing: Iterable[str]) -> str:
    """The text without the sentences, and the parts of them after a semicolon, that speak of parameters which the class
    does not have."""
    marks = tuple(f"`{name}`" for name in missing)
    if not any(mark in doc for mark in marks):
        return doc
    pieces = _SENTENCE.split(doc)
    sentences = [_without(sentence, marks) for sentence in pieces[::2]]
    kept = ""
    for sentence, space in zip(sentences, ["", *pieces[1::2]], strict=True):
        if sentence:
            kept += (space if kept else "") + sentence
    return kept


def _without(sentence: str, marks: tuple[str, ...]) -> str:
    """A sentence without the clauses that have one of the marks; none if its first one has."""
    first, *others = re.split(r"(?<=;)\s", sentence)
    if any(mark in first for mark in marks):
        return ""
    kept = [first, *(clause for clause in others if not any(mark in clause for mark in marks))]
    text = " ".join(kept).rstrip()
    return f"{text[:-1]}." if text.endswith(";") else text
