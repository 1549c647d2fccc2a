"""What was probably meant where a parse is stuck: a problem, and where possible a token that lets it go on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archdsl.diagnostics import Problem, closest
from archdsl.source import Source, Span
from archdsl.syntax import problems
from archdsl.syntax.lexer import SOFT, WORDS, Token
from archdsl.syntax.tables import Tables

OPERATORS = frozenset(
    ["+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", ">", "<=", ">=", "and", "or", ".", "(", "["]
)
EXPRESSION = frozenset(["NAME", "NUMBER", "SIZE", "STRING", "(", "[", "-", "not", "in", "true", "false", "none"])
LINK = frozenset(["NAME", "STRING", "branches", "residual", "from", "stem", "stage", "head", "skip"])


VALUES = frozenset({"not", "true", "false", "none"})
HEADS = frozenset({"repeat", "for", "if"})


@dataclass(frozen=True, slots=True)
class Repair:
    """A problem; with `index`, the token there is read as `kind` and the parse goes on from it."""

    problem: Problem
    index: int | None = None
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a parse is stuck: at token `at`, with a stack of states and each value's first token; the statement or
    declaration in which that is starts with token `first`, on the first `depth` states."""

    table: Tables
    source: Source
    tokens: Sequence[Token]
    at: int
    states: list[int]
    firsts: list[int]
    first: int
    depth: int
    unit: str

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def span(self, token: Token) -> Span:
        return Span(self.source, token.start, token.end)

    def before(self, index: int) -> list[int] | None:
        """The states before a token was shifted, if a value still starts there."""
        if index == self.at:
            return self.states
        return self.states[: self.firsts.index(index) + 1] if index in self.firsts else None

    def reads(self, index: int, *kinds: str) -> bool:
        """Whether the parse goes past the stuck token if the tokens from `index` on are first of these kinds."""
        states = self.before(index)
        rest = [token.kind for token in self.tokens[index + 1 : self.at + 2]]
        return states is not None and advances(self.table, states, [*kinds, *rest])


def advances(table: Tables, states: list[int], kinds: Iterable[str]) -> bool:
    """Whether tokens of these kinds can be read from a stack of states."""
    stack = list(states)
    for kind in kinds:
        while True:
            code = table.actions[stack[-1]].get(kind)
            if code is None:
                return kind == "END" and stack[-1] in table.ends.values()
            if code >= 0:
                stack.append(code)
                break
            rule = table.rules[-1 - code]
            if rule.length:
                del stack[-rule.length :]
            stack.append(table.gotos[stack[-1]][rule.origin])
    return True


def accepted(table: Tables, states: list[int]) -> frozenset[str]:
    """The kinds of token that can stand next."""
    return frozenset(kind for kind in table.actions[states[-1]] if advances(table, states, [kind]))


def diagnose(here: Situation) -> Repair:
    """The most telling problem at the place where a parse is stuck."""
    known = accepted(here.table, here.states)
    for attempt in (_reserved, _misspelt, _mark, _unbound, _level, _parameters):
        if repair := attempt(here, known):
            return repair
    hint = None
    if here.token.text == "skip":
        hint = "a residual's `skip` stands on the line of its `}`; in a chain it has no place"
    return Repair(problems.UnexpectedToken(here.span(here.token), describe(here.token), expected(known), hint))


def _reserved(here: Situation, known: frozenset[str]) -> Repair | None:
    """A reserved word in the place of a name: the stuck token, or the one before it."""
    for index in (here.at, here.at - 1):
        token = here.tokens[index]
        if index < 0 or token.kind not in WORDS or not here.reads(index, "NAME"):
            continue
        after, before = here.tokens[index + 1].kind, here.tokens[index - 1].kind
        if after == "{" and token.kind in HEADS and before != "as":
            continue  # `repeat {` lacks its count
        label = after in (":", "{") and before not in ("as", "let", "for", ",", "(")
        return Repair(problems.ReservedName(here.span(token), label), index, "NAME")
    return None


