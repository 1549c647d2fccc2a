"""The law of every spec that is printed: it checks, and gives the net that it was printed from."""

from __future__ import annotations

from archdsl.diagnostics import CompileError, UsageError, quote
from archdsl.elaborate import elaborate
from archdsl.graph.graph import Graph
from archdsl.passes.canonical import canonical_hash
from archdsl.source import Source


def lawful(graph: Graph, text: str) -> str:
    """The text, read again and held against its graph. Raises `UsageError` for one that does not say it."""
    reason = broken(graph, text)
    if reason is not None:
        raise UsageError(f"`{quote(graph.name)}` cannot be written as a spec: {reason}")
    return text


def broken(graph: Graph, text: str) -> str | None:
    """Why a spec does not say a graph: what the reader finds wrong with it, or in what the nets differ; or `None`."""
    try:
        found = Graph(elaborate(Source(text, "the spec")))
    except CompileError as error:
        first = error.diagnostics[0]
        line = f" in `{quote(first.span.text)}`" if first.span is not None and first.span.text else ""
        return f"{first.message}{line} ({first.code})"
    for what, of in (("results", _results), ("keys of the state_dict", _keys), ("operations", canonical_hash)):
        if of(found) != of(graph):
            return f"it would have other {what}"
    return None


def _results(graph: Graph) -> list[tuple[str, bool, tuple[int, ...]]]:
    return [(output.name, output.training, graph.shape(output.value).sizes) for output in graph.outputs]


def _keys(graph: Graph) -> list[str]:
    """The keys, save of nets that share weights: what is shared may have another name in a spec."""
    shares = any(count > 1 for count in graph.applications.values())
    return [] if shares else [key for key, _, _ in graph.state()]
