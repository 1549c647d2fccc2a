"""`archdsl verify`: whether two specs are one function, or a checkpoint fits a spec without names."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archdsl.cli import console, inputs, options
from archdsl.cli.outputs import may_write
from archdsl.cli.places import check_where
from archdsl.diagnostics import UsageError, quote
from archdsl.files import STANDARD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from archdsl.graph import Graph
    from archdsl.passes.driver import Result
    from archdsl.passes.rule import Pass
    from archdsl.passes.structure import Difference
    from archdsl.prove.entries import Fit
    from archdsl.prove.equality import Verdict
    from archdsl.prove.prover import Proof
    from archdsl.weights.stored import Stored

HOW = {
    "name": "arrays have the spec's own names",
    "order": "arrays match by order and shape",
    "restored": "arrays match by shape, in the one order that fits: the file has sorted them by name",
}
Save = Annotated[
    Path | None,
    typer.Option(
        "--save-weights",
        metavar="FILE",
        help="Write the mapped weights under the spec's keys: safetensors, .pt or .pth.",
    ),
]


@dataclass
class Report:
    """What was found: whether all holds, in lines for a reader, and the same facts by name."""

    ok: bool = True
    lines: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def verify(
    left: options.Left,
    right: options.Right,
    passes: options.Passes = None,
    pass_file: options.PassFile = None,
    weights: options.Weights = None,
    save_weights: Save = None,
    set_: options.Set = None,
    seed: options.Seed = 0,
    force: options.Force = False,
    limit: options.Limit = None,
    as_json: options.Json = False,
) -> None:
    """Prove that two specs compute the same, weights mapped by structure, or show the first value where they part.

    With --pass, the first spec is rewritten before, its weights carried by plan. Specs whose structures differ are
    equal only if some way to match all their arrays makes all outputs equal in inference, which is then told.

    If one of the two is a checkpoint (.safetensors, .pt, .pth), its arrays are matched with the other's by order and
    shape; what could be matched in another way is told and never guessed. --save-weights writes them under the spec's
    keys, for `build --weights`. --set sets parameters of every spec that is named.

    Examples: archdsl verify resnext50_multibranch resnext50 --pass multibranch-to-grouped

    archdsl verify mobilenet_v2 timm_mobilenetv2.safetensors --save-weights mobilenet_v2.safetensors
    """
    from archdsl.weights.checkpoint import is_checkpoint

    given = [name for name in (left, right) if is_checkpoint(name)]
    if left == right == STANDARD:
        raise UsageError("stdin (-) can be read once")
    if len(given) == 2:
        raise UsageError("two checkpoints have no structure to compare: name the spec of one of them")
    if given and weights is not None:
        raise UsageError("--weights is for two specs: here the checkpoint has the weights")
    if not given and save_weights is not None and weights is None:
        raise UsageError(
            "--save-weights needs weights to map: name a checkpoint, or give those of the first spec with --weights"
        )
    _check_target(save_weights)
    may_write(save_weights, force, (*map(inputs.checkpoint, (left, right, weights)), pass_file))
    chosen = options.chosen_passes(passes, pass_file)
    graphs = [_graph(name, set_, limit) for name in (left, right) if name not in given]
    if given:
        report = _checkpoint(graphs[0], given[0], chosen, save_weights)
    else:
        report = _specs(graphs[0], graphs[1], chosen, weights, save_weights, seed)
    if as_json:
        console.say_json(ok=report.ok, **report.facts, report=report.lines)
    else:
        for line in report.lines:
            console.say(line)
    if not report.ok:
        raise typer.Exit(1)


def _check_target(path: Path | None) -> None:
    """Raises `UsageError` for a file that weights cannot be written to, before any work is done."""
    from archdsl.weights.checkpoint import saved_as

    if path is None:
        return
    if str(path) == STANDARD:
        raise UsageError("weights are not written to stdout: name a file with --save-weights")
    saved_as(path)
    if os.path.isdir(path) or not os.path.isdir(path.parent):
        raise UsageError(
            f"{quote(str(path))}: {'is a directory' if os.path.isdir(path) else 'there is no such folder'}"
        )


def _graph(name: str, set_: list[str] | None, limit: list[str] | None) -> Graph:
    from archdsl.compiler import graph_of

    return graph_of(inputs.spec(name), None, inputs.settings(set_), inputs.limits(limit))


def _proved(report: Report, graph: Graph, chosen: Sequence[Pass]) -> Result:
    """The graph after the passes, with the plan of its weights; the proof of each pass goes into the report."""
    from archdsl.compiler import proved, rewritten

    result = rewritten(graph, chosen)
    check_where(chosen, graph, result.graph)
    proofs = proved(graph, chosen)
    report.lines += [f"{name}: {proof.text()}" for name, proof in proofs]
    report.facts["passes"] = [{"pass": name, **_proof(proof)} for name, proof in proofs]
    report.ok = all(proof.holds for _, proof in proofs)
    return result


def _specs(one: Graph, two: Graph, chosen: Sequence[Pass], file: Path | None, save: Path | None, seed: int) -> Report:
    """What two specs have in common: structure, weights, values."""
    from archdsl.compiler import carried, weights_of
    from archdsl.prove.equality import compare

    report = Report()
    result = _proved(report, one, chosen) if chosen else None
    before = one if result is None else result.graph
    arrays: Mapping[str, np.ndarray] | None = None
    if file is not None:
        read = partial(weights_of, one, file, seed, console.note)
        arrays = read() if result is None else carried(result, read, seed)
    found = compare(before, two, arrays, seed=seed)
    report.ok = report.ok and found.word in ("equal", "equal-in-inference")
    report.lines += found.lines()
    report.facts |= _facts(found)
    if save is not None and report.ok and arrays is not None:
        if found.keys is None:
            raise UsageError("there is nothing to save: some arrays are in one net alone")
        _save(save, two, {key: arrays[found.keys[key]] for key, _, _ in two.state()})
    return report


def _checkpoint(graph: Graph, file: str, chosen: Sequence[Pass], save: Path | None) -> Report:
    """Whether a checkpoint's arrays are those of a spec, by names, order and shapes."""
    from archdsl.compiler import rewritten
    from archdsl.prove.entries import Misfit, fit, keeps_order
    from archdsl.weights import match, opened

    report = Report()
    if chosen:
        before, graph = graph, rewritten(graph, chosen).graph
        check_where(chosen, before, graph)
    arrays = opened(file, console.note)
    found = fit(
        graph,
        {key: array.shape for key, array in arrays.items()},
        ordered=keeps_order(str(inputs.checkpoint(file)), arrays),
    )
    if isinstance(found, Misfit):
        report.ok = False
        how = "match in more than one way" if found.ambiguous else "do not match by order and shape"
        report.lines.append(f"they {how}: {found.reason}")
        report.facts |= {
            "verdict": "ambiguous" if found.ambiguous else "different",
            "reason": found.reason,
            "expected": found.expected,
            "found": found.found,
        }
        return report
    named = match(graph, _named(found, arrays), console.note)
    report.lines.append(f"{len(found.keys)} {HOW[found.how]}; {found.renamed} have other names")
    if found.fresh:
        report.lines.append(f"{len(found.fresh)} counters of batch norms are missing; they begin at 0")
    report.facts |= {
        "verdict": "fits",
        "how": found.how,
        "renamed": found.renamed,
        "fresh": list(found.fresh),
        "keys": dict(found.keys),
    }
    if save is not None and report.ok:
        _save(save, graph, named)
    return report


