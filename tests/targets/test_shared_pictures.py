"""Pictures and tables of nets that share weights: one net, each application at its place, and nothing counted twice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from random import Random

import networkx
import pytest

from archdsl.analysis.summary import summarise
from archdsl.compiler import compile
from archdsl.graph.graph import Graph
from archdsl.graph.text import print_graph, read_graph
from archdsl.ops import Identity
from archdsl.source import Source
from archdsl.targets.dot import dot_text
from archdsl.targets.picture_chains import condense
from archdsl.targets.picture_plan import DEPTHS, Box, Cluster, Plan, plan
from archdsl.targets.picture_words import SIGNS, words

TIMES = "\u00d7"
HEAD = "block Cell() { conv(4, 3x3) -> relu }\nblock Pair(cell) { cell -> sigmoid -> cell }\n"


def net(body: str) -> Graph:
    """An arch over two shared blocks `p` and `q` and two shared layers `c` and `t`, those that the body applies."""
    kinds = {"p": "Cell", "q": "Cell", "c": "conv(4, 3x3)", "t": "tanh"}
    shared = "".join(f"shared {name}: {kind}\n" for name, kind in kinds.items() if re.search(rf"\b{name}\b", body))
    return compile(Source(f"{HEAD}arch net() {{\ninput 4x6x6\n{shared}{body}\n}}\n", "net.arch"))


def random_body(rng: Random, level: int, names: Iterator[int]) -> str:
    """A few statements that keep the shape."""
    return "\n".join(_statement(rng, level, names) for _ in range(rng.randint(1, 3)))


def _statement(rng: Random, level: int, names: Iterator[int]) -> str:
    kinds = ["use", "use", "own", "pair"] + ["loop", "residual", "branches", "level", "stage"] * (level > 0)
    kind = rng.choice(kinds)
    if kind == "use":
        return " -> ".join(rng.choice("pqct") for _ in range(rng.randint(1, 3)))
    if kind == "own":
        return rng.choice(["relu", "conv(4, 1x1)", "Cell"])
    if kind == "pair":
        return f"Pair({rng.choice('pc')})"
    inside = random_body(rng, level - 1, names)
    if kind == "branches":
        other = f"residual {{\n{random_body(rng, level - 1, names)}\n}}"
        return f"branches add {{\nstage {{\n{inside}\n}}\n{rng.choice(['p', 'c -> t', other])}\n}}"
    if kind == "loop":
        # The turns of a loop have names of their own.
        inside = re.sub(r'"(\S+)"', rf'"\1_{{i{level}}}"', inside)
        head = f"for i{level} in range({rng.randint(2, 3)})" if '"' in inside else f"repeat {rng.randint(2, 3)}"
        return f"{head} {{\n{inside}\n}}"
    opening = {"level": f'"s{next(names)}"', "stage": f'stage "s{next(names)}"', "residual": "residual"}[kind]
    return f"{opening} {{\n{inside}\n}}"


def drawn(graph: Graph, depth: str) -> Plan:
    found = plan(graph, next(known for known in DEPTHS if known == depth))
    return condense(found) if depth == "block" else found


def counted(cluster: Cluster, times: int = 1) -> Counter[str]:
    """The first row of each box of a layer, as often as it stands for one."""
    found: Counter[str] = Counter()
    for item in cluster.inside:
        if isinstance(item, Cluster):
            found += counted(item, times * item.times)
        elif item.kind not in {"input", "output"}:
            found[item.rows[0]] += times * own(item)
    return found


def own(box: Box) -> int:
    return next((int(row[1:]) for row in box.rows[1:] if row.startswith(TIMES)), 1)


def told(graph: Graph, index: int) -> str:
    """What a layer's box says, without the name of shared weights."""
    node = graph.nodes[index]
    return SIGNS.get(type(node.op)) or words(node, graph.program.shapes_in(node))


def sources(graph: Graph, index: int) -> set[str]:
    """What the layers say that a node reads, behind identities."""
    found = set()
    for value in graph.nodes[index].inputs:
        node = value.node
        while isinstance(graph.nodes[node].op, Identity):
            node = graph.nodes[node].inputs[0].node
        found.add(told(graph, node))
    return found


def plain(row: str) -> str:
    return re.sub(r" \(shared \w+\)$", "", row)


