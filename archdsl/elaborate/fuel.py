"""One budget of work and memory for a whole file: what is about to be done is paid for first, by what it costs."""

from __future__ import annotations

from typing import Any, Final

from archdsl.diagnostics import Problem
from archdsl.elaborate.found import Found
from archdsl.elaborate.problems.arguments import WrongParameter
from archdsl.elaborate.problems.structure import TooDeep, TooManySteps
from archdsl.elaborate.values import LayerValue
from archdsl.limits import Limits
from archdsl.source import Span

# A step stands for about half a microsecond, or for 64 bytes that are kept; measured on a busy core of a server.
TOKEN: Final = 16  # of a text that is parsed
READ: Final = 2  # an expression that is evaluated
CALL: Final = 20
ARGUMENT: Final = 10
STATEMENT: Final = 12
TURN: Final = 32  # of a loop
BRANCH: Final = 60
LAYER: Final = 36  # a layer that is placed, also where a mistake before it keeps it from becoming a node
NODE: Final = 24
OWNER: Final = 50  # a node with parameters or buffers
BLOCK: Final = 80  # a block that is entered
ARCH: Final = 300
IMPORT: Final = 400
DEPTH: Final = 6  # of a node, for the depth of one level of a net
EDGE: Final = 4
LEVEL: Final = 1  # of a path that is looked up or taken
LIST: Final = 6  # a list or layer that is looked into
ITEMS: Final = 2  # of a list in a step
CHARACTERS: Final = 32  # of a text in a step


class Spent(Exception):  # noqa: N818 - what happened, not an error of ours
    """The budget of a file is spent: nothing else of it is run. Carries the problem."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem)


class Fuel:
    """What is left of the steps of one file with all its archs. Everything that costs spends before it works."""

    __slots__ = ("left", "limits", "mistakes")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.left = limits.steps
        self.mistakes = 0  # told so far, in all archs of the file

    def spend(self, span: Span, steps: int) -> None:
        """Takes steps. Raises `Spent` if there are too few left."""
        self.left -= steps
        if self.left < 0:
            raise Spent(TooManySteps(span, "too much work for one file", self.limits.steps, "steps"))

    def items(self, span: Span, count: int) -> None:
        """Takes what it costs to make or look at so many items of a list."""
        self.spend(span, 1 + count // ITEMS)

    def text(self, span: Span, count: int) -> None:
        """Takes what it costs to make or keep so many characters."""
        self.spend(span, 1 + count // CHARACTERS)

    def weigh(self, value: Any, span: Span) -> None:
        """Takes what it costs to look at all that a list or layer holds. Raises `Found` for one that holds more than a
        list may, counted with the lists and layers in it, or that nests too deeply."""
        if not isinstance(value, (tuple, LayerValue)):
            self.spend(span, LIST)
            return
        limits = self.limits
        count, lists, depth = weight(value, min(limits.list_items, ITEMS * self.left), limits.nesting)
        self.spend(span, LIST * lists + count // ITEMS)
        if depth > limits.nesting:
            raise Found(TooDeep(span, limits.nesting, "lists and layers"))
        if count > limits.list_items:
            raise Found(TooManySteps(span, "a list with the lists in it", limits.list_items))

    def given(self, name: str, value: Any, span: Span) -> None:
        """Takes what it costs to look at a caller's value for a parameter, in which a list may hold another one twice,
        or itself. Raises `Found` for lists that are too long or too deep."""
        limits, level = self.limits, [value]
        for _ in range(limits.nesting + 1):
            self.items(span, len(level))
            level = [item for each in level if isinstance(each, list | tuple) for item in each]
            if not level:
                return
            if len(level) > limits.list_items:
                raise Found(WrongParameter(None, name, f"lists of at most {limits.list_items:,} items", "longer ones"))
        raise Found(WrongParameter(None, name, f"lists that nest at most {limits.nesting} deep", "deeper ones"))


def weight(value: Any, most: int, deepest: int) -> tuple[int, int, int]:
    """How many items a value holds, with those of the lists and layers in it, how many lists and layers these are, and
    how deeply they nest; counted until there are more than `most`, or until they nest more deeply than `deepest`.

    A list that holds another one twice costs nothing to make, and twice as much to look at.
    """
    if isinstance(value, tuple) and not holds(value):
        return len(value), 1, 1
    count, lists, depth, todo = 0, 0, 0, [(value, 1)]
    while todo and count <= most and depth <= deepest:
        item, level = todo.pop()
        parts = inside(item)
        count, lists, depth = count + len(parts), lists + 1, level if level > depth else depth
        if count <= most:
            for part in parts:
                if isinstance(part, (tuple, LayerValue)):
                    todo.append((part, level + 1))
    return count, lists, depth


def inside(value: Any) -> tuple[Any, ...]:
    """What a list or layer holds."""
    if isinstance(value, tuple):
        return value
    if isinstance(value, LayerValue):
        items = (*value.bound, *value.defaults) if value.defaults else value.bound
        return tuple([bound.value for _, bound in items])
    return ()


def holds(value: Any) -> bool:
    """True for a list or layer that holds lists or layers: what is made of such may be small and cost much."""
    if not isinstance(value, (tuple, LayerValue)):
        return False
    for part in inside(value):
        if isinstance(part, tuple) or (isinstance(part, LayerValue) and (part.bound or part.defaults)):
            return True
    return False
