"""Residual nets, U-Nets and TCNs against what other builds count: parameters, multiply-accumulates, and every key."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import archdsl

DATA = Path(__file__).parents[1] / "data"
BUILDS: list[dict[str, Any]] = json.loads((DATA / "residual_builds.json").read_text())["builds"]
FAMILIES = {"wide_resnet": "families/preact.arch"}


def compiled(name: str, **arguments: Any) -> archdsl.Graph:
    """The graph of a bundled spec, or of a family's arch."""
    spec = archdsl.specs_root() / FAMILIES[name] if name in FAMILIES else name
    return archdsl.compile(spec, arch=name if name in FAMILIES else None, **arguments)


def digest(lines: Iterable[str]) -> str:
    return sha256("\n".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: f"{build['spec']}-{build['peer'].partition(' ')[0]}")
def test_counts_and_keys_are_those_of_the_other_build(build: dict[str, Any]) -> None:
    """Parameters and multiply-accumulates to the digit; keys with their sizes in order, or where the other build has
    other names, the sizes of all its parameters."""
    graph = compiled(build["spec"], **build.get("arguments", {}))
    assert graph.params == build["params"]
    assert "macs" not in build or graph.macs == build["macs"]
    rows = [(key, ",".join(map(str, tensor.sizes)), tensor.trainable) for key, _, tensor in graph.state()]
    if "state_dict_sha256" in build:
        assert digest(f"{key}:{sizes}" for key, sizes, _ in rows) == build["state_dict_sha256"]
    else:
        assert digest(sorted(sizes for _, sizes, trainable in rows if trainable)) == build["param_shapes_sorted_sha256"]