def hold(graph: Graph) -> None:
    """The laws of a picture and a table at every depth. Weights that are declared as shared and applied once are no
    shared weights in a graph: they stand where they were declared, maybe outside of the stage that they are part of."""
    again = {scope.path for scope in graph.scopes if scope.kind == "shared"}
    once = {node.path[:1] for node in graph.nodes if re.match(r"[pqct](\.|$)", node.path)} - again
    for depth in DEPTHS:
        found = drawn(graph, depth)
        flow = networkx.DiGraph()
        flow.add_nodes_from(found.boxes)
        flow.add_edges_from((edge.tail, edge.head) for edge in found.edges)
        assert networkx.is_weakly_connected(flow), depth
        assert networkx.is_directed_acyclic_graph(flow) or (once and depth == "stage"), depth
        assert dot_text(graph, depth) == dot_text(read_graph(print_graph(graph)), depth)
        rows = summarise(graph, depth).rows
        assert sum(row.params for row in rows) == graph.params
        assert sum(row.macs for row in rows) == graph.macs
        assert sum(row.nodes for row in rows) == len(graph.nodes)
    layers = drawn(graph, "layer")
    shown = Counter[str]()
    for row, times in counted(layers.root).items():
        shown[plain(row)] += times
    real = (index for index, node in enumerate(graph.nodes) if not isinstance(node.op, Identity) and node.inputs)
    assert shown == Counter(told(graph, index) for index in real)
    for box in layers.boxes:
        if box.kind not in {"input", "output"}:
            tails = {plain(edge.tail.rows[0]) for edge in layers.edges if edge.head is box}
            assert tails == sources(graph, int(box.name[1:])), box.rows


@pytest.mark.parametrize("seed", range(40))
def test_any_net_of_shared_weights_is_drawn_and_tabled_as_one_net(seed: int) -> None:
    hold(net(random_body(Random(seed), 2, iter(range(100)))))


@pytest.mark.slow
def test_many_nets_of_shared_weights_are_drawn_and_tabled_as_one_net() -> None:
    """2,000 nets: `pytest -m slow tests/targets/test_shared_pictures.py`."""
    for seed in range(1000, 3000):
        body = random_body(Random(seed), 3, iter(range(1000)))
        try:
            hold(net(body))
        except Exception as error:
            raise AssertionError(f"seed {seed}:\n{body}") from error


def rows(body: str, depth: str) -> list[str]:
    """The titles and boxes of a net in the order of its picture."""
    found = re.findall(r'\[label="((?:[^"\\]|\\.)*)"', dot_text(net(body), depth))
    return [label.replace("\\n", ", ") for label in found]


def test_shared_layers_between_others_in_a_loop_are_drawn() -> None:
    """Two shared layers in turns with layers of the loop: a chain whose boxes do not stand in the order of the flow."""
    graph = net("repeat 3 { c -> relu -> conv(4, 1x1) -> t }\ngap -> flatten -> linear(3)")
    hold(graph)
    for depth in DEPTHS:
        assert "3x3 conv, 4 (shared c)" in dot_text(graph, depth)


def test_applications_of_the_same_weights_fold_and_those_of_others_do_not() -> None:
    assert rows("p -> p -> p", "block")[1:-1] == [f"shared p: Cell, 3x3 conv, 4, {TIMES}3"]
    assert rows("p -> q -> p -> q", "stage")[1:-1] == [
        text for name in "pqpq" for text in (f"shared {name}: Cell", "3x3 conv, 4")
    ]


def test_a_stage_holds_the_shared_blocks_that_it_applies() -> None:
    body = "stage one { repeat 3 { p -> conv(4, 1x1) } }\nstage two { p }\nrelu"
    assert rows(body, "stage")[1:-1] == [
        "stage one",
        f"shared p: Cell {TIMES}3, 1x1 conv, 4 {TIMES}3",
        "stage two",
        "shared p: Cell",
        "relu",
    ]
    table = summarise(net(body), "stage").rows
    assert [(row.path, row.operation, row.params) for row in table[1:]] == [
        ("one", "shared Cell, conv, shared Cell, conv, shared Cell, conv", 148 + 3 * 20),
        ("two", "shared Cell", 0),
        ("3", "relu", 0),
    ]


def test_a_siamese_net_has_one_row_for_each_side_and_its_weights_once() -> None:
    text = (
        "arch net() {\ninput a: 4x6x6\ninput b: 4x6x6\nshared tower: Cell\nfrom a -> tower as x\nfrom b -> tower as y\n"
    )
    graph = compile(Source(f"{HEAD}{text}from [x, y] -> concat\n}}\n", "net.arch"))
    hold(graph)
    table = summarise(graph, "block").rows
    assert [(row.path, row.operation, row.params) for row in table[2:]] == [
        ("tower", "Cell, shared", 148),
        ("tower", "Cell, shared", 0),
        ("concat", "concat", 0),
    ]


def test_two_steps_of_a_recurrent_net_are_one_picture() -> None:
    steps = ""
    for step in (1, 2):
        steps += f"from x -> wz as a{step}\nfrom {'h' if step == 1 else 'h1'} -> uz as b{step}\n"
        steps += f"from [a{step}, b{step}] -> add -> sigmoid as z{step}\nfrom x -> wn -> tanh as n{step}\n"
        steps += f"from [z{step}, n{step}] -> mul" + " as h1\n" * (step == 1)
    shared = "".join(f"shared {name}: linear(8)\n" for name in ("wz", "uz", "wn"))
    graph = compile(Source(f"arch net() {{\ninput x: [8]\ninput h: [8]\n{shared}{steps}\n}}\n", "net.arch"))
    hold(graph)
    assert len(re.findall(r"\(shared uz\)", dot_text(graph))) == 2
