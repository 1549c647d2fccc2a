"""What `lint` finds, the pass that it names mends: on random nets, all of it and nothing else."""

from __future__ import annotations

import pytest
import torch

from archdsl.analysis.lint import lint
from archdsl.compiler import compile
from archdsl.ops import Conv, Linear
from archdsl.passes import driver
from archdsl.passes.registry import parse
from archdsl.prove.prover import prove
from archdsl.source import Source
from tests.passes.test_kept import CASES
from tests.passes.test_kept import net as kept
from tests.support.pass_sites import EXACT_EVAL, REDESIGN, net

torch.set_num_threads(1)
MENDS = {
    "fold-affine-norm": "affine-before-linear",
    "early-downsampling": "late-downsampling",
    "signed-residual": "relu-ends-body",
    "linear-bottleneck": "narrow-activation",
    "merge-linear": "linear-pair",
}


@pytest.mark.parametrize("word", MENDS)
def test_the_pass_finds_a_site_where_lint_names_it_and_no_advice_is_left(word: str) -> None:
    site, facts = {**EXACT_EVAL, **REDESIGN}[word]
    seen = 0
    for seed in range(60):
        graph = net(seed, site, **facts)
        named = [advice for advice in lint(graph) if advice.mend == word]
        result = driver.run(graph, parse(word))
        seen += len(named)
        assert {advice.rule for advice in named} <= {MENDS[word]}
        assert bool(named) == bool(result.rewritten), seed
        assert not [advice for advice in lint(result.graph) if advice.mend == word]
    assert seen > 30


@pytest.mark.parametrize("word,reason,size,body", CASES, ids=[f"{word}-{n}" for n, (word, *_) in enumerate(CASES)])
def test_lint_names_no_pass_where_the_pass_keeps_all(word: str, reason: str, size: str, body: str) -> None:
    assert word not in [advice.mend for advice in lint(kept(size, body))], reason


EARLY = """
arch net() {
    input 3x9x9
    conv(6, 3x3) -> tanh -> layernorm(axis="c") -> conv(5, 1x1, stride=2) -> tanh
    conv(4, 1x1) -> avgpool(2x2)
}
"""


def test_a_stride_that_moves_over_no_batch_norm_changes_no_step_of_training() -> None:
    graph = compile(Source(EARLY, "net.arch"), arch="net")
    result = driver.run(graph, parse("early-downsampling"))
    assert result.rewritten == 2
    assert result.plan.exact
    assert prove(graph, result.graph, result.plan, "exact", steps=10).holds


def test_a_stride_that_moves_over_a_batch_norm_does() -> None:
    """Its statistics are then those of fewer places: the promise is no more than `exact-eval`."""
    text = EARLY.replace('layernorm(axis="c")', "batchnorm")
    graph = compile(Source(text, "net.arch"), arch="net")
    result = driver.run(graph, parse("early-downsampling"))
    assert prove(graph, result.graph, result.plan, "exact-eval").holds
    assert not prove(graph, result.graph, result.plan, "exact").holds


def test_a_norm_without_its_scale_computes_less_and_the_same() -> None:
    """ConvNeXt's norms before linear layers and before downsampling, in its own net."""
    graph = compile("convnext_tiny")
    result = driver.run(graph, parse("fold-affine-norm"))
    advised = [advice for advice in lint(graph) if advice.rule == "affine-before-linear"]
    assert result.rewritten == len(advised) == 22
    named = {advice.path for advice in advised}
    scales = sum(2 * (node.outputs[0].size("c") or 0) for node in graph.nodes if node.path in named)
    biases = sum(node.op.bias for node in result.graph.nodes if isinstance(node.op, Conv | Linear))
    assert biases == sum(node.op.bias for node in graph.nodes if isinstance(node.op, Conv | Linear))
    assert graph.params - result.graph.params == scales
    assert result.graph.macs == graph.macs
