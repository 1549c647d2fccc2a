"""Two graphs run in float64 on the same random inputs, with random weights carried from one to the other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from archdsl.graph import Graph
from archdsl.graph.sizes import declared_sizes, other_sizes, resized
from archdsl.passes.arrays import Take
from archdsl.passes.plan import Entry, Plan
from archdsl.passes.rule import Promise
from archdsl.prove.compare import REWRITE, Array
from archdsl.prove.evidence import Evidence
from archdsl.prove.probes import LOUD, USUAL, Probe, again, batch_of, by_turns, settings
from archdsl.prove.run import Make, generated, likely_weights
from archdsl.prove.training import training
from archdsl.prove.weights import random_fresh

__all__ = ["Make", "Proof", "batch_of", "generated", "likely_weights", "prove", "same_function"]
RETRIES = 3


@dataclass(frozen=True, slots=True)
class Proof:
    """How far two graphs are apart, by what was compared: the largest deviation, and where it is.

    `doubts` are reasons why equal values prove nothing: some were not finite, or did not vary. `sizes` and `scales` are
    those of the inputs and about how far the values in the net spread; `fixed` says that the net takes no other sizes.
    `unseen` tells of operations that have changed their form nowhere.
    """

    promise: str
    deviations: tuple[tuple[str, float], ...]
    gate: float = REWRITE
    doubts: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    scales: tuple[float, ...] = ()
    fixed: bool = False
    unseen: tuple[str, ...] = ()

    @property
    def worst(self) -> float:
        """The largest deviation of all."""
        return max((found for _, found in self.deviations), default=0.0)

    @property
    def near(self) -> bool:
        """True if every deviation is within the gate."""
        return self.worst <= self.gate

    @property
    def holds(self) -> bool:
        """True if every deviation is within the gate, and the values were such that this proves something."""
        return self.near and not self.doubts

    def text(self) -> str:
        """One line: what was compared, how near it is, and on which values."""
        if self.promise == "redesign":
            return self._redesign()
        parts = ", ".join(f"{name} {found:.1e}" for name, found in self.deviations)
        word = "proved" if self.holds else "NOT proved" if self.near else "NOT equal"
        return f"{word} ({self.promise}): {parts}; gate {self.gate:.0e}{self.where()}"

    def where(self) -> str:
        """The end of a sentence: at which sizes and scales, what was not seen, and why nothing is proved."""
        text = ""
        if self.sizes:
            only = ", the only size that it takes" if self.fixed else ""
            text = f"; at {', '.join(self.sizes)}{only}"
        if self.scales:
            text += f"; values of about {', '.join(f'{scale:g}' for scale in self.scales)}"
        if self.holds and self.unseen:
            more = f" and {len(self.unseen) - 1} more like it" if len(self.unseen) > 1 else ""
            text += f"; {self.unseen[0]}{more}"
        return text + (f"; {self.doubts[0]}" if self.near and self.doubts else "")

    def _redesign(self) -> str:
        if self.doubts:
            return f"NOT proved (redesign): {self.doubts[0]}"
        return "redesign: another function, which needs training; nothing to prove"


def prove(
    before: Graph,
    after: Graph,
    plan: Plan,
    promise: Promise,
    *,
    seed: int = 0,
    weights: Mapping[str, Array] | None = None,
    steps: int = 0,
    batch: int | None = None,
    make: Make | None = None,
) -> Proof:
    """What a rewrite promises, held against random inputs and weights, and against given weights too.

    `exact-eval` compares the outputs in inference: at several sizes, and with values so small and so large that all
    that bends is seen on both sides. `exact` compares a training step too: outputs, gradients and buffers, and after
    `steps` further steps of SGD with momentum the weights and the momentum; its plan must only rearrange. All of it is
    float64. A `redesign` promises nothing of its function, only that it takes what the old net took. `make` gives the
    module that computes a graph, its weights in float64; by default the generated one.
    """
    if promise == "redesign":
        return Proof(promise, (), doubts=_lost_sizes(before, after))
    if promise == "exact" and not plan.exact:
        return Proof(promise, (("weights (they are not merely rearranged)", math.inf),))
    found = Evidence(before, after, lambda old: plan.apply(old, random_fresh(plan, seed + 1)), make or generated)
    gather(found, seed, weights)
    deviations = [("outputs", found.deviation)]
    if promise == "exact" and found.deviation <= REWRITE:
        deviations += training(found, plan, seed, batch, steps)
    return _proof(found, promise, deviations)


def same_function(
    left: Graph,
    right: Graph,
    keys: Mapping[str, str],
    *,
    seed: int = 0,
    weights: Mapping[str, Array] | None = None,
) -> Proof:
    """Two nets in inference, `keys` giving for each weight of `right` the key of `left` that holds it."""
    sizes = {key: tensor for key, _, tensor in right.state()}
    entries = tuple(
        Entry(key, Take(keys[key], sizes[key].sizes), sizes[key].trainable, sizes[key].dtype) for key in sizes
    )
    plan = Plan(entries, tuple(key for key, _, tensor in left.state() if tensor.trainable))
    return prove(left, right, plan, "exact-eval", seed=seed, weights=weights)


def gather(found: Evidence, seed: int, given: Mapping[str, Array] | None) -> None:
    """Runs two nets under all settings, and more where some values showed too little; stops where they differ."""
    if given is not None:
        found.given(given, seed)
    for setting in settings(found.before, found.after, found.others, seed):
        found.run(setting)
        if found.deviation > REWRITE:
            return
    sizes = [*found.others[:1]] or [found.declared]
    for number, factor in enumerate(found.missing()[:RETRIES]):
        for setting in by_turns(found.before, sizes, float(f"{LOUD * factor:.1g}"), seed + 50 + number):
            found.run(setting)
            if found.deviation > REWRITE:
                return
    for number in range(RETRIES):
        if found.deviation > REWRITE or not found.blind:
            return
        found.run(again(found.before, found.others, USUAL, seed + 60 + number))


def _proof(found: Evidence, promise: str, deviations: list[tuple[str, float]]) -> Proof:
    sizes = tuple(dict.fromkeys(found.sizes))
    fixed = len(sizes) == 1 and any(len(each) > 1 for each in declared_sizes(found.before))
    return Proof(
        promise,
        tuple(deviations),
        doubts=found.doubts(),
        sizes=sizes,
        scales=tuple(dict.fromkeys(found.scales)),
        fixed=fixed,
        unseen=tuple(found.unseen()),
    )


def _lost_sizes(before: Graph, after: Graph) -> tuple[str, ...]:
    """Sizes at which a rewritten net makes something else than the old one did; very small ones it need not take."""
    found = []
    for number, sizes in enumerate(other_sizes(before)):
        one, two = resized(before, sizes), resized(after, sizes)
        if one is None or (two is None and number < 2):
            continue
        if two is None or one.output_shapes != two.output_shapes:
            found.append(f"at {Probe(sizes, 1, 0).text} the rewritten net does not make what the old one makes")
    return tuple(found)
