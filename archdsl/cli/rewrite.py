"""`archdsl rewrite`: a spec through passes, with its weights."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archdsl.cli import console, inputs, options
from archdsl.cli.outputs import may_write
from archdsl.diagnostics import UsageError
from archdsl.files import STANDARD, write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from archdsl.passes.driver import Result

Save = Annotated[
    Path | None, typer.Option("--save-weights", metavar="FILE", help="Write the carried weights (safetensors).")
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

    Examples: archdsl rewrite resnet50a --pass resnet-b --pass resnet-c --pass resnet-d -o resnet50d.arch

    archdsl rewrite resnext50_multibranch --pass multibranch-to-grouped --weights old.pth --save-weights new.safetensors
    """
    from archdsl.compiler import graph_of, proved, rewritten, weights_of
    from archdsl.targets.arch_source import arch_source

    chosen = options.chosen_passes(passes, pass_file)
    if not chosen:
        raise UsageError("name a pass: --pass fold-batchnorm (`archdsl passes` lists them)")
    graph = graph_of(inputs.spec(spec), arch, inputs.settings(set_), inputs.limits(limit))
    for path in (out, save_weights):
        may_write(path, force)
    result = rewritten(graph, chosen)
    proofs = proved(graph, chosen) if verify else []
    if save_weights is not None:
        _save(result, partial(weights_of, graph, weights, seed, console.note), seed, save_weights)
    text = arch_source(result.graph)
    if not as_json or out is not None:
        write(str(out) if out is not None else STANDARD, text.encode())
    _tell(result, [f"{name}: {proof.text()}" for name, proof in proofs], explain, as_json, text)
    if not all(proof.holds for _, proof in proofs):
        raise typer.Exit(1)


def _save(result: Result, old: Callable[[], Mapping[str, np.ndarray]], seed: int, path: Path) -> None:
    from archdsl.compiler import carried
    from archdsl.targets.registry import provenance
    from archdsl.weights.checkpoint import write as write_weights

    write_weights(path, carried(result, old, seed), provenance(result.graph))
    console.note(f"wrote {path}")


def _tell(result: Result, proofs: list[str], explain: bool, as_json: bool, text: str) -> None:
    sites = [
        {"pass": site.name, "paths": list(site.paths), "outcome": site.outcome, "reason": site.reason}
        for site in result.trace
    ]
    if as_json:
        console.say_json(
            ok=True,
            rewritten=result.rewritten,
            params=result.graph.params,
            macs=result.graph.macs,
            new=list(result.plan.fresh),
            dropped=list(result.plan.dropped),
            sites=sites,
            proofs=proofs,
            spec=text,
        )
        return
    if explain:
        for site in result.trace:
            where = ", ".join(site.paths[:4]) + (f" and {len(site.paths) - 4} more" if len(site.paths) > 4 else "")
            console.note(f"{site.name}: {site.outcome} {where}{': ' + site.reason if site.reason else ''}")
        for line in result.plan.text().splitlines():
            console.note(f"  {line}")
    for proof in proofs:
        console.note(proof)
    fresh = f", {len(result.plan.fresh)} arrays are new" if result.plan.fresh else ""
    console.note(f"{result.rewritten} sites rewritten{fresh}")
