"""What an expression can be: numbers, texts, lists, layers with arguments bound, and values that flow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from archdsl.ir.program import Value
from archdsl.ops.base import Described, Init, Op, Word
from archdsl.source import Span
from archdsl.syntax import tree

if TYPE_CHECKING:
    from archdsl.elaborate.modules import Module


LONGEST = 200  # characters of a value in a message


class Poison:
    """What a failed expression leaves behind, so that one mistake is reported once."""

    def __repr__(self) -> str:
        return "poison"


POISON = Poison()


@dataclass(frozen=True, slots=True)
class Tensor:
    """One value that flows."""

    value: Value


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a label stands for: the value (or list of values) that came out at an absolute path."""

    path: str
    flow: Flow


Flow = Tensor | tuple["Flow", ...] | Poison


@dataclass(frozen=True, slots=True, eq=False)
class BlockValue:
    """A declared block or arch, with the file whose names its body sees. Equal are those of one declaration: their
    texts are not compared."""

    declaration: tree.Block | tree.Arch
    module: Module = field(repr=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BlockValue) and other.declaration is self.declaration

    def __hash__(self) -> int:
        return id(self.declaration)

    @property
    def name(self) -> str:
        return self.declaration.name.name


@dataclass(frozen=True, slots=True)
class SharedValue:
    """Weights declared once by `shared`; each placing of the name applies the layer at the same path."""

    path: str
    layer: LayerValue
    order: float
    scope: int


class Written(NamedTuple):
    """An expression as it was evaluated: the frame that it stands in, what flowed there, and the level of its labels.

    A loop's variable is item `at` of the list that the expression gives, and of that item part `part`.
    """

    expression: tree.Expr
    env: Any
    here: Flow | None = None
    path: str = ""
    at: int | None = None
    part: int | None = None


@dataclass(unsafe_hash=True, slots=True)  # frozen ones take three times as long to make, and there are many
class Bound:
    """An argument as bound: its value, where it was written, and what was written. Nothing changes it."""

    value: Any
    span: Span = field(compare=False)
    written: Written | None = field(default=None, compare=False, repr=False)


@dataclass(unsafe_hash=True, slots=True)
class LayerValue:
    """An operation, an initialiser or a block with some arguments bound. `defaults` hold where nothing is bound.
    Nothing changes it."""

    target: type[Described] | BlockValue
    bound: tuple[tuple[str, Bound], ...] = ()
    defaults: tuple[tuple[str, Bound], ...] = ()

    @property
    def name(self) -> str:
        return self.target.name if isinstance(self.target, BlockValue) else self.target.word

    @property
    def open(self) -> bool:
        """True if it takes further arguments by name, as `rearrange` takes the sizes of axes."""
        return not isinstance(self.target, BlockValue) and self.target.open_arguments

    def parameters(self) -> tuple[str, ...]:
        """Parameter names in order."""
        if isinstance(self.target, BlockValue):
            return tuple(parameter.name.name for parameter in self.target.declaration.parameters)
        return self.target.arguments()


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language."""

    name: str


class Family:
    """Values named with indices, `as x[i]`: bound one by one, read by the same indices."""

    def __init__(self) -> None:
        self.members: dict[tuple[Any, ...], Any] = {}


def flow_of(value: Any) -> Flow | None:
    """The value as something that flows, or `None` if it is none."""
    if isinstance(value, Labelled):
        return value.flow
    if isinstance(value, (Tensor, Poison)):
        return value
    if isinstance(value, tuple) and value:
        parts = tuple(flow_of(part) for part in value)
        return None if any(part is None for part in parts) else parts  # type: ignore[return-value]
    return None


def starts(value: Any) -> bool:
    """Whether a value is a layer that takes nothing, and so can stand where values are read."""
    return (
        isinstance(value, LayerValue)
        and isinstance(value.target, type)
        and (issubclass(value.target, Op) and value.target.takes == "none")
    )


def spoilt(value: Any) -> bool:
    """True if a value is poison or holds some."""
    if isinstance(value, tuple):
        return any(map(spoilt, value))
    return value is POISON


def plain_arguments(values: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """The parameters of a block as bound, without layers and values."""
    return tuple((name, _data(value)) for name, value in values.items() if _is_data(value))


def _data(value: Any) -> Any:
    return value.name if isinstance(value, Word) else value


def _is_data(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_data, value))
    return value is None or isinstance(value, (bool, int, float, str, Word))


def kind_of(value: Any) -> str:
    """The kind of a value in the words of the reference."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, int):
        return "a whole number"
    if isinstance(value, float):
        return "a number with a fraction"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, Word):
        return f"the word `{value}`"
    if isinstance(value, tuple):
        return "a list"
    if isinstance(value, LayerValue) and isinstance(value.target, type) and issubclass(value.target, Init):
        return "an initialiser"
    if isinstance(value, (LayerValue, SharedValue)):
        return "a layer"
    if isinstance(value, Function):
        return "a function"
    if isinstance(value, Family):
        return "a family of values"
    return str(getattr(value, "kind", "a value"))


def shown(value: Any) -> str:
    """A value as the language writes it, for messages, cut where it is long."""
    text = _shown(value, 4)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def shown_all(values: Iterable[Any]) -> str:
    """Values with commas between, cut where they are many."""
    first = [shown(value) for value in islice(values, 9)]
    return ", ".join(first[:8]) + (", ..." if len(first) > 8 else "")


def _shown(value: Any, depth: int) -> str:
    if depth == 0:
        return "..."
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value[:LONGEST]}"'
    if isinstance(value, tuple):
        items = [_shown(item, depth - 1) for item in value[:8]]
        return "[" + ", ".join(items) + (", ..." if len(value) > 8 else "") + "]"
    if isinstance(value, LayerValue):
        inside = ", ".join(f"{name}={_shown(bound.value, depth - 1)}" for name, bound in value.bound[:8])
        return f"{value.name}({inside})" if inside else value.name
    if isinstance(value, (int, float)):
        return f"{value:_}" if isinstance(value, int) and abs(value) >= 10_000 else str(value)
    return kind_of(value) if not isinstance(value, Word) else value.name
