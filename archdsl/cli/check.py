"""`archdsl check`: whether specs hold."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import TYPE_CHECKING, Any

import typer

from archdsl.cli import console, inputs, options
from archdsl.diagnostics import CompileError, Diagnostic
from archdsl.files import FileError

if TYPE_CHECKING:
    from archdsl.compiler import Spec
    from archdsl.graph.graph import Graph
    from archdsl.limits import Limits

FEW = 16  # specs up to which a second process costs more than it saves


def check(
    specs: options.Specs,
    arch: options.Arch = None,
    set_: options.Set = None,
    limit: options.Limit = None,
    jobs: options.Jobs = None,
    as_json: options.Json = False,
) -> None:
    """Check specs: syntax, names, shapes, and every figure that they expect.

    Without --arch and --set, every arch that needs no arguments is built and checked.

    Example: archdsl check specs/resnext50.arch mine.arch
    """
    names = inputs.specs(specs)
    found = (inputs.spec(name) for name in names)
    settings, limits = inputs.settings(set_), inputs.limits(limit)
    checks = _all(names, found, arch, settings, limits, jobs or (os.cpu_count() if len(names) > FEW else 1) or 1)
    reports = []
    for name, (report, line, diagnostics) in zip(console.progress(names, "Checking"), checks, strict=True):
        reports.append({"file": name, **report})
        if "error" in report and len(names) == 1:
            raise FileError(report["error"])
        if not as_json:
            _tell(name, report, line, diagnostics)
    ok = all(report["ok"] for report in reports)
    if as_json:
        console.say_json(ok=ok, files=reports)
    if not ok:
        raise typer.Exit(2 if any("error" in report for report in reports) else 1)


def _tell(name: str, report: dict[str, Any], line: str, diagnostics: tuple[Diagnostic, ...]) -> None:
    if report["ok"]:
        console.say(f"{name}: ok{line}")
    elif "error" in report:
        console.note(report["error"])
    else:
        console.complain(CompileError(diagnostics))


Checked = tuple[dict[str, Any], str, tuple[Diagnostic, ...]]


def _all(
    names: list[str],
    specs: Iterable[Spec],
    arch: str | None,
    settings: dict[str, Any],
    limits: Limits,
    jobs: int,
) -> Iterator[Checked]:
    """What is found in each spec, in order; with several jobs in as many processes."""
    if jobs == 1:
        yield from map(_checked, specs, repeat(arch), repeat(settings), repeat(limits))
        return
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(_checked, specs, repeat(arch), repeat(settings), repeat(limits))


def _checked(spec: Spec, arch: str | None, settings: dict[str, Any], limits: Limits) -> Checked:
    """The report of one spec, its line, and what is wrong with it."""
    from archdsl.compiler import check as check_spec
    from archdsl.compiler import graph_of

    try:
        if arch is not None or settings:
            graphs: tuple[Graph, ...] = (graph_of(spec, arch, settings, limits),)
        else:
            graphs = check_spec(spec, limits=limits)
        return _report(graphs), _figures(graphs), ()
    except FileError as error:  # among several files; the others are checked all the same
        return {"ok": False, "archs": [], "diagnostics": [], "error": str(error)}, "", ()
    except CompileError as error:
        wrong = [item.json() for item in error.diagnostics]
        return {"ok": False, "archs": [], "diagnostics": wrong}, "", error.diagnostics


def _report(graphs: tuple[Graph, ...]) -> dict[str, Any]:
    archs = [
        {"arch": graph.name, "params": graph.params, "macs": graph.macs, "output_shapes": graph.output_shapes}
        for graph in graphs
    ]
    return {"ok": True, "archs": archs, "diagnostics": []}


def _figures(graphs: tuple[Graph, ...]) -> str:
    """What was built: an arch or two with their figures, else how many."""
    if not graphs:
        return " (no arch without arguments)"
    if len(graphs) > 2:
        return f" ({len(graphs)} archs)"
    return f" ({'; '.join(f'{graph.name}: {graph.params:,} params, {graph.macs:,} macs' for graph in graphs)})"
