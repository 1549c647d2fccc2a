"""Every rule on random nets: what it promises holds in float64, in training too where it says so.

A thousand instances a rule: `pytest tests/passes/test_rules.py -m slow`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from archdsl.passes import driver
from archdsl.passes.plan import PlanError
from archdsl.passes.registry import bundled, parse
from archdsl.passes.rule import Pipeline
from archdsl.prove.prover import prove
from archdsl.prove.weights import random_weights
from tests.support.pass_nets import Direct
from tests.support.pass_sites import EXACT, EXACT_EVAL, REDESIGN, Site, net

torch.set_num_threads(1)
FEW, MANY, STEPS = 60, 1_000, 10
EVERY = {**EXACT, **EXACT_EVAL, **REDESIGN}


def check(word: str, site: Site, facts: dict[str, Any], instances: int) -> float:
    """The largest deviation over so many rewritten sites."""
    rewrite = parse(word)
    worst, seen, seed = 0.0, 0, 0
    while seen < instances:
        assert seed < 3 * instances, f"only {seen} sites of {word} in {seed} nets"
        graph = net(seed, site, **facts)
        result = driver.run(graph, rewrite)
        promise = rewrite.promised()
        proof = prove(graph, result.graph, result.plan, promise, seed=seed, steps=STEPS, make=Direct)
        assert proof.holds, f"{word}, seed {seed}: {proof.text()}"
        if promise == "exact":
            assert result.plan.exact
            there = random_weights(graph, seed, np.float32)
            back = result.plan.backwards(graph).apply(result.plan.apply(there))
            assert {key: array.tobytes() for key, array in back.items()} == {
                key: array.tobytes() for key, array in there.items()
            }
        worst = max(worst, proof.worst)
        seen += 1 if isinstance(rewrite, Pipeline) else result.rewritten
        seed += 1
    print(f"{word}: {seen} instances in {seed} nets, worst deviation {worst:.1e}")
    return worst


@pytest.mark.parametrize("word", [*EXACT, *EXACT_EVAL])
def test_a_rule_keeps_its_promise(word: str) -> None:
    check(word, *EVERY[word], FEW)


@pytest.mark.slow
@pytest.mark.parametrize("word", [*EXACT, *EXACT_EVAL])
def test_a_rule_keeps_its_promise_a_thousand_times(word: str) -> None:
    check(word, *EVERY[word], MANY)


@pytest.mark.parametrize("word", [*EXACT, *EXACT_EVAL])
def test_the_generated_module_agrees_too(word: str) -> None:
    """The same proof with the source that a user gets."""
    rewrite = parse(word)
    site, facts = EVERY[word]
    for seed in range(3):
        graph = net(seed, site, **facts)
        result = driver.run(graph, rewrite)
        proof = prove(graph, result.graph, result.plan, rewrite.promised(), seed=seed, steps=2)
        assert proof.holds, f"{word}, seed {seed}: {proof.text()}"


@pytest.mark.parametrize("word", [*EXACT, *EXACT_EVAL, *REDESIGN])
def test_a_rule_is_done_when_it_is_done(word: str) -> None:
    """A second run finds nothing, unless the pass is one that may be applied again."""
    rewrite = parse(word)
    site, facts = EVERY[word]
    for seed in range(10):
        result = driver.run(net(seed, site, **facts), rewrite)
        if not rewrite.once:
            assert driver.run(result.graph, rewrite).rewritten == 0


def test_every_pass_is_tried() -> None:
    tried = {word.partition(",")[0] for word in EVERY}
    assert tried == set(bundled())


def test_promises_are_those_of_the_lists() -> None:
    for table, promise in ((EXACT, "exact"), (EXACT_EVAL, "exact-eval"), (REDESIGN, "redesign")):
        assert {word: parse(word).promised() for word in table} == dict.fromkeys(table, promise)


def test_an_inexact_plan_does_not_run_backwards_and_carries_no_momentum() -> None:
    graph = net(1, EXACT_EVAL["fold-batchnorm"][0])
    plan = driver.run(graph, parse("fold-batchnorm")).plan
    with pytest.raises(PlanError, match="only a plan that rearranges"):
        plan.backwards(graph)
    with pytest.raises(PlanError, match="only by a plan that rearranges"):
        plan.apply_moments(random_weights(graph, 0))


def test_pipelines_are_passes_of_passes() -> None:
    assert [word for word, kind in bundled().items() if issubclass(kind, Pipeline)] == ["multibranch-to-grouped"]
