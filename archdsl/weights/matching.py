"""Whether a checkpoint's arrays are exactly a graph's weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from math import prod
from typing import TypeVar

import numpy as np

from archdsl.diagnostics import CompileError, Diagnostic, did_you_mean, quote
from archdsl.graph.graph import Graph
from archdsl.ops.base import Tensor
from archdsl.weights.numbers import Tally, fits
from archdsl.weights.problems import (
    MissingWeight,
    OtherNet,
    OtherNumbers,
    OtherShape,
    UnexpectedWeight,
)
from archdsl.weights.stored import Arrays, State, Stored, stored

PREFIXES = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put before every key
PREFIXED = re.compile(f"(?:{'|'.join(map(re.escape, PREFIXES))})*")
COMPARED = 10_000  # pairs of names up to which a misspelt one is looked for
FEW = 4  # mistakes of a kind that are told one by one
COUNTER = ".num_batches_tracked"
Note = Callable[[str], None]
T = TypeVar("T")


def match(
    graph: Graph, arrays: Mapping[str, np.ndarray] | Mapping[str, Stored], note: Note = lambda text: None
) -> Arrays:
    """The arrays in the graph's order, if keys, shapes and types are the graph's; else raises `CompileError`.

    Habits of checkpoints are accepted, and told to `note`: a prefix `module.` or `_orig_mod.` on every key, numbers
    with a fraction in another width than the graph's (and whether some were rounded), and no batchnorm counters at all
    (torch before 0.4.1), which begin at 0. Numbers that are not finite are told too. Numbers are read only once all
    else fits.
    """
    given = _without_prefix({key: stored(array) for key, array in arrays.items()}, note)
    expected = {key: tensor for key, _, tensor in graph.state()}
    given = _with_counters(given, expected, note)
    problems = [*_names(graph.name, given, expected), *_unlike(given, expected)]
    if problems:
        raise CompileError(problems)
    tally = Tally()
    found = {key: tally.taken(key, given[key], tensor.dtype) for key, tensor in expected.items()}
    tally.tell(note)
    return _apart(found)


def _apart(arrays: Arrays) -> Arrays:
    """The same, no two of them in the same memory: tensors that a checkpoint ties would be tied in the net."""
    end = 0
    places = {key: array.__array_interface__["data"][0] for key, array in arrays.items() if array.flags.c_contiguous}
    for key, start in sorted(places.items(), key=lambda item: item[1]):
        stop = start + arrays[key].nbytes
        if start < end:
            arrays[key] = arrays[key].copy()
        end = max(end, stop)
    return arrays


def prefix_of(keys: Mapping[str, object]) -> str:
    """What DataParallel and torch.compile put before every key, as often as they did."""
    found = [PREFIXED.match(key)[0] for key in keys]  # type: ignore[index]
    return common_start(found)


def common_start(names: Collection[str]) -> str:
    """The levels that all names begin with, each with its dot."""
    first, last = min(names, default=""), max(names, default="")
    count = next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[: first.rfind(".", 0, count) + 1]


def without_prefix(given: Mapping[str, T]) -> Mapping[str, T]:
    """The same without what DataParallel and torch.compile put before every key, if it is there."""
    prefix = prefix_of(given)
    return {key.removeprefix(prefix): value for key, value in given.items()} if prefix else given


def _without_prefix(given: State, note: Note) -> State:
    prefix = prefix_of(given)
    if prefix:
        note(f"every key of the checkpoint starts with `{quote(prefix)}`, which is dropped")
    return dict(without_prefix(given))


def _with_counters(given: State, expected: Mapping[str, Tensor], note: Note) -> State:
    counters = [key for key in expected if key.endswith(COUNTER)]
    shared = sum(key in expected for key in given)
    if not counters or 2 * shared < len(expected) - len(counters) or any(key.endswith(COUNTER) for key in given):
        return given
    note("the checkpoint has no batchnorm counters (num_batches_tracked); they begin at 0")
    return given | {key: stored(np.zeros((), np.int64)) for key in counters}


def _names(net: str, given: State, expected: Mapping[str, Tensor]) -> list[Diagnostic]:
    """What is missing and what is unexpected: one by one where it is little, else as what the checkpoint is."""
    absent = [key for key in expected if key not in given]
    unknown = [key for key in given if key not in expected]
    if len(absent) + len(unknown) > FEW:
        return [_other_net(net, given, expected, absent, unknown)]
    near = {key: did_you_mean(key, absent) for key in unknown}
    return [
        *(MissingWeight(key, _sizes(expected[key].sizes)).diagnostic() for key in absent),
        *(UnexpectedWeight(key, _sizes(given[key].shape), near[key]).diagnostic() for key in unknown),
    ]


def _other_net(
    net: str, given: State, expected: Mapping[str, Tensor], absent: list[str], unknown: list[str]
) -> Diagnostic:
    prefix = common_start(given)
    near: tuple[str, str] | None = None
    if unknown and len(unknown) * len(absent) < COMPARED:  # of another net altogether nothing is near
        pairs = ((key, did_you_mean(key, absent)) for key in unknown)
        near = next(((key, text) for key, text in pairs if text), None)
    return OtherNet(
        net=net,
        expected=len(expected),
        shared=len(expected) - len(absent),
        holds=len(given),
        numbers=sum(prod(array.shape) for array in given.values()),
        prefix=prefix,
        without=sum(key.removeprefix(prefix) in expected for key in given) if prefix else 0,
        found=_shown(unknown, {key: array.shape for key, array in given.items()}),
        wanted=_shown(absent, {key: tensor.sizes for key, tensor in expected.items()}),
        near=f"`{quote(near[0])}`: {near[1]}" if near else "",
    ).diagnostic()


def _shown(keys: list[str], sizes: Mapping[str, tuple[int, ...]]) -> str:
    first = ", ".join(f"`{quote(key)}` ({_sizes(sizes[key])})" for key in islice(keys, 3))
    return first + (f" and {len(keys) - 3:,} more" if len(keys) > 3 else "")


def _unlike(given: State, expected: Mapping[str, Tensor]) -> list[Diagnostic]:
    """Arrays of other sizes, a few one by one; and types of numbers that do not fit, each once."""
    both = [(key, given[key], tensor) for key, tensor in expected.items() if key in given]
    shapes = [(key, array, tensor) for key, array, tensor in both if array.shape != tensor.sizes]
    kinds: dict[tuple[str, str], list[str]] = {}
    for key, array, tensor in both:
        if not fits(array.dtype, tensor.dtype):
            kinds.setdefault((array.dtype, tensor.dtype), []).append(key)
    shown = shapes if len(shapes) <= FEW else shapes[: FEW - 1]
    more = len(shapes) - len(shown)
    return [
        *(
            OtherShape(
                key, _sizes(array.shape), _sizes(tensor.sizes), more if place + 1 == len(shown) else 0
            ).diagnostic()
            for place, (key, array, tensor) in enumerate(shown)
        ),
        *(OtherNumbers(keys[0], found, wanted, len(keys) - 1).diagnostic() for (found, wanted), keys in kinds.items()),
    ]


def _sizes(sizes: tuple[int, ...]) -> str:
    return quote("x".join(map(str, sizes))) if sizes else "a scalar"