def _misspelt(here: Situation, known: frozenset[str]) -> Repair | None:
    """A name close to a word that lets the parse go on: the stuck one, the one before, or the statement's first."""
    for index in dict.fromkeys((here.at, here.at - 1, here.first)):
        token = here.tokens[index]
        states = here.before(index) if index >= 0 and token.kind == "NAME" and token.text else None
        if states is None:
            continue
        words = sorted(kind for kind in accepted(here.table, states) - VALUES if kind.isalpha() and kind.islower())
        if meant := _near(token.text.lower(), [word for word in words if here.reads(index, word)]):
            return Repair(problems.MisspeltWord(here.span(token), meant), index, meant)
        for word in (word for word in words if token.text.startswith(word) and here.reads(index, word, "NAME")):
            return Repair(problems.RunTogether(here.span(token), word, token.text[len(word) :]))
        if token.text == "elif" and "else" in known:
            return Repair(problems.MisspeltWord(here.span(token), "else if"))
    return None


def _near(text: str, words: list[str]) -> str | None:
    """The word that a typo most likely meant; of a short one, one letter may be wrong, or all in another order."""
    for word in words:
        wrong = sum(one != other for one, other in zip(text, word, strict=False))
        if len(text) == len(word) <= 3 and (wrong == 1 or sorted(text) == sorted(word)):
            return word
    return closest(text, words)


def _mark(here: Situation, known: frozenset[str]) -> Repair | None:
    """`=` for `==`, or `==` or `:` for `=`."""
    pairs = {"=": ("==", "this compares"), "==": ("=", "this binds"), ":": ("=", "this binds")}
    meant, why = pairs.get(here.token.kind, ("", ""))
    if meant not in known or not here.reads(here.at, meant) or _is_binding(here):
        return None
    return Repair(problems.WrongMark(here.span(here.token), meant, why), here.at, meant)


def _is_binding(here: Situation) -> bool:
    return here.token.kind == "=" and here.at == here.first + 1 and here.unit == "statement"


def _unbound(here: Situation, known: frozenset[str]) -> Repair | None:
    """`x = 3` without `let`."""
    first = here.tokens[here.first]
    if here.token.kind != "=" or first.kind != "NAME" or here.at != here.first + 1 or not first.text:
        return None
    return Repair(problems.Unbound(here.span(first)))


def _level(here: Situation, known: frozenset[str]) -> Repair | None:
    """A statement at the level of the file, or a declaration in a body."""
    first = here.tokens[here.first]
    if here.unit == "declaration" and here.at == here.first and first.kind not in ("NL", "END"):
        statement = first.kind in WORDS or first.kind in ("NAME", "STRING")
        return Repair(problems.StatementOutside(here.span(first))) if statement else None
    if here.unit == "statement" and first.text in SOFT and here.at == here.first + 1 and here.token.kind == "NAME":
        return Repair(problems.DeclarationInside(here.span(first)))
    if here.unit == "statement" and here.token.text == "import" and first.kind == "from":
        return Repair(problems.DeclarationInside(here.span(here.token)))
    return None


def _parameters(here: Situation, known: frozenset[str]) -> Repair | None:
    """`block Stem {` without `()`."""
    before = here.tokens[here.at - 1]
    if here.at and here.token.kind == "{" and here.tokens[here.at - 2].kind in SOFT and before.kind == "NAME":
        return Repair(problems.MissingParameters(here.span(before)))
    return None


def describe(token: Token) -> str:
    """A token in the words of a user."""
    words = {"NL": "end of the line", "END": "end of the text"}
    kinds = {"NAME": "name ", "NUMBER": "number ", "SIZE": "size ", "STRING": "string "}
    return words.get(token.kind) or f"{kinds.get(token.kind, '')}`{token.text}`"


def expected(known: frozenset[str]) -> str:
    """What could stand at a place, in the words of a user: `a label, a layer or `}``."""
    rest, words = set(known), []
    for phrase, marks, all_of in (
        ("a declaration", ("block", "arch"), {"block", "arch", "let", "defaults", "from"}),
        ("a statement", ("let", "repeat", "NAME"), LINK | WORDS),
        ("a label, a layer, a scope", ("NAME", "STRING", "branches"), LINK),
        ("an expression", ("NUMBER", "NAME"), EXPRESSION),
        ("an operator", ("+", "*"), OPERATORS),
        ("a label", ("NAME", "STRING"), {"NAME", "STRING"}),
        ("a name", ("NAME",), {"NAME"}),
        ("a string", ("STRING",), {"STRING"}),
        ("the end of the line", ("NL",), {"NL"}),
    ):
        if rest.issuperset(marks):
            words += phrase.split(", ")
            rest -= all_of
    words += [f"`{kind}`" for kind in sorted(rest - {"END"})]
    words += ["the end of the text"] if rest == {"END"} else []
    return ", ".join(words[:-1]) + " or " + words[-1] if len(words) > 1 else "".join(words)
