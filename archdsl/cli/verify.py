"""`archdsl verify`: whether two specs are one function, or a checkpoint fits a spec without names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from archdsl.cli import console, inputs, options

if TYPE_CHECKING:
    from archdsl.graph import Graph

CHECKPOINTS = (".safetensors", ".pt", ".pth")


def verify(
    left: options.Left,
    right: options.Right,
    passes: options.Passes = None,
    pass_file: options.PassFile = None,
    weights: options.Weights = None,
    seed: options.Seed = 0,
    limit: options.Limit = None,
    as_json: options.Json = False,
) -> None:
    """Prove that two specs compute the same, their weights mapped by structure, or show where they part.

    With --pass, the first spec is rewritten before, its weights carried by plan. If one of the two is a checkpoint
    (.safetensors, .pt, .pth), its entries are matched with the other's by order and shape alone; nothing is guessed.

    Examples: archdsl verify resnext50_multibranch resnext50 --pass multibranch-to-grouped

    archdsl verify mobilenet_v2 timm_mobilenetv2.safetensors
    """
    if Path(left).suffix in CHECKPOINTS or Path(right).suffix in CHECKPOINTS:
        lines, equal = _with_checkpoint(left, right, limit)
    else:
        lines, equal = _two_specs(left, right, passes, pass_file, weights, seed, limit)
    if as_json:
        console.say_json(ok=equal, report=lines)
    else:
        for line in lines:
            console.say(line)
    if not equal:
        raise typer.Exit(1)


def _graph(name: str, limit: list[str] | None) -> Graph:
    from archdsl.compiler import graph_of

    return graph_of(inputs.spec(name), None, {}, inputs.limits(limit))


def _two_specs(
    left: str,
    right: str,
    passes: list[str] | None,
    pass_file: Path | None,
    weights: Path | None,
    seed: int,
    limit: list[str] | None,
) -> tuple[list[str], bool]:
    from archdsl.compiler import proved, rewritten, weights_of
    from archdsl.passes.structure import Difference, align
    from archdsl.prove.prover import Proof, same_function

    one, two = _graph(left, limit), _graph(right, limit)
    lines, equal = [], True
    result = None
    if passes:
        chosen = options.chosen_passes(passes, pass_file)
        proofs = proved(one, chosen)
        lines += [f"{name}: {proof.text()}" for name, proof in proofs]
        equal = all(proof.holds for _, proof in proofs)
        result = rewritten(one, chosen)
    before = result.graph if result is not None else one
    found = align(before, two)
    if isinstance(found, Difference):
        return [*lines, found.text()], False
    lines.append(f"the same structure: {len(found.keys)} arrays mapped")
    arrays = None
    if weights is not None:
        given = weights_of(one, weights, seed, console.note)
        arrays = result.plan.apply(given) if result is not None else given
    proof: Proof = same_function(before, two, dict(found.keys), seed=seed, weights=arrays)
    return [*lines, proof.text()], equal and proof.holds


def _with_checkpoint(left: str, right: str, limit: list[str] | None) -> tuple[list[str], bool]:
    from archdsl.passes.structure import by_order
    from archdsl.weights import read

    sides = []
    for name in (left, right):
        if Path(name).suffix in CHECKPOINTS:
            sides.append({key: array.shape for key, array in read(name).items()})
        else:
            sides.append({key: tensor.sizes for key, _, tensor in _graph(name, limit).state()})
    found = by_order(sides[0], sides[1])
    if isinstance(found, str):
        return [f"they do not match by order and shape: {found}"], False
    renamed = sum(one != two for one, two in found.items())
    lines = [f"{len(found)} arrays match by order and shape; {renamed} have other names"]
    return lines, True
