"""Initial values: each array is drawn once, from the seed and its key alone.

An array is filled in blocks of fixed length, each with a generator of its own (SFC64), seeded with the seed, a hash of
the key and the block's number. So an array depends on nothing else in the net, and not on how many threads draw: numpy
releases the interpreter's lock while it fills a block.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.random import SFC64, Generator, SeedSequence

from archdsl.diagnostics import UsageError
from archdsl.graph.graph import Graph
from archdsl.ops import init as inits
from archdsl.ops.base import Init, Tensor
from archdsl.weights.distributions import fill

BLOCK = 1 << 18  # numbers that one generator draws
ALONE = 1 << 16  # numbers in all below which threads cost more than they save


@dataclass(frozen=True, slots=True)
class _Job:
    """A block of an array that one generator fills."""

    entropy: tuple[int, ...]
    block: np.ndarray
    fill: Callable[[Generator, np.ndarray], None]

    def run(self) -> None:
        self.fill(Generator(SFC64(SeedSequence(self.entropy))), self.block)


def initial(graph: Graph, seed: int = 0) -> dict[str, np.ndarray]:
    """Initial values of every parameter and buffer by key, in state_dict order and with their types.

    Distributions are those of each tensor's `init`, with fans as PyTorch counts them; the same seed, key, sizes and
    distribution give the same numbers, on one platform with the same numpy. Raises `UsageError` for a negative seed.
    """
    return drawn(((key, tensor) for key, _, tensor in graph.state()), seed)


def drawn(tensors: Iterable[tuple[str, Tensor]], seed: int) -> dict[str, np.ndarray]:
    """The same for tensors by key that are not all of a graph. Raises `UsageError` for a negative seed."""
    if seed < 0:
        raise UsageError(f"a seed is a whole number from 0 on, not {seed}")
    arrays: dict[str, np.ndarray] = {}
    jobs: list[_Job] = []
    derived: list[tuple[str, inits.NormOf]] = []
    for key, tensor in tensors:
        arrays[key] = array = np.empty(tensor.sizes, tensor.dtype)
        constant = _constant(tensor.init)
        if constant is not None:
            array.fill(constant)
        elif isinstance(tensor.init, inits.NormOf):
            derived.append((key, tensor.init))
        else:
            jobs += _jobs(seed, key, array, fill(tensor.init, tensor.sizes))
    _run(jobs)
    for key, norm in derived:
        arrays[key][...] = _norm(arrays[f"{key.rpartition('.')[0]}.{norm.of}"]).reshape(arrays[key].shape)
    return arrays


def _constant(init: Init) -> float | None:
    """The one value of a distribution without chance, or `None`."""
    match init:
        case inits.Zeros():
            return 0.0
        case inits.Ones():
            return 1.0
        case inits.Constant(value=value):
            return value
        case _:
            return None


def _jobs(seed: int, key: str, array: np.ndarray, fill: Callable[[Generator, np.ndarray], None]) -> Iterator[_Job]:
    place = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=16).digest(), "little")
    flat = array.reshape(-1)
    for number, start in enumerate(range(0, flat.size, BLOCK)):
        yield _Job((seed, place, number), flat[start : start + BLOCK], fill)


def _run(jobs: list[_Job]) -> None:
    """Every block filled, on all cores where that pays."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads == 1 or sum(job.block.size for job in jobs) < ALONE:
        for job in jobs:
            job.run()
        return
    # Big blocks first, so that no thread is left with one at the end.
    ordered = sorted(jobs, key=lambda job: -job.block.size)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(_Job.run, ordered))


def _norm(array: np.ndarray) -> np.ndarray:
    """The norm over all axes but the first, summed in float64."""
    norms: np.ndarray = np.sqrt(np.square(array.reshape(len(array), -1), dtype=np.float64).sum(axis=1))
    return norms
