"""What every operation is: a frozen value with arguments, a shape rule, parameters and a cost. No name, no place."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from archdsl.shapes import Shape

BIGGEST_FIELD = 2**31  # exclusive bound of every whole-number argument


@dataclass(frozen=True, slots=True)
class Word:
    """A bare word in the place of an argument, as `same` in `padding=same`."""

    name: str

    def __str__(self) -> str:
        return self.name


class ArgumentError(Exception):
    """An argument that its operation does not take. `argument` names the field, `None` if it is the whole."""

    def __init__(self, argument: str | None, message: str, hint: str | None = None) -> None:
        self.argument, self.message, self.hint = argument, message, hint
        super().__init__(message)


class ShapeError(Exception):
    """Inputs that an operation does not accept; `argument` names the field at fault, if it is one."""

    def __init__(self, message: str, *, argument: str | None = None, hint: str | None = None) -> None:
        self.argument, self.message, self.hint = argument, message, hint
        super().__init__(message)


class Described(BaseModel):
    """The common ground of operations and initial values: frozen, named in the language by `word`, checked on entry.

    Fields are the arguments in the order of the language; the first line of the class's docstring says what it does.
    A validator that rejects raises `ValueError` with a message for the user.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=False, defer_build=True)
    word: ClassVar[str]
    lists: ClassVar[frozenset[str]] = frozenset()  # arguments whose whole numbers are a list and no size as `3x3`
    open_arguments: ClassVar[bool] = False  # takes further arguments by name, as `rearrange` takes sizes of axes

    @classmethod
    def arguments(cls) -> tuple[str, ...]:
        """The argument names, in the order in which positional ones fill them."""
        return _arguments(cls)

    @classmethod
    def required(cls) -> tuple[str, ...]:
        """The arguments without a default."""
        return _required(cls)

    @classmethod
    def words_of(cls, argument: str) -> frozenset[str]:
        """The bare words that one argument takes."""
        return _words_by_field(cls).get(argument, frozenset())

    @classmethod
    def words(cls) -> frozenset[str]:
        """The bare words that some argument takes."""
        return frozenset(word for names in _words_by_field(cls).values() for word in names)

    @classmethod
    def make(cls, **values: Any) -> Any:
        """The value with these arguments, given as the language has them (lists as tuples, bare words as `Word`).

        Raises `ArgumentError`, which names the first argument at fault.
        """
        words = _words_by_field(cls)
        plain: dict[str, Any] = {}
        for name, value in values.items():
            if isinstance(value, Word):
                if value.name not in words.get(name, ()):
                    takes = ", ".join(sorted(words.get(name, ())))
                    raise ArgumentError(name, f"`{value}` is no {name}", f"it takes {takes}" if takes else None)
                plain[name] = value.name
            elif isinstance(value, str) and name in words:
                raise ArgumentError(name, f"{name} takes a bare word, not a string", f"write `{value}` without quotes")
            else:
                plain[name] = value
        try:
            return cls(**plain)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = str(first["loc"][0]) if first["loc"] else None
            raise ArgumentError(field, _in_words(first, field)) from None


@cache
def _arguments(cls: type[Described]) -> tuple[str, ...]:
    return tuple(cls.model_fields)


@cache
def _required(cls: type[Described]) -> tuple[str, ...]:
    return tuple(name for name, field in cls.model_fields.items() if field.is_required())


@cache
def _words_by_field(cls: type[Described]) -> dict[str, frozenset[str]]:
    found = {name: _literals(field.annotation) for name, field in cls.model_fields.items()}
    return {name: words for name, words in found.items() if words}


def _literals(hint: Any) -> frozenset[str]:
    if get_origin(hint) is Literal:
        return frozenset(value for value in get_args(hint) if isinstance(value, str))
    return frozenset(word for part in get_args(hint) for word in _literals(part))


def _in_words(error: Any, field: str | None) -> str:
    """A pydantic error as one plain sentence."""
    kind, given = error["type"], error.get("input")
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind == "missing":
        return f"`{field}` is missing"
    if kind == "extra_forbidden":
        return f"there is no argument `{field}`"
    expected = {
        "int_type": "a whole number",
        "float_type": "a number",
        "bool_type": "true or false",
        "string_type": "a string",
        "tuple_type": "a list",
    }.get(kind)
    if kind == "literal_error":
        *words, last = str(error["ctx"]["expected"]).replace(" or ", ", ").replace("'", "").split(", ")
        expected = f"{', '.join(words)} or {last}" if words else last
    if kind.startswith("model_"):
        expected = "an initial value, as `zeros` or `normal(std=0.01)`"
    if expected:
        return f"{field} takes {expected}, not {shown(given)}"
    message = str(error["msg"])
    return f"{field}: {message[0].lower()}{message[1:]}, not {shown(given)}"


