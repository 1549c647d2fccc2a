"""The tree of a spec, as written: frozen, with spans that do not count in comparisons."""

from __future__ import annotations

from dataclasses import dataclass, field

from archdsl.source import Span


@dataclass(frozen=True, slots=True)
class Node:
    """Anything that stands in a text."""

    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Ident(Node):
    """A name where it is written, bound or read."""

    name: str


# ---------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A name that is read (`width`, `in`, `here`, `conv`)."""

    name: str


@dataclass(frozen=True, slots=True)
class Number(Node):
    """`64`, `25_557_032`, `1e-3`, `4.09G`. `digits` is the text, for `~=` and the printer; a suffix is in `value`."""

    value: int | float
    digits: str


@dataclass(frozen=True, slots=True)
class Bool(Node):
    value: bool


@dataclass(frozen=True, slots=True)
class Nothing(Node):
    """`none`."""


@dataclass(frozen=True, slots=True)
class Text(Node):
    """A string; a template has expressions between its texts. `"layer{i + 1}"` is `("layer", Binary(...))`."""

    parts: tuple[str | Expr, ...]

    @property
    def plain(self) -> str | None:
        """The text if it holds no expression."""
        if not self.parts:
            return ""
        return self.parts[0] if len(self.parts) == 1 and isinstance(self.parts[0], str) else None


@dataclass(frozen=True, slots=True)
class Size(Node):
    """`3x224x224`; a capital is a symbol: `3xHxW`."""

    dims: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Generator(Node):
    names: tuple[Ident, ...]
    iterable: Expr


@dataclass(frozen=True, slots=True)
class Comprehension(Node):
    item: Expr
    generators: tuple[Generator, ...]
    condition: Expr | None


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`-x` or `not x`."""

    op: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`+ - * / // % **`, the comparisons, `and`, `or`."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    """`then if condition else otherwise`."""

    then: Expr
    condition: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True)
class Attribute(Node):
    value: Expr
    name: Ident


@dataclass(frozen=True, slots=True)
class Index(Node):
    value: Expr
    index: Expr


@dataclass(frozen=True, slots=True)
class Slice(Node):
    value: Expr
    start: Expr | None
    stop: Expr | None


@dataclass(frozen=True, slots=True)
class Argument(Node):
    """`value` or `name=value`."""

    name: Ident | None
    value: Expr


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Body(Node):
    """`{ ... }`."""

    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Placed(Node):
    """`name` or `name(arguments)` in the place of a layer. `called` tells `relu()` from `relu`."""

    name: Ident
    arguments: tuple[Argument, ...] = ()
    called: bool = False


Label = Ident | Text


@dataclass(frozen=True, slots=True)
class Layer(Node):
    """`label: name(arguments)`, the label optional."""

    label: Label | None
    placed: Placed


@dataclass(frozen=True, slots=True)
class Scope(Node):
    """`label { ... }`, or a bare body after a role or `skip` (`label` is `None`)."""

    label: Label | None
    body: Body


@dataclass(frozen=True, slots=True)
class Role(Node):
    """`stem`, `stage`, `head` or `skip` before a layer or scope."""

    role: str
    target: Layer | Scope


@dataclass(frozen=True, slots=True)
class From(Node):
    """`from x`."""

    value: Expr


@dataclass(frozen=True, slots=True)
class Branches(Node):
    """`branches concat { ... }`; without a merge the result is a list."""

    merge: Placed | None
    body: Body


@dataclass(frozen=True, slots=True)
class Residual(Node):
    """`residual if condition { ... } skip target`."""

    condition: Expr | None
    body: Body
    skip: Layer | Scope | None


Link = From | Role | Layer | Scope | Branches | Residual


@dataclass(frozen=True, slots=True)
class Target(Node):
    """`as x` or `as x[i]`."""

    name: Ident
    indices: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain(Node):
    """`a -> b -> c as x, y`."""

    links: tuple[Link, ...]
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True)
class Aux(Node):
    """`aux from x -> head: Head()`."""

    chain: Chain


@dataclass(frozen=True, slots=True)
class Let(Node):
    """`let a, b = value`."""

    names: tuple[Ident, ...]
    value: Expr


@dataclass(frozen=True, slots=True)
class Require(Node):
    condition: Expr
    message: Text | None


@dataclass(frozen=True, slots=True)
class Expect(Node):
    """`expect a == b`, or `expect a ~= b` (`approximate` is b, and `condition` a)."""

    condition: Expr
    approximate: Expr | None


@dataclass(frozen=True, slots=True)
class Input(Node):
    """`input 3x224x224`, or `input left: 3x64x64`."""

    name: Ident | None
    size: Expr


@dataclass(frozen=True, slots=True)
class OutputItem(Node):
    name: Ident | None
    value: Expr


@dataclass(frozen=True, slots=True)
class Output(Node):
    items: tuple[OutputItem, ...]


@dataclass(frozen=True, slots=True)
class Defaults(Node):
    """`defaults conv(bias=false), linear(init=zeros)`."""

    calls: tuple[Placed, ...]


@dataclass(frozen=True, slots=True)
class Param(Node):
    """`param scale: constant(1e-6, [in.c, 1, 1])`."""

    label: Label
    call: Placed


@dataclass(frozen=True, slots=True)
class Shared(Node):
    """`shared tower: Tower(64)`."""

    label: Label
    placed: Placed


@dataclass(frozen=True, slots=True)
class If(Node):
    condition: Expr
    body: Body
    otherwise: Body | If | None


@dataclass(frozen=True, slots=True)
class Repeat(Node):
    """`repeat count as index { ... }`."""

    count: Expr
    index: Ident | None
    body: Body


@dataclass(frozen=True, slots=True)
class For(Node):
    """`for a, b in rows as i { ... }`."""

    names: tuple[Ident, ...]
    iterable: Expr
    index: Ident | None
    body: Body


Statement = Let | Require | Expect | Input | Output | Defaults | Param | Shared | If | Repeat | For | Aux | Chain

# --------------------------------------------------------------- declarations


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    name: Ident
    default: Expr | None


@dataclass(frozen=True, slots=True)
class Import(Node):
    """`from "lib/conv.arch" import ConvBN`."""

    path: Text
    names: tuple[Ident, ...]


@dataclass(frozen=True, slots=True)
class Block(Node):
    """`block Name(parameters) { ... }`; `doc` is the `##` text above it, its marks taken off, lines joined by newline."""

    name: Ident
    parameters: tuple[Parameter, ...]
    body: Body
    doc: str = ""


@dataclass(frozen=True, slots=True)
class BlockVariant(Node):
    """`block Name = Other(arguments)`."""

    name: Ident
    base: Placed
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Arch(Node):
    """`arch name(parameters) { ... }`."""

    name: Ident
    parameters: tuple[Parameter, ...]
    body: Body
    doc: str = ""


@dataclass(frozen=True, slots=True)
class ArchVariant(Node):
    """`arch name = other(arguments) { expect ... }`."""

    name: Ident
    base: Placed
    expects: tuple[Expect, ...] = ()
    doc: str = ""


Declaration = Import | Let | Defaults | Block | BlockVariant | Arch | ArchVariant


@dataclass(frozen=True, slots=True)
class Comment(Node):
    """`# text`, as written, for the printer. `alone` if nothing but space stands before it on its line."""

    text: str
    alone: bool


@dataclass(frozen=True, slots=True)
class File(Node):
    """A whole file. `doc` is the first `##` text if an empty line follows it (or all there is before a `defaults`)."""

    declarations: tuple[Declaration, ...]
    doc: str = ""
    comments: tuple[Comment, ...] = field(default=(), compare=False)
