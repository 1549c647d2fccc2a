"""`archdsl summary`: paths, operations, shapes, parameters and costs as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archdsl.cli import console, inputs, options

if TYPE_CHECKING:
    from archdsl.analysis.summary import Table

HEADER = ("path", "operation", "output", "params", "MACs")


def summary(
    spec: options.Spec,
    depth: options.Depth = "stage",
    arch: options.Arch = None,
    set_: options.Set = None,
    limit: options.Limit = None,
    as_json: options.Json = False,
) -> None:
    """Print a table: path, operation, output shape, params and MACs, with totals.

    Example: archdsl summary resnext50 --depth block
    """
    from archdsl.analysis.summary import summarise
    from archdsl.compiler import graph_of

    inputs.depth(depth)
    graph = graph_of(inputs.spec(spec), arch, inputs.settings(set_), inputs.limits(limit))
    table = summarise(graph, depth)
    if as_json:
        console.say_json(**{"ok": True, **{key: value for key, value in table.json().items() if key != "version"}})
    else:
        console.say(text(table))


def text(table: Table) -> str:
    """The table as aligned columns under a header, with the totals in its last row."""
    rows = [
        (row.path, row.operation, "x".join(map(str, row.shape)), f"{row.params:,}", f"{row.macs:,}")
        for row in table.rows
    ]
    totals = table.totals
    total = ("total", f"{totals.layers} layers, depth {totals.depth}", "", f"{totals.params:,}", f"{totals.macs:,}")
    lines = console.table([HEADER, *rows, total], right=(3, 4)).splitlines()
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])
