"""Runs a pass over a graph until nothing is left to rewrite, and says of every site what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from archdsl.diagnostics import ArchdslError
from archdsl.graph import Graph
from archdsl.graph.verify import IllegalGraph, verify
from archdsl.ops import ShapeError
from archdsl.passes.common import lies_in
from archdsl.passes.edit import Edit
from archdsl.passes.plan import Plan, identity
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Pipeline, pattern, sites


@dataclass(frozen=True, slots=True)
class Site:
    """What a pass did at one place: the nodes it looked at, and why they were kept, if they were."""

    name: str
    paths: tuple[str, ...]
    outcome: Literal["rewritten", "kept"]
    reason: str = ""


@dataclass(frozen=True)
class Result:
    """A rewritten graph, how its weights come from the old ones, and the trace of every site."""

    graph: Graph
    plan: Plan
    trace: tuple[Site, ...]

    @property
    def rewritten(self) -> int:
        """How many sites were rewritten."""
        return sum(site.outcome == "rewritten" for site in self.trace)


class BrokenPass(ArchdslError):  # noqa: N818
    """A pass that made an illegal graph, or never came to an end: a mistake in the pass, not in the spec."""


def fuel_of(graph: Graph) -> int:
    """How many rewrites a pass may make."""
    return 50 * len(graph.nodes) + 1_000


def run(graph: Graph, rewrite: Pass, fuel: int | None = None) -> Result:
    """The graph after a pass. Raises `BrokenPass`, which names the pass, if it breaks a law of graphs, changes what
    the net takes and returns, or does not come to an end."""
    left = fuel_of(graph) if fuel is None else fuel
    if isinstance(rewrite, Pipeline):
        return _turns(graph, rewrite, left)
    _verified(graph, rewrite, "before")
    plan, trace = identity(graph), list[Site]()
    while True:
        edit, done, kept = _round(graph, rewrite)
        trace += done
        left -= len(done)
        if not done:
            return Result(graph, plan, (*trace, *kept))
        if left < 0:
            raise BrokenPass(f"{rewrite.word()} does not come to an end")
        graph, step = _committed(edit, rewrite)
        plan = plan.then(step)
        if rewrite.once:
            return Result(graph, plan, (*trace, *kept))


def _turns(graph: Graph, rewrite: Pipeline, left: int) -> Result:
    """The passes of a pipeline in turn, until a whole turn rewrites nothing; what the last turn kept is told."""
    plan, trace = identity(graph), list[Site]()
    while True:
        turn: list[Site] = []
        for step in rewrite.passes():
            result = run(graph, step, left)
            graph, plan, left = result.graph, plan.then(result.plan), left - result.rewritten
            turn += result.trace
        done = [site for site in turn if site.outcome == "rewritten"]
        trace += done
        if not done:
            return Result(graph, plan, (*trace, *turn))


Check = Callable[[Pass, Graph, Result], None]


def pipeline(graph: Graph, rewrites: Iterable[Pass], check: Check | None = None) -> Result:
    """The graph after several passes, one after the other, as one result.

    `check` sees each pass, the graph before it and what it made: the place for a proof of its promise.
    """
    plan, trace = identity(graph), list[Site]()
    for rewrite in rewrites:
        result = run(graph, rewrite)
        if check is not None:
            check(rewrite, graph, result)
        graph, plan = result.graph, plan.then(result.plan)
        trace += result.trace
    return Result(graph, plan, tuple(trace))


def _round(graph: Graph, rewrite: Pass) -> tuple[Edit, list[Site], list[Site]]:
    """One sweep: sites that do not touch one another are rewritten together."""
    edit, done, kept = Edit(graph), list[Site](), list[Site]()
    found = sites(graph, pattern(type(rewrite)))  # type: ignore[arg-type]
    for matches in reversed(list(found)) if rewrite.backwards else found:
        nodes = list(_flat(matches))
        if rewrite.where and not any(lies_in(graph, match, rewrite.where) for match in nodes):
            continue
        if any(match.index in edit.touched for match in nodes):
            continue  # the next round sees it as it is then
        paths = tuple(match.node.path for match in nodes)
        outcome = _rewritten(edit, rewrite, matches, paths)
        if outcome is NOT_A_SITE:
            continue
        if isinstance(outcome, Keep):
            kept.append(Site(rewrite.word(), paths, "kept", outcome.reason))
        else:
            done.append(Site(rewrite.word(), paths, "rewritten"))
    return edit, done, kept


def _rewritten(edit: Edit, rewrite: Pass, matches: tuple[Any, ...], paths: tuple[str, ...]) -> Keep | None:
    """What a pass says of a site; a mistake in it is told with the site."""
    where = f"{rewrite.word()} failed at {', '.join(paths[:4])}"
    try:
        outcome = rewrite.rewrite(edit, *matches)
    except Exception as error:
        raise BrokenPass(f"{where}: {type(error).__name__}: {error}") from error
    if outcome is not None and not isinstance(outcome, Keep):
        raise BrokenPass(f"{where}: it returns a {type(outcome).__name__}, and not `None` or `Keep`")
    return outcome


def _flat(matches: tuple[Any, ...]) -> Iterator[Match[Any]]:
    for match in matches:
        if isinstance(match, tuple):
            yield from match
        else:
            yield match


def _committed(edit: Edit, rewrite: Pass) -> tuple[Graph, Plan]:
    """The graph that an edit makes, held to the laws of graphs and to the old one's interface."""
    try:
        graph, plan = edit.commit()
    except (ShapeError, ValueError, KeyError) as error:
        raise BrokenPass(f"{rewrite.word()} makes an edit that does not fit: {error}") from error
    _verified(graph, rewrite, "after")
    if _interface(graph) != _interface(edit.graph):
        raise BrokenPass(f"{rewrite.word()} changes what the net takes or returns")
    return graph, plan


def _interface(graph: Graph) -> tuple[object, ...]:
    """What a net takes and returns: names and sizes."""
    taken = tuple((graph.nodes[index].path, graph.nodes[index].op) for index in graph.inputs)
    return taken, tuple((out.name, graph.shape(out.value).sizes, out.training) for out in graph.outputs)


def _verified(graph: Graph, rewrite: Pass, when: str) -> None:
    try:
        verify(graph)
    except IllegalGraph as error:
        raise BrokenPass(f"the graph is illegal {when} {rewrite.word()}: {error}") from error
