"""Text to tokens: words, numbers, strings and marks, each with its place; comments are kept aside."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from archdsl.diagnostics import Problem
from archdsl.gate import is_line
from archdsl.limits import Limits
from archdsl.source import Source, Span
from archdsl.syntax import problems, tree

SOFT = frozenset({"block", "arch", "import"})  # names everywhere but at the start of a declaration
_LEADING = (
    "let require expect input output defaults param shared repeat aux from stem stage head skip branches residual"
)
_INNER = "if else for in as and or not true false none"
STATEMENTS = frozenset(_LEADING.split(" "))  # words that no expression holds
WORDS = STATEMENTS | frozenset(_INNER.split(" "))
LOOK_ALIKE = {"\u2192": "->", "\u2212": "-"}

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+)
    |(?P<NAME>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<newline>\n)
    |(?P<mark>->|\*\*|//|==|!=|<=|>=|~=|[-+*/%<>=.,:()\[\]{}])
    |(?P<SIZE>[0-9]+(?:x(?:[0-9]+|[A-Z][A-WYZa-wyz0-9_]*))+)
    |(?P<NUMBER>[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?[KMG]?)
    |(?P<STRING>"[^"\n]*")
    |(?P<comment>\#[^\n]*)
    |(?P<open_string>"[^\n]*)
    |(?P<foreign>[^\W\d_]\w*)
    """,
    re.VERBOSE,
)
_WORD = re.compile(r"\w+")


class Token(NamedTuple):
    """A word, number, string, mark, `newline` or `END`; a fixed word or mark is its own kind."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Lexed:
    """The tokens of a text with its line ends, its comments, and what could not be read."""

    tokens: list[Token]
    comments: list[tree.Comment]
    problems: list[Problem]


def lex(source: Source, limits: Limits, start: int = 0, end: int | None = None) -> Lexed:
    """All tokens of a part of a source. What cannot be read is a problem and is left out, or stands in as a name."""
    text = source.text
    end = len(text) if end is None else end
    tokens: list[Token] = []
    comments: list[tree.Comment] = []
    found: list[Problem] = []
    match, add = _TOKEN.match, tokens.append
    at = start
    while at < end and len(found) < limits.diagnostics and len(tokens) <= limits.tokens:
        hit = match(text, at, end)
        if hit is None:
            found.append(problems.BadCharacter(Span(source, at, at + 1)))
            if mark := LOOK_ALIKE.get(text[at]):
                add(Token(mark, mark, at, at + 1))
            at += 1
            continue
        kind, stop = hit.lastgroup or "", hit.end()
        word = hit.group()
        if kind == "space":
            pass
        elif kind == "NAME":
            if stop < end and not text[stop].isascii() and text[stop].isalnum():
                kind = "foreign"
            elif stop - at > limits.identifier:
                found.append(problems.LongName(Span(source, at, stop), limits.identifier))
            add(Token(word if word in WORDS else "NAME", word, at, stop))
        elif kind == "mark":
            add(Token(word, word, at, stop))
        elif kind == "NUMBER" or kind == "SIZE":
            if problem := _number_problem(source, at, stop, end, limits):
                found.append(problem)
                stop = max(stop, problem.span.end)
                word, kind = "0", "NUMBER"
            add(Token(kind, word, at, stop))
        elif kind == "comment":
            comments.append(tree.Comment(Span(source, at, stop), word.rstrip(), _alone(text, at)))
        elif kind == "open_string":
            found.append(problems.OpenString(Span(source, at, at + len(word.rstrip()))))
            add(Token("STRING", '"?"', at, stop))
        elif kind == "STRING" and not is_line(word):
            bad = next(place for place in range(at, stop) if not is_line(text[place]))
            found.append(problems.BadCharacter(Span(source, bad, bad + 1)))
            add(Token("STRING", '"?"', at, stop))
        elif kind != "foreign":
            add(Token(kind, word, at, stop))
        if kind == "foreign":
            run = _WORD.match(text, at, end)
            stop = run.end() if run else stop
            found.append(problems.ForeignName(Span(source, at, stop)))
            if tokens and tokens[-1].start == at:
                tokens.pop()
            add(Token("NAME", "", at, stop))
        at = stop
    return Lexed(tokens, comments, found)


def _alone(text: str, at: int) -> bool:
    return not text[text.rfind("\n", 0, at) + 1 : at].strip()


def _number_problem(
    source: Source, at: int, stop: int, end: int, limits: Limits
) -> problems.RunTogether | problems.LongNumber | None:
    """What is wrong with the number or size at a place."""
    if stop < end and (run := _WORD.match(source.text, stop, end)):
        return problems.RunTogether(Span(source, at, run.end()), source.text[at:stop], run.group())
    if all(sum(map(str.isdigit, part)) <= limits.digits for part in source.text[at:stop].split("x")):
        return None
    return problems.LongNumber(Span(source, at, stop), limits.digits)
