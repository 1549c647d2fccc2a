"""Frozen values with named fields, for modules that define many: a dataclass compiles six functions for each class,
which is most of the time that a short command would take to start."""

from __future__ import annotations

from inspect import get_annotations
from typing import Any, ClassVar, dataclass_transform


@dataclass_transform(frozen_default=True)
class Record:
    """The base of frozen values. A subclass annotates its fields in order, with defaults as class attributes.

    Equality, hash and text go by all fields, save those in `apart`.
    """

    fields: ClassVar[tuple[str, ...]] = ()
    defaults: ClassVar[dict[str, Any]] = {}
    apart: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        hints = get_annotations(cls)
        own = [name for name, hint in hints.items() if "ClassVar" not in str(hint)]
        cls.fields = (*cls.fields, *own)
        cls.defaults = {**cls.defaults, **{name: cls.__dict__[name] for name in own if name in cls.__dict__}}

    def __init__(self, *values: Any, **named: Any) -> None:
        fields = self.fields
        into = self.__dict__
        if len(values) == len(fields):
            into.update(zip(fields, values, strict=True))
        else:
            into.update(self.defaults)
            into.update(zip(fields, values, strict=False))
        if named:
            into.update(named)
        if len(into) != len(fields) or len(values) > len(fields):
            raise TypeError(f"{type(self).__name__} takes {', '.join(fields)}, not {', '.join(into)}")

    def changed(self, **named: Any) -> Any:
        """The same with other values for some fields."""
        return type(self)(**{**self.__dict__, **named})

    def content(self) -> tuple[Any, ...]:
        """The values that count, in the order of the fields."""
        into, apart = self.__dict__, self.apart
        return tuple([into[name] for name in self.fields if name not in apart])

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not type(self):
            return NotImplemented
        return self.content() == other.content()

    def __hash__(self) -> int:
        return hash((type(self), self.content()))

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self.fields if name not in self.apart)
        return f"{type(self).__name__}({inside})"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")
