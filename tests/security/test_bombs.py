"""Hostile specs answer within 2 seconds of processor time and 512 MB, with a net or with diagnostics.

All of them: `pytest tests/security/test_bombs.py -m slow -n 0`.
"""

from __future__ import annotations

import pytest

import archdsl
from archdsl.diagnostics import ArchdslError, CompileError, render_all
from archdsl.graph.graph import Graph
from archdsl.source import Source
from archdsl.targets import registry
from archdsl.targets.dot import dot_text
from tests.support.bombs import SECONDS, Cost, bomb, cost

PARTS = 10
EACH = 1_000


def checked(text: str) -> str:
    """How a check ends: `sound`, or `told` with diagnostics."""
    try:
        archdsl.check(Source(text, "bomb.arch"))
    except CompileError as error:
        return "told" if render_all(error.diagnostics) else "silent"
    return "sound"


def graphs(text: str) -> tuple[Graph, ...]:
    """The nets of a spec, if it is sound."""
    try:
        return archdsl.check(Source(text, "bomb.arch"))
    except CompileError:
        return ()


def emitted(graph: Graph, target: str) -> str:
    """How one target of a net ends."""
    try:
        if target == "dot":
            assert [dot_text(graph, depth) for depth in ("stage", "block", "layer")]
        else:
            registry.produce(registry.target(target), graph, registry.Request(dict), None)
    except ArchdslError:
        return "told"
    return "sound"


def breaches(seeds: range, seconds: float) -> dict[int, Cost]:
    """The seeds of specs that are not held, and what they cost."""
    archdsl.check("resnet18")  # the parent has all modules, and its children begin warm
    costs = {seed: cost(lambda seed=seed: checked(bomb(seed))) for seed in seeds}  # type: ignore[misc]
    return {seed: found for seed, found in costs.items() if not found.held(seconds)}


def test_some_hostile_specs_are_held() -> None:
    """Within twice the time, for a busy machine."""
    assert breaches(range(20), 2 * SECONDS) == {}


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_hostile_specs_are_held(part: int) -> None:
    assert breaches(range(part * EACH, (part + 1) * EACH), SECONDS) == {}


@pytest.mark.slow
@pytest.mark.parametrize("target", ["torch", "arch", "spec", "graph", "dot"])
def test_every_target_of_a_hostile_spec_is_held(target: str) -> None:
    sound = [graph for seed in range(EACH) for graph in graphs(bomb(seed))]
    ends = [cost(lambda graph=graph: emitted(graph, target), 60) for graph in sound]  # type: ignore[misc]
    assert [found for found in ends if found.end not in ("sound", "told")] == []
