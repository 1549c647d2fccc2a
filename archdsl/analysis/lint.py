"""What the literature advises against, found in a net: advice with its source, and the pass that mends it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from archdsl.analysis.lint_rules import RULES
from archdsl.graph.graph import Graph


@dataclass(frozen=True, slots=True)
class Advice:
    """One finding: the rule, the layer, what is found there, who says so, and the pass that mends it, if one does."""

    rule: str
    path: str
    place: str
    message: str
    source: str
    mend: str | None

    def json(self) -> dict[str, Any]:
        """The advice as plain data."""
        return asdict(self)


def lint(graph: Graph) -> tuple[Advice, ...]:
    """All advice on a net, in program order. Advice, never an error."""
    found = []
    for index, node in enumerate(graph.nodes):
        for name, rule in RULES.items():
            for finding in rule(graph, index, node):
                span = finding.node.span
                place = span.location if span else ""
                found.append(Advice(name, finding.node.path, place, finding.message, finding.source, finding.mend))
    return tuple(found)
