"""A graph as a spec that reads as if it were written by hand: blocks with parameters, stages, repetitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from archdsl.graph.graph import Graph
from archdsl.graph.verify import held
from archdsl.ops.base import Input
from archdsl.outline.call import REQUIRED
from archdsl.syntax import tree
from archdsl.syntax.printer import print_tree
from archdsl.targets.arch_heads import with_heads
from archdsl.targets.arch_law import broken
from archdsl.targets.arch_source_blocks import Blocks, BlockText
from archdsl.targets.arch_source_docs import told
from archdsl.targets.arch_source_draft import draft
from archdsl.targets.arch_source_layers import literal
from archdsl.targets.arch_source_parts import HERE, Hole, Part, exact
from archdsl.targets.arch_source_print import reference, statements, value_of
from archdsl.targets.arch_text import arch_text, expression

OFTEN = 3  # layers of one operation before their common argument is a default
CLASSES = "num_classes"


def arch_source(graph: Graph) -> str:
    """The spec of a graph, in the style of the formatter.

    Elaborating it gives the same operations in the same order with the same wiring, roles and state_dict keys. Layers
    without weights may have other positions, branches that a pass left mixed stand one after the other, and shared
    weights at a path that no layer can be called by, as only the builder makes them, are renamed `shared_...`. What is
    not found again is written layer by layer. Raises `UsageError` for what the language cannot say, such as shared
    weights that are applied in two ways.
    """
    text = print_tree(source_tree(held(graph)))
    return text if broken(graph, text) is None else arch_text(graph)


def source_tree(graph: Graph) -> tree.File:
    """The tree of the spec."""
    graph = with_heads(graph)
    lifted = _lifted(graph)
    name = graph.name
    drafting = draft(graph, lifted, frozenset({name, CLASSES}))
    blocks = Blocks(drafting.instances, frozenset({name, CLASSES}))
    parts = blocks.body(drafting.parts)
    parameters = _classes(parts, graph)
    body = (
        *_inputs(graph),
        *statements(parts, frozenset(parameters), frozenset({name, *(text.name for text in blocks.texts)})),
        *_outputs(drafting.outputs),
        *_expects(graph),
    )
    arch = tree.Arch(
        HERE,
        tree.Ident(HERE, name),
        tuple(tree.Parameter(HERE, tree.Ident(HERE, key), expression(value)) for key, value in parameters.items()),
        tree.Body(HERE, body),
    )
    names = frozenset({name, *(text.name for text in blocks.texts)})
    found: list[tree.Declaration] = [*_defaults(lifted), *(_block(text, names) for text in blocks.texts), arch]
    doc = "" if 0 in drafting.altered else told(graph.program.doc, parts, names | set(parameters))
    return tree.File(HERE, tuple(found), doc)


def _lifted(graph: Graph) -> dict[tuple[str, str], Any]:
    """The optional arguments that most layers of an operation have in common, where they are not its defaults."""
    counts: dict[tuple[str, str], Counter[Any]] = {}
    values: dict[tuple[str, str, Any], Any] = {}
    totals: Counter[str] = Counter()
    for node in graph.nodes:
        totals[node.op.word] += 1
        for field, info in type(node.op).model_fields.items():
            if info.is_required() or field in (
                "stride",
                "groups",
                "padding",
                "dilation",
                "ceil",
                "count_padding",
                "sizes",
            ):
                continue
            value = getattr(node.op, field)
            counts.setdefault((node.op.word, field), Counter())[exact(value)] += 1
            values[node.op.word, field, exact(value)] = value
    lifted: dict[tuple[str, str], Any] = {}
    for (word, field), found in counts.items():
        key, often = found.most_common(1)[0]
        value = values[word, field, key]
        info = next(type(n.op).model_fields[field] for n in graph.nodes if n.op.word == word)
        if often >= OFTEN and 3 * often > 2 * totals[word] and exact(value) != exact(info.default):
            lifted[word, field] = value
    return lifted


def _defaults(lifted: dict[tuple[str, str], Any]) -> list[tree.Defaults]:
    if not lifted:
        return []
    by_word: dict[str, list[tree.Argument]] = {}
    for (word, field), value in lifted.items():
        argument = tree.Argument(HERE, tree.Ident(HERE, field), value_of(literal(word, value)))
        by_word.setdefault(word, []).append(argument)
    calls = [tree.Placed(HERE, tree.Ident(HERE, word), tuple(arguments), True) for word, arguments in by_word.items()]
    together = tree.Defaults(HERE, tuple(calls))
    if len(print_tree(tree.File(HERE, (together,))).splitlines()) == 1:
        return [together]
    return [tree.Defaults(HERE, (call,)) for call in calls]


def _inputs(graph: Graph) -> list[tree.Input]:
    found = []
    for index in graph.inputs:
        node = graph.nodes[index]
        assert isinstance(node.op, Input)
        plain = node.path == "input" and len(graph.inputs) == 1
        found.append(tree.Input(HERE, None if plain else tree.Ident(HERE, node.path), expression(node.op.sizes)))
    return found


def _outputs(outputs: list[tuple[str, tuple[Any, ...]]]) -> list[tree.Output]:
    if not outputs:
        return []
    items = []
    for name, ref in outputs:
        value = reference(ref)
        path = value.name if isinstance(value, tree.Name) else value.plain if isinstance(value, tree.Text) else None
        own = path is not None and ref[0] in ("label", "name") and path.rpartition(".")[2] == name
        items.append(tree.OutputItem(HERE, None if own else tree.Ident(HERE, name), value))
    return [tree.Output(HERE, tuple(items))]


def _expects(graph: Graph) -> Iterator[tree.Expect]:
    """The figures of the net, but for one whose name a value may have."""
    bound = {graph.name} | {part for node in graph.nodes for part in node.path.split(".")}
    for metric, figure in (("params", graph.params), ("macs", graph.macs)):
        if metric not in bound:
            yield _expect(metric, figure)


def _expect(metric: str, figure: int) -> tree.Expect:
    number = tree.Number(HERE, figure, f"{figure:_}")
    return tree.Expect(HERE, tree.Binary(HERE, "==", tree.Name(HERE, metric), number), None)


def _classes(parts: list[Part], graph: Graph) -> dict[str, Any]:
    """The arch's number of classes stays a parameter, where one layer alone has so many outputs."""
    count = dict(graph.program.parameters).get(CLASSES)
    places: list[tuple[Part, int]] = []
    for each in parts:
        for part in each.parts():
            for at, hole in enumerate(part.holes):
                if type(hole.value) is int and hole.value == count and hole.name in ("out", CLASSES):
                    places.append((part, at))
    if type(count) is not int or not places or len({(p.holes[at].name, p.word) for p, at in places}) > 2:
        return {}
    if sum(part.kind == "op" for part, _ in places) != 1:
        return {}
    for part, at in places:
        holes = list(part.holes)
        holes[at] = Hole(holes[at].name, tree.Name(HERE, CLASSES), holes[at].default)
        part.holes = tuple(holes)
    return {CLASSES: count}


def _block(text: BlockText, taken: frozenset[str]) -> tree.Block:
    names = frozenset(parameter.name for parameter in text.parameters)
    parameters = tuple(
        tree.Parameter(HERE, tree.Ident(HERE, p.name), None if p.default is REQUIRED else value_of(p.default))
        for p in text.parameters
    )
    body = tree.Body(HERE, statements(text.parts, names, taken))
    return tree.Block(HERE, tree.Ident(HERE, text.name), parameters, body, told(text.doc, text.parts, names | taken))
