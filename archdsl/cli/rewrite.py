"""`archdsl rewrite`: a spec through passes, with its weights."""

from __future__ import annotations

import os
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archdsl.cli import console, inputs, options
from archdsl.cli.outputs import may_write, texts_of
from archdsl.cli.places import check_where
from archdsl.diagnostics import UsageError, quote
from archdsl.files import STANDARD, needs_file, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archdsl.passes.driver import Result
    from archdsl.prove.prover import Proof

Save = Annotated[
    Path | None,
    typer.Option("--save-weights", metavar="FILE", help="Write the carried weights: safetensors, .pt or .pth."),
]
Verify = Annotated[bool, typer.Option("--verify", help="Prove what the passes promise, on random inputs in float64.")]
Explain = Annotated[bool, typer.Option("--explain", help="Tell every site: rewritten, or kept and why.")]


def rewrite(
    spec: options.Spec,
    passes: options.Passes = None,
    out: options.Out = None,
    pass_file: options.PassFile = None,
    weights: options.Weights = None,
    save_weights: Save = None,
    verify: Verify = False,
    explain: Explain = False,
    arch: options.Arch = None,
    set_: options.Set = None,
    seed: options.Seed = 0,
    force: options.Force = False,
    limit: options.Limit = None,
    as_json: options.Json = False,
) -> None:
    """Rewrite a spec by passes, one after the other, and print the result as a spec; its weights come along.

    Where --verify finds a promise broken, nothing is written.

    Examples: archdsl rewrite resnet50a --pass resnet-b --pass resnet-c --pass resnet-d -o resnet50d.arch

    archdsl rewrite resnext50_multibranch --pass multibranch-to-grouped --weights old.pth --save-weights new.safetensors
    """
    from archdsl.compiler import carried, graph_of, origin_of, proved, rewritten, weights_of
    from archdsl.targets.arch_source import written
    from archdsl.targets.registry import provenance
    from archdsl.weights import save

    chosen = options.chosen_passes(passes, pass_file)
    if not chosen:
        raise UsageError("name a pass: --pass fold-batchnorm (`archdsl passes` lists them)")
    _check_files(out, weights, save_weights, as_json)
    source, settings, limits = inputs.spec(spec), inputs.settings(set_), inputs.limits(limit)
    graph = graph_of(source, arch, settings, limits)
    for path in (out, save_weights):
        read = (spec, inputs.checkpoint(weights), pass_file)
        may_write(path, force, chain(read, texts_of(source, limits)))
    result = rewritten(graph, chosen)
    check_where(chosen, graph, result.graph)
    proofs = proved(graph, chosen) if verify else []
    arrays = None
    if save_weights is not None:
        arrays = carried(result, partial(weights_of, graph, weights, seed, console.note), seed)
    made = f"# archdsl rewrite {quote(graph.name)}{''.join(f' --pass {quote(name)}' for name in passes or ())}\n\n"
    found = written(result.graph, origin_of(source, graph, arch, settings, chosen, limits))
    text = found.text
    holds = all(proof.holds for _, proof in proofs)
    if holds and (not as_json or out is not None):
        filed = out is not None and str(out) != STANDARD  # a file says how it was made, which marks it as ours
        write(str(out) if out is not None else STANDARD, (made + text if filed else text).encode())
    if holds and save_weights is not None and arrays is not None:
        save(save_weights, arrays, provenance(result.graph))
        console.note(f"wrote {save_weights}")
    if as_json:
        console.say_json(**_facts(result, proofs, made + text), left_out=list(found.left))
    else:
        _tell(result, proofs, explain)
        for line in found.left:
            console.note(f"left out: {line}")
    if not holds:
        console.note("nothing was written, since a promise does not hold")
        raise typer.Exit(1)


def _check_files(out: Path | None, weights: Path | None, save_weights: Path | None, as_json: bool) -> None:
    """Raises `UsageError` for files that cannot be what they are named for, before any work is done."""
    from archdsl.weights.checkpoint import saved_as

    if as_json:
        needs_file(out or "", "--json and the spec would both be on stdout")
    if weights is not None and save_weights is None:
        raise UsageError("--weights says what to carry: name with --save-weights where to")
    for path in (out, save_weights):
        if path is None or str(path) == STANDARD:
            continue
        if os.path.isdir(path) or not os.path.isdir(path.parent):
            raise UsageError(
                f"{quote(str(path))}: {'is a directory' if os.path.isdir(path) else 'there is no such folder'}"
            )
    if save_weights is not None:
        if str(save_weights) == STANDARD:
            raise UsageError("weights are not written to stdout: name a file with --save-weights")
        saved_as(save_weights)
        if out is not None and out.resolve() == save_weights.resolve():
            raise UsageError(f"{quote(str(out))} cannot hold both the spec and the weights")


def _new(result: Result) -> list[str]:
    """The arrays of the result that hold nothing of the old ones, or not alone."""
    from archdsl.passes.arrays import Const, Fresh, leaves

    found = []
    for entry in result.plan.entries:
        below = list(leaves(entry.expression))
        if any(isinstance(leaf, Fresh) for leaf in below) or all(isinstance(leaf, Const) for leaf in below):
            found.append(entry.key)
    return found


def _facts(result: Result, proofs: Sequence[tuple[str, Proof]], text: str) -> dict[str, Any]:
    return {
        "ok": all(proof.holds for _, proof in proofs),
        "rewritten": result.rewritten,
        "params": result.graph.params,
        "macs": result.graph.macs,
        "new": _new(result),
        "dropped": list(result.plan.dropped),
        "plan": result.plan.text().splitlines(),
        "sites": [
            {"pass": site.name, "paths": list(site.paths), "outcome": site.outcome, "reason": site.reason}
            for site in result.trace
        ],
        "proofs": [f"{name}: {proof.text()}" for name, proof in proofs],
        "spec": text,
    }


def _tell(result: Result, proofs: Sequence[tuple[str, Proof]], explain: bool) -> None:
    new, dropped = _new(result), result.plan.dropped
    if explain:
        for site in result.trace:
            where = ", ".join(site.paths[:4]) + (f" and {len(site.paths) - 4} more" if len(site.paths) > 4 else "")
            console.note(f"{site.name}: {site.outcome} {where}{': ' + site.reason if site.reason else ''}")
        for line in result.plan.text().splitlines():
            console.note(f"  {line}")
        for key in dropped:
            console.note(f"  {key} is left behind")
    for name, proof in proofs:
        console.note(f"{name}: {proof.text()}")
    parts = [_counted(result.rewritten, "site") + " rewritten"]
    kept = len(result.trace) - result.rewritten
    if kept and not explain:
        parts.append(f"{kept} kept (--explain tells why)")
    parts += [f"{_counted(len(new), 'array')} new"] if new else []
    parts += [f"{_counted(len(dropped), 'array')} left behind"] if dropped else []
    console.note(", ".join(parts))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
