"""Brackets and line ends: which bracket closes which, and which line end ends a statement."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from archdsl.diagnostics import Problem
from archdsl.limits import Limits
from archdsl.source import Source, Span
from archdsl.syntax import problems
from archdsl.syntax.lexer import SOFT, STATEMENTS, Token

_SPACE = re.compile(r"[ \t]*")
CLOSER = {"(": ")", "[": "]", "{": "}"}
CLOSERS = frozenset(CLOSER.values())
GOES_ON = frozenset(
    [
        "->",
        "else",
        "and",
        "or",
        "-",
        "+",
        "*",
        "/",
        "//",
        "%",
        "**",
        "=",
        "==",
        "!=",
        "<",
        ">",
        "<=",
        ">=",
        "~=",
        ".",
        ",",
        ")",
        "]",
    ]
)
ENDS_BRACKET = frozenset({"{", "}", "->", "END"})


@dataclass(frozen=True, slots=True)
class Laid:
    """Tokens whose brackets all match, line ends (`NL`) only where they end a statement; `quiet` are the stretches
    between a bracket that was left open and the place where that showed, where other findings would be echoes."""

    tokens: list[Token]
    problems: list[Problem]
    quiet: list[tuple[int, int]]


def lay_out(source: Source, tokens: list[Token], limits: Limits, declares: bool = True) -> Laid:
    """The tokens of a whole text or template, ended by END. The walk stops at too deep a nesting
    and at as many problems as are collected; then the tokens are not whole."""
    layout = _Layout(source, limits, declares)
    last = tokens[-1].end if tokens else 0
    layout.walk([*tokens, Token("END", "", last, last)])
    return Laid(layout.out, layout.problems, layout.quiet)


def _closes_later(tokens: Sequence[Token], index: int) -> bool:
    """Whether the line goes on with one more closing bracket of a token's kind than it opens."""
    level, closer = 0, tokens[index].kind
    for token in islice(tokens, index + 1, None):
        if token.kind == "newline":
            break
        level += (token.kind == closer) - (CLOSER.get(token.kind) == closer)
        if level > 0:
            return True
    return False


