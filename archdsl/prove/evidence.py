"""What runs of two nets on the same examples have shown so far."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from archdsl.graph import Graph
from archdsl.graph.sizes import declared_sizes, other_sizes
from archdsl.prove.compare import RESOLUTION, REWRITE, Array, look
from archdsl.prove.deaf import without_deaf
from archdsl.prove.knees import Sides
from archdsl.prove.probes import LOUD, USUAL, Probe, Setting
from archdsl.prove.run import Make, arrays_of, calibrated, state_of
from archdsl.prove.weights import random_weights

if TYPE_CHECKING:
    from torch import nn

Carry: TypeAlias = Callable[[Mapping[str, Array]], Mapping[str, Array]]
Pair: TypeAlias = "tuple[nn.Module, nn.Module]"
REFUSED = (RuntimeError, ValueError, IndexError)  # what a module raises for sizes that it does not take
CHAOS = 1e3  # rounding at every layer is so much more than that of the inputs alone
GIVEN_SCALES = (1.0, 32.0)  # of the inputs, where the weights are not ours to choose


class Evidence:
    """Two nets, the second with the first one's weights as `carry` gives them, and all that was seen of their outputs.

    `deviation` is the largest of all runs; `sizes` and `scales` are those that were run.
    """

    def __init__(self, before: Graph, after: Graph, carry: Carry, make: Make) -> None:
        self.before, self.after, self.carry, self.make = before, after, carry, make
        self.declared, self.others = declared_sizes(before), other_sizes(before)
        self.deviation = 0.0
        self.sizes: list[str] = []
        self.scales: list[float] = []
        self._sides = (Sides.of(before), Sides.of(after))
        self._names = [output.name for output in before.outputs if not output.training]
        self._axes = axes_of(before, training=False)
        self._blind: list[Array | None] = [None] * len(self._names)
        self._doubts: list[str] = []

    def modules(self, setting: Setting, *, watch: bool = False) -> Pair:
        """Both nets with the weights of a setting; `watch` adds what operations with knees read as outputs."""
        one, two = (side.watching() for side in self._sides) if watch else (self.before, self.after)
        try:
            first = calibrated(one, self.make, setting)
        except REFUSED:
            if setting.probes[0].sizes == self.declared:
                raise
            probe = replace(setting.probes[0], sizes=self.declared)  # the module takes less than its shapes allow
            first = calibrated(one, self.make, replace(setting, probes=(probe,)))
        return first, self.make(two, self.carry(state_of(first)))

    def run(self, setting: Setting) -> None:
        """Runs both nets under a setting. Loud values are watched: which sides of the knees do they show?"""
        self._compare(self.modules(setting, watch=setting.loudness != USUAL), setting.probes, setting.loudness)

    def given(self, weights: Mapping[str, Array], seed: int) -> None:
        """Runs both nets with given weights, at all sizes."""
        bad = [key for key, array in weights.items() if array.dtype.kind == "f" and not np.isfinite(array).all()]
        if bad:
            self._doubts.append(
                f"`{bad[0]}` of the given weights holds values that are not finite, which prove nothing"
            )
            return
        wide = {key: array.astype(np.float64) if array.dtype.kind == "f" else array for key, array in weights.items()}
        pair = self.make(self.before, wide), self.make(self.after, self.carry(wide))
        probes = [Probe(self.declared, 8, seed, scale) for scale in GIVEN_SCALES]
        self._compare(pair, [*probes, *(Probe(sizes, 4, seed) for sizes in self.others)], None)

    @property
    def blind(self) -> bool:
        """True if some channel of an output has not varied in any run so far, though it depends on what flows."""
        return any(blind is not None and blind.any() for blind in self._blind) and any(self._still())

    def unseen(self) -> Iterator[str]:
        """A sentence for each operation that has shown one side of its knees alone."""
        yield from dict.fromkeys(text for side in self._sides for text in side.unseen())

    def missing(self) -> list[float]:
        """The factors by which values would have to differ so that operations show all sides, a few that are far apart,
        the largest first."""
        found: list[float] = []
        for factor in sorted((factor for side in self._sides for factor in side.missing()), reverse=True):
            if not found or factor < found[-1] / LOUD:
                found.append(factor)
        return found

    def doubts(self) -> tuple[str, ...]:
        """Why the runs prove nothing, if they do not."""
        overflown = (text for side in self._sides for text in side.overflown())
        return (*dict.fromkeys(self._doubts), *overflown, *self._still())

    def _compare(self, pair: Pair, probes: Sequence[Probe], loudness: float | None) -> None:
        """Holds the outputs of both nets against one another, all runs of one output together."""
        runs: list[list[tuple[Array, Array]]] = [[] for _ in self._names]
        for probe in probes:
            both = self._outputs(pair, probe)
            if both is None:
                continue
            for found, (got, expected) in zip(runs, both, strict=True):
                found.append((got, expected))
            self.sizes.append(probe.text)
        apart = self._judge(runs, loudness)
        if apart > REWRITE:
            noise = max(self._noise(pair[0], probe) for probe in probes)
            if apart <= CHAOS * noise < math.inf:  # a net whose outputs say nothing of such differences
                if loudness is None or loudness == USUAL:
                    self._doubts.append(f"rounding alone moves its outputs by {noise:.1e}, which proves nothing")
                return
        self.deviation = max(self.deviation, apart)

    def _noise(self, module: nn.Module, probe: Probe) -> float:
        """How far the outputs of a net move if its inputs are rounded otherwise."""
        import torch

        inputs = probe.inputs()
        generator = torch.Generator().manual_seed(probe.seed)
        noisy = [
            values * (1 + RESOLUTION * torch.randn(values.shape, generator=generator, dtype=values.dtype))
            for values in inputs
        ]
        try:
            pairs = zip(arrays_of(module, noisy), arrays_of(module, inputs), self._axes, strict=False)
            return max((look([(a, b)], axis).deviation for a, b, axis in pairs), default=0.0)
        except REFUSED:
            return 0.0

    def _outputs(self, pair: Pair, probe: Probe) -> list[tuple[Array, Array]] | None:
        """The outputs of both nets, the second's first; `None` if the first net does not take these sizes."""
        inputs, count = probe.inputs(), len(self._names)
        try:
            expected = arrays_of(pair[0], inputs)
        except REFUSED:
            if probe.sizes == self.declared:
                raise
            return None
        try:
            got = arrays_of(pair[1], inputs)
        except REFUSED:
            self.deviation = math.inf
            self._doubts.append(f"at {probe.text} the other net fails")
            return None
        if len(expected) > count or len(got) > count:
            for side, values in zip(self._sides, (expected, got), strict=True):
                side.see(values[count:])
        return list(zip(got[:count], expected[:count], strict=True))

    def _judge(self, runs: Sequence[Sequence[tuple[Array, Array]]], loudness: float | None) -> float:
        """How far the outputs are apart, all runs of one output together; notes what they do not show."""
        looks = [look(pairs, axis) for pairs, axis in zip(runs, self._axes, strict=True)]
        faulty = [number for number, seen in enumerate(looks) if seen.fault]
        if any(_differ(got, expected) for number in faulty for got, expected in runs[number]):
            return math.inf
        if faulty:
            if loudness is None or loudness <= LOUD:
                first = faulty[0]
                self._doubts.append(f"`{self._names[first]}`: {looks[first].fault}, which proves nothing")
            return 0.0
        if loudness is not None:
            self.scales.append(loudness)
        for number, seen in enumerate(looks):
            if runs[number]:
                before, now = self._blind[number], seen.blind(REWRITE)
                self._blind[number] = now if before is None else before & now if len(before) == len(now) else now
        return max((seen.deviation for seen, pairs in zip(looks, runs, strict=True) if pairs), default=0.0)

    def _still(self) -> Iterator[str]:
        """A sentence for each output with channels that never varied and are not constant by their making."""
        if not any(blind is not None and blind.any() for blind in self._blind):
            return
        constant = self._constant()
        for number, (name, blind) in enumerate(zip(self._names, self._blind, strict=True)):
            if blind is None:
                continue
            still = np.flatnonzero(blind & ~constant[number] if len(constant[number]) == len(blind) else blind)
            if len(still):
                more = f" and {len(still) - 1} more" if len(still) > 1 else ""
                yield f"`{name}`: channel {still[0]}{more} did not vary beyond rounding, which proves nothing"

    def _constant(self) -> list[Array]:
        """For each output the channels that depend on no input: those which stay finite where all inputs are NaN."""
        import torch

        cut, places = without_deaf(self.before)
        probe = Probe(self.declared, 2, 0)
        module = self.make(cut, random_weights(self.before, 0))
        fresh = Probe(tuple(cut.nodes[place].outputs[0].sizes for place in places), 2, 1).inputs()
        given = dict(zip(places, fresh, strict=True))
        flowing = iter([torch.full_like(values, math.nan) for values in probe.inputs()])
        inputs = [given[place] if place in given else next(flowing) for place in cut.inputs]
        found = []
        for values, axis in zip(arrays_of(module, inputs), self._axes, strict=True):
            rest = tuple(place for place in range(values.ndim) if place != axis)
            found.append(~np.isnan(values).any(axis=rest).reshape(-1))
        return found


def axes_of(graph: Graph, *, training: bool) -> list[int]:
    """The axis of each output along which its channels lie, the batch counted; `training` takes all outputs."""
    shapes = [graph.shape(output.value) for output in graph.outputs if training or not output.training]
    return [1 + (shape.axis("c") or 0) for shape in shapes]


def _differ(one: Array, two: Array) -> bool:
    """Whether values that are not all finite are so at different places, or of different shapes."""
    return one.shape != two.shape or not (
        np.array_equal(np.isnan(one), np.isnan(two)) and np.array_equal(np.isinf(one), np.isinf(two))
    )
