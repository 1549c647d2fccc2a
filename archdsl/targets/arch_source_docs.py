"""Comments that are still true: what passes changed is no longer described by what its author wrote."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

from archdsl.graph.graph import Graph
from archdsl.ops import OPERATIONS
from archdsl.targets.arch_source_parts import Part

WIDTH = 116
_SENTENCE = re.compile(r"(?<=[.!?])(?<!\bal\.)(?<!\be\.g\.)(?<!\bi\.e\.)\s+")
_NAMED = re.compile(r"`([^`]*)`")
_WORD = re.compile(r"[A-Za-z_]\w*")
_NORM = re.compile(r"\b(?<!no )(?<!without )(batch )?normali[sz]", re.IGNORECASE)


def altered(graph: Graph) -> frozenset[int]:
    """The blocks' scopes, and 0 for the arch itself, in which a layer stands where its author wrote another."""
    found: set[int] = set()
    for node in graph.nodes:
        if node.span is None:
            continue
        written = _WORD.match(node.span.text)
        if written is not None and written[0] in OPERATIONS and written[0] != node.op.word:
            found.add(_block_of(graph, node.scope))
    return frozenset(found)


def touched(before: Graph, graph: Graph) -> frozenset[int]:
    """The calls of blocks in whose own body, not counting the calls in it, a pass made something else."""
    bodies: list[dict[int, set[tuple[str, object]]]] = []
    for each in (before, graph):
        found: dict[int, set[tuple[str, object]]] = {}
        for node in each.nodes:
            found.setdefault(_block_of(each, node.scope), set()).add((node.path, node.op))
        bodies.append(found)
    calls = (index for index, scope in enumerate(graph.scopes) if index and scope.block is not None)
    return frozenset(index for index in calls if bodies[0].get(index) != bodies[1].get(index))


def _block_of(graph: Graph, scope: int) -> int:
    """The innermost call of a block around a scope, or the arch."""
    while graph.scopes[scope].block is None:
        parent = graph.scopes[scope].parent
        if parent is None:
            return scope
        scope = parent
    return scope


def told(doc: str, parts: Iterable[Part], names: frozenset[str]) -> str:
    """The sentences of a comment that speak of nothing which is not there: of no name but labels, variables, operations
    and these `names`, and of norms where there is one or a block is called."""
    inside = [part for each in parts for part in each.parts()]
    known = names | {str(part.label) for part in inside} | {name for part in inside for name in part.names if name}
    known |= set(OPERATIONS) | {part.word for part in inside}
    normed = any(part.kind in ("call", "use", "stack") or part.word.endswith("norm") for part in inside)
    sentences = _SENTENCE.split(doc.strip())
    kept = [
        sentence
        for sentence in sentences
        if set(_NAMED.findall(sentence)) <= known and (normed or not _NORM.search(sentence))
    ]
    if len(kept) == len(sentences):
        return doc.strip()
    return "\n".join(textwrap.wrap(" ".join(kept), WIDTH, break_long_words=False, break_on_hyphens=False))
