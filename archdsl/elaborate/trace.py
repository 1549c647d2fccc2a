"""What an elaboration remembers of the text: who wrote each argument where, and what the structure hung on.

A target that writes source reads it, to say `out // 2` where the spec does. It holds references to the tree and to the
frames only, and is no part of a program's value: a file that keeps a program does not keep it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from archdsl.elaborate.environment import Env
from archdsl.elaborate.packed import Packed
from archdsl.elaborate.values import Flow, LayerValue, Written
from archdsl.ir.program import Node, Program, Value
from archdsl.syntax import tree


class Decision(NamedTuple):
    """An expression that the structure hangs on, in a scope. `outcome` is the truth value of a condition, else `None`:
    how often a loop runs, which layer stands at a place, how a path is called."""

    scope: int
    written: Written
    place: tree.Node  # where it stands, by which the same place in another call of its block is known
    outcome: bool | None = None


class Declared(NamedTuple):
    """A learned tensor or an input: its size as written, and the initialiser with its arguments."""

    size: Written
    init: LayerValue | None = None


@dataclass(slots=True, eq=False)
class Trace:
    """The record of one elaboration. Its nodes have the indices of the builder; `order` gives those of the program."""

    layers: dict[int, LayerValue | Declared] = field(default_factory=dict)
    frames: dict[int, Env] = field(default_factory=dict)  # of each block's scope
    decisions: list[Decision] = field(default_factory=list)
    labels: dict[str, Flow] = field(default_factory=dict)
    names: dict[tuple[Value, str], str] = field(default_factory=dict)  # of values (`as x`), by the level that says so
    nodes: tuple[Node, ...] = ()
    order: dict[int, int] = field(default_factory=dict)
    origin: tuple[Program, Packed] | None = None  # the program, and what makes it again

    def finish(self, program: Program, run: Sequence[int]) -> None:
        """Ties the record to the program: `run` are the builder's nodes in its order."""
        self.nodes = program.nodes
        self.order = {old: new for new, old in enumerate(run)}

    def named(self) -> dict[tuple[Value, str], str]:
        """The names of values, by their nodes' places in the program."""
        return {(Value(self.order[value.node], value.output), path): name for (value, path), name in self.names.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        return Trace, ()

    def __deepcopy__(self, memo: dict[int, Any]) -> Trace:
        return self


def trace_of(program: Program) -> Trace | None:
    """The record of a program that is as the elaborator made it, else `None`."""
    trace = program.trace
    if not isinstance(trace, Trace) or len(trace.nodes) != len(program.nodes) or not program.nodes:
        return None
    same = all(mine is theirs for mine, theirs in zip(trace.nodes, program.nodes, strict=True))
    return trace if same else None


def packed_of(program: Program) -> Packed | None:
    """What makes a program and its record again, if it is the one that the elaborator made from a spec."""
    trace = trace_of(program)
    made, packed = (trace and trace.origin) or (None, None)
    return packed if made is program else None
