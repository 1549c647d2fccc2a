"""`archdsl expand`: a spec without its loops, blocks and parameters."""

from __future__ import annotations

from functools import partial
from itertools import chain

from archdsl.cli import console, inputs, options
from archdsl.cli.outputs import may_write, texts_of
from archdsl.files import STANDARD, needs_file, write


def expand(
    spec: options.Spec,
    out: options.Out = None,
    arch: options.Arch = None,
    set_: options.Set = None,
    force: options.Force = False,
    limit: options.Limit = None,
    as_json: options.Json = False,
) -> None:
    """Print the flattened spec: every layer, one after the other.

    Example: archdsl expand resnet18 --set num_classes=10 -o flat.arch
    """
    from archdsl.compiler import graph_of, weights_of
    from archdsl.targets import registry

    if as_json:
        needs_file(out or "", "--json and the spec would both be on stdout")
    source, limits = inputs.spec(spec), inputs.limits(limit)
    graph = graph_of(source, arch, inputs.settings(set_), limits)
    may_write(out, force, chain([spec], texts_of(source, limits)))
    text = registry.target("arch").emit(graph, registry.Request(partial(weights_of, graph, None, 0)))
    assert isinstance(text, str)
    if out is not None or not as_json:
        write(out or STANDARD, text.encode())
    if as_json:
        console.say_json(ok=True, arch=graph.name, spec=text)
    elif out is not None and str(out) != STANDARD:
        console.note(f"wrote {out}")
