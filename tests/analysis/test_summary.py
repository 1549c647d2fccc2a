"""Costs and tables."""

from __future__ import annotations

import json

import pytest

from archdsl import ops
from archdsl.analysis.cost import costs, written
from archdsl.analysis.summary import DEPTHS, summarise
from archdsl.diagnostics import UsageError
from archdsl.graph.graph import Graph
from archdsl.ir.builder import Builder
from archdsl.ir.metrics import depth, macs, params
from tests.support.nets import again
from tests.support.small_nets import conv, resnet

RESNET50 = resnet("bottleneck", (3, 4, 6, 3))


@pytest.mark.parametrize("rows", DEPTHS)
def test_rows_add_up_to_the_totals_at_every_depth(rows: str) -> None:
    table = summarise(RESNET50, rows)
    assert sum(row.params for row in table.rows) == table.totals.params == RESNET50.params == 25_557_032
    assert sum(row.macs for row in table.rows) == table.totals.macs == RESNET50.macs == 4_089_184_256
    assert sum(row.nodes for row in table.rows) == table.totals.nodes == len(RESNET50.nodes)
    assert sum(row.activations for row in table.rows) == table.totals.activations


def test_a_stage_table_reads_like_the_papers_table_1() -> None:
    rows = summarise(RESNET50, "stage").rows
    assert [(row.path, row.operation, row.shape) for row in rows] == [
        ("input", "input 3x224x224", (3, 224, 224)),
        ("stem", "Stem7, maxpool", (64, 56, 56)),
        ("layer1", "Bottleneck x3", (256, 56, 56)),
        ("layer2", "Bottleneck x4", (512, 28, 28)),
        ("layer3", "Bottleneck x6", (1024, 14, 14)),
        ("layer4", "Bottleneck x3", (2048, 7, 7)),
        ("head", "gap, flatten, linear", (1000,)),
    ]
    assert [row.role for row in rows] == [None, "stem", *["stage"] * 4, "head"]


def test_a_block_table_has_a_row_for_each_block_and_each_layer_outside_of_blocks() -> None:
    paths = [row.path for row in summarise(resnet("basic"), "block").rows]
    blocks = [f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1)]
    assert paths == ["input", "Stem7", "maxpool", *blocks, "gap", "flatten", "fc"]


def test_totals_hold_the_depth_and_the_largest_value() -> None:
    totals = summarise(RESNET50).totals
    assert (totals.depth, totals.layers) == (50, 54)
    assert (totals.largest, totals.largest_path) == (64 * 112 * 112, "conv1")


def test_a_table_is_json() -> None:
    table = summarise(RESNET50)
    data = json.loads(json.dumps(table.json()))
    assert data["totals"]["params"] == 25_557_032
    assert data["rows"][2]["shape"] == [256, 56, 56]


def test_an_unknown_depth_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="one of stage, block, layer"):
        summarise(RESNET50, "stages")


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (ops.make(ops.Conv, out=64, kernel=(3, 3), stride=2, init=ops.Zeros()), "conv(64, 3x3, stride=2)"),
        (ops.make(ops.MaxPool, kernel=3, stride=2, padding=1), "maxpool(3, stride=2, padding=1)"),
        (ops.Relu(), "relu"),
        (ops.Input(sizes=(3, 8)), "input 3x8"),
        (ops.Gelu(approximate="tanh"), "gelu(approximate=tanh)"),
    ],
)
def test_an_operation_is_written_as_in_a_spec(op: ops.Op, text: str) -> None:
    assert written(op) == text


def test_shared_weights_cost_their_parameters_once_and_their_work_every_time() -> None:
    b = Builder("net")
    (one,) = b.add(conv(4), (b.input(4, 8, 8),), "tower")
    (two,) = b.add(conv(4), (one,), "tower", again(b, "tower"))
    graph = Graph(b.program(two))
    assert [cost.params for cost in costs(graph)] == [0, 144, 0]
    assert params(graph.program) == 144
    assert macs(graph.program) == 2 * 144 * 64
    assert summarise(graph).totals.macs == 2 * 144 * 64


def test_depth_passes_no_gate() -> None:
    b = Builder("net")
    x = b.input(4, 8, 8)
    (pooled,) = b.add(ops.GlobalAvgPool(), (x,), "gap")
    (narrow,) = b.add(conv(2, 1), (pooled,), "fc1")
    (gate,) = b.add(conv(4, 1), (narrow,), "fc2")
    (scaled,) = b.add(ops.Mul(), (x, gate), "mul")
    (out,) = b.add(conv(8), (scaled,), "conv")
    program = b.program(out)
    assert depth(program) == 1
    assert depth(program, "fc2") == 1
    assert depth(b.nodes) == 1


def test_metrics_of_a_level_count_what_stands_in_it_and_no_more() -> None:
    program = RESNET50.program
    assert params(program, "layer1") == sum(row.params for row in summarise(RESNET50).rows if row.path == "layer1")
    assert params(program, "layer") == 0
    assert depth(program, "layer3") == 18
    assert depth(program, "layer1.0.downsample") == 1
    assert macs(program, "fc") == 2048 * 1000
