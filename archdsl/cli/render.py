"""`archdsl render`: a spec as a picture."""

from __future__ import annotations

from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from archdsl.cli import console, inputs, options
from archdsl.cli.outputs import may_write, texts_of
from archdsl.files import STANDARD, needs_file

Format = Annotated[
    str | None, typer.Option("--format", metavar="FORMAT", help="svg, png, pdf or dot; else -o's suffix.")
]
Renderer = Annotated[str, typer.Option("--renderer", metavar="NAME", help="auto, pure (no system package) or dot.")]


def render(
    spec: options.Spec,
    out: options.Out = None,
    depth: options.Depth = "block",
    format_: Format = None,
    renderer: Renderer = "auto",
    arch: options.Arch = None,
    set_: options.Set = None,
    force: options.Force = False,
    limit: options.Limit = None,
    as_json: options.Json = False,
) -> None:
    """Draw an arch: stages as clusters, repeats folded, skips as skips.

    Example: archdsl render specs/resnext50.arch --depth stage -o resnext50.svg
    """
    from archdsl.compiler import graph_of, weights_of
    from archdsl.targets import registry

    if as_json:
        needs_file(out or "", "--json and the picture would both be on stdout")
    picture = registry.picture(format_, out)
    inputs.depth(depth)
    source, limits = inputs.spec(spec), inputs.limits(limit)
    graph = graph_of(source, arch, inputs.settings(set_), limits)
    path = out if out is not None else Path(f"{graph.name}{picture.suffixes[0]}")
    may_write(path, force, chain([spec], texts_of(source, limits)))
    request = registry.Request(partial(weights_of, graph, None, 0), depth, renderer)
    registry.produce(picture, graph, request, path)
    if as_json:
        console.say_json(ok=True, written=[{"arch": graph.name, "target": picture.name, "file": str(path)}])
    elif str(path) != STANDARD:
        console.note(f"wrote {path}")
