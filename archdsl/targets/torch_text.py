"""Python source as a small document algebra, laid out as `ruff format` lays it out.

A document has one flat form. Where that does not fit, brackets open: their content on one indented line if it fits
there, else one item a line with a trailing comma. It is Wadler's rule ("A prettier printer", 2003), with brackets for
groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isinf
from typing import Any

from archdsl.gate import python, text_of

WIDTH = 88  # columns, ruff's default
STEP = 4  # columns of one indentation


@dataclass(frozen=True, slots=True)
class Brackets:
    """`head(item, item)`; `open` and `close` may be other brackets. A `loose` one takes no trailing comma."""

    head: str
    items: tuple[Doc, ...]
    open: str = "("
    close: str = ")"
    loose: bool = False


@dataclass(frozen=True, slots=True)
class Marked:
    """A mark before a document, as `stride=` or `*`."""

    mark: str
    doc: Doc


@dataclass(frozen=True, slots=True)
class Spread:
    """Parts that stand in a row, or one a line where the row is too long: operators, conditionals, comprehensions."""

    parts: tuple[Doc, ...]


Doc = str | Brackets | Marked | Spread


def flat(doc: Doc) -> str:
    """The one-line form."""
    match doc:
        case str():
            return doc
        case Brackets():
            return f"{doc.head}{doc.open}{', '.join(map(flat, doc.items))}{doc.close}"
        case Marked():
            return doc.mark + flat(doc.doc)
        case Spread():
            return " ".join(map(flat, doc.parts))


def laid(doc: Doc, indent: int, before: int = 0, after: int = 0) -> list[str]:
    """Lines of a document at an indentation: the first without it. `before` and `after` are columns that are taken."""
    line = flat(doc)
    if indent + before + len(line) + after <= WIDTH:
        return [line]
    match doc:
        case str():
            return [doc]
        case Marked():
            first, *rest = laid(doc.doc, indent, before + len(doc.mark), after)
            return [doc.mark + first, *rest]
        case Spread():
            return _spread(doc, indent, before, after)
        case Brackets():
            return _brackets(doc, indent)


def _spread(doc: Spread, indent: int, before: int, after: int) -> list[str]:
    pad = " " * indent
    lines = laid(doc.parts[0], indent, before)
    for part in doc.parts[1:]:
        first, *rest = laid(part, indent, 0, after)
        lines += [pad + first, *rest]
    return lines


def _brackets(doc: Brackets, indent: int) -> list[str]:
    if not doc.items:
        return [flat(doc)]
    inner, pad = indent + STEP, " " * (indent + STEP)
    row = ", ".join(map(flat, doc.items))
    if inner + len(row) <= WIDTH:
        body = [pad + row]
    else:
        body = []
        for item in doc.items:
            comma = "" if doc.loose else ","
            lines = laid(item, inner, 0, len(comma))
            body += [pad + lines[0], *lines[1:]]
            body[-1] += comma
    return [f"{doc.head}{doc.open}", *body, " " * indent + doc.close]


def statement(mark: str, doc: Doc, indent: int, after: int = 0) -> list[str]:
    """Lines of `mark doc` with their indentation; a row that is too long stands in parentheses. `after` columns follow
    on the last line."""
    if isinstance(doc, Spread) and indent + len(mark) + len(flat(doc)) + after > WIDTH:
        doc = Brackets("", (doc,), loose=True)
    first, *rest = laid(doc, indent, len(mark), after)
    return [" " * indent + mark + first, *rest]


def definition(name: str, parameters: Sequence[str], result: str, indent: int) -> list[str]:
    """Lines of `def name(parameters) -> result:`."""
    doc = Brackets(f"def {name}", tuple(parameters))
    first, *rest = laid(doc, indent, 0, len(f" -> {result}:"))
    lines = [" " * indent + first, *rest]
    lines[-1] += f" -> {result}:"
    return lines


def literal(value: Any) -> str:
    """A checked value as Python writes it: numbers, strings, truth values, `None` and tuples of them."""
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        return text_of(value)
    if isinstance(value, tuple):
        inner = ", ".join(map(literal, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    assert isinstance(value, int), value
    return repr(int(value))


def _float(value: float) -> str:
    if isinf(value):
        return python("float({})", text_of(str(value)))
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def docstring(text: str, indent: int) -> list[str]:
    """Lines of a docstring with any text: it cannot end early, hide or escape anything."""
    safe = "".join(character if _plain(character) else _escaped(character) for character in text)
    lines = [wrapped for words in _paragraphs(safe) for wrapped in _wrapped(words, WIDTH - indent - 6)]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    if not lines:
        return []
    pad = " " * indent
    if len(lines) == 1:
        return [f'{pad}"""{lines[0]}"""']
    return [f'{pad}"""{lines[0]}', *(pad + line if line else "" for line in lines[1:]), f'{pad}"""']


def _plain(character: str) -> bool:
    return character == "\n" or (character.isprintable() and character not in '\\"')


def _escaped(character: str) -> str:
    if character == '"':
        return "'"
    if character == "\\":
        return "/"
    return " " if character.isspace() else f"<U+{ord(character):04X}>"


def _paragraphs(text: str) -> list[list[str]]:
    """The words of each paragraph and of each empty line; a line that starts with a dash is a paragraph of its own."""
    found: list[list[str]] = []
    for line in text.splitlines():
        words = line.split()
        if words and found and found[-1] and words[0] not in ("-", "*"):
            found[-1] += words
        else:
            found.append(words)
    return found


def _wrapped(words: list[str], width: int) -> list[str]:
    lines, line = [], ""
    for word in words:
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]
