"""Weights carried through a rewrite: arrays by key, and checkpoints on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from archdsl.graph import Graph
from archdsl.ops.base import Tensor
from archdsl.passes.arrays import Arrays
from archdsl.passes.plan import Plan
from archdsl.weights import match, read, save
from archdsl.weights.drawing import drawn

Note = Callable[[str], None]


def carry(plan: Plan, arrays: Arrays, seed: int = 0) -> dict[str, np.ndarray]:
    """The new arrays by key, in state_dict order; what the plan has new is drawn from the seed by its distribution.

    Raises `PlanError` for arrays that the plan cannot carry.
    """
    kinds = {entry.key: entry.dtype for entry in plan.entries}
    new = (
        (key, Tensor(key.rpartition(".")[2], leaf.sizes, leaf.init, leaf.trainable, _kind(kinds.get(key))))
        for key, leaf in plan.new.items()
    )
    return plan.apply(arrays, drawn(new, seed))


def carry_checkpoint(
    before: Graph,
    plan: Plan,
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    metadata: Mapping[str, str] | None = None,
    note: Note = lambda text: None,
) -> None:
    """A checkpoint with the weights of the new graph, made of one of the old graph.

    Each is safetensors, or a state_dict as torch writes it, by its suffix; only safetensors holds the metadata. The
    keys and shapes of `source` must be those of `before`. Raises `CompileError` if they are not, `WeightsError`,
    `FileError` and `UsageError` for files, and `PlanError`.
    """
    save(out, carry(plan, match(before, read(source), note), seed), metadata or {})


def _kind(dtype: str | None) -> Literal["float32", "int64"]:
    return "int64" if dtype == "int64" else "float32"
