"""Whether two nets are one function: by structure and values, or where they part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from archdsl.graph import Graph
from archdsl.passes.structure import Alignment, align, matchings
from archdsl.prove.compare import REWRITE, Array
from archdsl.prove.parting import Comparison, first_parting, grounds, interface, up_to
from archdsl.prove.prover import Proof, same_function

Word = Literal["equal", "equal-in-inference", "different", "inconclusive"]
NOTHING = Comparison(0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What two nets have in common.

    `equal` nets have one structure; those that are `equal-in-inference` differ in it, and yet all outputs agree on
    random inputs and weights; `inconclusive` says that nothing differs, and nothing is proved either. `keys` gives for
    each array of the right net the left one's, if all have one; `outputs` is how far the outputs are apart under it,
    `proof` what was run. `values` are those at the places where the structures differ.
    """

    word: Word
    alignment: Alignment
    keys: Mapping[str, str] | None = None
    proof: Proof | None = None
    matched: str = "by structure"
    values: Comparison = NOTHING

    @property
    def outputs(self) -> float | None:
        """How far the outputs are apart, if they were compared."""
        return None if self.proof is None else self.proof.worst

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
        return "" if self.proof is None else self.proof.text()

    def _further(self) -> list[str]:
        more = len(self.alignment.differences) - 1
        return [f"{more} further {'operation differs' if more == 1 else 'operations differ'}"] if more else []

    def _values(self) -> str:
        """What the values say at the places where structures differ."""
        found, parting = self.alignment, self.values.parting
        if parting is not None:
            return parting.text()
        if found.whole and self.values.unlike is not None:
            return f"no value can be held against another there: {self.values.unlike}"
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
        if self.proof is None:
            return []
        apart = f"outputs {self.proof.worst:.1e}; gate {REWRITE:.0e}{self.proof.where()}"
        if self.word == "different":
            return [f"NOT equal, with all arrays mapped: {apart}"]
        if self.word == "inconclusive":
            return [f"NOT proved, with all arrays matched {self.matched}: {apart}"]
        return [f"yet the same function in inference, with all arrays matched {self.matched}: {apart}"]


def compare(left: Graph, right: Graph, weights: Mapping[str, Array] | None = None, *, seed: int = 0) -> Verdict:
    """Whether two nets compute the same in float64, on random weights and on `weights`, the left one's, if given.

    If one structure gives both, weights are mapped by it. If not, they are run up to the first value that parts; and
    where all arrays of one can be matched with those of the other, equal outputs confirm a way of it.
    """
    found = align(left, right)
    if not found.differences:
        keys = _all_keys(found, left, right)
        sides = (left, right) if keys is not None else (_live(left), _live(right))
        proof = same_function(*sides, keys or dict(found.keys), weights=_of(sides[0], weights), seed=seed)
        return Verdict(_word(proof, "equal"), found, keys, proof)
    values = first_parting(left, right, found, grounds(left, right, weights, seed))
    keys = _all_keys(found, left, right) if found.whole else None
    ways = [("by structure", keys)] if keys is not None else list(matchings(left, right))
    if interface(left) != interface(right):
        return Verdict("different", found, keys, None, "", values)
    for how, proposed in ways:
        proof = same_function(left, right, proposed, weights=weights, seed=seed)
        word = _word(proof, "equal-in-inference")
        if word != "different":
            return Verdict(word, found, proposed, proof, how, values)
        if keys is not None:  # the one mapping that structure allows, so that its outputs say something
            return Verdict("different", found, keys, proof, how, values)
    return Verdict("different", found, None, None, "", values)


def _word(proof: Proof, equal: Word) -> Word:
    return equal if proof.holds else "inconclusive" if proof.near else "different"


def _of(graph: Graph, weights: Mapping[str, Array] | None) -> Mapping[str, Array] | None:
    """Those of the given weights that a net has."""
    return None if weights is None else {key: weights[key] for key, _, _ in graph.state()}


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
