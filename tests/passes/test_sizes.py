"""What a pass promises holds at every size that the net takes, and not at the declared one alone.

Hundreds of nets a pass, at all sizes near: `pytest tests/passes/test_sizes.py -m slow`.
"""

# ruff: noqa: E501 - a net a line

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
import torch

from archdsl.compiler import compile
from archdsl.diagnostics import CompileError
from archdsl.graph import Graph
from archdsl.graph.sizes import Sizes, declared_sizes, other_sizes, resized
from archdsl.passes import driver
from archdsl.passes.registry import parse
from archdsl.prove.compare import REWRITE, look
from archdsl.prove.probes import Probe
from archdsl.prove.run import arrays_of, likely_weights
from archdsl.prove.weights import random_fresh
from archdsl.source import Source
from tests.support.pass_nets import Direct
from tests.support.pass_sites import EXACT, EXACT_EVAL, REDESIGN, net

torch.set_num_threads(1)
STEPS = (-3, -2, -1, 0, 1, 2, 5)


def sizes_near(graph: Graph) -> Iterator[Sizes]:
    """Every size near the declared one that a net takes, odd and even, square or not."""
    old = declared_sizes(graph)
    for steps in product(STEPS, repeat=max(len(sizes) - 1 for sizes in old)):
        sizes = tuple((each[0], *(size + step for size, step in zip(each[1:], steps, strict=False))) for each in old)
        if any(steps) and min(size for each in sizes for size in each) > 0 and resized(graph, sizes) is not None:
            yield sizes


def apart(before: Graph, after: Graph, weights: tuple[dict[str, object], dict[str, object]], sizes: Sizes) -> float:
    inputs = Probe(sizes, 4, 0).inputs()
    with torch.no_grad():
        one, two = (
            arrays_of(Direct(net, arrays), inputs) for net, arrays in zip((before, after), weights, strict=True)
        )  # type: ignore[arg-type]
    return max(look([pair]).deviation for pair in zip(two, one, strict=True))


def noise(graph: Graph, weights: dict[str, object], sizes: Sizes) -> float:
    """How far the outputs of a net move if its inputs are rounded otherwise."""
    inputs = Probe(sizes, 4, 0).inputs()
    other = [values * (1 + 2e-16 * torch.randn_like(values)) for values in inputs]
    module = Direct(graph, weights)
    return max(look([pair]).deviation for pair in zip(arrays_of(module, other), arrays_of(module, inputs), strict=True))  # type: ignore[arg-type]


def sweep(word: str, nets: int) -> tuple[int, int]:
    """How many rewritten nets were held against the old ones, and at how many other sizes; asserts that all agree."""
    rewrite, seen, runs = parse(word), 0, 0
    site, facts = {**EXACT, **EXACT_EVAL}[word]
    for seed in range(nets):
        graph = net(seed, site, **facts)
        result = driver.run(graph, rewrite)
        if not result.rewritten:
            continue
        old = likely_weights(graph, Direct, seed)  # type: ignore[arg-type]
        new = result.plan.apply(old, random_fresh(result.plan, seed))
        seen += 1
        for sizes in sizes_near(graph):
            if resized(result.graph, sizes) is None:
                continue  # a map of another form that has as many elements, by which a linear layer takes it
            runs += 1
            found = apart(graph, result.graph, (old, new), sizes)  # type: ignore[arg-type]
            if found > REWRITE:  # a mean of what was normalised is nothing but rounding, which shows in itself
                found = found if found > 1e3 * noise(graph, old, sizes) else 0.0
            assert found <= REWRITE, f"{word}, seed {seed}, at {sizes}: {found:.1e}"
    return seen, runs


@pytest.mark.slow
@pytest.mark.parametrize("word", [*EXACT, *EXACT_EVAL])
def test_a_law_holds_at_all_sizes_near(word: str) -> None:
    seen, runs = sweep(word, 150)
    print(f"{word}: {seen} nets at {runs} other sizes")
    assert seen > 20


