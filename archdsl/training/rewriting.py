"""Live modules through passes: a new module with the old one's weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from archdsl.diagnostics import UsageError
from archdsl.graph import Graph
from archdsl.passes.apply import carry
from archdsl.passes.arrays import Take, leaves
from archdsl.passes.driver import Result, pipeline
from archdsl.passes.plan import Plan
from archdsl.passes.rule import Pass
from archdsl.targets.torch_module import Provenance, instantiate


def rewrite_module(module: nn.Module, passes: Iterable[Pass], *, seed: int = 0) -> tuple[nn.Module, Result]:
    """A live module after passes, and what they did; the weights come along, what is new is drawn from the seed.

    The new module has the type of numbers, the device and the mode of the old one, which stays as it is; a parameter
    made of frozen ones alone is frozen. It knows where it comes from, so that it can be pickled and rewritten again.
    Its optimizer's state comes along with `carry_optimizer(state, result.plan)` if the passes are exact. Raises
    `UsageError` for a module that archdsl did not make, and `PlanError`.
    """
    origin = getattr(module, "archdsl", None)
    if not isinstance(origin, Provenance):
        raise UsageError("only a module that archdsl made knows its graph and can be rewritten")
    chosen = tuple(passes)
    graph = origin.compile(*origin.arguments)
    if [key for key, _, _ in graph.state()] != list(module.state_dict()):
        raise UsageError("the module was changed since it was made: its weights are not those of its graph")
    result = pipeline(graph, chosen)
    arrays = {key: tensor.detach().cpu().double().numpy() if tensor.is_floating_point() else tensor.cpu().numpy()
              for key, tensor in module.state_dict().items()}  # fmt: skip
    like = next((tensor for tensor in module.state_dict().values() if tensor.is_floating_point()), torch.empty(0))
    again = Provenance(rewritten, (origin.compile, origin.arguments, chosen), origin.spec, origin.digest)
    new = instantiate(result.graph, provenance=again).to(like.dtype)
    with torch.no_grad():
        made = new.state_dict()
        for key, array in carry(result.plan, arrays, seed).items():
            made[key].copy_(torch.from_numpy(array))
    for key in _frozen(module, result.plan):
        new.get_parameter(key).requires_grad_(False)
    return new.to(like.device).train(module.training), result


def rewritten(compile: Callable[..., Graph], arguments: tuple[Any, ...], passes: tuple[Pass, ...]) -> Graph:
    """The graph of a rewritten module, made again."""
    return pipeline(compile(*arguments), passes).graph


def _frozen(module: nn.Module, plan: Plan) -> list[str]:
    """The new parameters that are made of frozen ones alone."""
    held = {name for name, parameter in module.named_parameters() if not parameter.requires_grad}
    found = []
    for entry in plan.entries:
        sources = {leaf.key for leaf in leaves(entry.expression) if isinstance(leaf, Take)}.intersection(plan.old)
        if entry.trainable and sources and held.issuperset(sources):
            found.append(entry.key)
    return found
