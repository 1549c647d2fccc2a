"""Whether the part of a net that `where=` names is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archdsl.diagnostics import UsageError, did_you_mean, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archdsl.graph import Graph
    from archdsl.passes.rule import Pass


def check_where(chosen: Sequence[Pass], *graphs: Graph) -> None:
    """Raises `UsageError` for a pass that is limited to a part which no net has, neither before nor after."""
    if not any(step.where for step in chosen):
        return
    known = dict.fromkeys(name for graph in graphs for name in _parts(graph))
    for step in chosen:
        if step.where and step.where not in known:
            hint = did_you_mean(step.where, known) or "`archdsl summary` shows the paths"
            raise UsageError(f"no path, block or role of the net has the name `{quote(step.where)}`: {hint}")


def _parts(graph: Graph) -> list[str]:
    """Every name that `where` can mean in a net: paths and the levels above them, blocks and roles."""
    found: dict[str, None] = {}
    for node in graph.nodes:
        path = node.path
        while path and path not in found:
            found[path] = None
            path = path.rpartition(".")[0]
    for scope in graph.scopes:
        found.update(dict.fromkeys(name for name in (scope.block, scope.role) if name))
    return list(found)
