"""What a pickle would do, read off its opcodes without doing any of it.

torch's reader of weights runs no code, but takes as long and as much memory as a pickle asks for. Held here, before it
reads: the number of steps; how deep and how often tuples contain one another (a key of a dictionary is hashed through
all of them); and functions that make big objects out of small ones.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

STEPS = 1_000_000
DEPTH = 64  # of tuples
WEIGHT = 1_000_000  # of a tuple, with all that is in it, as often as it is
GREEDY = re.compile(
    r"builtins\.bytearray|torch\.(\w+\.)*\w*Tensor|torch\._utils\._rebuild_(wrapper_subclass|device_tensor_from_numpy)"
)
MARKED = ("TUPLE", "LIST", "DICT", "APPENDS", "SETITEMS", "POP_MARK", "INST", "OBJ", "FROZENSET", "ADDITEMS")


class PickleFault(Exception):  # noqa: N818 - a reason on its way to the file's name
    """Why a pickle is not given to torch."""


@dataclass(slots=True)
class Pickle:
    """What was seen in one pickle: the texts in it."""

    texts: set[Any] = field(default_factory=set)


_Item = tuple[int, int]  # how deep a value is, and how much is in it
_PLAIN: _Item = (0, 1)


@dataclass(slots=True)
class _Machine:
    """A pickle's stack and memory, of sizes in place of values."""

    stack: list[_Item] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)  # how high the stack was at each
    memo: dict[int, _Item] = field(default_factory=dict)

    def step(self, name: str, arg: Any, pops: int, pushes: int) -> None:
        if name == "MARK":
            self.marks.append(len(self.stack))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if name == "MEMOIZE" else arg] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[arg])
        elif name == "DUP":
            self.stack.append(self.stack[-1])
        elif name in MARKED:
            self._joined(name, self._to_mark())
        else:
            taken = self._taken(pops)
            self.stack += [self._around(name, taken)] * pushes

    def _to_mark(self) -> list[_Item]:
        return self._taken(len(self.stack) - self.marks.pop())

    def _taken(self, count: int) -> list[_Item]:
        place = len(self.stack) - count
        if place < (self.marks[-1] if self.marks else 0):
            raise IndexError
        taken = self.stack[place:]
        del self.stack[place:]
        return taken

    def _joined(self, name: str, taken: list[_Item]) -> None:
        if name in ("APPENDS", "SETITEMS", "ADDITEMS", "POP_MARK"):
            return
        self.stack.append(self._around(name, taken))

    def _around(self, name: str, taken: list[_Item]) -> _Item:
        """The size of what is made of some values. Lists and dictionaries are no keys: theirs is not counted."""
        if name in ("LIST", "DICT", "EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET") or not taken:
            return _PLAIN
        made = 1 + max(depth for depth, _ in taken), 1 + sum(weight for _, weight in taken)
        if name in ("APPEND", "SETITEM", "BUILD"):
            return taken[0]
        if made[0] > DEPTH or made[1] > WEIGHT:
            raise PickleFault("its tuples contain one another too deep or too often")
        return made


def look(stream: BinaryIO) -> Pickle:
    """What is seen in the pickle that begins here, up to its end. Raises `PickleFault`."""
    machine, seen = _Machine(), Pickle()
    try:
        for name, arg, pops, pushes in _steps(stream):
            if name in ("GLOBAL", "INST"):
                _hold_global(arg.replace(" ", ".", 1))
            elif isinstance(arg, str):
                seen.texts.add(arg)
            machine.step(name, arg, pops, pushes)
    except PickleFault:
        raise
    except Exception as error:  # of bytes that are no pickle: whatever the reader of opcodes or the stack say
        raise PickleFault("it is no pickle of torch.save, or damaged") from error
    return seen


def _hold_global(name: str) -> None:
    if GREEDY.fullmatch(name) and name != "torch.Tensor":
        raise PickleFault(f"it holds a `{name}`, which is no plain tensor")


_Step = tuple[str, Any, int, int]


def _steps(stream: BinaryIO) -> Iterator[_Step]:
    for count, (opcode, arg, _) in enumerate(pickletools.genops(stream)):
        if count >= STEPS:
            raise PickleFault(f"its pickle has more than {STEPS:,} steps")
        yield opcode.name, arg, len(opcode.stack_before), len(opcode.stack_after)
