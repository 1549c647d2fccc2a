"""Arrays that are not read yet: what they are is compared first, and memory is taken only for those that fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from archdsl.diagnostics import ArchdslError

Arrays = dict[str, np.ndarray]


class WeightsError(ArchdslError):
    """A checkpoint that cannot be read or written; the message names the file and says why."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An array of a checkpoint: its sizes, its numbers' type as numpy calls it (`bfloat16` where numpy has none, words
    such as `sparse float32` for what is no plain array), and how to get the numbers. `load` gives a bfloat16 as the
    same numbers in float32, and raises `WeightsError`."""

    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], np.ndarray]


State = dict[str, Stored]


def stored(array: np.ndarray | Stored) -> Stored:
    """An array that is in memory already, as one that is not read yet."""
    return array if isinstance(array, Stored) else Stored(array.shape, array.dtype.name, lambda: array)


def loaded(state: Mapping[str, Stored]) -> Arrays:
    """All arrays in memory. Raises `WeightsError`."""
    return {key: array.load() for key, array in state.items()}
