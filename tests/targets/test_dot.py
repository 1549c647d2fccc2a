"""The picture: what is drawn, and how it is rendered."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archdsl import ops
from archdsl.compiler import compile
from archdsl.diagnostics import UsageError
from archdsl.graph.graph import Graph
from archdsl.graph.text import print_graph, read_graph
from archdsl.ir.builder import Builder
from archdsl.ir.program import Program
from archdsl.passes.driver import run
from archdsl.passes.registry import parse
from archdsl.source import Source
from archdsl.targets.dot import dot_text, picture, quoted
from archdsl.targets.picture_plan import DEPTHS, plan
from archdsl.targets.picture_render import MissingTool, RenderError, rendered
from archdsl.targets.picture_tree import Item, fold
from tests.support.small_nets import programs, resnet

NAMES = ["resnet18", "resnext50", "resnext50_multibranch"]
TIMES = "\u00d7"


def boxes(text: str) -> list[str]:
    """The labels of a DOT text, rows joined by a comma."""
    return [label.replace("\\n", ", ") for label in re.findall(r'\[label="((?:[^"\\]|\\.)*)"', text)]


def folded(item: Item) -> list[tuple[int, int]]:
    """`(times, elided)` of every item that stands for more than itself."""
    here = [(item.times, item.elided)] if item.times > 1 or item.elided else []
    return here + [pair for child in item.children for pair in folded(child)]


def test_repeated_blocks_are_folded() -> None:
    assert folded(fold(compile("resnext50")).root) == [(2, 0), (3, 0), (5, 0), (2, 0)]


def test_32_equal_branches_show_two_and_the_last() -> None:
    tree = fold(resnet("multibranch", (1,), 32, 4))
    assert folded(tree.root) == [(1, 29)]
    assert len(tree.left_out) == 29 * 7
    assert folded(fold(resnet("multibranch", (1,), 4, 4)).root) == []


def test_what_is_not_equal_is_not_folded() -> None:
    assert folded(fold(resnet("basic", (1, 1, 1))).root) == []


def test_a_block_whose_inner_result_is_read_from_afar_is_not_folded() -> None:
    b = Builder("net")
    x = b.input(4, 8, 8)
    ends = []
    for turn in range(3):
        block = b.scope("block", b.scope("iteration"), level=str(turn), block="Pair")
        (x,) = b.add(ops.Relu(), (x,), f"{turn}.0", block)
        (x,) = b.add(ops.Tanh(), (x,), f"{turn}.1", block)
        ends.append(x)
    assert folded(fold(Graph(b.program(x))).root) == [(3, 0)]
    (total,) = b.add(ops.Add(), (ends[0], ends[2]), "add")
    assert folded(fold(Graph(b.program(total))).root) == [(2, 0)]


def test_the_stages_of_resnext50_are_those_of_the_papers_table_1() -> None:
    text = dot_text(compile("resnext50"), "stage")
    assert boxes(text) == [
        "3x224x224",
        "stem",
        "7x7 conv, 64, /2, 3x3 max pool, /2",
        *(
            row
            for stage, times in enumerate((3, 4, 6, 3), 1)
            for row in (f"stage layer{stage}", f"Bottleneck {TIMES}{times}")
        ),
        "head",
        "global avg pool, fc 1000",
        "1000",
    ]
    shapes = ["64x56x56", "256x56x56", "512x28x28", "1024x14x14", "2048x7x7"]
    assert re.findall(r'label=" ([^"]*)"', text) == shapes


def test_a_block_around_the_whole_net_has_no_frame_and_one_that_is_the_net_has() -> None:
    assert not any(row.startswith("Net(") for row in boxes(dot_text(compile("efficientnet_b0"), "stage")))
    assert any(row.startswith("stage Bottleneck(") for row in boxes(dot_text(compile("bottleneck_block"), "layer")))


def test_a_multibranch_block_is_the_papers_figure_3a() -> None:
    found = boxes(dot_text(compile("resnext50_multibranch"), "block"))
    for row in ("path0: Path", "path1: Path", "path31: Path"):
        assert f"{row}, 1x1 conv, 4, 3x3 conv, 4, 1x1 conv, 256" in found
    assert "..., 32 paths" in found
    assert not any(label.startswith("path2:") for label in found)


def test_a_skip_is_a_dashed_edge_around_the_body_into_a_sum() -> None:
    text = dot_text(compile("resnet18"), "layer")
    names = dict(re.findall(r'"(n\d+)" \[label="((?:[^"\\]|\\.)*)"', text))
    dashed = [(names[a], names[b]) for a, b in re.findall(r'"(n\d+)" -> "(n\d+)" \[style="dashed"', text)]
    assert ("3x3 max pool, /2", "+") in dashed
    assert ("relu", "1x1 conv, 128, /2") in dashed
    assert ("batchnorm", "+") in dashed
    assert dashed.count(("relu", "+")) == 3


SPLIT = """
arch cut() {
    input 8x6x6
    split(2) as a, b
    branches concat {
        from a -> conv(4, 3x3)
        from b -> conv(4, 3x3)
    }
}
"""


def test_what_a_rewrite_moved_out_of_its_branches_keeps_its_edges() -> None:
    """A split that stands behind the branches in which it is joined is drawn, and what it makes is no shortcut."""
    graph = run(compile(Source(SPLIT, "cut.arch")), parse("regroup-split")).graph
    edges = plan(graph, "layer").edges
    assert [(edge.tail.rows, edge.head.rows, edge.skip) for edge in edges] == [
        (["8x6x6"], ["3x3 conv, 8, 2 groups"], False),
        (["3x3 conv, 8, 2 groups"], ["split 2"], False),
        (["split 2"], ["concat"], False),
        (["concat"], ["8x6x6"], False),
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_picture_is_the_same_text_for_the_same_graph(name: str, depth: str) -> None:
    graph = compile(name)
    assert dot_text(graph, depth) == dot_text(read_graph(print_graph(graph)), depth)


def test_a_picture_is_the_same_bytes_under_every_hash_seed() -> None:
    code = "import sys; from archdsl.compiler import render; sys.stdout.write(render('resnet18', depth='block'))"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert b"Bottleneck" not in runs[0]
    assert b"Basic" in runs[0]


@pytest.mark.parametrize("depth", DEPTHS)
def test_every_picture_renders_to_svg_and_png(depth: str) -> None:
    graph = resnet("multibranch", (2,), 8, 4)
    svg = picture(graph, depth, "svg")
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    png = picture(graph, depth, "png")
    assert isinstance(png, bytes)
    assert png.startswith(b"\x89PNG")


@settings(max_examples=25, deadline=None)
@given(programs(), st.sampled_from(DEPTHS))
def test_any_legal_net_can_be_drawn(program: Program, depth: str) -> None:
    text = dot_text(Graph(program), depth)
    declared = set(re.findall(r'^ +"([a-z]+\d+)" \[', text, re.MULTILINE))
    for tail, head in re.findall(r'^ +"([a-z]+\d+)" -> "([a-z]+\d+)"', text, re.MULTILINE):
        assert {tail, head} <= declared
    assert rendered(text, "svg").startswith(b"<?xml")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30))
def test_text_never_leaves_its_quotes(text: str) -> None:
    inside = quoted(text)
    assert re.fullmatch(r'"(?:[^"\\\n]|\\.)*"', inside)
    assert "<" not in inside[:1]


def test_text_of_a_file_is_drawn_as_it_is() -> None:
    b = Builder('a"b')
    (x,) = b.add(ops.Relu(), (b.input(3),), "0", b.scope("level", level='x"];y\\', role="stage"))
    svg = picture(Graph(b.program(x)), "layer", "svg")
    texts = [element.text for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert 'stage x"];y\\' in texts
    script = quoted("<script>&lt;")
    assert script == '"<script>&amp;lt;"'


def test_unknown_depths_formats_and_renderers_are_usage_errors() -> None:
    graph = resnet("basic", (1,))
    for arguments, message in [
        (("blocks",), "depth"),
        (("block", "bmp"), "format"),
        (("block", "svg", "vis"), "renderer"),
    ]:
        with pytest.raises(UsageError, match=f"there is no .*{message}"):
            picture(graph, *arguments)
    with pytest.raises(UsageError, match="not pdf"):
        picture(graph, "block", "pdf", "pure")


def test_a_missing_program_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("ARCHDSL_DOT", raising=False)
    with pytest.raises(MissingTool, match="install Graphviz"):
        rendered("digraph {}", "svg", "dot")
    monkeypatch.setenv("ARCHDSL_DOT", str(tmp_path / "dot"))
    with pytest.raises(MissingTool, match="ARCHDSL_DOT names"):
        rendered("digraph {}", "svg", "dot")


def test_the_program_that_archdsl_dot_names_is_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "mydot"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("ARCHDSL_DOT", str(program))
    assert rendered("digraph {}", "pdf") == b"-Kdot -Tpdf\n"
    program.write_text("#!/bin/sh\necho 'no value for width of non-ASCII character 195' >&2\necho broken >&2\nexit 1\n")
    with pytest.raises(RenderError, match="mydot failed: broken"):
        rendered("digraph {}", "svg", "dot")


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("held = bytearray(3 << 30)", "used up the 1 GiB"),
        ("import time; time.sleep(60)", "took more than 1 seconds"),
        ("while True: pass", "used up|took more than"),
    ],
)
def test_a_renderer_that_takes_too_much_is_ended(
    does: str, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "greedy"
    program.write_text(f"#!{sys.executable}\n{does}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("ARCHDSL_DOT", str(program))
    monkeypatch.setattr("archdsl.targets.picture_render.SECONDS", 1)
    with pytest.raises(RenderError, match=f"greedy ({told}).*coarser depth"):
        rendered("digraph {}", "svg", "dot")


def test_a_text_that_is_no_dot_is_a_render_error() -> None:
    with pytest.raises(RenderError, match="graphviz-pure failed"):
        rendered("digraph {", "svg", "pure")
