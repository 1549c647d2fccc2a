"""The whole compiler as one page: text to tree to program to graph, and a graph to each target."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archdsl import reading
from archdsl.bundled import find
from archdsl.diagnostics import QUOTED, CompileError, UsageError, quote
from archdsl.elaborate import check as check_source
from archdsl.elaborate.packed import Packed
from archdsl.elaborate.trace import packed_of
from archdsl.files import FileError, errors, read
from archdsl.graph.compiled import again, compiled
from archdsl.graph.graph import Graph
from archdsl.limits import DEFAULT, Limits
from archdsl.source import Source, Span
from archdsl.syntax.problems import BigSource

if TYPE_CHECKING:
    import numpy as np
    import torch

    from archdsl.passes.driver import Result
    from archdsl.passes.rule import Pass
    from archdsl.prove.prover import Proof
    from archdsl.targets.arch_given import Origin
    from archdsl.targets.registry import Target

Spec = str | os.PathLike[str] | Source
BEFORE = "Before the passes:\n"
Weights = str | os.PathLike[str] | Mapping[str, "np.ndarray"] | Mapping[str, "torch.Tensor"]
ARGUMENT = "<argument>"  # how diagnostics call the text of an `Expression`
Note = Callable[[str], None]
GRAPH = b"archdsl-graph "  # how the text of a graph begins
BIGGEST_GRAPH = 1 << 26  # bytes of it, far more than a net within the budget takes


class WeightsWarning(UserWarning):
    """What was done to a checkpoint's arrays so that they fit, or is odd about them."""


class ParameterError(UsageError, TypeError):
    """A parameter that the arch does not have, or of another kind than it takes."""


def source(spec: Spec, limits: Limits = DEFAULT) -> tuple[Source, str | None]:
    """The text that a spec names, and the arch in it if the name is an arch's: a path, a bundled name, or a `Source`.

    Raises `UsageError` for a name that is neither a file nor bundled, `FileError` for a file that cannot be read, and
    `CompileError` for one that is larger than a spec may be.
    """
    if isinstance(spec, Source):
        return spec, None
    path = Path(spec)
    if path.suffix or len(path.parts) > 1 or os.path.exists(path):
        return _read(path, str(spec), limits), None
    bundled = find(str(spec))
    return _read(bundled.path, bundled.path.name, limits), bundled.arch


def check(spec: Spec, *, limits: Limits = DEFAULT) -> tuple[Graph, ...]:
    """The graph of each arch of a spec that needs no arguments, every `expect` and `require` proven.

    Raises `CompileError` with all that is wrong in the file.
    """
    text, _ = source(spec, limits)
    if text.text.startswith(GRAPH.decode()):
        return (_read_graph(text, None, {}),)
    return tuple(Graph(program) for program in check_source(text, limits).programs.values())


def compile(spec: Spec, *, arch: str | None = None, limits: Limits = DEFAULT, **params: Any) -> Graph:
    """The graph of one arch, with `.params`, `.macs` and `.output_shapes`; keywords are the arch's own parameters.

    Without `arch`, the one of the file's name, else the only one without required parameters. Raises `CompileError`
    for a spec that does not hold, and `TypeError` for a keyword that the arch does not have.
    """
    return graph_of(spec, arch, params, limits)


def graph_of(spec: Spec, arch: str | None, parameters: Mapping[str, Any], limits: Limits = DEFAULT) -> Graph:
    """The same as `compile`, with the arch's parameters as a mapping (they may have any name)."""
    text, named = source(spec, limits)
    if text.text.startswith("archdsl-graph "):
        return _read_graph(text, arch, parameters)
    try:
        return compiled(text, arch or named, parameters, limits)
    except CompileError as error:
        raise _blamed(error) from None


def files_of(spec: Spec, limits: Limits = DEFAULT) -> list[Path]:
    """The files that a spec is read from: its own, and all that it imports."""
    from archdsl.elaborate import files_of as files_of_source

    text, _ = source(spec, limits)
    if text.text.startswith("archdsl-graph "):
        return [] if text.path is None else [text.path]
    return files_of_source(text, limits)


def weights_of(graph: Graph, weights: Weights | None, seed: int, note: Note | None = None) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint, if they are exactly the graph's, else initial values from the seed."""
    from archdsl.weights import arrays_of, initial, match, opened

    if weights is None:
        return initial(graph, seed)
    told = note or _warn
    return match(graph, arrays_of(weights, told) if isinstance(weights, Mapping) else opened(weights, told), told)


