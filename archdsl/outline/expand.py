"""Outline -> flat applications: the inverse of `outline`, by which it is tested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archdsl.outline.call import Call
from archdsl.outline.holes import fill_body
from archdsl.outline.model import Body, Build, Chain, Class, Holder, Leaf, New, Outline, Ref, Repeat, resolve


@dataclass(frozen=True, slots=True)
class Applied:
    """One application: its call, its weights' path if it is a module's, and what it reads: `(index, output)`.

    An index below 0 is an input of the net: -1 is the first.
    """

    call: Call
    path: str | None
    inputs: tuple[tuple[int, int], ...]
    training: bool


def expand(outline: Outline) -> tuple[tuple[Applied, ...], tuple[tuple[int, int], ...]]:
    """Every application of a net in program order, and its results."""
    walk = _Walk(outline)
    root = outline.classes[outline.root]
    inputs = [(-1 - at, 0) for at in range(root.body.inputs)]
    results = walk.body(filled(root, tuple(item.values[0] for item in root.parameters)), "", inputs, False)
    return tuple(walk.applied), tuple(results)


def filled(cls: Class, arguments: tuple[Any, ...]) -> Body:
    """The body of a class with the literals that these arguments give."""
    known = {item.name: value for item, value in zip(cls.parameters, arguments, strict=True)}
    return fill_body(cls.body, (resolve(hole, known) for hole in cls.holes))


class _Walk:
    def __init__(self, outline: Outline) -> None:
        self.outline = outline
        self.applied: list[Applied] = []

    def body(
        self,
        body: Body,
        path: str,
        inputs: list[tuple[int, int]],
        training: bool,
        options: dict[str, Build | None] | None = None,
    ) -> list[tuple[int, int]]:
        attributes = {item.name: item for item in body.attributes}
        values: list[list[tuple[int, int]]] = []

        def read(ref: Ref) -> tuple[int, int]:
            return inputs[ref.output] if ref.step < 0 else values[ref.step][ref.output]

        for step in body.steps:
            given = [read(ref) for ref in step.inputs]
            now = training or step.training
            if step.call is not None:
                self.applied.append(Applied(step.call, None, tuple(given), now))
                values.append([(len(self.applied) - 1, at) for at in range(step.outputs)])
                continue
            assert step.access is not None
            item = attributes[step.access[0]]
            build: Build | None = item.build if not item.optional else (options or {}).get(item.name)
            if build is None:
                values.append(given)
                continue
            if item.first is not None:
                assert isinstance(build, Repeat)
                names = [_join(path, f"{item.name}{item.first + at}") for at in range(build.count)]
                values.append([out for name in names for out in self.module(build.child, name, given, now, 1)])
                continue
            for name in step.access[1:]:
                assert isinstance(build, Holder)
                build = dict(build.children)[name]
            where = (_join(path, ".".join(step.access)) if item.name else path) if item.stateful else None
            values.append(self.module(build, where, given, now, step.outputs))
        return [read(ref) for ref in body.outputs]

    def module(
        self, build: Build, path: str | None, inputs: list[tuple[int, int]], training: bool, outputs: int
    ) -> list[tuple[int, int]]:
        match build:
            case Leaf():
                self.applied.append(Applied(build.call, path, tuple(inputs), training))
                return [(len(self.applied) - 1, at) for at in range(outputs)]
            case New():
                cls, options = self.outline.classes[build.cls], dict(build.options)
                inside = filled(cls, build.arguments)
                return self.body(inside, path or "", inputs, training, options)
            case Chain():
                position = 0
                for child in build.children:
                    times, one = (child.count, child.child) if isinstance(child, Repeat) else (1, child)
                    for _ in range(times):
                        inputs = self.module(one, _join(path or "", str(position)), inputs, training, 1)
                        position += 1
                return inputs
            case _:
                raise AssertionError(build)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
