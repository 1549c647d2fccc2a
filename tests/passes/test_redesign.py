"""Redesigns: another net of the same interface, which carries every weight that keeps its shape and lists the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archdsl.graph.verify import verify
from archdsl.passes import driver
from archdsl.passes.arrays import Take
from archdsl.passes.plan import PlanError
from archdsl.passes.registry import parse
from archdsl.prove.weights import random_fresh, random_weights
from tests.support.pass_nets import Direct
from tests.support.pass_sites import REDESIGN, Site, net

FEW, MANY = 60, 1_000


def check(word: str, site: Site, facts: dict[str, Any], instances: int) -> None:
    rewrite = parse(word)
    seen, seed = 0, 0
    while seen < instances:
        assert seed < 4 * instances, f"only {seen} sites of {word} in {seed} nets"
        graph = net(seed, site, **facts)
        result = driver.run(graph, rewrite)
        seen, seed = seen + result.rewritten, seed + 1
        if result.rewritten:
            carried_or_listed(graph, result)


def carried_or_listed(graph: Any, result: driver.Result) -> None:
    """The laws of a redesign's result."""
    new, plan = result.graph, result.plan
    verify(new)
    assert [new.nodes[index] for index in new.inputs] == [graph.nodes[index] for index in graph.inputs]
    assert new.output_shapes == graph.output_shapes
    old = random_weights(graph, 1, np.float32)
    arrays = plan.apply(old, random_fresh(plan, 2))
    assert list(arrays) == [key for key, _, _ in new.state()]
    taken = set()
    for entry in plan.entries:
        assert (entry.key in plan.fresh) != isinstance(entry.expression, Take)
        if isinstance(entry.expression, Take):
            taken.add(entry.expression.key)
            assert arrays[entry.key].tobytes() == old[entry.expression.key].tobytes()
    assert set(plan.dropped) == {key for key, _, tensor in graph.state() if tensor.trainable} - taken
    kept = {key: tensor.sizes for key, _, tensor in graph.state()}
    same = {key for key, _, tensor in new.state() if kept.get(key) == tensor.sizes}
    assert same <= {entry.key for entry in plan.entries if isinstance(entry.expression, Take)}
    Direct(new, arrays)
    if plan.fresh:
        with pytest.raises(PlanError, match="there is no such array"):
            plan.apply(old)


@pytest.mark.parametrize("word", REDESIGN)
def test_a_redesign_carries_what_it_can(word: str) -> None:
    check(word, *REDESIGN[word], FEW)


@pytest.mark.slow
@pytest.mark.parametrize("word", REDESIGN)
def test_a_redesign_carries_what_it_can_a_thousand_times(word: str) -> None:
    check(word, *REDESIGN[word], MANY)
