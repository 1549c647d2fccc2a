"""A graph as a spec that reads as if it were written by hand: blocks with parameters, stages, repetitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archdsl.diagnostics import quote
from archdsl.graph.graph import Graph
from archdsl.graph.verify import held
from archdsl.ops.base import Input
from archdsl.outline.call import REQUIRED
from archdsl.syntax import tree
from archdsl.syntax.printer import print_tree
from archdsl.targets.arch_claims import Claim, printed, said, still_true
from archdsl.targets.arch_given import Follows, Origin, follow, sets
from archdsl.targets.arch_heads import with_heads
from archdsl.targets.arch_law import broken
from archdsl.targets.arch_source_blocks import Blocks, BlockText
from archdsl.targets.arch_source_docs import told, touched
from archdsl.targets.arch_source_draft import draft
from archdsl.targets.arch_source_layers import Defaults, Place, literal
from archdsl.targets.arch_source_parts import HERE, Given, exact
from archdsl.targets.arch_source_print import reference, statements, value_of
from archdsl.targets.arch_text import arch_text, expression

OFTEN = 3  # layers of one operation before their common argument is a default


@dataclass(frozen=True)
class Written:
    """A spec, and what of the spec that it was made from it does not say, each with the reason."""

    text: str
    left: tuple[str, ...] = ()


def arch_source(graph: Graph, origin: Origin | None = None) -> str:
    """The spec of a graph, in the style of the formatter; what is left out of its `origin` is not told.

    Elaborating it gives the same operations in the same order with the same wiring, roles and state_dict keys. Layers
    without weights may have other positions, branches that a pass left mixed stand one after the other, and shared
    weights at a path that no layer can be called by, as only the builder makes them, are renamed `shared_...`. What is
    not found again is written layer by layer. Raises `UsageError` for what the language cannot say, such as shared
    weights that are applied in two ways.
    """
    return written(graph, origin).text


def written(graph: Graph, origin: Origin | None) -> Written:
    """The spec of a graph, with the parameters and claims of the spec that it was made from which still hold: setting a
    parameter gives what is made of the net of that value. Raises `UsageError` as `arch_source` does."""
    graph = held(graph)
    kept, left = follow(graph, origin.values, origin.remake) if origin is not None else ([], {})
    changed = touched(origin.before, graph) if origin is not None else frozenset()
    while True:
        bare = print_tree(source_tree(graph, kept, (), changed))
        if broken(graph, bare) is not None:
            return Written(arch_text(graph), tuple(f"the parameter `{name}`: no block is left" for name in left))
        told = origin.claims if origin is not None else ()
        claims, lost = still_true(told, graph, [each.name for each in kept], _with(bare))
        text = print_tree(source_tree(graph, kept, claims, changed))
        wrong = next((each for each in kept if not sets(text, each)), None)
        if wrong is None:
            break
        kept = [each for each in kept if each is not wrong]
        left[wrong.name] = "the net follows from it in a way that is not found again"
    parameters = (f"the parameter `{name}`: {reason}" for name, reason in left.items())
    figures = (f"the claim `{claim}`: {reason}" for claim, reason in lost)
    return Written(text, (*parameters, *figures, *_unsaid(graph, changed, origin)))


def _unsaid(graph: Graph, changed: frozenset[int], origin: Origin | None) -> Iterator[str]:
    """The comments that are not carried over."""
    blocks = [graph.scopes[index].block for index in sorted(changed) if graph.scopes[index].doc]
    for block in dict.fromkeys(blocks):
        yield f"the comment of `{block}`: a pass changed its body"
    for remark in origin.remarks if origin is not None else ():
        yield f"the comment `{quote(remark)}`: its place is not found again"


def _with(bare: str) -> Callable[[Sequence[Claim]], str]:
    """The text of a spec that ends in an arch, with claims at its end."""
    head = bare.rstrip().removesuffix("}")

    def text(claims: Sequence[Claim]) -> str:
        return f"{head}{''.join(f'    {printed(claim)}{chr(10)}' for claim in claims)}}}\n"

    return text


def source_tree(
    graph: Graph, kept: Sequence[Follows] = (), claims: Sequence[Claim] = (), changed: frozenset[int] = frozenset()
) -> tree.File:
    """The tree of the spec; what its author said of the calls that passes `changed` is left out."""
    graph = with_heads(graph)
    given = {place: found for each in kept for place, found in each.places.items()}
    parameters = {each.name: each.value for each in kept}
    lifted = _lifted(graph, given)
    name = graph.name
    own = frozenset({name, *parameters})
    drafting = draft(graph, lifted, own, given, changed)
    blocks = Blocks(drafting.instances, own)
    parts = blocks.body(drafting.parts)
    names = frozenset({name, *(text.name for text in blocks.texts)})
    body = (
        *_inputs(graph, given),
        *statements(parts, frozenset(parameters), names),
        *_outputs(drafting.outputs),
        *claims,
        *_expects(graph, set(parameters), claims),
    )
    arch = tree.Arch(
        HERE,
        tree.Ident(HERE, name),
        tuple(tree.Parameter(HERE, tree.Ident(HERE, key), expression(value)) for key, value in parameters.items()),
        tree.Body(HERE, body),
    )
    found: list[tree.Declaration] = [*_defaults(lifted), *(_block(text, names) for text in blocks.texts), arch]
    doc = "" if 0 in drafting.altered else told(graph.program.doc, parts, names | set(parameters))
    return tree.File(HERE, tuple(found), doc)


def _lifted(graph: Graph, given: Mapping[Place, Given]) -> Defaults:
    """The optional arguments that most layers of an operation have in common, where they are not its defaults."""
    counts: dict[tuple[str, str], Counter[Any]] = {}
    values: dict[tuple[str, str, Any], Any] = {}
    totals: Counter[str] = Counter()
    for index, node in enumerate(graph.nodes):
        totals[node.op.word] += 1
        for field, info in type(node.op).model_fields.items():
            if (
                info.is_required()
                or (index, field) in given
                or field
                in (
                    "stride",
                    "groups",
                    "padding",
                    "dilation",
                    "ceil",
                    "count_padding",
                    "sizes",
                )
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


def _inputs(graph: Graph, given: Mapping[Place, Given]) -> list[tree.Input]:
    found = []
    for index in graph.inputs:
        node = graph.nodes[index]
        assert isinstance(node.op, Input)
        plain = node.path == "input" and len(graph.inputs) == 1
        size = value_of(given.get((index, "sizes"), node.op.sizes))
        found.append(tree.Input(HERE, None if plain else tree.Ident(HERE, node.path), size))
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


def _expects(graph: Graph, parameters: set[str], claims: Sequence[Claim]) -> Iterator[tree.Expect]:
    """The figures of the net that no claim says, but for one whose name a value may have."""
    bound = {graph.name} | parameters | {part for node in graph.nodes for part in node.path.split(".")}
    for metric, figure in (("params", graph.params), ("macs", graph.macs)):
        if metric not in bound and not said(metric, claims):
            yield _expect(metric, figure)


def _expect(metric: str, figure: int) -> tree.Expect:
    number = tree.Number(HERE, figure, f"{figure:_}")
    return tree.Expect(HERE, tree.Binary(HERE, "==", tree.Name(HERE, metric), number), None)


def _block(text: BlockText, taken: frozenset[str]) -> tree.Block:
    names = frozenset(parameter.name for parameter in text.parameters)
    parameters = tuple(
        tree.Parameter(HERE, tree.Ident(HERE, p.name), None if p.default is REQUIRED else value_of(p.default))
        for p in text.parameters
    )
    body = tree.Body(HERE, statements(text.parts, names, taken))
    return tree.Block(HERE, tree.Ident(HERE, text.name), parameters, body, told(text.doc, text.parts, names | taken))
