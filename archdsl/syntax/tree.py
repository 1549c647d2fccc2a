"""The tree of a spec, as written: frozen, with spans that do not count in comparisons."""

from __future__ import annotations

from typing import ClassVar

from archdsl.record import Record
from archdsl.source import Span


class Node(Record):
    """Anything that stands in a text. Where it stands does not count in comparisons."""

    apart: ClassVar[frozenset[str]] = frozenset(["span"])
    span: Span


class Ident(Node):
    """A name where it is written, bound or read."""

    name: str


# ---------------------------------------------------------------- expressions


class Name(Node):
    """A name that is read (`width`, `in`, `here`, `conv`)."""

    name: str


class Number(Node):
    """`64`, `25_557_032`, `1e-3`, `4.09G`. `digits` is the text, for `~=` and the printer; a suffix is in `value`."""

    value: int | float
    digits: str


class Bool(Node):
    value: bool


class Nothing(Node):
    """`none`."""


class Text(Node):
    """A string; a template has expressions between its texts. `"layer{i + 1}"` is `("layer", Binary(...))`."""

    parts: tuple[str | Expr, ...]

    @property
    def plain(self) -> str | None:
        """The text if it holds no expression."""
        if not self.parts:
            return ""
        return self.parts[0] if len(self.parts) == 1 and isinstance(self.parts[0], str) else None


class Size(Node):
    """`3x224x224`; a capital is a symbol: `3xHxW`."""

    dims: tuple[int | str, ...]


class ListOf(Node):
    items: tuple[Expr, ...]


class Generator(Node):
    names: tuple[Ident, ...]
    iterable: Expr


class Comprehension(Node):
    item: Expr
    generators: tuple[Generator, ...]
    condition: Expr | None


class Unary(Node):
    """`-x` or `not x`."""

    op: str
    operand: Expr


class Binary(Node):
    """`+ - * / // % **`, the comparisons, `and`, `or`."""

    op: str
    left: Expr
    right: Expr


class Conditional(Node):
    """`then if condition else otherwise`."""

    then: Expr
    condition: Expr
    otherwise: Expr


class Attribute(Node):
    value: Expr
    name: Ident


class Index(Node):
    value: Expr
    index: Expr


class Slice(Node):
    value: Expr
    start: Expr | None
    stop: Expr | None


class Argument(Node):
    """`value` or `name=value`."""

    name: Ident | None
    value: Expr


class Call(Node):
    """`function(arguments)`: a function, or a layer with arguments bound."""

    function: Expr
    arguments: tuple[Argument, ...]


Expr = (
    Name
    | Number
    | Bool
    | Nothing
    | Text
    | Size
    | ListOf
    | Comprehension
    | Unary
    | Binary
    | Conditional
    | Attribute
    | Index
    | Slice
    | Call
)

# ----------------------------------------------------------------- statements


class Body(Node):
    """`{ ... }`."""

    statements: tuple[Statement, ...]


class Placed(Node):
    """`name` or `name(arguments)` in the place of a layer. `called` tells `relu()` from `relu`."""

    name: Ident
    arguments: tuple[Argument, ...] = ()
    called: bool = False


Label = Ident | Text


class Layer(Node):
    """`label: name(arguments)`, the label optional."""

    label: Label | None
    placed: Placed


class Scope(Node):
    """`label { ... }`, or a bare body after a role or `skip` (`label` is `None`)."""

    label: Label | None
    body: Body


class Role(Node):
    """`stem`, `stage`, `head` or `skip` before a layer or scope."""

    role: str
    target: Layer | Scope


class From(Node):
    """`from x`."""

    value: Expr


class Branches(Node):
    """`branches concat { ... }`; without a merge the result is a list."""

    merge: Placed | None
    body: Body


class Residual(Node):
    """`residual if condition { ... } skip target`."""

    condition: Expr | None
    body: Body
    skip: Layer | Scope | None


Link = From | Role | Layer | Scope | Branches | Residual


class Target(Node):
    """`as x` or `as x[i]`."""

    name: Ident
    indices: tuple[Expr, ...] = ()


class Chain(Node):
    """`a -> b -> c as x, y`."""

    links: tuple[Link, ...]
    targets: tuple[Target, ...] = ()


class Aux(Node):
    """`aux from x -> head: Head()`."""

    chain: Chain


class Let(Node):
    """`let a, b = value`."""

    names: tuple[Ident, ...]
    value: Expr


class Require(Node):
    condition: Expr
    message: Text | None


class Expect(Node):
    """`expect a == b`, or `expect a ~= b` (`approximate` is b, and `condition` a)."""

    condition: Expr
    approximate: Expr | None


class Input(Node):
    """`input 3x224x224`, or `input left: 3x64x64`."""

    name: Ident | None
    size: Expr


class OutputItem(Node):
    name: Ident | None
    value: Expr


class Output(Node):
    items: tuple[OutputItem, ...]


class Defaults(Node):
    """`defaults conv(bias=false), linear(init=zeros)`."""

    calls: tuple[Placed, ...]


class Param(Node):
    """`param scale: constant(1e-6, [in.c, 1, 1])`."""

    label: Label
    call: Placed


class Shared(Node):
    """`shared tower: Tower(64)`."""

    label: Label
    placed: Placed


class If(Node):
    condition: Expr
    body: Body
    otherwise: Body | If | None


class Repeat(Node):
    """`repeat count as index { ... }`."""

    count: Expr
    index: Ident | None
    body: Body


class For(Node):
    """`for a, b in rows as i { ... }`."""

    names: tuple[Ident, ...]
    iterable: Expr
    index: Ident | None
    body: Body


Statement = Let | Require | Expect | Input | Output | Defaults | Param | Shared | If | Repeat | For | Aux | Chain

# --------------------------------------------------------------- declarations


class Parameter(Node):
    name: Ident
    default: Expr | None


class Import(Node):
    """`from "lib/conv.arch" import ConvBN`."""

    path: Text
    names: tuple[Ident, ...]


class Block(Node):
    """`block Name(parameters) { ... }`; `doc` is the `##` text above it without its marks, lines joined by newline."""

    name: Ident
    parameters: tuple[Parameter, ...]
    body: Body
    doc: str = ""


class BlockVariant(Node):
    """`block Name = Other(arguments)`."""

    name: Ident
    base: Placed
    doc: str = ""


class Arch(Node):
    """`arch name(parameters) { ... }`."""

    name: Ident
    parameters: tuple[Parameter, ...]
    body: Body
    doc: str = ""


class ArchVariant(Node):
    """`arch name = other(arguments) { expect ... }`; a claim is an `expect` or a `require`."""

    name: Ident
    base: Placed
    claims: tuple[Expect | Require, ...] = ()
    doc: str = ""


Declaration = Import | Let | Defaults | Block | BlockVariant | Arch | ArchVariant


class Comment(Node):
    """`# text`, as written, for the printer. `alone` if nothing but space stands before it on its line."""

    text: str
    alone: bool


class File(Node):
    """A whole file. `doc` is the first `##` text if an empty line follows it (or all there is before a `defaults`)."""

    apart: ClassVar[frozenset[str]] = frozenset(["span", "comments", "tokens"])
    declarations: tuple[Declaration, ...]
    doc: str = ""
    comments: tuple[Comment, ...] = ()
    tokens: int = 0  # of the text, with those of its templates
