"""The targets by name and by the suffix of their files. Each imports what it needs when it is asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from archdsl import marks
from archdsl.diagnostics import UsageError, closest, quote
from archdsl.files import write
from archdsl.graph.graph import Graph

if TYPE_CHECKING:
    import numpy as np

    from archdsl.targets.arch_given import Origin


@dataclass(frozen=True, slots=True)
class Request:
    """What a target may ask for beside the graph: its weights (drawn or read on demand), how a picture looks, and the
    spec that the graph was made from. It tells what it leaves out by `note`."""

    weights: Callable[[], dict[str, np.ndarray]]
    depth: str = "block"
    renderer: str = "auto"
    origin: Callable[[], Origin | None] = lambda: None
    note: Callable[[str], None] = lambda text: None


@dataclass(frozen=True, slots=True)
class Target:
    """One output: its name, the suffixes of its files (the first is usual), what it is, and how it is made.

    `emit` gives text or bytes; `write`, where a target has one, fills a file better than through `emit`. One that
    `weighs` holds weights.
    """

    name: str
    suffixes: tuple[str, ...]
    summary: str
    emit: Callable[[Graph, Request], str | bytes]
    write: Callable[[Graph, Request, str | os.PathLike[str]], None] | None = None
    binary: bool = False
    picture: bool = False
    weighs: bool = False


def target(name: str) -> Target:
    """The target of a name. Raises `UsageError` for an unknown one."""
    if name in TARGETS:
        return TARGETS[name]
    near = closest(name, TARGETS)
    raise UsageError(f"there is no target `{quote(name)}`{_hint(near)}; it is one of {', '.join(TARGETS)}")


def target_of(path: str | os.PathLike[str]) -> Target:
    """The target of a file's suffix. Raises `UsageError` for a suffix of none."""
    suffix = Path(path).suffix.lower()
    found = next((target for target in TARGETS.values() if suffix in target.suffixes), None)
    if found is not None:
        return found
    known = [suffix for target in TARGETS.values() for suffix in target.suffixes]
    raise UsageError(
        f"`{quote(os.fspath(path))}` has the suffix of no target ({', '.join(known)}): name one with --target"
    )


def picture(format: str | None, path: str | os.PathLike[str] | None) -> Target:
    """The picture of a format, else of a file's suffix, else SVG. Raises `UsageError` for what is no picture."""
    if format is None and (path is None or os.fspath(path) == "-"):
        return TARGETS["svg"]
    found = target("dot" if format == "gv" else format) if format is not None else target_of(path or "")
    if not found.picture:
        formats = ", ".join(target.name for target in TARGETS.values() if target.picture)
        raise UsageError(f"{found.name} is no picture; the formats are {formats}")
    return found


def produce(target: Target, graph: Graph, request: Request, out: str | os.PathLike[str] | None) -> str | bytes | Path:
    """The target's text or bytes, or the path of the file that holds them now, whole or as it was before."""
    if out is None:
        return target.emit(graph, request)
    if target.write is not None and os.fspath(out) != "-":
        target.write(graph, request, out)
    else:
        result = target.emit(graph, request)
        write(out, result.encode() if isinstance(result, str) else result)
    return Path(out)


def _hint(near: str | None) -> str:
    return f", did you mean `{near}`?" if near else ""


def _torch(graph: Graph, request: Request) -> str:
    from archdsl.targets.torch_source import source

    return source(graph)


def _onnx(graph: Graph, request: Request) -> bytes:
    from archdsl.targets.onnx_model import write

    return write(graph, request.weights())


def _onnx_file(graph: Graph, request: Request, path: str | os.PathLike[str]) -> None:
    from archdsl.targets.onnx_model import write

    write(graph, request.weights(), path)


def _safetensors(graph: Graph, request: Request) -> bytes:
    from archdsl.weights.checkpoint import chunks

    return b"".join(chunks(request.weights(), provenance(graph)))


def _safetensors_file(graph: Graph, request: Request, path: str | os.PathLike[str]) -> None:
    from archdsl.weights.checkpoint import write

    write(path, request.weights(), provenance(graph))


def provenance(graph: Graph) -> dict[str, str]:
    """Where weights come from, as metadata of their file."""
    return {
        "format": "pt",
        "producer": "archdsl",
        "spec": graph.program.source,
        "arch": graph.name,
        "digest": graph.program.digest,
    }


def _arch(graph: Graph, request: Request) -> str:
    from archdsl.targets.arch_text import arch_text

    return marks.marked_arch(arch_text(graph))


def _spec(graph: Graph, request: Request) -> str:
    from archdsl.targets.arch_source import written

    found = written(graph, request.origin())
    for line in found.left:
        request.note(f"left out: {line}")
    return marks.marked_spec(found.text)


def _graph(graph: Graph, request: Request) -> str:
    from archdsl.graph.text import print_graph

    return print_graph(graph)


def _dot(graph: Graph, request: Request) -> str:
    from archdsl.targets.dot import dot_text

    return marks.marked_dot(dot_text(graph, request.depth))


def _svg(graph: Graph, request: Request) -> str:
    from archdsl.targets.dot import picture

    drawn = picture(graph, request.depth, "svg", request.renderer)
    return marks.marked_svg(drawn if isinstance(drawn, str) else drawn.decode())


def _png(graph: Graph, request: Request) -> bytes:
    return marks.marked_png(_drawn(graph, request, "png"))


def _pdf(graph: Graph, request: Request) -> bytes:
    return marks.marked_pdf(_drawn(graph, request, "pdf"))


def _drawn(graph: Graph, request: Request, format: str) -> bytes:
    from archdsl.targets.dot import picture

    drawn = picture(graph, request.depth, format, request.renderer)
    return drawn.encode() if isinstance(drawn, str) else drawn


TARGETS = {
    target.name: target
    for target in (
        Target("torch", (".py",), "standalone PyTorch source, which imports torch alone", _torch),
        Target(
            "onnx", (".onnx",), "an ONNX model with weights, dynamic batch", _onnx, _onnx_file, binary=True, weighs=True
        ),
        Target(
            "safetensors",
            (".safetensors",),
            "the weights alone",
            _safetensors,
            _safetensors_file,
            binary=True,
            weighs=True,
        ),
        Target("arch", (".arch",), "the spec, flattened", _arch),
        Target("spec", (".arch",), "the spec, with its blocks, stages and repetitions found again", _spec),
        Target("graph", (".graph",), "the graph as stable text, which archdsl reads back", _graph),
        Target("dot", (".gv", ".dot"), "the picture as Graphviz text", _dot, picture=True),
        Target("svg", (".svg",), "the picture as SVG", _svg, picture=True),
        Target("png", (".png",), "the picture as PNG", _png, binary=True, picture=True),
        Target("pdf", (".pdf",), "the picture as PDF (needs Graphviz)", _pdf, binary=True, picture=True),
    )
}
