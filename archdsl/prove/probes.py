"""What a proof runs: which sizes of inputs, how many examples, and how loud the values in the net are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from archdsl.graph import Graph
from archdsl.graph.sizes import Sizes, declared_sizes, resized
from archdsl.ops import BatchNorm, Hardsigmoid, Hardtanh, LogSoftmax, Relu6, Sigmoid, Softmax, Softsign, Tanh
from archdsl.prove.compare import FEW
from archdsl.prove.knees import knees

if TYPE_CHECKING:
    from torch import Tensor

USUAL, LOUD = 1.0, 8.0  # about how far values spread: the loud ones are beyond the knees of every fixed activation
REACH = 1.5  # a knee is well passed by values that spread this many times as far
FAR, NEAR = (
    4.0,
    0.1,
)  # knees so much farther than the loud values, or nearer than the usual ones, get values of their own
EXTRA = 4
Bounded = Relu6 | Hardtanh | Hardsigmoid | Sigmoid | Tanh | Softsign | Softmax | LogSoftmax
AT_ONCE, TURNS = 12, 6  # bounded operations among which all layers may be loud at once, and how often they take turns
WORK = 2_000_000_000  # multiplications of one run
EXAMPLES = 6
SAMPLES = 16  # of each channel, at least, under the statistics of a batch
KINDS = (
    (1.0, 0.0),
    (5.0, 1.0),
    (0.2, -1.0),
    (25.0, 0.0),
    (1.0, -1.0),
    (2.0, 0.5),
)  # its spread and mean


@dataclass(frozen=True, slots=True)
class Probe:
    """A batch of random examples for each input: its sizes, how many, the seed, and a factor of all values."""

    sizes: Sizes
    batch: int
    seed: int
    loudness: float = USUAL
    kinds: tuple[tuple[float, float], ...] = KINDS

    def inputs(self) -> list[Tensor]:
        """The batches, float64: examples of several spreads, about zero, above and below."""
        import torch

        generator = torch.Generator().manual_seed(self.seed)
        kinds = [self.kinds[(self.seed + number) % len(self.kinds)] for number in range(self.batch)]
        found = []
        for sizes in self.sizes:
            values = torch.randn(self.batch, *sizes, generator=generator, dtype=torch.float64)
            for number, (scale, mean) in enumerate(kinds):
                values[number] = self.loudness * scale * (values[number] + mean)
            found.append(values)
        return found

    @property
    def text(self) -> str:
        """The sizes of the inputs for a reader."""
        return " with ".join("x".join(map(str, sizes)) or "scalar" for sizes in self.sizes)


@dataclass(frozen=True, slots=True)
class Setting:
    """Weights of one loudness, by a seed, and the runs that they are for; they are put right by the first one.

    `turn` says which layers are loud, the others being usual: those whose number is the first, modulo the second.
    """

    loudness: float
    seed: int
    probes: tuple[Probe, ...]
    turn: tuple[int, int] = (0, 1)

    def of_layer(self, number: int) -> float:
        """How loud the results of a layer are, by its number."""
        return self.loudness if number % self.turn[1] == self.turn[0] else USUAL


def settings(before: Graph, after: Graph, others: Sequence[Sizes], seed: int) -> Iterator[Setting]:
    """The settings under which two nets are held against one another: usual values at several sizes, then loud ones,
    then those that pass knees far from both; `others` are the sizes that the first takes too."""
    declared = declared_sizes(before)
    smaller, larger = others[:2], others[2:]
    usual = [*smaller[:1], declared, *(larger or smaller[1:])]
    loud = [*reversed(smaller)] or [declared]
    yield _setting(before, usual, USUAL, seed)
    yield from by_turns(before, loud, LOUD, seed + 1)
    for number, loudness in enumerate(_further(before, after)):
        yield from by_turns(before, loud[:1], loudness, seed + 20 + number)


def by_turns(before: Graph, sizes: Sequence[Sizes], loudness: float, seed: int) -> Iterator[Setting]:
    """Settings of which each makes some layers loud, all together every layer: where everything saturates at once, a
    deep net multiplies rounding errors past all comparison."""
    turns = min(TURNS, 1 + sum(isinstance(node.op, Bounded) for node in before.nodes) // AT_ONCE)
    for number in range(turns):
        yield _setting(before, sizes if number == 0 else sizes[:1], loudness, seed + 100 * number, (number, turns))


def again(before: Graph, others: Sequence[Sizes], loudness: float, seed: int) -> Setting:
    """One setting more, with other weights, at the smallest sizes."""
    return _setting(before, [*others[:1]] or [declared_sizes(before)], loudness, seed)


def _further(before: Graph, after: Graph) -> list[float]:
    """The values that pass knees which neither usual nor loud ones pass well, the farthest first."""
    found: list[float] = []
    own = {abs(knee) for graph in (before, after) for node in graph.nodes for knee in knees(node.op) if knee}
    for knee in sorted(own, reverse=True):
        loudness = REACH * knee
        if NEAR * USUAL < loudness <= FAR * LOUD:
            continue
        if all(not 1 / FAR < loudness / other < FAR for other in found):
            found.append(loudness)
    return found[:EXTRA]


def _setting(
    graph: Graph, sizes: Sequence[Sizes], loudness: float, seed: int, turn: tuple[int, int] = (0, 1)
) -> Setting:
    counts = [_batch(graph, each) for each in sizes]
    counts[0] += max(0, FEW - sum(counts))
    probes = [
        Probe(each, count, 10 * seed + number, loudness)
        for number, (each, count) in enumerate(zip(sizes, counts, strict=True))
    ]
    return Setting(loudness, seed, tuple(probes), turn)


def _batch(graph: Graph, sizes: Sizes) -> int:
    """As many examples of these sizes as a run has time for."""
    area = [sum(prod(each) for each in both) for both in (sizes, declared_sizes(graph))]
    work = max(1, int(graph.macs * area[0] / max(1, area[1])))
    return max(2, min(EXAMPLES, WORK // work))


def batch_of(graph: Graph, sizes: Sizes | None = None) -> int:
    """Examples enough for the statistics of a batch: `SAMPLES` numbers of each channel that a batch norm sees."""
    net = (resized(graph, sizes) if sizes is not None else None) or graph
    seen = [
        prod(net.shape(node.inputs[0]).sizes[1:])
        for node in net.nodes
        if isinstance(node.op, BatchNorm) and node.inputs
    ]
    return max(2, -(-SAMPLES // min(seen, default=SAMPLES)))
