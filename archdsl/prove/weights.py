"""Random weights under which a wrong rewrite shows: nothing is zero, one, or as it was initialised."""

from __future__ import annotations

from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archdsl.graph import Graph
from archdsl.ops import BatchNorm, Relu
from archdsl.passes.arrays import Arrays
from archdsl.passes.plan import Plan


def random_weights(graph: Graph, seed: int, dtype: Any = np.float64) -> dict[str, NDArray[Any]]:
    """An array for each state_dict entry, in its order. Variances are log-uniform, so that a wrong `eps` shows."""
    generator = np.random.default_rng(seed)
    return {key: _draw(tensor.name, tensor.sizes, tensor.dtype, generator, dtype) for key, _, tensor in graph.state()}


def passing(graph: Graph, arrays: Arrays) -> dict[str, NDArray[Any]]:
    """The weights, the shift of each norm that relus alone read raised by its scale, so that they pass most of it.

    Of centred values a relu makes every layer without a skip multiply rounding errors by 1.2 (Yang et al. 2019,
    arXiv:1902.08129, has the growth): 110 of them are past all comparison.
    """
    found = dict(arrays)
    for index, node in enumerate(graph.nodes):
        readers = graph.readers(index)
        passed = bool(readers) and all(isinstance(graph.nodes[reader].op, Relu) for reader in readers)
        if passed and isinstance(node.op, BatchNorm) and node.op.affine:
            scale, shift = (arrays[f"{node.path}.{name}"] for name in ("weight", "bias"))
            found[f"{node.path}.bias"] = shift + np.abs(scale)
    return found


def settled(graph: Graph, arrays: Arrays, updated: Arrays, seed: int) -> dict[str, NDArray[Any]]:
    """Random weights whose norms have statistics near to those of what they see, as after training.

    With statistics from nowhere values grow from layer to layer, and where gates saturate a deep net multiplies
    rounding errors past all comparison. `updated` is the state after one batch in training: what each norm saw follows
    from how far its statistics moved. They are put near it, each by a random factor.
    """
    generator = np.random.default_rng(seed)
    found = dict(arrays)
    for node in graph.nodes:
        if not isinstance(node.op, BatchNorm) or not node.op.track or node.op.momentum == 0:
            continue
        part = 1 / int(updated[f"{node.path}.num_batches_tracked"]) if node.op.momentum is None else node.op.momentum
        mean, var = (f"{node.path}.running_{name}" for name in ("mean", "var"))
        seen = {key: arrays[key] + (updated[key] - arrays[key]) / part for key in (mean, var)}
        spread = np.maximum(seen[var], 1e-2) * np.exp(generator.uniform(np.log(0.8), np.log(1.25), seen[var].shape))
        found[var] = spread.astype(arrays[var].dtype)
        found[mean] = (seen[mean] + 0.05 * np.sqrt(spread) * generator.normal(size=spread.shape)).astype(
            arrays[mean].dtype
        )
    return found


def random_fresh(plan: Plan, seed: int) -> dict[str, NDArray[Any]]:
    """The same for what a plan has new, by key."""
    generator = np.random.default_rng(seed)
    kinds = {entry.key: entry.dtype for entry in plan.entries}
    return {
        key: _draw(key.rpartition(".")[2], leaf.sizes, kinds.get(key, "float32"), generator, np.float64)
        for key, leaf in plan.new.items()
    }


def _draw(name: str, sizes: tuple[int, ...], kind: str, generator: np.random.Generator, dtype: Any) -> NDArray[Any]:
    if kind == "int64":
        return np.asarray(3, np.int64).reshape(sizes)
    if name == "running_var":
        return np.exp(generator.uniform(np.log(1e-3), np.log(10.0), sizes)).astype(dtype)
    if name == "running_mean":
        return generator.normal(0, 0.5, sizes).astype(dtype)
    if (name == "weight" and len(sizes) == 1) or name == "weight_g":
        signs = generator.choice([-1.0, 1.0], sizes)
        return np.asarray(generator.uniform(0.2, 0.6, sizes) * signs, dtype)
    fan = max(1, prod(sizes[1:]))
    return generator.normal(0, sqrt(2 / fan) if len(sizes) > 1 else 0.3, sizes).astype(dtype)
