"""Whether a checkpoint's arrays are exactly a graph's weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from archdsl.diagnostics import CompileError, Diagnostic, did_you_mean
from archdsl.graph.graph import Graph
from archdsl.ops.base import Tensor
from archdsl.weights.problems import (
    FewerNumbers,
    MissingWeight,
    OtherNumbers,
    OtherShape,
    UnexpectedWeight,
)

PREFIXES = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put before every key
COMPARED = 10_000  # pairs of names up to which a misspelt one is looked for
COUNTER = ".num_batches_tracked"
Note = Callable[[str], None]


def match(graph: Graph, arrays: Mapping[str, np.ndarray], note: Note = lambda text: None) -> dict[str, np.ndarray]:
    """The arrays in the graph's order, if keys, shapes and types are the graph's; else raises `CompileError`.

    Three habits of checkpoints are accepted, and told to `note`: a prefix `module.` or `_orig_mod.` on every key,
    float16 where the graph has float32 (the same numbers), and no batchnorm counters at all (torch before 0.4.1),
    which begin at 0.
    """
    given = _without_prefix(arrays, note)
    expected = {key: tensor for key, _, tensor in graph.state()}
    given = _with_counters(given, expected, note)
    problems = [*_missing(given, expected), *_unexpected(given, expected), *_unlike(given, expected)]
    if problems:
        raise CompileError(problems)
    halves = [key for key in expected if given[key].dtype == np.float16]
    if halves:
        note(f"{len(halves)} arrays are float16 in the checkpoint; their numbers are kept in float32")
    return {key: given[key].astype(tensor.dtype, copy=False) for key, tensor in expected.items()}


def _without_prefix(arrays: Mapping[str, np.ndarray], note: Note) -> dict[str, np.ndarray]:
    for prefix in PREFIXES:
        if arrays and all(key.startswith(prefix) for key in arrays):
            note(f"every key of the checkpoint starts with `{prefix}`, which is dropped")
            return _without_prefix({key.removeprefix(prefix): array for key, array in arrays.items()}, note)
    return dict(arrays)


def _with_counters(given: dict[str, np.ndarray], expected: Mapping[str, Tensor], note: Note) -> dict[str, np.ndarray]:
    counters = [key for key in expected if key.endswith(COUNTER)]
    if not counters or not given or any(key.endswith(COUNTER) for key in given):
        return given
    note("the checkpoint has no batchnorm counters (num_batches_tracked); they begin at 0")
    return given | {key: np.zeros((), np.int64) for key in counters}


def _missing(given: Mapping[str, np.ndarray], expected: Mapping[str, Tensor]) -> list[Diagnostic]:
    return [
        MissingWeight(key, str(_sizes(tensor.sizes))).diagnostic()
        for key, tensor in expected.items()
        if key not in given
    ]


def _unexpected(given: Mapping[str, np.ndarray], expected: Mapping[str, Tensor]) -> list[Diagnostic]:
    absent = [key for key in expected if key not in given]
    unknown = [key for key in given if key not in expected]
    # A checkpoint of another net altogether has nothing to suggest, and comparing each with each would take long.
    near = {key: did_you_mean(key, absent) for key in unknown} if len(unknown) * len(absent) < COMPARED else {}
    return [UnexpectedWeight(key, _sizes(given[key].shape), near.get(key)).diagnostic() for key in unknown]


def _unlike(given: Mapping[str, np.ndarray], expected: Mapping[str, Tensor]) -> list[Diagnostic]:
    problems: list[Diagnostic] = []
    for key, tensor in expected.items():
        if key not in given:
            continue
        array = given[key]
        if array.shape != tensor.sizes:
            problems.append(OtherShape(key, _sizes(array.shape), _sizes(tensor.sizes)).diagnostic())
        elif array.dtype == np.float64 and tensor.dtype == "float32":
            problems.append(FewerNumbers(key).diagnostic())
        elif array.dtype.name != tensor.dtype and array.dtype != np.float16:
            problems.append(OtherNumbers(key, array.dtype.name, tensor.dtype).diagnostic())
    return problems


def _sizes(sizes: tuple[int, ...]) -> str:
    return "x".join(map(str, sizes)) if sizes else "a scalar"
