"""A graph as DOT text, for `.gv` files and for the renderer."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from archdsl.diagnostics import UsageError
from archdsl.gate import Dot, dot, joined, named, quoted
from archdsl.graph.graph import Graph
from archdsl.targets.picture_chains import condense
from archdsl.targets.picture_plan import DEPTHS, TIMES, Box, Cluster, Depth, Edge, Plan, labels, plan
from archdsl.targets.picture_render import hold, rendered

INK, GREY, LINE = "#1f2933", "#66727f", "#7b8794"
FONT = "Helvetica"
NODE = {
    "fontname": FONT,
    "fontsize": "11",
    "fontcolor": INK,
    "shape": "box",
    "style": "rounded,filled",
    "margin": "0.14,0.06",
    "height": "0.3",
}
EDGE = {"fontname": FONT, "fontsize": "9", "fontcolor": GREY, "color": LINE, "arrowsize": "0.6"}
CIRCLE = {"shape": "circle", "width": "0.26", "height": "0.26", "fixedsize": "true", "margin": "0"}
# kind: fill, border
COLORS = {
    "conv": ("#d6e6fa", "#5b8fd1"),
    "linear": ("#f9dce6", "#c96a92"),
    "norm": ("#ece6f8", "#a08bd0"),
    "activation": ("#fdeccf", "#d9a441"),
    "pool": ("#d9f0df", "#5fae7b"),
    "merge": ("#ffffff", "#7b8794"),
    "sign": ("#ffffff", "#1f2933"),
    "param": ("#fff7d6", "#c9b458"),
    "stage": ("#ffffff", "#9aa5b1"),
    "other": ("#eef1f4", "#9aa5b1"),
}
FRAMES = {
    "stem": ("#f3f6f4", "#b5c9bb"),
    "stage": ("#f1f5fb", "#b3c5de"),
    "head": ("#fbf2f5", "#dcb8c6"),
    "aux": ("#fbf7ee", "#dccda4"),
    "skip": ("#ffffff", "#9aa5b1"),
}
FRAME = ("#ffffff", "#c5ced8")


def dot_text(graph: Graph, depth: str = "block") -> str:
    """The DOT text of a graph's picture at the depth `stage`, `block` or `layer`; equal graphs give equal text.

    Raises `UsageError` for another depth. All text is quoted, and none of it is HTML.
    """
    return _drawn(graph, depth)[0]


def _drawn(graph: Graph, depth: str) -> tuple[str, Plan]:
    found = next((known for known in DEPTHS if known == depth), None)
    if found is None:
        raise UsageError(f"there is no depth `{depth}`: it is one of {', '.join(DEPTHS)}")
    drawn = _planned(graph, found)
    return "\n".join(_document(graph, drawn, found)) + "\n", drawn


def picture(graph: Graph, depth: str = "block", format: str = "svg", renderer: str = "auto") -> str | bytes:
    """A graph's picture: the text of an SVG, or the bytes of a PNG or PDF. Raises what `dot_text` and `rendered` do."""
    text, drawn = _drawn(graph, depth)
    hold(len(drawn.boxes), len(drawn.edges))
    data = rendered(text, format, renderer)
    return data.decode() if format == "svg" else data


def _planned(graph: Graph, depth: Depth) -> Plan:
    drawn = plan(graph, depth)
    return condense(drawn) if depth == "block" else drawn


def _document(graph: Graph, drawn: Plan, depth: Depth) -> Iterator[Dot]:
    yield dot("digraph {} {{", quoted(graph.name))
    far = {"stage": 0.34, "block": 0.3, "layer": 0.24}[depth]
    # `ordering=out`: branches stand from left to right as they are written, titles and bodies left of shortcuts.
    look = _attributes(bgcolor="white", nodesep=0.22, ranksep=far, pad=0.2, ordering="out")
    yield dot("  graph {}", look)
    yield dot("  node {}", _attributes(**NODE))
    yield dot("  edge {}", _attributes(**EDGE))
    for line in _inside(drawn.root):
        yield dot("  {}", line)
    for line in _title_edges(drawn):
        yield dot("  {}", line)
    for left, right in (pair for row in drawn.rows for pair in pairwise(row)):
        # An edge of no length puts both on one level, the first to the left.
        look = _attributes(style="invis", minlen=0, weight=50)
        yield dot("  {} -> {} {}", quoted(left.name), quoted(right.name), look)
    told = labels(drawn.edges)
    for edge in drawn.edges:
        yield dot("  {}", _edge(edge, told.get(edge)))
    yield dot("}}")


