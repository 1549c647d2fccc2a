"""A branch that only scales and shifts channels is a 1x1 convolution, whose matrix is diagonal."""

from __future__ import annotations

import pytest
import torch

from archdsl.compiler import compile
from archdsl.graph import Graph
from archdsl.ops import Add, BatchNorm, Conv
from archdsl.passes import driver
from archdsl.passes.registry import parse
from archdsl.prove.prover import prove
from archdsl.source import Source
from tests.support.pass_nets import Direct

torch.set_num_threads(1)
BRANCHES = (
    "skip batchnorm",
    "skip batchnorm(affine=false)",
    "skip affine([1, -2, 3, 4], [0, 1, 0, 2])",
    "skip scale(0.5)",
    "identity -> batchnorm",
    "batchnorm -> scale(2) -> affine([1, 2, 3, 4], [4, 3, 2, 1])",
    "affine([1, 2, 3, 4], [4, 3, 2, 1]) -> batchnorm -> batchnorm",
    "scale(2) -> identity -> scale(3)",
    "batchnorm\nskip identity",
    "batchnorm\nbatchnorm\nconv(4, 1x1, groups=GROUPS)",
)


def net(body: str, size: str = "4x8x8") -> Graph:
    return compile(Source(f"arch net() {{\n input {size}\n{body}\n}}\n", "net.arch"))


@pytest.mark.parametrize("size,kernel", [("4x9", "3"), ("4x8x8", "3x3"), ("4x8x8", "1x1"), ("4x4x4x4", "3x3x3")])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("branch", BRANCHES)
def test_a_branch_of_norms_and_scales_becomes_part_of_the_convolution(
    branch: str, groups: int, size: str, kernel: str
) -> None:
    branch = branch.replace("GROUPS", str(groups)).replace("1x1", "x".join("1" * len(kernel.split("x"))))
    body = f"relu\nbranches add {{\nconv(4, {kernel}, groups={groups}, bias=false)\n{branch}\n}}\nrelu"
    graph = net(body, size)
    result = driver.run(graph, parse("reparameterize"))
    assert result.rewritten == 1
    assert [type(node.op) for node in result.graph.nodes[2:-1]] == [Conv]
    proof = prove(graph, result.graph, result.plan, "exact-eval", make=Direct)  # type: ignore[arg-type]
    assert proof.holds, proof.text()


@pytest.mark.parametrize(
    "body",
    [
        "branches add {\nconv(4, 3x3)\nskip batchnorm(track=false)\n}",
        'branches add {\nconv(4, 3x3)\nskip layernorm(axis="c")\n}',
        "shared n: batchnorm\nbranches add {\nconv(4, 3x3)\nn\n}\nrelu -> n",
        "x: batchnorm\nfrom in -> conv(4, 3x3) as y\nfrom [x, y] -> add as z\nfrom [z, x] -> concat",
        "branches add {\nconv(4, 3x3, stride=2)\nbatchnorm -> maxpool(1x1, stride=2)\n}",
    ],
)
def test_other_branches_stay(body: str) -> None:
    graph = net(body)
    result = driver.run(graph, parse("reparameterize"))
    assert sum(isinstance(node.op, Add) for node in result.graph.nodes) == 1


def test_a_repvgg_block_is_one_convolution() -> None:
    convs = "conv(4, 3x3, bias=false) -> batchnorm\nconv(4, 1x1, bias=false) -> batchnorm"
    block = f"branches add {{\n{convs}\nskip batchnorm\n}}\nrelu"
    graph = net(f"{block}\n{block}")
    folded = driver.run(graph, parse("fold-batchnorm"))
    result = driver.run(folded.graph, parse("reparameterize"))
    assert not any(isinstance(node.op, BatchNorm | Add) for node in result.graph.nodes)
    assert result.graph.params == 2 * (4 * 4 * 9 + 4)
    assert prove(graph, result.graph, folded.plan.then(result.plan), "exact-eval", make=Direct).holds  # type: ignore[arg-type]
