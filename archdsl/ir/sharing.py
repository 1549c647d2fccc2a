"""Who owns a path: one node, or the applications of shared weights, one node in each of them."""

from __future__ import annotations

from collections.abc import Iterator

from archdsl.diagnostics import quote
from archdsl.ir.program import Program


def broken(program: Program) -> Iterator[tuple[int, str]]:
    """`(node, why)` for each node that takes another one's path, or stands at a level that others are below.

    Nodes have one path where each stands in an application of its own of the same shared weights: a scope of the kind
    `shared` at or above that path, which all but the first application have.
    """
    levels: set[str] = set()
    first: dict[str, set[int]] = {}
    for node in program.nodes:
        first.setdefault(node.path, set())
    for path in first:
        above = path.rpartition(".")[0]
        while above and above not in levels:
            levels.add(above)
            above = above.rpartition(".")[0]
    applications = _applications(program)
    for index, node in enumerate(program.nodes):
        if node.path in levels:
            yield index, f"`{quote(node.path)}` is a level, and other nodes are below it"
        seen, own = first[node.path], applications[node.scope]
        while own and not _covers(program.scopes[own].path, node.path):
            own = applications[program.scopes[own].parent or 0]
        if own in seen:
            yield (
                index,
                f"`{quote(node.path)}` is already the path of another node, and no shared weights are applied there",
            )
        seen.add(own)


def _applications(program: Program) -> list[int]:
    """Of each scope, the innermost further application of shared weights that it is or lies in, or 0."""
    found: list[int] = []
    for index, scope in enumerate(program.scopes):
        found.append(index if scope.kind == "shared" else found[scope.parent] if scope.parent is not None else 0)
    return found


def _covers(level: str, path: str) -> bool:
    return path == level or path.startswith(f"{level}.")
