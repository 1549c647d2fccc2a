"""Claims of a spec that are still true of the net that was made from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from archdsl.diagnostics import CompileError
from archdsl.elaborate import elaborate
from archdsl.elaborate.environment import METRICS
from archdsl.elaborate.functions import FUNCTIONS
from archdsl.graph.graph import Graph
from archdsl.ops import INITIALIZERS, OPERATIONS, WORDS
from archdsl.source import Source
from archdsl.syntax import tree
from archdsl.syntax.printer import print_expression

Claim = tree.Expect | tree.Require
KNOWN = frozenset({*METRICS, *FUNCTIONS, *OPERATIONS, *INITIALIZERS, *WORDS, "in"})


def printed(claim: Claim) -> str:
    """A claim as the language writes it."""
    condition = print_expression(claim.condition)
    if isinstance(claim, tree.Expect):
        near = "" if claim.approximate is None else f" ~= {print_expression(claim.approximate)}"
        return f"expect {condition}{near}"
    return f"require {condition}" + ("" if claim.message is None else f", {print_expression(claim.message)}")


def said(metric: str, claims: Sequence[Claim]) -> bool:
    """True if one of some claims states a figure of the whole net to the last digit."""
    wanted = tree.Name(claims[0].span, metric) if claims else None
    return any(
        isinstance(claim, tree.Expect)
        and claim.approximate is None
        and isinstance(claim.condition, tree.Binary)
        and claim.condition.op == "=="
        and claim.condition.left == wanted
        and isinstance(claim.condition.right, tree.Number)
        for claim in claims
    )


def still_true(
    claims: Sequence[Claim], graph: Graph, parameters: Sequence[str], text: Callable[[Sequence[Claim]], str]
) -> tuple[tuple[Claim, ...], list[tuple[str, str]]]:
    """The claims that hold in a spec, and why the others do not; `text` is the spec with some claims in it."""
    levels = {part for path in _paths(graph) for part in path.split(".")}
    known = KNOWN | levels | set(parameters)
    speaks = [(claim, next((name for name in _names(claim) if name not in known), None)) for claim in claims]
    lost = [(printed(claim), f"it speaks of `{name}`") for claim, name in speaks if name is not None]
    kept = tuple(claim for claim, name in speaks if name is None)
    if kept and _wrong(text(kept)) is not None:
        reasons = [(claim, _wrong(text((claim,)))) for claim in kept]
        lost += [(printed(claim), reason) for claim, reason in reasons if reason is not None]
        kept = tuple(claim for claim, reason in reasons if reason is None)
    return kept, lost


def _wrong(text: str) -> str | None:
    try:
        elaborate(Source(text, "the spec"))
    except CompileError as error:
        first = error.diagnostics[0]
        return "; ".join((first.message, *first.notes[:2]))
    return None


def _paths(graph: Graph) -> Iterator[str]:
    yield from (node.path for node in graph.nodes)
    yield from (scope.path for scope in graph.scopes if scope.opens)


def _names(node: Any) -> Iterator[str]:
    """The names that are read in an expression."""
    if isinstance(node, tree.Name):
        yield node.name
    elif isinstance(node, tuple):
        for item in node:
            yield from _names(item)
    elif isinstance(node, tree.Node):
        for item in node.content():
            yield from _names(item)
