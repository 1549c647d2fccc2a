"""Whether two nets are one function: by structure and values, or where they part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from archdsl.graph import Graph
from archdsl.passes.structure import Alignment, align, matchings
from archdsl.prove.compare import REWRITE, Array
from archdsl.prove.parting import Comparison, first_parting, outputs_apart, up_to

Word = Literal["equal", "equal-in-inference", "different"]
NOTHING = Comparison(0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What two nets have in common.

    `equal` nets have one structure; those that are `equal-in-inference` differ in it, and yet all outputs agree on
    random inputs and weights. `keys` gives for each array of the right net the left one's, if all have one; `outputs`
    is how far the outputs are apart under it. `values` are those at the places where the structures differ.
    """

    word: Word
    alignment: Alignment
    keys: Mapping[str, str] | None = None
    outputs: float | None = None
    matched: str = "by structure"
    values: Comparison = NOTHING

    def lines(self) -> list[str]:
        """One line a fact, for a user."""
        found = self.alignment
        if not found.differences:
            lines = [f"the same structure: {len(found.keys)} arrays mapped", self._outputs()]
            if self.keys is None:
                lines.append("some arrays are in one net alone; no output depends on them")
        else:
            lines = [found.differences[0].text(), *self._further(), self._values(), *self._despite()]
        if found.role is not None:
            lines.append(f"roles differ, on which no output depends: {found.role}")
        return lines

    def _outputs(self) -> str:
        holds = "proved (exact-eval)" if self.word == "equal" else "NOT equal"
        return f"{holds}: outputs {self.outputs:.1e}; gate {REWRITE:.0e}"

    def _further(self) -> list[str]:
        more = len(self.alignment.differences) - 1
        return [f"{more} further {'operation differs' if more == 1 else 'operations differ'}"] if more else []

    def _values(self) -> str:
        """What the values say at the places where structures differ."""
        found, parting = self.alignment, self.values.parting
        if parting is not None:
            return parting.text()
        if found.whole:
            return "no value parts there in inference"
        there = self.values.unlike or "its value is the same there in inference"
        if not found.pairs:
            return f"nothing stands before that; {there}"
        before = "the value before that agrees"
        if len(found.pairs) > 1:
            before = f"all {len(found.pairs)} values before that agree"
        return f"{before}, {len(found.keys)} arrays mapped; {there}"

    def _despite(self) -> list[str]:
        """What the outputs say although structures differ."""
        if self.outputs is None:
            return []
        apart = f"outputs {self.outputs:.1e}; gate {REWRITE:.0e}"
        if self.word == "different":
            return [f"NOT equal, with all arrays mapped: {apart}"]
        return [f"yet the same function in inference, with all arrays matched {self.matched}: {apart}"]


def compare(left: Graph, right: Graph, weights: Mapping[str, Array], *, seed: int = 0) -> Verdict:
    """Whether two nets compute the same in float64, `weights` being the left one's, mapped to the right.

    If one structure gives both, weights are mapped by it. If not, they are run up to the first value that parts; and
    where all arrays of one can be matched with those of the other, equal outputs confirm a way of it.
    """
    found = align(left, right)
    if not found.differences:
        keys = _all_keys(found, left, right)
        sides = (left, right) if keys is not None else (_live(left), _live(right))
        apart = outputs_apart(*sides, keys or dict(found.keys), weights, seed=seed)
        return Verdict("equal" if apart <= REWRITE else "different", found, keys, apart)
    values = first_parting(left, right, found, weights, seed=seed)
    keys = _all_keys(found, left, right) if found.whole else None
    ways = [("by structure", keys)] if keys is not None else list(matchings(left, right))
    for how, proposed in ways:
        apart = outputs_apart(left, right, proposed, weights, seed=seed)
        if apart <= REWRITE:
            return Verdict("equal-in-inference", found, proposed, apart, how, values)
        if keys is not None:  # the one mapping that structure allows, so that its outputs say something
            return Verdict("different", found, keys, apart, how, values)
    return Verdict("different", found, None, None, "", values)


def _live(graph: Graph) -> Graph:
    """What the outputs depend on."""
    return up_to(graph, [output.value for output in graph.outputs])


def _all_keys(found: Alignment, left: Graph, right: Graph) -> dict[str, str] | None:
    """The mapping, with what no output depends on taken by name; nothing if the left net has no such array."""
    own = {key: (tensor.sizes, tensor.dtype) for key, _, tensor in left.state()}
    keys = dict(found.keys)
    for key, _, tensor in right.state():
        if key not in keys and own.get(key) != (tensor.sizes, tensor.dtype):
            return None
        keys.setdefault(key, key)
    return keys
