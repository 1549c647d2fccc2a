"""What each rule of the grammar makes of its parts: one small function a rule, from values to a tree node."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import MethodType
from typing import Any

from archdsl.diagnostics import SHOWN, Problem
from archdsl.source import Source, Span
from archdsl.syntax import problems, tree
from archdsl.syntax.checks import check_arguments, repeated
from archdsl.syntax.lexer import Token

FACTORS = {"K": 3, "M": 6, "G": 9}
_SYMBOL = re.compile(r"[A-Z]")
_BRACE = re.compile(r"\{\{|\}\}|[{}]")
Action = Callable[[list[Any], Span], Any]


@dataclass(frozen=True, slots=True)
class Start:
    """The first bound of a slice, told from the second."""

    value: tree.Expr


class Builder:
    """Makes nodes for one source; `template` parses the expression between two offsets of a string."""

    def __init__(self, source: Source, template: Callable[[int, int], tree.Expr | None]) -> None:
        self.source = source
        self.template = template
        self.problems: list[Problem] = []

    def action(self, name: str) -> Action:
        """The function of a rule's action."""
        found: Action = MethodType(ACTIONS[name], self)
        return found

    def ident(self, token: Token) -> tree.Ident:
        return tree.Ident(Span(self.source, token.start, token.end), token.text)

    def label_of(self, value: Token) -> tree.Label:
        return self.string(value) if value.kind == "STRING" else self.ident(value)

    def string(self, token: Token) -> tree.Text:
        """A string with its templates parsed; `{{` and `}}` are braces."""
        span = Span(self.source, token.start, token.end)
        inner = token.text[1:-1]
        if "{" not in inner and "}" not in inner:
            return tree.Text(span, (inner,) if inner else ())
        return tree.Text(span, self._parts(token))

    def _parts(self, token: Token) -> tuple[str | tree.Expr, ...]:
        parts: list[str | tree.Expr] = []
        text: list[str] = []
        source, at, end = self.source.text, token.start + 1, token.end - 1
        while at < end and len(self.problems) <= SHOWN:
            hit = _BRACE.search(source, at, end)
            if hit is None:
                text.append(source[at:end])
                break
            text.append(source[at : hit.start()])
            at = hit.end()
            if hit.group() in ("{{", "}}"):
                text.append(hit.group()[0])
            elif hit.group() == "}":
                self.problems.append(problems.TemplateBrace(Span(self.source, hit.start(), at)))
            else:
                close = source.find("}", at, end)
                if close < 0:
                    self.problems.append(problems.OpenTemplate(Span(self.source, hit.start(), end)))
                    break
                value = self.template(at, close)
                parts += [part for part in ("".join(text), value) if part]
                text, at = [], close + 1
        rest = "".join(text)
        return (*parts, rest) if rest else tuple(parts)

    # ------------------------------------------------------------ declarations

    def start(self, values: list[Any], span: Span) -> tree.File:
        return tree.File(Span(self.source, 0, len(self.source.text)), tuple(values))

    def import_(self, values: list[Any], span: Span) -> tree.Import:
        return tree.Import(span, self.string(values[0]), tuple(map(self.ident, values[1:])))

    def block(self, values: list[Any], span: Span) -> tree.Block:
        return tree.Block(span, self.ident(values[0]), values[1] if len(values) == 3 else (), values[-1])

    def block_variant(self, values: list[Any], span: Span) -> tree.BlockVariant:
        return tree.BlockVariant(span, self.ident(values[0]), values[1])

    def arch(self, values: list[Any], span: Span) -> tree.Arch:
        return tree.Arch(span, self.ident(values[0]), values[1] if len(values) == 3 else (), values[-1])

    def arch_variant(self, values: list[Any], span: Span) -> tree.ArchVariant:
        return tree.ArchVariant(span, self.ident(values[0]), values[1], values[2] if len(values) == 3 else ())

    def several(self, values: list[Any], span: Span) -> tuple[Any, ...]:
        return tuple(values)

    def parameters(self, values: list[Any], span: Span) -> tuple[tree.Parameter, ...]:
        self.problems += repeated("parameter", (parameter.name for parameter in values))
        return tuple(values)

    def arguments(self, values: list[Any], span: Span) -> tuple[tree.Argument, ...]:
        self.problems += check_arguments(values)
        return tuple(values)

    def parameter(self, values: list[Any], span: Span) -> tree.Parameter:
        return tree.Parameter(span, self.ident(values[0]), values[1] if len(values) == 2 else None)

    # -------------------------------------------------------------- statements

    def body(self, values: list[Any], span: Span) -> tree.Body:
        return tree.Body(span, tuple(values))

    def let(self, values: list[Any], span: Span) -> tree.Let:
        return tree.Let(span, self._names(values[:-1]), values[-1])

    def _names(self, tokens: list[Token]) -> tuple[tree.Ident, ...]:
        names = tuple(map(self.ident, tokens))
        if len(names) > 1:
            self.problems += repeated("name", names)
        return names

    def require(self, values: list[Any], span: Span) -> tree.Require:
        return tree.Require(span, values[0], self.string(values[1]) if len(values) == 2 else None)

    def expect(self, values: list[Any], span: Span) -> tree.Expect:
        return tree.Expect(span, values[0], values[1] if len(values) == 2 else None)

    def input(self, values: list[Any], span: Span) -> tree.Input:
        return tree.Input(span, self.ident(values[0]) if len(values) == 2 else None, values[-1])

    def output(self, values: list[Any], span: Span) -> tree.Output:
        return tree.Output(span, tuple(values))

    def output_item(self, values: list[Any], span: Span) -> tree.OutputItem:
        return tree.OutputItem(span, self.ident(values[0]) if len(values) == 2 else None, values[-1])

    def defaults(self, values: list[Any], span: Span) -> tree.Defaults:
        return tree.Defaults(span, tuple(values))

    def param(self, values: list[Any], span: Span) -> tree.Param:
        return tree.Param(span, values[0], values[1])

    def shared(self, values: list[Any], span: Span) -> tree.Shared:
        return tree.Shared(span, values[0], values[1])

    def condition(self, values: list[Any], span: Span) -> tree.If:
        return tree.If(span, values[0], values[1], values[2] if len(values) == 3 else None)

    def repeat(self, values: list[Any], span: Span) -> tree.Repeat:
        return tree.Repeat(span, values[0], values[1] if len(values) == 3 else None, values[-1])

    def for_(self, values: list[Any], span: Span) -> tree.For:
        count = next(index for index, value in enumerate(values) if not isinstance(value, Token))
        names = self._names(values[:count])
        index = values[count + 1] if len(values) - count == 3 else None
        return tree.For(span, names, values[count], index, values[-1])

    def as_name(self, values: list[Any], span: Span) -> tree.Ident:
        return self.ident(values[0])

    def aux(self, values: list[Any], span: Span) -> tree.Aux:
        return tree.Aux(span, values[0])

    # ------------------------------------------------------------------ chains

    def chain(self, values: list[Any], span: Span) -> tree.Chain:
        targets = tuple(value for value in values if isinstance(value, tree.Target))
        if len(targets) > 1:
            self.problems += repeated("name", (target.name for target in targets if not target.indices))
        return tree.Chain(span, tuple(values[: len(values) - len(targets)]), targets)

    def target(self, values: list[Any], span: Span) -> tree.Target:
        return tree.Target(span, self.ident(values[0]), tuple(values[1:]))

    def from_(self, values: list[Any], span: Span) -> tree.From:
        return tree.From(span, values[0])

    def role(self, values: list[Any], span: Span) -> tree.Role:
        return tree.Role(span, values[0], self.what(values[1]))

    def role_name(self, values: list[Any], span: Span) -> str:
        name: str = values[0].text
        return name

    def what(self, value: Any) -> tree.Layer | tree.Scope:
        """A layer or scope as it is; a bare body is a scope without a label."""
        return tree.Scope(value.span, None, value) if isinstance(value, tree.Body) else value

    def layer(self, values: list[Any], span: Span) -> tree.Layer:
        return tree.Layer(span, values[0] if len(values) == 2 else None, values[-1])

    def scope(self, values: list[Any], span: Span) -> tree.Scope:
        return tree.Scope(span, values[0], values[1])

    def branches(self, values: list[Any], span: Span) -> tree.Branches:
        return tree.Branches(span, values[0] if len(values) == 2 else None, values[-1])

    def residual(self, values: list[Any], span: Span) -> tree.Residual:
        at = next(index for index, value in enumerate(values) if isinstance(value, tree.Body))
        return tree.Residual(
            span, values[0] if at else None, values[at], values[at + 1] if len(values) > at + 1 else None
        )

    def residual_skip(self, values: list[Any], span: Span) -> tree.Layer | tree.Scope:
        return self.what(values[0])

    def label(self, values: list[Any], span: Span) -> tree.Label:
        return self.label_of(values[0])

    def placed(self, values: list[Any], span: Span) -> tree.Placed:
        called = len(values) == 2
        return tree.Placed(span, self.ident(values[0]), values[1] if called else (), called)

    def keyword_argument(self, values: list[Any], span: Span) -> tree.Argument:
        return tree.Argument(span, self.ident(values[0]), values[1])

    def argument(self, values: list[Any], span: Span) -> tree.Argument:
        return tree.Argument(span, None, values[0])

    # ------------------------------------------------------------- expressions

    def conditional(self, values: list[Any], span: Span) -> tree.Conditional:
        return tree.Conditional(span, *values)

    def binary(self, values: list[Any], span: Span) -> tree.Binary:
        return tree.Binary(span, values[1].text, values[0], values[2])

    def unary(self, values: list[Any], span: Span) -> tree.Unary:
        return tree.Unary(span, values[0].text, values[1])

    def attribute(self, values: list[Any], span: Span) -> tree.Attribute:
        return tree.Attribute(span, values[0], self.ident(values[1]))

    def index(self, values: list[Any], span: Span) -> tree.Index:
        return tree.Index(span, *values)

    def slice(self, values: list[Any], span: Span) -> tree.Slice:
        start = next((value.value for value in values[1:] if isinstance(value, Start)), None)
        stop = next((value for value in values[1:] if not isinstance(value, Start)), None)
        return tree.Slice(span, values[0], start, stop)

    def slice_start(self, values: list[Any], span: Span) -> Start:
        return Start(values[0])

    def call(self, values: list[Any], span: Span) -> tree.Call:
        return tree.Call(span, *values)

    def group(self, values: list[Any], span: Span) -> tree.Expr:
        inner: tree.Expr = values[0]
        return inner

    def only(self, values: list[Any], span: Span) -> Any:
        return values[0]

    def name(self, values: list[Any], span: Span) -> tree.Name:
        return tree.Name(span, values[0].text)

    def in_(self, values: list[Any], span: Span) -> tree.Name:
        return tree.Name(span, "in")

    def true(self, values: list[Any], span: Span) -> tree.Bool:
        return tree.Bool(span, True)

    def false(self, values: list[Any], span: Span) -> tree.Bool:
        return tree.Bool(span, False)

    def none(self, values: list[Any], span: Span) -> tree.Nothing:
        return tree.Nothing(span)

    def text(self, values: list[Any], span: Span) -> tree.Text:
        return self.string(values[0])

    def list_of(self, values: list[Any], span: Span) -> tree.ListOf:
        return tree.ListOf(span, tuple(values))

    def comprehension(self, values: list[Any], span: Span) -> tree.Comprehension:
        generators = tuple(value for value in values if isinstance(value, tree.Generator))
        rest = values[1 + len(generators) :]
        return tree.Comprehension(span, values[0], generators, rest[0] if rest else None)

    def generator(self, values: list[Any], span: Span) -> tree.Generator:
        return tree.Generator(span, self._names(values[:-1]), values[-1])

    def size(self, values: list[Any], span: Span) -> tree.Size:
        parts = values[0].text.split("x")
        return tree.Size(span, tuple(part if _SYMBOL.match(part) else int(part) for part in parts))

    def number(self, values: list[Any], span: Span) -> tree.Number:
        text = values[0].text
        value = number(text)
        if isinstance(value, float) and not math.isfinite(value):
            self.problems.append(problems.InfiniteNumber(span))
        return tree.Number(span, value, text)


def number(text: str) -> int | float:
    """The value of a number as written: an int where its suffix leaves no fraction, exactly; `inf` if too big."""
    digits = text.rstrip("KMG").replace("_", "")
    shift = FACTORS.get(text[-1], 0)
    if not shift:
        return int(digits) if digits.isdigit() else float(digits)
    whole, _, exponent = digits.lower().partition("e")
    if exponent:
        return float(f"{whole}e{int(exponent) + shift}")
    before, _, after = whole.partition(".")
    after = after.rstrip("0")
    if len(after) <= shift:
        return int(before + after.ljust(shift, "0"))
    return float(f"{before}.{after}e{shift}")


ACTIONS: dict[str, Any] = {name: value for name, value in vars(Builder).items() if callable(value)}
ACTIONS |= dict.fromkeys(("claims",), Builder.several)
ACTIONS |= dict.fromkeys(("residual_if", "filter"), Builder.only)
