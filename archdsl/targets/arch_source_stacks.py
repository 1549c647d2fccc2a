"""Stacks found again: calls of one block in a row, the first of which may have arguments of its own."""

from __future__ import annotations

from typing import Any

from archdsl.targets.arch_source_parts import ABSENT, Hole, LoopIndex, Part, exact


def stacked(part: Part) -> Part:
    """A level or role with its runs of calls as stacks: calls of a block, the first with arguments of its own."""
    if part.kind not in ("level", "role"):
        return part
    body: list[Part] = []
    for item in part.bodies[0]:
        call, count = _calls(item)
        last = body[-1] if body else None
        if call is None:
            body.append(stacked(item))
        elif last is not None and last.kind == "stack" and _continues(last, call):
            depth, *rest = last.holes
            known = rest[: len(call.holes)]
            again = [Hole(f"next_{hole.name}", hole.value) for hole in call.holes]
            body[-1] = last.copy((depth.filled(depth.value + count), *known, *again), (), last.label)
        else:
            nexts = [Hole(f"next_{hole.name}", hole.value if count > 1 else ABSENT) for hole in call.holes]
            holes = (Hole("blocks", count), *call.holes, *nexts)
            body.append(Part("stack", _counted(call.label), call.word, holes, height=1))
    return part.copy(part.holes, (body,), part.label)


def _calls(item: Part) -> tuple[Part | None, int]:
    """The call that an item is, or repeats, and how often."""
    if item.kind == "repeat" and len(item.bodies[0]) == 1:
        call, count = _calls(item.bodies[0][0])
        known = item.holes[0].value
        return (call, count * known) if call is not None and count == 1 and type(known) is int else (None, 0)
    fits = item.kind == "call" and item.role is None and not item.names
    return (item, 1) if fits and (item.label is None or _counted(item.label) is not None) else (None, 0)


def _counted(label: Any) -> tuple[Any, ...] | None:
    """A label that ends in a number, or in the index of a loop, as the label of a loop that starts there."""
    if isinstance(label, str):
        base = label.rstrip("0123456789")
        digits = label[len(base) :]
        return (base, LoopIndex(1, int(digits))) if digits and str(int(digits)) == digits else None
    if isinstance(label, tuple) and isinstance(label[-1], LoopIndex) and label[-1].height == 1:
        return label if all(isinstance(piece, str) for piece in label[:-1]) else None
    return None


def _continues(stack: Part, call: Part) -> bool:
    """True if a call is what the stack goes on with."""
    if stack.word != call.word:
        return False
    count, half = stack.holes[0].value, len(call.holes)
    if stack.label is not None or call.label is not None:
        following = _counted(call.label)
        if stack.label is None or following is None or following[:-1] != tuple(stack.label[:-1]):
            return False
        first = stack.label[-1]
        if not isinstance(first, LoopIndex) or following[-1].start != first.start + count:
            return False
    nexts = stack.holes[1 + half :]
    if len(nexts) != half:
        return False
    return count == 1 or all(exact(a.value) == exact(b.value) for a, b in zip(nexts, call.holes, strict=True))