def hold_weights(target: Target, graph: Graph, weights: Weights | None, note: Note | None = None) -> None:
    """Raises what is wrong with weights that are given for a target without any, so that no argument is passed over."""
    told = note or _warn
    if weights is not None and not target.weighs:
        weights_of(graph, weights, 0, told)
        told(f"{target.name} holds no weights: they were compared with the net's, and that is all")


def load(
    spec: Spec, *, arch: str | None = None, weights: Weights | None = None, seed: int | None = None, **params: Any
) -> torch.nn.Module:
    """The arch as a live PyTorch module, with a checkpoint's weights or fresh ones.

    `weights` is a file (safetensors or a state_dict), a state_dict or arrays by key, and must fit exactly. Without them
    the seed fixes every number; no seed takes one from torch's default generator, so that `torch.manual_seed` fixes it.
    """
    from archdsl.targets.torch_module import Provenance, instantiate
    from archdsl.weights.torch_files import draw_seed

    text, named = source(spec)
    graph = graph_of(text, arch or named, params)
    if weights is None and seed is None:
        seed = draw_seed()
    origin = Provenance(Kept.again, (Kept(text, graph),), text.name, graph.program.digest)
    arrays = weights_of(graph, weights, seed or 0)
    # Arrays that the caller holds are copied, those made here are the module's own.
    return instantiate(graph, arrays, provenance=origin, copy=isinstance(weights, Mapping))


def build(
    spec: Spec,
    target: str | None = None,
    out: str | os.PathLike[str] | None = None,
    *,
    arch: str | None = None,
    weights: Weights | None = None,
    seed: int = 0,
    **params: Any,
) -> str | bytes | Path:
    """One target of an arch: its text or bytes, or with `out` the path of the file that holds them now.

    Text targets are `torch`, `arch`, `spec`, `graph`, `dot` and `svg`; `onnx`, `safetensors`, `png` and `pdf` are
    bytes. Without `target` the suffix of `out` says which. A file is written whole or not at all. Raises
    `CompileError` and `UsageError`.
    """
    from archdsl.targets import registry

    if target is None and out is None:
        raise UsageError("name a target, or a file whose suffix says which")
    chosen = registry.target(target) if target is not None else registry.target_of(out or "")
    graph = graph_of(spec, arch, params)
    hold_weights(chosen, graph, weights)
    request = registry.Request(
        lambda: weights_of(graph, weights, seed), origin=lambda: origin_of(spec, graph, arch, params)
    )
    return registry.produce(chosen, graph, request, out)


def render(
    spec: Spec,
    out: str | os.PathLike[str] | None = None,
    *,
    depth: str = "block",
    format: str | None = None,
    arch: str | None = None,
    **params: Any,
) -> str | bytes | Path:
    """The picture of an arch at `stage`, `block` or `layer` depth, as `svg` (the default) or `dot` text, `png` or
    `pdf` bytes; with `out` the path of the file that holds it now, its suffix giving the format. Raises as `build`
    does."""
    from archdsl.targets import registry

    chosen = registry.picture(format, out)
    graph = graph_of(spec, arch, params)
    return registry.produce(chosen, graph, registry.Request(lambda: weights_of(graph, None, 0), depth), out)


def rewritten(graph: Graph, passes: Sequence[Pass]) -> Result:
    """The graph after passes, one after the other, with the plan of its weights and the trace of every site.

    What its author said of the net may no longer be true, and is said of the net before the passes.
    """
    from archdsl.passes.driver import pipeline

    result = pipeline(graph, passes)
    doc = result.graph.program.doc
    if not result.rewritten or not doc or doc.startswith(BEFORE):
        return result
    return replace(result, graph=Graph(replace(result.graph.program, doc=BEFORE + doc)))


