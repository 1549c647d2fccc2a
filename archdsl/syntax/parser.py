"""Text to tree, or everything that is wrong with the text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from archdsl.collector import paused
from archdsl.diagnostics import CompileError, Problem
from archdsl.limits import DEFAULT, Limits
from archdsl.source import Source, Span
from archdsl.syntax import problems, tree
from archdsl.syntax.build import Builder
from archdsl.syntax.checks import check
from archdsl.syntax.documentation import documented
from archdsl.syntax.layout import lay_out
from archdsl.syntax.lexer import Lexed, Token, lex
from archdsl.syntax.machine import Machine, TooDeepError


def parse(source: Source, limits: Limits = DEFAULT) -> tree.File:
    """The tree of a file. Raises `CompileError` with all independent problems of its text."""
    _guard_size(source, limits)
    with paused():
        lexed = lex(source, limits)
        count = Count(limits.tokens)
        file, found = _read(source, lexed, "start", limits, count)
        if file is not None:
            found += check(file)
        if found:
            raise _error(found, limits)
        comments = tuple(lexed.comments)
        return documented(file, comments).changed(comments=comments, tokens=count.tokens)  # type: ignore[no-any-return]


TEMPLATE = 6  # what a template costs beside its tokens, in tokens: it has a parse of its own


@dataclass
class Count:
    """The tokens of a text and its templates so far."""

    most: int
    tokens: int = 0

    @property
    def spent(self) -> bool:
        return self.tokens > self.most


def parse_expression(source: Source, limits: Limits = DEFAULT) -> tree.Expr:
    """The tree of one expression. Raises `CompileError`."""
    _guard_size(source, limits)
    value, found = _expression(source, 0, len(source.text), limits, Count(limits.tokens))
    if found or value is None:
        raise _error(found, limits)
    return value


def parse_value(text: str, name: str = "<value>") -> tree.Expr:
    """A value as `--set name=value` gives it: a number, size, string, list, `true`, `none`, a name, a call."""
    return parse_expression(Source(text, name))


def _expression(
    source: Source, start: int, end: int, limits: Limits, count: Count
) -> tuple[tree.Expr | None, list[Problem]]:
    """The expression between two offsets, and what is wrong with it."""
    lexed = lex(source, limits, start, end)
    tokens = [token for token in lexed.tokens if token.kind != "newline"]
    return _read(source, replace(lexed, tokens=tokens), "expr", limits, count, end)


def _read(
    source: Source, lexed: Lexed, start: str, limits: Limits, count: Count, end: int | None = None
) -> tuple[Any, list[Problem]]:
    """What the machine makes of tokens from a start symbol, and what is wrong with them."""
    before = count.tokens
    count.tokens += len(lexed.tokens)
    if count.spent:
        token = lexed.tokens[max(0, limits.tokens - before)]
        return None, [problems.ManyTokens(Span(source, token.start, token.end), limits.tokens)]
    laid = lay_out(source, lexed.tokens, limits, start == "start")
    if end is not None:
        laid.tokens[-1] = Token("END", "", end, end)
    found = lexed.problems + laid.problems
    deep = any(isinstance(problem, problems.DeepNesting) for problem in laid.problems)
    if deep or max(len(lexed.problems), len(laid.problems)) >= limits.diagnostics:
        return None, found
    inner: list[Problem] = []

    def template(first: int, last: int) -> tree.Expr | None:
        count.tokens += TEMPLATE
        if count.spent or len(inner) > limits.diagnostics:
            return None
        if not source.text[first:last].strip():
            inner.append(problems.EmptyTemplate(Span(source, first - 1, last + 1)))
            return None
        value, wrong = _expression(source, first, last, limits, count)
        inner.extend(wrong)
        return value

    builder = Builder(source, template)
    machine = Machine(source, laid.tokens, builder, limits)
    machine.quiet += laid.quiet
    machine.quiet += [(p.span.start, p.span.end + 1) for p in lexed.problems if isinstance(p, problems.OpenString)]
    try:
        value = machine.run(start)
    except TooDeepError as error:
        value, machine.problems = None, [*machine.problems, problems.DeepExpression(error.span, limits.nesting)]
    return value, found + machine.problems + builder.problems + inner


def _guard_size(source: Source, limits: Limits) -> None:
    try:
        size = len(source.text) if source.text.isascii() else len(source.text.encode())
    except UnicodeEncodeError as error:
        half = Span(source, error.start, error.start + 1)
        raise CompileError([problems.BadCharacter(half).diagnostic()]) from None
    if size > limits.source:
        raise CompileError([problems.BigSource(Span(source, 0, 1), size, limits.source).diagnostic()])


def _error(found: list[Problem], limits: Limits) -> CompileError:
    """One error of all problems, in the order of the text."""
    diagnostics = [problem.diagnostic() for problem in found]
    ordered = sorted(dict.fromkeys(diagnostics), key=lambda diagnostic: diagnostic.span.start if diagnostic.span else 0)
    return CompileError(ordered)
