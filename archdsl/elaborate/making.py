"""Operations and initialisers from layers with their arguments."""

from __future__ import annotations

from typing import Any

from archdsl.elaborate.elaborator import Elaborator
from archdsl.elaborate.found import Found
from archdsl.elaborate.problems import arguments
from archdsl.elaborate.values import POISON, BlockValue, Bound, LayerValue, kind_of, spoilt
from archdsl.ops.base import ArgumentError, Described, Word, exact_key
from archdsl.source import Span

_PLAIN = frozenset({int, float, bool, type(None), Word})  # what an operation takes as the language has it


class Maker:
    """Makes what layers stand for, one of each kind with the same arguments in one elaboration."""

    def __init__(self, elaborator: Elaborator) -> None:
        self.fuel = elaborator.fuel
        self._made: dict[Any, Any] = {}

    def make(self, layer: LayerValue, span: Span) -> Any:
        """The operation or initialiser with its arguments, or poison. Raises `Found` for what it does not accept."""
        target = layer.target
        assert not isinstance(target, BlockValue)
        values = {**dict(layer.defaults), **dict(layer.bound)}
        missing = tuple([name for name in target.required() if name not in values])
        if missing:
            raise Found(arguments.MissingArgument(span, target.word, missing))
        plain = {name: bound.value for name, bound in values.items()}
        others = [name for name, value in plain.items() if type(value) not in _PLAIN]
        for name in others:
            if isinstance(plain[name], (tuple, LayerValue, str)):
                self.weigh(values[name], span)
        for name in others:
            if spoilt(plain[name]):
                return POISON
        for name in others:
            plain[name] = self._plain(_as_word(target, name, plain[name]), values[name].span)
        key = exact_key(target, plain)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._checked(target, plain, values, span)
        return made

    def weigh(self, bound: Bound, span: Span) -> None:
        """Pays for an argument that is long, since a layer keeps it, and it is part of the layer's key."""
        if isinstance(bound.value, str):
            self.fuel.text(span, len(bound.value))
        else:
            self.fuel.weigh(bound.value, span)

    def _checked(self, target: type[Described], plain: dict[str, Any], values: dict[str, Bound], span: Span) -> Any:
        try:
            return target.make(**plain)
        except ArgumentError as error:
            bound = values.get(error.argument or "")
            where = bound.span if bound is not None else span
            raise Found(arguments.WrongArgument(where, target.word, error.message, error.hint)) from None

    def _plain(self, value: Any, span: Span) -> Any:
        """A language value as an operation takes it."""
        if isinstance(value, LayerValue):
            if isinstance(value.target, BlockValue):
                raise Found(arguments.WrongKind(span, "an initialiser", f"the block `{value.name}`"))
            return self.make(value, span)
        if isinstance(value, tuple):
            return tuple(self._plain(item, span) for item in value)
        if value is None or isinstance(value, (bool, int, float, str, Word)):
            return value
        raise Found(arguments.WrongKind(span, "a number, a list, a string or a word", kind_of(value)))


def _as_word(target: type[Described], argument: str, value: Any) -> Any:
    """A bare operation as the word that an argument takes, where one has its name: `gelu(approximate=tanh)`."""
    if not isinstance(value, LayerValue) or isinstance(value.target, BlockValue) or value.bound:
        return value
    word = value.target.word
    return Word(word) if word in target.words_of(argument) else value
