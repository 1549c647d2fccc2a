"""`archdsl summary`: paths, operations, shapes, parameters and costs as a table."""

from __future__ import annotations

from archdsl.cli import inputs, options


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
    from archdsl.compiler import graph_of

    inputs.depth(depth)
    graph = graph_of(inputs.spec(spec), arch, inputs.settings(set_), inputs.limits(limit))
    raise NotImplementedError
