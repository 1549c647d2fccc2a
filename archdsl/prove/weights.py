"""Random weights under which a wrong rewrite shows: nothing is zero, one, or as it was initialised."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archdsl.graph import Graph
from archdsl.ops import BatchNorm, Conv, ConvTranspose, GroupNorm, InstanceNorm, LayerNorm, Linear
from archdsl.passes.plan import Plan

Norm = BatchNorm | LayerNorm | GroupNorm | InstanceNorm


def random_weights(graph: Graph, seed: int, dtype: Any = np.float64) -> dict[str, NDArray[Any]]:
    """An array for each state_dict entry, in its order. Variances are log-uniform, so that a wrong `eps` shows."""
    generator = np.random.default_rng(seed)
    return {key: _draw(tensor.name, tensor.sizes, tensor.dtype, generator, dtype) for key, _, tensor in graph.state()}


def loud_weights(graph: Graph, seed: int, loudness: Mapping[str, float]) -> dict[str, NDArray[Any]]:
    """The same, the scale of each norm such that its results spread by about the loudness of its path, and its shift
    such that most of each channel is above zero and some is below, so that a relu behind it passes some of each."""
    found = random_weights(graph, seed)
    generator = np.random.default_rng(seed + 1)
    for key, node, tensor in graph.state():
        if isinstance(node.op, Norm) and tensor.name == "weight":
            size = loudness[node.path] * generator.uniform(0.5, 1.5, tensor.sizes)
            found[key] = np.copysign(size, found[key])
            if f"{node.path}.bias" in found:
                found[f"{node.path}.bias"] = size * generator.uniform(0.3, 1.0, tensor.sizes)
    return found


def shaping(graph: Graph) -> list[str]:
    """The paths of the layers that decide how far values spread, in the order in which they are first applied."""
    kinds = (Norm, Conv, ConvTranspose, Linear)
    return list(dict.fromkeys(node.path for node in graph.nodes if isinstance(node.op, kinds)))


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