@pytest.mark.parametrize("word", REDESIGN)
def test_a_redesign_takes_the_sizes_that_the_old_net_took(word: str) -> None:
    site, facts = REDESIGN[word]
    for seed in range(20):
        graph = net(seed, site, **facts)
        result = driver.run(graph, parse(word))
        for sizes in [*other_sizes(graph), *sizes_near(graph)][:12]:
            one, two = resized(graph, sizes), resized(result.graph, sizes)
            assert one is not None
            if two is None and word == "resnet-d" and len(sizes[0]) == 4:
                continue  # torch's 3-D average takes no map that is smaller than its window
            assert two is not None, f"{word}, seed {seed}, at {sizes}"
            assert one.output_shapes == two.output_shapes, f"{word}, seed {seed}, at {sizes}"


# At 10x10 and 14x14 padding that is frozen shows, which at 9x9 is what it would be anyway.
FROZEN = (
    ("early-downsampling", "conv(4, 3x3, stride={s}, padding=same_tf) -> relu -> conv(4, 1x1, stride=2)"),
    ("early-downsampling", "conv(4, 2x2, stride={s}, padding=same_tf) -> maxpool(1x1, stride=2)"),
    ("merge-linear", "conv(4, 3x3, stride={s}, padding=same_tf, bias=false) -> conv(4, 1x1)"),
    ("merge-linear", "conv(4, 2x2, stride={s}, padding=same_tf) -> conv(4, 1x1, stride=2)"),
    ("merge-linear", "conv(4, 5x5, stride={s}, padding=same_tf) -> conv(4, 1x1, stride=[1, 2])"),
    ("merge-parallel-convolutions",
     "branches concat {{\nconv(4, 3x3, stride={s}, padding=same_tf)\nconv(4, 3x3, stride={s}, padding=[[0, 1], [0, 1]])\n}}"),
    ("merge-parallel-convolutions",
     "branches concat {{\nconv(4, 3x3, stride={s}, padding=same_tf)\nconv(3, 3x3, stride={s}, padding=same_tf)\n}}"),
    ("fold-batchnorm", "batchnorm -> conv(4, 2x2, stride={s}, padding=same_tf)"),
    ("fold-affine", "affine([1, 2, 3], [1, 2, 3]) -> conv(4, 2x2, stride={s}, padding=same_tf)"),
    ("fold-affine-norm", "groupnorm(1) -> conv(4, 2x2, stride={s}, padding=same_tf)"),
    ("reparameterize",
     "branches add {{\nconv(3, 3x3, stride={s}, padding=same_tf)\nconv(3, 3x3, stride={s}, padding=[[0, 1], [0, 1]])\n}}"),
    ("reparameterize",
     "branches add {{\nconv(3, 3x3, stride={s}, padding=same_tf)\nconv(3, 3x3, stride={s}, padding=same_tf)\n}}"),
    ("reparameterize", "branches add {{\nconv(3, 3x3, stride={s}, padding=same_tf)\nconv(3, 1x1, stride={s})\n}}"),
    ("regroup-split",
     "conv(4, 1x1) -> split(2) as a, b\nbranches concat {{\nfrom a -> conv(2, 3x3, stride={s}, padding=same_tf)\n"
     "from b -> conv(2, 3x3, stride={s}, padding=[[0, 1], [0, 1]])\n}}"),
    ("sum-of-convolutions",
     "conv(4, 1x1) -> split(2) as a, b\nbranches add {{\nfrom a -> conv(2, 3x3, stride={s}, padding=same_tf, bias=false)\n"
     "from b -> conv(2, 3x3, stride={s}, padding=[[0, 1], [0, 1]], bias=false)\n}}"),
)  # fmt: skip


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("word,body", FROZEN, ids=[f"{word}-{n}" for n, (word, _) in enumerate(FROZEN)])
def test_padding_by_the_size_that_a_net_gets_is_not_frozen(word: str, body: str, stride: int) -> None:
    for size in (10, 14):
        text = f"arch net() {{\n input 3x{size}x{size}\n{body.format(s=stride)}\n gap -> flatten -> linear(3)\n}}\n"
        try:
            graph = compile(Source(text, "net.arch"))
        except CompileError:  # the two branches are of one size at some sizes alone
            continue
        result = driver.run(graph, parse(word))
        if not result.rewritten:
            assert "size" in " ".join(site.reason for site in result.trace) or stride > 1 or word.startswith("fold")
            continue
        old = likely_weights(graph, Direct)  # type: ignore[arg-type]
        new = result.plan.apply(old)
        for other in (size, size - 1, size + 1, size + 3, 9, 17):
            assert apart(graph, result.graph, (old, new), ((3, other, other + 1),)) <= REWRITE  # type: ignore[arg-type]
