"""`archdsl build`: a spec to any target."""

from __future__ import annotations

import os
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archdsl.cli import console, inputs, options
from archdsl.cli.outputs import may_write, texts_of
from archdsl.cli.places import check_where
from archdsl.diagnostics import UsageError, quote
from archdsl.files import needs_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np

    from archdsl.targets.registry import Target

TARGETS = "torch, onnx, safetensors, arch, spec, graph, dot, svg, png or pdf"  # a test holds it to the registry
TargetName = Annotated[
    str | None,
    typer.Option("--target", metavar="TARGET", help=f"{TARGETS}; else -o's suffix says which."),
]


def build(
    specs: options.Specs,
    target: TargetName = None,
    out: options.Out = None,
    arch: options.Arch = None,
    set_: options.Set = None,
    weights: options.Weights = None,
    seed: options.Seed = 0,
    passes: options.Passes = None,
    pass_file: options.PassFile = None,
    force: options.Force = False,
    limit: options.Limit = None,
    as_json: options.Json = False,
) -> None:
    """Build a target: PyTorch source, ONNX, weights, a picture or text.

    Without -o the file is named after the arch and stands in the current folder; -o may be a folder.

    Examples: archdsl build specs/resnext50.arch --target torch

    archdsl build resnet50 -o resnet50.onnx --weights resnet50.pth --set num_classes=10

    archdsl build resnet50 -o fast.onnx --weights resnet50.pth --pass fold-batchnorm
    """
    from archdsl.compiler import carried, graph_of, hold_weights, origin_of, rewritten, weights_of
    from archdsl.targets import registry

    names = inputs.specs(specs)
    if target is None and out is None:
        raise UsageError("name a target with --target, or a file with -o whose suffix says it")
    if len(names) > 1 and out is not None and not os.path.isdir(out):
        raise UsageError(f"{len(names)} specs need a folder: `-o {quote(str(out))}` is none")
    chosen = registry.target(target) if target is not None else registry.target_of(out or "")
    settings, limits = inputs.settings(set_), inputs.limits(limit)
    rewrites = options.chosen_passes(passes, pass_file)
    written: list[dict[str, str]] = []
    texts = [inputs.spec(name) for name in names]
    graphs = [graph_of(text, arch, settings, limits) for text in console.progress(texts, "Compiling")]
    paths = [_path(graph.name, chosen, out) for graph in graphs]
    read = {*names, inputs.checkpoint(weights), pass_file, *chain(*(texts_of(text, limits) for text in texts))}
    _check_files(paths, force, read)
    for text, graph, path in console.progress(list(zip(texts, graphs, paths, strict=True)), "Building"):
        arrays: Callable[[], dict[str, np.ndarray]] = partial(weights_of, graph, weights, seed, console.note)
        hold_weights(chosen, graph, weights, console.note)
        if rewrites:
            result = rewritten(graph, rewrites)
            check_where(rewrites, graph, result.graph)
            graph, arrays = result.graph, partial(carried, result, arrays, seed)
        origin = partial(origin_of, text, graph, arch, settings, rewrites, limits)
        request = registry.Request(arrays, origin=origin, note=console.note)
        registry.produce(chosen, graph, request, path)
        if str(path) == "-":
            continue
        written.append({"arch": graph.name, "target": chosen.name, "file": str(path)})
        if not as_json:
            console.note(f"wrote {path}")
    if as_json:
        needs_file(out or "", "--json and the result would both be on stdout")
        console.say_json(ok=True, written=written)


def _check_files(paths: Sequence[Path], force: bool, read: Iterable[str | os.PathLike[str] | None]) -> None:
    """Raises `UsageError` for a file that may not be written, before any is: none of what is read, and each once."""
    for index, path in enumerate(paths):
        may_write(path, force, read)
        if path in paths[:index]:
            raise UsageError(f"two of the specs have the name `{quote(path.stem)}`: {quote(str(path))} can hold one")


def _path(arch: str, target: Target, out: Path | None) -> Path:
    """Where a result goes: the file that was named, or one of the arch's name."""
    if out is not None and not os.path.isdir(out):
        return out
    return (out or Path()) / f"{arch}{target.suffixes[0]}"
