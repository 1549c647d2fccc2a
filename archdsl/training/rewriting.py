"""Live modules through passes: a new module with the old one's weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from archdsl.diagnostics import UsageError
from archdsl.graph import Graph
from archdsl.passes.apply import carry
from archdsl.passes.arrays import Take, leaves
from archdsl.passes.driver import Result, pipeline
from archdsl.passes.plan import Entry, Plan, PlanError
from archdsl.passes.rule import Pass
from archdsl.targets.torch_module import Provenance, blank


def rewrite_module(module: nn.Module, passes: Iterable[Pass], *, seed: int = 0) -> tuple[nn.Module, Result]:
    """A live module after passes, and what they did; the weights come along, what is new is drawn from the seed.

    The new module has the types of numbers, the device and the modes of the old one, which stays as it is; a parameter
    made of frozen ones alone is frozen. It knows where it comes from, so that it can be pickled and rewritten again.
    Its optimizer's state comes along with `carry_optimizer(state, result.plan)` if the passes are exact. Of a compiled
    module the one inside is rewritten. Raises `UsageError` for a module that archdsl did not make, and `PlanError`,
    also where exact passes would join what is frozen with what is trained, or layers of different modes.
    """
    module = getattr(module, "_orig_mod", module)
    origin = getattr(module, "archdsl", None)
    if not isinstance(origin, Provenance):
        raise UsageError("only a module that archdsl made knows its graph and can be rewritten")
    chosen = tuple(passes)
    graph = origin.compile(*origin.arguments)
    old = module.state_dict()
    if [(key, tensor.sizes) for key, _, tensor in graph.state()] != [(key, tuple(t.shape)) for key, t in old.items()]:
        raise UsageError("the module was changed since it was made: its weights are not those of its graph")
    result = pipeline(graph, chosen)
    frozen = _frozen(module, result.plan)
    modes = _modes(module, result.plan)
    again = Provenance(rewritten, (origin.compile, origin.arguments, chosen), origin.spec, origin.digest)
    new = blank(result.graph)
    _fill(new, old, result.plan, seed)
    object.__setattr__(new, "archdsl", again)
    for key in frozen:
        new.get_parameter(key).requires_grad_(False)
    new.train(module.training)
    for path, part in new.named_modules():
        if path in modes:
            part.training = modes[path]
    return new, result


def rewritten(compile: Callable[..., Graph], arguments: tuple[Any, ...], passes: tuple[Pass, ...]) -> Graph:
    """The graph of a rewritten module, made again."""
    return pipeline(compile(*arguments), passes).graph


def _fill(new: nn.Module, old: Mapping[str, Tensor], plan: Plan, seed: int) -> None:
    """Gives a module the carried weights; each has the type of numbers and the device of what it is made of."""
    arrays = {
        key: (tensor.detach().cpu().double() if tensor.is_floating_point() else tensor.cpu()).numpy()
        for key, tensor in old.items()
    }
    plain = next((tensor for tensor in old.values() if tensor.is_floating_point()), torch.empty(0))
    carried = carry(plan, arrays, seed)
    made = new.state_dict()
    state = {}
    for entry in plan.entries:
        like = next((old[key] for key in _sources(entry)), plain if made[entry.key].is_floating_point() else None)
        value = torch.from_numpy(carried[entry.key]).clone()  # nothing is shared with the old module
        if like is None:
            value = value.to(plain.device)
        else:
            value = value.to(like.device, like.dtype if like.is_floating_point() else value.dtype)
        state[entry.key] = value
    new.load_state_dict(state, assign=True)


def _sources(entry: Entry) -> list[str]:
    return [leaf.key for leaf in leaves(entry.expression) if isinstance(leaf, Take)]


def _frozen(module: nn.Module, plan: Plan) -> list[str]:
    """The new parameters that are made of frozen ones alone. Raises `PlanError` if an exact plan joins both kinds."""
    held = {name for name, parameter in module.named_parameters() if not parameter.requires_grad}
    found = []
    for entry in plan.entries:
        sources = set(_sources(entry)).intersection(plan.old)
        if not entry.trainable or not sources & held:
            continue
        if sources <= held:
            found.append(entry.key)
        elif plan.exact:
            raise PlanError(
                f"`{entry.key}` is made of frozen parameters and of trained ones: freeze all of them or none"
            )
    return found


def _modes(module: nn.Module, plan: Plan) -> dict[str, bool]:
    """Training or not for the parts of the new module, by those that they are made of, or that have their path."""
    old = {path: part.training for path, part in module.named_modules()}
    found = dict(old)
    for entry in plan.entries:
        modes = {old[key.rpartition(".")[0]] for key in _sources(entry) if key.rpartition(".")[0] in old}
        if len(modes) > 1 and plan.exact:
            raise PlanError(f"`{entry.key}` is made of layers of which some are in training and others are not")
        if modes:
            found[entry.key.rpartition(".")[0]] = any(modes)
    return found