def _named(found: Fit, arrays: Mapping[str, Stored]) -> dict[str, Stored]:
    """The checkpoint's arrays under the spec's keys."""
    import numpy as np

    from archdsl.weights.matching import without_prefix
    from archdsl.weights.stored import stored

    plain = without_prefix(arrays)
    return {key: plain[other] for key, other in found.keys.items()} | {
        key: stored(np.zeros((), np.int64)) for key in found.fresh
    }


def _save(path: Path, graph: Graph, arrays: Mapping[str, np.ndarray]) -> None:
    from archdsl.targets.registry import provenance
    from archdsl.weights.checkpoint import save

    save(path, arrays, provenance(graph))
    console.note(f"wrote {path}")


def _facts(found: Verdict) -> dict[str, Any]:
    """The facts of a comparison of two specs, by name."""
    alignment, parting = found.alignment, found.values.parting
    first = alignment.differences[0] if alignment.differences else None
    value = None
    if parting is not None:
        value = {**_place(parting.difference), "deviation": _number(parting.deviation), "gate": parting.gate}
    return {
        "verdict": found.word,
        "same_structure": first is None,
        "operations": len(alignment.pairs),
        "arrays": len(alignment.keys),
        "difference": _place(first) if first is not None else None,
        "differences": len(alignment.differences),
        "role": alignment.role,
        "value": value,
        "values_compared": found.values.compared,
        "not_comparable": found.values.unlike,
        "outputs": None if found.outputs is None else _number(found.outputs),
        **_ground(found.proof),
        "matched": found.matched if found.keys is not None else None,
        "keys": dict(found.keys if found.keys is not None else alignment.keys),
    }


def _place(place: Difference) -> dict[str, Any]:
    return {"position": place.position, "left": place.left, "right": place.right, "reason": place.reason}


def _proof(proof: Proof) -> dict[str, Any]:
    deviations = {name: _number(found) for name, found in proof.deviations}
    return {"promise": proof.promise, "holds": proof.holds, "deviations": deviations, **_ground(proof)}


def _ground(proof: Proof | None) -> dict[str, Any]:
    """On which sizes and scales of values a proof stands, and what keeps it from standing."""
    if proof is None:
        return {"sizes": [], "scales": [], "doubts": [], "unseen": []}
    return {
        "sizes": list(proof.sizes),
        "scales": list(proof.scales),
        "doubts": list(proof.doubts),
        "unseen": list(proof.unseen),
    }


def _number(value: float) -> float | None:
    """A deviation as JSON has it: nothing for one without bounds."""
    return value if math.isfinite(value) else None
