"""`archdsl expand`: a spec without its loops, blocks and parameters."""

from __future__ import annotations

from functools import partial

from archdsl.cli import console, inputs, options
from archdsl.cli.outputs import may_write, texts_of
from archdsl.files import STANDARD


def expand(
    spec: options.Spec,
    out: options.Out = None,
    arch: options.Arch = None,
    set_: options.Set = None,
    force: options.Force = False,
    limit: options.Limit = None,
) -> None:
    """Print the flattened spec: every layer, one after the other.

    Example: archdsl expand resnet18 --set num_classes=10 -o flat.arch
    """
    from archdsl.compiler import graph_of, weights_of
    from archdsl.targets import registry

    graph = graph_of(inputs.spec(spec), arch, inputs.settings(set_), inputs.limits(limit))
    may_write(out, force, (spec, *texts_of(graph)))
    request = registry.Request(partial(weights_of, graph, None, 0))
    registry.produce(registry.target("arch"), graph, request, out or STANDARD)
    if out is not None and str(out) != STANDARD:
        console.note(f"wrote {out}")
