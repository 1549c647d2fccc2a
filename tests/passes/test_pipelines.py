"""Random pipelines of passes over random nets and over the bundled specs."""

from __future__ import annotations

import subprocess
import sys
from random import Random

import pytest
import torch

from archdsl.compiler import compile
from archdsl.graph import Graph
from archdsl.graph.text import print_graph
from archdsl.graph.verify import verify
from archdsl.passes import driver
from archdsl.passes.apply import carry
from archdsl.passes.canonical import canonical_hash
from archdsl.passes.driver import BrokenPass, Result
from archdsl.passes.registry import bundled
from archdsl.passes.rule import Pass
from archdsl.prove.prover import prove
from archdsl.prove.weights import random_fresh, random_weights
from tests.support.pass_nets import Direct
from tests.support.pass_sites import EXACT, EXACT_EVAL, REDESIGN, net
from tests.support.random_nets import random_net
from tests.support.shrunk import every_net, shrunk

torch.set_num_threads(1)
SITES = [(site, facts) for table in (EXACT, EXACT_EVAL, REDESIGN) for site, facts in table.values()]


def chosen(random: Random, most: int = 6) -> list[Pass]:
    """A few passes in a random order, a pass perhaps twice."""
    kinds = list(bundled().values())
    return [random.choice(kinds)() for _ in range(random.randint(2, most))]


def checked(rewrite: Pass, before: Graph, result: Result) -> None:
    """What holds after every step: the graph is legal, the plan fits, and the promise is kept."""
    verify(result.graph)
    arrays = carry(result.plan, random_weights(before, 1))
    assert {key: array.shape for key, array in arrays.items()} == {k: t.sizes for k, _, t in result.graph.state()}
    proof = prove(before, result.graph, result.plan, rewrite.promised(), seed=2, make=Direct)
    assert proof.holds, f"{rewrite.word()}: {proof.text()}"


def mixed(seed: int) -> Graph:
    """A random net: one of the fuzzer's, or one with the sites of some rule."""
    random = Random(seed)
    if random.random() < 0.4:
        return random_net(seed)
    site, facts = random.choice(SITES)
    return net(seed, site, **facts)


def run(seed: int) -> Result:
    return driver.pipeline(mixed(seed), chosen(Random(seed + 1)), check=checked)


@pytest.mark.parametrize("seed", range(60))
def test_a_random_pipeline_keeps_all_promises(seed: int) -> None:
    run(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 1_000, 50))
def test_a_thousand_random_pipelines_keep_all_promises(first: int) -> None:
    for seed in range(first, first + 50):
        run(seed + 10_000)


@pytest.mark.parametrize("seed", range(12))
def test_all_steps_as_one_plan_compute_what_the_new_net_computes(seed: int) -> None:
    """The joint plan of exact and exact-eval passes, with what they added drawn once."""
    random = Random(seed)
    graph = mixed(seed)
    passes = [rewrite for rewrite in chosen(random, 8) if rewrite.promised() != "redesign"]
    result = driver.pipeline(graph, passes)
    assert prove(graph, result.graph, result.plan, "exact-eval", seed=seed, make=Direct).holds


def test_a_redesign_that_is_rewritten_further_still_loads() -> None:
    for seed in range(30):
        graph = mixed(seed)
        result = driver.pipeline(graph, chosen(Random(seed), 8))
        Direct(result.graph, result.plan.apply(random_weights(graph, 0), random_fresh(result.plan, 1)))


def spec_pipeline(name: str, seed: int, least: int = 32) -> None:
    graph = shrunk(compile(name), least)
    result = driver.pipeline(graph, chosen(Random(f"{name}{seed}"), 4), check=checked if least else None)
    again = driver.pipeline(graph, chosen(Random(f"{name}{seed}"), 4))
    assert again.graph == result.graph
    assert again.plan == result.plan
    assert again.trace == result.trace


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "mobilenet_v3_small", "plain20", "shufflenet_v2_x0_5"])
def test_a_random_pipeline_over_a_bundled_net(name: str) -> None:
    spec_pipeline(name, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", every_net())
def test_random_pipelines_over_every_bundled_net(name: str) -> None:
    """Graphs and plans alone: each step verifies, the driver comes to an end, twice with the same result."""
    graph = compile(name)
    for seed in range(2):
        passes = chosen(Random(f"{name}{seed}"), 4)
        try:
            result = driver.pipeline(graph, passes)
        except BrokenPass as error:
            raise AssertionError(f"{name} through {[p.word() for p in passes]}") from error
        again = driver.pipeline(graph, passes)
        assert (again.graph, again.plan, again.trace) == (result.graph, result.plan, result.trace)


PROGRAM = """
from tests.passes.test_pipelines import digest
print(digest())
"""


def digest() -> str:
    """Graphs, plans and traces of some pipelines, as text."""
    found = []
    for seed in range(8):
        result = driver.pipeline(mixed(seed), chosen(Random(seed), 8))
        found.append(print_graph(result.graph) + result.plan.text() + repr(result.trace) + canonical_hash(result.graph))
    return str(hash_of("\n".join(found)))


def hash_of(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def test_the_result_does_not_depend_on_hash_seeds() -> None:
    outputs = set()
    for seed in ("0", "31337"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        )
        outputs.add(done.stdout)
    assert outputs == {digest() + "\n"}
