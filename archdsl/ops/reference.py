"""The reference of operations, made from their classes: `python -m archdsl.ops.reference > docs/operations.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

from pydantic_core import PydanticUndefined

from archdsl.ops import INITIALIZERS, OPERATIONS
from archdsl.ops.base import Described, Init, Op, Tensor, shown
from archdsl.ops.reference_text import EXACTLY, FAMILIES, MEANINGS, PAGES, Page
from archdsl.shapes import Shape

_OPENING = """\
# Operations

Made by `python -m archdsl.ops.reference`; a test holds this page to the classes in `archdsl/ops/`.

An argument without a default must be given. Positional arguments fill the first arguments in order. A *size* is a whole
number, or a list with one for each spatial axis (`3x3` is `[3, 3]`); convolutions, pools and their like are 1-D, 2-D or
3-D by their input, whose first axis must be the channels `c`. Sizes never hold the batch. Where nothing is said, a
result has the axes of its input, an operation has no parameters, and it counts no multiply-accumulates.

An input has the axes `c`, `c l`, `c h w` or `c d h w`; learned tensors and literals have axes without names, which take
those of what they are merged with. Every operation takes each example of a batch by itself, where nothing else is said.
A value without a batch is one example, and so is what is made of such values alone; in a merge with others it stands
for each example.
"""


def reference() -> str:
    """The whole page as Markdown."""
    lines = [_OPENING]
    for family, words in FAMILIES.items():
        lines += [f"## {family}\n", *(section(OPERATIONS[word], PAGES[word]) for word in words)]
    lines += ["## Initial values\n", _INITIAL]
    lines += [_initializer(cls) for cls in INITIALIZERS.values()]
    return "\n".join(lines)


_INITIAL = """\
As `init=` and `bias_init=` of an operation, and for a learned tensor, whose sizes follow the arguments:
`param layer_scale: constant(1e-6, [in.c, 1, 1])`. Without `init`, weights of convolutions and linear layers are drawn
as PyTorch draws them, `kaiming_uniform(a=sqrt(5))`, and their biases uniformly within 1 / sqrt(fan_in). Fan-in is a
weight's second size times its receptive field, fan-out its first size times that.
"""


def section(cls: type[Op], page: Page) -> str:
    """One operation: what it does, its arguments, its rule of shapes, its tensors, its cost and an example."""
    op = cls.make(**page.arguments)
    inputs = page.inputs
    outputs = op.outputs(*inputs)
    lines = [f"### {cls.word}\n", f"`{signature(cls)}`\n", f"{_text(cls)}\n", *_table(cls)]
    if cls.word in EXACTLY:
        lines.append(f"Exactly: {EXACTLY[cls.word]}\n")
    lines.append(f"Shape: {page.shape}\n")
    tensors = op.tensors(*inputs)
    if tensors:
        lines.append(f"Parameters: {page.tensors}\n")
    if page.cost:
        lines.append(f"Cost: {page.cost}\n")
    cost = op.macs(inputs, outputs)
    made = f"`{_results(outputs)}`"
    facts = [f"takes `{' '.join(map(_shape, inputs))}` to {made}" if inputs else f"is {made}"]
    facts += [f"tensors {', '.join(map(_tensor, tensors))}"] if tensors else []
    facts += [f"{cost:,} multiply-accumulates"] if cost else []
    lines.append(f"Example: `{written(op)}` {'; '.join(facts)}.\n")
    return "\n".join(lines)


def signature(cls: type[Described]) -> str:
    """The call with its defaults, as `conv(out, kernel, stride=1)`."""
    return f"{cls.word}({', '.join(_arguments(cls))})"


def written(value: Described) -> str:
    """A value as a spec has it, without arguments that are at their defaults."""
    parts = []
    for name, field in type(value).model_fields.items():
        given = getattr(value, name)
        if field.is_required():
            parts.append(_literal(value, name, given))
        elif name == "sizes" and value.word == "rearrange":
            parts += [f"{axis}={size}" for axis, size in given]
        elif given != field.default:
            parts.append(f"{name}={_literal(value, name, given)}")
    return f"{value.word}({', '.join(parts)})" if parts else value.word


def _literal(value: Described, name: str, given: Any) -> str:
    if isinstance(given, Described):
        return written(given)
    if isinstance(given, str):
        return given if given in _words(type(value), name) else f'"{given}"'
    if name in ("kernel", "size") and isinstance(given, tuple):
        return "x".join(map(str, given))
    return shown(given)


def _words(cls: type[Described], name: str) -> tuple[str, ...]:
    def literals(hint: Any) -> Iterator[str]:
        for part in get_args(hint):
            yield from (part,) if isinstance(part, str) and get_origin(hint) is Literal else literals(part)

    return tuple(literals(Union[cls.model_fields[name].annotation, None]))  # noqa: UP007


def _default(cls: type[Described], name: str) -> str | None:
    default = cls.model_fields[name].default
    if default is PydanticUndefined:
        return None
    return str(default) if isinstance(default, str) else shown(default)


def _arguments(cls: type[Described]) -> Iterator[str]:
    for name in cls.model_fields:
        if cls.word == "rearrange" and name == "sizes":
            yield "axis=size, ..."
            continue
        default = _default(cls, name)
        yield name if default is None else f"{name}={default}"


def _table(cls: type[Described]) -> list[str]:
    rows = [f"| `{name}` | {_default(cls, name) or ''} | {meaning(cls, name)} |" for name in cls.model_fields]
    return ["| argument | default | meaning |", "| --- | --- | --- |", *rows, ""] if rows else []


def meaning(cls: type[Described], name: str) -> str:
    """What an argument means; where it takes words, all of them."""
    text = MEANINGS.get(f"{cls.word}.{name}") or MEANINGS[name]
    words = _words(cls, name)
    return f"{text}: {', '.join(f'`{word}`' for word in words)}" if words else text


def _text(cls: type[Described]) -> str:
    assert cls.__doc__ is not None
    return "\n".join(line.strip() for line in cls.__doc__.strip().splitlines())


def _shape(shape: Shape) -> str:
    return str(shape)


def _results(outputs: tuple[Shape, ...]) -> str:
    return _shape(outputs[0]) if len(outputs) == 1 else f"[{', '.join(map(_shape, outputs))}]"


def _tensor(tensor: Tensor) -> str:
    return f"`{tensor.name}` {Shape.of(*tensor.sizes)}"


def _initializer(cls: type[Init]) -> str:
    lines = [f"### {cls.word}\n", f"`{signature(cls)}`\n", f"{_text(cls)}\n", *_table(cls)]
    if cls.word in EXACTLY:
        lines.append(f"Exactly: {EXACTLY[cls.word]}\n")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(reference())