def shown(value: Any) -> str:
    """An argument as the language writes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (Word, Described)):
        return f"`{value.name if isinstance(value, Word) else value.word}`"
    if isinstance(value, tuple):
        return "[" + ", ".join(shown(item) for item in value) + "]"
    return repr(value) if isinstance(value, str) else str(value)


class Init(Described):
    """How a tensor's initial values are drawn: a distribution with its parameters, resolved by shape in `weights`."""

    fans: ClassVar[bool] = False  # scales with fan-in and fan-out, so that it needs a tensor of two axes or more


@dataclass(frozen=True, slots=True)
class Tensor:
    """A parameter or buffer of one operation: its name in the state_dict, sizes, initial values and kind."""

    name: str
    sizes: tuple[int, ...]
    init: Init
    trainable: bool = True
    dtype: Literal["float32", "int64"] = "float32"


class Op(Described):
    """An operation. Whoever reads one asks these facts, never its class, unless the class is the question."""

    takes: ClassVar[Literal["none", "one", "list"]] = "one"  # how many values flow in
    numbered: ClassVar[bool] = True  # takes a position among its level's children (merges do not)
    weighted: ClassVar[bool] = False  # counts in `depth`: convolutions and linear layers
    elementwise: ClassVar[bool] = False  # each output element is a function of the input element at its place
    per_channel: ClassVar[bool] = False  # no value crosses channels (axis c)
    random: ClassVar[bool] = False  # draws in training
    view: ClassVar[bool] = False  # moves or reinterprets elements, computes nothing
    batchless: ClassVar[bool] = False  # its result has no batch: learned tensors and literals
    hidden: ClassVar[bool] = False  # never written in a spec: inputs and learned tensors

    def outputs(self, *inputs: Shape) -> tuple[Shape, ...]:
        """The shape of each result. Raises `ShapeError` for inputs that it does not accept."""
        raise NotImplementedError

    def results(self, *inputs: Shape) -> int:
        """How many values come out, without making them. Raises `ShapeError` as `outputs` does, or leaves it to it."""
        return 1

    def check_bare(self, *inputs: Shape) -> None:
        """Raises `ShapeError` for inputs that it accepts in a batch alone; `inputs` have none."""

    @classmethod
    def owns(cls) -> bool:
        """True for an operation that can have parameters or buffers."""
        return cls.tensors is not Op.tensors

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        """Parameters, then buffers, in state_dict order."""
        return ()

    def owned(self, *inputs: Shape) -> tuple[object, ...]:
        """What all applications of the same weights agree in: the tensors, and what else their module is made for."""
        return self.tensors(*inputs)

    def macs(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> int:
        """Multiply-accumulates for one example, by the rule of reference.json: convolutions, linear maps, matmuls."""
        return 0


class Input(Op):
    """A value that comes from outside."""

    word: ClassVar[str] = "input"
    takes: ClassVar[Literal["none", "one", "list"]] = "none"
    hidden: ClassVar[bool] = True
    numbered: ClassVar[bool] = False

    sizes: tuple[int, ...]

    def outputs(self, *inputs: Shape) -> tuple[Shape, ...]:
        return (Shape.of(*self.sizes),)


class Learned(Op):
    """A learned tensor: `param path: init(shape)`. Its axes have no names, and it has no batch."""

    word: ClassVar[str] = "param"
    takes: ClassVar[Literal["none", "one", "list"]] = "none"
    hidden: ClassVar[bool] = True
    numbered: ClassVar[bool] = False
    batchless: ClassVar[bool] = True

    init: Init
    sizes: tuple[int, ...]

    @model_validator(mode="after")
    def _fans_need_axes(self) -> "Learned":
        if self.init.fans and len(self.sizes) < 2:
            raise ValueError(f"`{self.init.word}` needs a tensor of two axes or more")
        return self

    def outputs(self, *inputs: Shape) -> tuple[Shape, ...]:
        return (Shape(self.sizes, (None,) * len(self.sizes)),)

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        return (Tensor("", self.sizes, self.init),)


def exact_key(cls: type[Described], values: Mapping[str, Any]) -> tuple[type[Described], tuple[Any, ...]]:
    """A key of a class and arguments that tells 1, 1.0 and true apart, and 0.0 and -0.0, at any depth of lists."""
    return cls, tuple([(name, _exact(values[name])) for name in sorted(values)])


def _exact(value: Any) -> Any:
    kind = type(value)
    if kind is int:
        return value  # every other kind is told by its name
    if kind is tuple:
        return tuple([_exact(item) for item in value])
    if isinstance(value, Described):
        return kind, tuple([_exact(item) for item in value.__dict__.values()])
    return kind, repr(value) if kind is float else value


def register(*classes: type[Described]) -> dict[str, type[Described]]:
    """A table of words to classes; two classes of one word are a mistake of ours."""
    table = {cls.word: cls for cls in classes}
    assert len(table) == len(classes)
    return table