def _inside(cluster: Cluster) -> Iterator[Dot]:
    for item in cluster.inside:
        if isinstance(item, Box):
            yield _box(item)
            continue
        yield dot("subgraph {} {{", quoted("cluster_" + item.name))
        yield dot("  graph {}", _frame(item))
        if _titled(item):
            yield dot("  {}", _title(item))
        for line in _inside(item):
            yield dot("  {}", line)
        yield dot("}}")


def _frame(cluster: Cluster) -> Dot:
    fill, border = FRAMES.get(cluster.kind, FRAME)
    style = "rounded,filled,dashed" if cluster.kind == "skip" else "rounded,filled"
    return _attributes(style=style, fillcolor=fill, color=border, margin=10)


def _titled(cluster: Cluster) -> bool:
    return bool(cluster.title) or cluster.times > 1


def _title(cluster: Cluster) -> Dot:
    """The title as a node beside the first box: edges go around nodes, and straight through the labels of clusters."""
    title = "  ".join([cluster.title] * bool(cluster.title) + [f"{TIMES}{cluster.times}"] * (cluster.times > 1))
    look = _attributes(label=title, shape="plaintext", style="", fontcolor=GREY, margin="0.02,0.02", height=0.2)
    return dot("{} {}", quoted("t" + cluster.name), look)


def _title_edges(drawn: Plan) -> Iterator[Dot]:
    """Invisible edges from what flows into a frame to its title, which so stands left of the frame's first box."""
    frames: dict[Box, tuple[Cluster, ...]] = {}
    _collect(drawn.root, (), frames)
    tied: set[str] = set()
    for edge in drawn.edges:
        for frame in frames[edge.head]:
            if _titled(frame) and frame not in frames[edge.tail] and frame.name not in tied:
                tied.add(frame.name)
                tail, head = quoted(edge.tail.name), quoted("t" + frame.name)
                yield dot("{} -> {} {}", tail, head, _attributes(style="invis"))


def _collect(cluster: Cluster, around: tuple[Cluster, ...], frames: dict[Box, tuple[Cluster, ...]]) -> None:
    for item in cluster.inside:
        if isinstance(item, Box):
            frames[item] = around
        else:
            _collect(item, (*around, item), frames)


def _box(box: Box) -> Dot:
    return dot("{} {}", quoted(box.name), _look(box, "\n".join(box.rows)))


def _look(box: Box, label: str) -> Dot:
    if box.kind in {"input", "output", "gap"}:
        return _attributes(label=label, shape="plaintext", style="", fontcolor=GREY)
    fill, border = COLORS[box.kind]
    if box.kind == "sign":
        return _attributes(label=label, fillcolor=fill, color=border, **CIRCLE)
    return _attributes(label=label, fillcolor=fill, color=border)


def _edge(edge: Edge, label: str | None) -> Dot:
    look: dict[str, str | float] = {"style": "dashed"} if edge.skip else {"weight": 40}
    if "gap" in {edge.tail.kind, edge.head.kind}:
        look["weight"] = 1
    if label:
        look["label"] = f" {label}"
    ends = dot("{} -> {}", quoted(edge.tail.name), quoted(edge.head.name))
    return dot("{} {}", ends, _attributes(**look)) if look else ends


def _attributes(**values: str | float) -> Dot:
    given = (dot("{}={}", named(key), quoted(str(value))) for key, value in values.items())
    return dot("[{}]", joined(", ", given))
