"""Weights matched without names: by position in a walk from the outputs, by operation, by shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archdsl.graph import Graph
from archdsl.passes.canonical import meant, operation, walk


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where two nets part: what stands there in each."""

    position: int
    left: str
    right: str

    def text(self) -> str:
        """One line for a user."""
        return f"they part at operation {self.position}: {self.left} against {self.right}"


@dataclass(frozen=True, slots=True)
class Alignment:
    """The state_dict keys of the right net, each with the key of the left net that holds the same."""

    keys: tuple[tuple[str, str], ...]


def align(left: Graph, right: Graph) -> Alignment | Difference:
    """How the weights of `left` lie in `right`, if both are the same operations wired alike; else where they part.

    Both nets are walked backwards from their outputs, through arguments from the first to the last, so that the
    position of an operation does not depend on names or on program order. Initial values do not count.
    """
    one, two = walk(left), walk(right)
    pairs: dict[str, str] = {}
    places = ({index: number for number, index in enumerate(one)}, {index: number for number, index in enumerate(two)})
    for number, (a, b) in enumerate(zip(one, two, strict=False)):
        shown = (_shown(left, a), _shown(right, b))
        inputs = tuple(
            [(place[value.node], value.output) for value in (meant(graph, v) for v in graph.nodes[index].inputs)]
            for graph, index, place in ((left, a, places[0]), (right, b, places[1]))
        )
        if operation(left, a, initial=False) != operation(right, b, initial=False) or inputs[0] != inputs[1]:
            return Difference(number, *shown)
        first, second = left.nodes[a].path, right.nodes[b].path
        if pairs.setdefault(second, first) != first:
            return Difference(number, *shown)
    if len(one) != len(two):
        longer = one if len(one) > len(two) else two
        graph = left if longer is one else right
        more = _shown(graph, longer[min(len(one), len(two))])
        sides = (more, "nothing") if longer is one else ("nothing", more)
        return Difference(min(len(one), len(two)), *sides)
    keys = []
    for index in two:
        node = right.nodes[index]
        for tensor in node.op.tensors(*right.program.shapes_in(node)):
            suffix = f".{tensor.name}" if tensor.name else ""
            keys.append((f"{node.path}{suffix}", f"{pairs[node.path]}{suffix}"))
    return Alignment(tuple(dict.fromkeys(keys)))


def by_order(expected: Mapping[str, tuple[int, ...]], given: Mapping[str, tuple[int, ...]]) -> dict[str, str] | str:
    """Keys of a checkpoint by those expected, matched by order and shape alone; else the reason why they do not match.

    Counters of batch norms are left out on both sides: some checkpoints have none. Entries are matched one by one in
    the order in which they stand; nothing is sorted and nothing is guessed.
    """
    left = [(key, sizes) for key, sizes in expected.items() if not key.endswith("num_batches_tracked")]
    right = [(key, sizes) for key, sizes in given.items() if not key.endswith("num_batches_tracked")]
    found: dict[str, str] = {}
    for number, ((key, sizes), (other, theirs)) in enumerate(zip(left, right, strict=False)):
        if sizes != theirs:
            shapes = ("x".join(map(str, sizes)) or "scalar", "x".join(map(str, theirs)) or "scalar")
            return f"entry {number}: {key} has the shape {shapes[0]}, and {other} {shapes[1]}"
        found[key] = other
    if len(left) != len(right):
        more = left[len(right) :] or right[len(left) :]
        side = "the spec" if len(left) > len(right) else "the checkpoint"
        return f"{side} has {len(more)} entries more, from {more[0][0]} on"
    return found


def _shown(graph: Graph, index: int) -> str:
    node = graph.nodes[index]
    shapes = ", ".join(map(str, node.outputs))
    return f"{node.path} ({node.op.word}, {shapes})"
