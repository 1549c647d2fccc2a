"""Every operation over a grid of arguments and shapes, with a batch, without, and both in one shared level: PyTorch
(live module and generated source), onnxruntime and onnx's evaluator compute what the reference of operations says.

What an operation does not take is rejected when the net is built. `pytest -m slow tests/ops/test_sweep.py` tries 250
points of each operation and kind; `tests.support.operation_sweep` draws them.
"""

from __future__ import annotations

import warnings
from itertools import count, islice

import pytest
import torch

from archdsl import ops
from archdsl.graph.graph import Graph
from tests.support import agreement
from tests.support.operation_sweep import GRID, Point, draw

FEW, MANY = 2, 250
KINDS = ("batch", "bare", "mixed", "shared")


def points(word: str, kind: str, least: int) -> list[tuple[int, Point, Graph]]:
    """The first legal points of an operation; fewer if `200 + 10 * least` draws have no more."""
    tries = ((seed, draw(word, seed, kind)) for seed in islice(count(), 200 + 10 * least))
    return list(islice(((seed, *found) for seed, found in tries if found is not None), least))


def assert_agree(word: str, kind: str, least: int) -> int:
    """Tries so many points; how many there were."""
    found = points(word, kind, least)
    for seed, point, graph in found:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for batch in (1, 3):
                if isinstance(point.op, ops.BatchNorm) and not point.op.track and batch == 1:
                    continue  # PyTorch refuses the variance of one element, which a batch of one may be
                faults = agreement.faults(graph, seed, batch)
                assert not faults, f"{point}, seed {seed}, batch {batch}: {faults}"
    return len(found)


def test_the_grid_has_every_operation() -> None:
    assert set(GRID) == set(ops.OPERATIONS) - {"tensor"}


@pytest.mark.parametrize("word", GRID)
def test_an_operation_means_the_same_everywhere(word: str) -> None:
    torch.set_num_threads(1)
    for kind in KINDS:
        tried = assert_agree(word, kind, FEW)
        assert tried or word == "roll"  # it names its axis, and the axes of learned tensors have no names


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("word", GRID)
def test_an_operation_means_the_same_everywhere_at_length(word: str, kind: str) -> None:
    torch.set_num_threads(1)
    assert_agree(word, kind, MANY)
