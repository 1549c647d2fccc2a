"""`archdsl check`: whether specs hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from archdsl.cli import console, inputs, options
from archdsl.diagnostics import CompileError

if TYPE_CHECKING:
    from archdsl.graph.graph import Graph


def check(
    specs: options.Specs,
    arch: options.Arch = None,
    set_: options.Set = None,
    limit: options.Limit = None,
    as_json: options.Json = False,
) -> None:
    """Check specs: syntax, names, shapes, and every figure that they expect.

    Without --arch and --set, every arch that needs no arguments is built and checked.

    Example: archdsl check specs/resnext50.arch mine.arch
    """
    from archdsl.compiler import check as check_spec
    from archdsl.compiler import graph_of

    settings, limits = inputs.settings(set_), inputs.limits(limit)
    reports = []
    for name in console.progress(inputs.specs(specs), "Checking"):
        spec = inputs.spec(name)
        try:
            if arch is not None or settings:
                graphs: tuple[Graph, ...] = (graph_of(spec, arch, settings, limits),)
            else:
                graphs = check_spec(spec, limits=limits)
            reports.append(_report(name, graphs))
            if not as_json:
                console.say(f"{name}: ok{_figures(graphs)}")
        except CompileError as error:
            reports.append(_failure(name, error))
            if not as_json:
                console.complain(error)
    ok = all(report["ok"] for report in reports)
    if as_json:
        console.say_json(ok=ok, files=reports)
    if not ok:
        raise typer.Exit(1)


def _report(name: str, graphs: tuple[Graph, ...]) -> dict[str, Any]:
    archs = [
        {"arch": graph.name, "params": graph.params, "macs": graph.macs, "output_shapes": graph.output_shapes}
        for graph in graphs
    ]
    return {"file": name, "ok": True, "archs": archs, "diagnostics": []}


def _failure(name: str, error: CompileError) -> dict[str, Any]:
    return {"file": name, "ok": False, "archs": [], "diagnostics": [item.json() for item in error.diagnostics]}


def _figures(graphs: tuple[Graph, ...]) -> str:
    """What was built: an arch or two with their figures, else how many."""
    if not graphs:
        return " (no arch without arguments)"
    if len(graphs) > 2:
        return f" ({len(graphs)} archs)"
    return f" ({'; '.join(f'{graph.name}: {graph.params:,} params, {graph.macs:,} macs' for graph in graphs)})"