class _Layout:
    """One walk over the tokens of a text."""

    def __init__(self, source: Source, limits: Limits, declares: bool) -> None:
        self.declares = declares  # whether `block` may start a declaration: not in an expression
        self.source = source
        self.limits = limits
        self.out: list[Token] = []
        self.open: list[Token] = []
        self.problems: list[Problem] = []
        self.quiet: list[tuple[int, int]] = []
        self.suspect: Token | None = None  # a `{` that the indentation of a `}` passes over
        self.deep = False

    def walk(self, tokens: list[Token]) -> None:
        """Fills `out`; tokens end with END."""
        line_end: Token | None = None
        for index, token in enumerate(tokens):
            if self.deep or len(self.problems) >= self.limits.diagnostics:
                return
            kind = token.kind
            if kind == "newline":
                line_end = line_end or token
                continue
            declares = bool(self.open) and self._declares(tokens, index)
            if kind in ENDS_BRACKET or declares or (line_end and kind in STATEMENTS):
                self._end_brackets(token)
            if kind == "END" or declares:
                self._close_braces(token)
            ends = line_end is not None and kind not in GOES_ON and not self._in_bracket()
            if line_end and ends and self.out and self.out[-1].kind != "NL":
                self.out.append(Token("NL", "\n", line_end.start, line_end.end))
            line_end = None
            if kind in CLOSER:
                self._opened(token)
            elif kind in CLOSERS and not self._closed(token, tokens, index):
                continue
            elif kind == "NAME" and token.text in SOFT and self._is_keyword(token.text):
                token = token._replace(kind=token.text)
            self.out.append(token)

    def _in_bracket(self) -> bool:
        return bool(self.open) and self.open[-1].kind != "{"

    def _is_keyword(self, word: str) -> bool:
        """Whether `block` or `arch` starts a declaration here, or `import` follows a path."""
        if self.open or not self.declares:
            return False
        before = self.out[-1].kind if self.out else "NL"
        return before == ("STRING" if word == "import" else "NL")

    def _declares(self, tokens: list[Token], index: int) -> bool:
        """Whether a line starts, without indentation, with `block X (` or `arch x =`: no body can hold that."""
        token = tokens[index]
        if token.text not in ("block", "arch") or (token.start and self.source.text[token.start - 1] != "\n"):
            return False
        return [t.kind for t in tokens[index + 1 : index + 2]] == ["NAME"] and tokens[index + 2].kind in ("(", "=")

    def _opened(self, token: Token) -> None:
        self.open.append(token)
        if len(self.open) > self.limits.nesting and not self.deep:
            self.deep = True
            self.problems.append(problems.DeepNesting(self._span(token), self.limits.nesting))

    def _closed(self, token: Token, tokens: Sequence[Token], index: int) -> bool:
        """Whether a closing bracket has a partner; an inner bracket left open is closed before it."""
        opener = self.open[-1] if self.open else None
        if opener is not None and CLOSER[opener.kind] == token.kind:
            self._notice_indentation(opener, token)
            self.open.pop()
            return True
        brackets = [t.kind for t in self.open[self._brace_depth() :]]
        if any(CLOSER[kind] == token.kind for kind in brackets) and not _closes_later(tokens, index):
            while CLOSER[self.open[-1].kind] != token.kind:
                self._leave_open(token)
            self.open.pop()
            return True
        if opener is not None and opener.kind != "{":
            self.problems.append(problems.WrongBracket(self._span(token), self._span(opener)))
            self._insert(token)
            return False
        self.problems.append(problems.StrayBracket(self._span(token)))
        return False

    def _brace_depth(self) -> int:
        """How many open brackets there are up to the innermost `{`."""
        return max((index + 1 for index, token in enumerate(self.open) if token.kind == "{"), default=0)

    def _end_brackets(self, token: Token) -> None:
        """Closes the `(` and `[` that cannot reach as far as this token."""
        while self._in_bracket():
            self._leave_open(token)

    def _close_braces(self, token: Token) -> None:
        """Closes every `{` before a declaration or the end; one problem names the likely one."""
        if not self.open:
            return
        opener = self.suspect or self.open[-1]
        self.problems.append(problems.OpenBracket(self._span(opener), self._place(token)))
        self.suspect = None
        while self.open:
            self._insert(token)

    def _leave_open(self, token: Token) -> None:
        opener = self.open[-1]
        self.problems.append(problems.OpenBracket(self._span(opener), self._place(token)))
        self.quiet.append((opener.start, token.end))
        self._insert(token)

    def _insert(self, token: Token) -> None:
        """A closing bracket that the text lacks, before a token."""
        mark = CLOSER[self.open.pop().kind]
        if self.out[-1].kind == "," and mark == "]":
            self.out.pop()
        self.out.append(Token(mark, mark, token.start, token.start))

    def _notice_indentation(self, opener: Token, closer: Token) -> None:
        if closer.kind != "}" or self.suspect is not None:
            return
        column, own = self._indent(closer), self._indent(opener)
        if self._starts_line(closer) and column < own:
            self.suspect = opener

    def _indent(self, token: Token) -> int:
        """The column where the line of a token starts."""
        begin = self._line_start(token)
        return _SPACE.match(self.source.text, begin).end() - begin  # type: ignore[union-attr]

    def _starts_line(self, token: Token) -> bool:
        return self._line_start(token) + self._indent(token) == token.start

    def _line_start(self, token: Token) -> int:
        starts = self.source.line_starts
        return starts[bisect_right(starts, token.start) - 1]

    def _span(self, token: Token) -> Span:
        return Span(self.source, token.start, token.end)

    def _place(self, token: Token) -> Span | None:
        """Where it showed that a bracket was left open; `None` at the end of the text."""
        return None if token.kind == "END" else self._span(token)