def origin_of(
    spec: Spec,
    graph: Graph,
    arch: str | None,
    parameters: Mapping[str, Any],
    passes: Sequence[Pass] = (),
    limits: Limits = DEFAULT,
) -> Origin | None:
    """What a printed spec may keep of the one that a graph was made from by passes; `None` for the text of a graph."""
    from archdsl.elaborate import claims_of, parameters_of
    from archdsl.syntax.parser import parse
    from archdsl.targets.arch_given import Origin

    text, named = source(spec)
    if text.text.startswith("archdsl-graph "):
        return None

    def remake(values: Mapping[str, Any]) -> Graph:
        made = graph_of(text, arch or named, {**parameters, **values}, limits)
        return rewritten(made, passes).graph if passes else made

    bound = dict(graph.program.parameters)
    values = {name: bound.get(name) for name in parameters_of(text, arch or named, limits)}
    remarks = tuple(comment.text for comment in parse(text, limits).comments if not comment.text.startswith("##"))
    before = graph_of(text, arch or named, parameters, limits)
    return Origin(before, values, claims_of(text, arch or named, limits), remarks, remake)


def carried(result: Result, old: Callable[[], Mapping[str, np.ndarray]], seed: int) -> dict[str, np.ndarray]:
    """The weights of a rewritten graph: carried by plan, and drawn from the seed where they are new."""
    from archdsl.passes.apply import carry

    return carry(result.plan, old(), seed)


def proved(graph: Graph, passes: Sequence[Pass]) -> list[tuple[str, Proof]]:
    """The proof of each pass in turn, by its name: what it promises, held against random inputs in float64."""
    from archdsl.passes.driver import run
    from archdsl.prove.prover import prove

    proofs = []
    for step in passes:
        result = run(graph, step)
        proofs.append((step.word(), prove(graph, result.graph, result.plan, step.promised())))
        graph = result.graph
    return proofs


@dataclass(frozen=True, slots=True)
class Kept:
    """What a module remembers of its spec: its text and the graph. Pickled, the graph is the texts that it is made of
    (the spec's imports may have changed by then), and is made again when somebody asks for it."""

    source: Source
    graph: Graph | Packed | str

    def again(self) -> Graph:
        """The graph."""
        return self.graph if isinstance(self.graph, Graph) else again(self.graph)

    def __reduce__(self) -> tuple[Any, ...]:
        from archdsl.graph.text import print_graph

        made = self.graph
        origin = packed_of(made.program) or print_graph(made) if isinstance(made, Graph) else made
        return _kept, (self.source.text, self.source.name, origin)


def _kept(text: str, name: str, graph: Packed | str) -> Kept:
    return Kept(Source(text, name), graph)


def _read(path: Path, name: str, limits: Limits) -> Source:
    """The text of a spec file, or of a graph. Raises `FileError` for one that cannot be read or is no UTF-8, and
    `CompileError` for a spec that is larger than the limit, of which no more is read than that."""
    with errors(path):
        data, size = reading.start_of(path, limits.source)
    if reading.exceeds(data, limits.source):
        if not data.startswith(GRAPH):
            beginning = Source(data[:QUOTED].decode("utf-8-sig", "replace"), name, path)
            raise CompileError([BigSource(Span(beginning, 0, 1), size, limits.source).diagnostic()])
        data = read(path, BIGGEST_GRAPH)
    try:
        return Source(data.decode("utf-8-sig"), name, path)
    except UnicodeDecodeError as error:
        raise FileError(f"{quote(name)}: not UTF-8 text (byte {error.start:,})") from error


def _read_graph(text: Source, arch: str | None, parameters: Mapping[str, Any]) -> Graph:
    """The graph that its stable text holds; it is built already, so it takes no arch and no parameters."""
    from archdsl.graph.text import read_graph

    if arch is not None or parameters:
        raise UsageError(f"{quote(text.name)} is a graph, which is built already: it takes no arch and no parameters")
    return read_graph(text)


def _blamed(error: CompileError) -> CompileError | ParameterError:
    """The error as the caller's, if all of it is about parameters set from outside, else as it is."""
    from archdsl.elaborate.problems.arguments import UnknownParameter, WrongParameter

    outside = (UnknownParameter.code, WrongParameter.code)
    own = [
        item
        for item in error.diagnostics
        if item.code not in outside and (item.span is None or item.span.source.name != ARGUMENT)
    ]
    if own or not error.diagnostics:
        return error
    return ParameterError(
        "; ".join(f"{item.message}{f' ({item.help})' if item.help else ''}" for item in error.diagnostics)
    )


def _warn(text: str) -> None:
    """Tells a caller who gave no other way: by a warning, which names the line that asked for the weights."""
    depth = 2
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "archdsl":
        frame, depth = frame.f_back, depth + 1
    warnings.warn(text, WeightsWarning, stacklevel=depth)
