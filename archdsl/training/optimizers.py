"""Optimizers of a rewritten module: their state moves as the weights do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from archdsl.diagnostics import quote
from archdsl.passes.arrays import Array, Take, leaves, sizes_of, value_of
from archdsl.passes.plan import Entry, Plan, PlanError
from archdsl.training.known import ELEMENTS, NUMBERS, hold_optimizer, hold_state

State = dict[str, Any]


def carry_optimizer(state: Mapping[str, Any] | Optimizer, plan: Plan, keys: Sequence[str] | None = None) -> State:
    """An optimizer, or its `state_dict()`, of the module before a rewrite as the state of one for the module after it.

    `plan` must be exact, and the optimizer one that is known to treat each number on its own, as SGD and Adam do
    (`archdsl.training.known`); one of timm has to be given itself, since its state does not say what it is. `keys` are
    the names of the parameters in the order in which the old optimizer took them; by default those of
    `module.parameters()`. Where it took only some (those that are not frozen, say), the new one takes what is made of
    these. The new optimizer takes its parameters in state_dict order within each group, so with one group it is
    `Optimizer(new.parameters())`. What has a parameter's shape (momentum, `exp_avg`, `exp_avg_sq`) is moved, other
    numbers (`step`) must agree where several parameters become one. Raises `PlanError`.
    """
    if not plan.exact:
        raise PlanError("an optimizer's state is carried only by a plan that rearranges")
    if isinstance(state, Optimizer):
        hold_optimizer(state)
        state = state.state_dict()
    else:
        hold_state(state)
    names = tuple(keys) if keys is not None else _named(state) or plan.old
    if len(set(names)) < len(names) or not set(names).issubset(plan.old):
        raise PlanError("the names are not those of the parameters before the rewrite")
    group_of, known = _groups(state, names)
    members: list[list[Entry]] = [[] for _ in state["param_groups"]]
    for entry in plan.entries:
        held = [key in group_of for key in _sources(entry)]
        if not entry.trainable or not any(held):
            continue
        if not all(held):
            raise PlanError(f"`{entry.key}` is made of parameters of which the optimizer has only some")
        group = _one(entry, [group_of[key] for key in _sources(entry)], "are in different parameter groups")
        members[group].append(entry)
    new: State = {"state": {}, "param_groups": []}
    count = 0
    for group, entries in zip(state["param_groups"], members, strict=True):
        facts = {name: _copied(value) for name, value in group.items()}
        facts["params"] = list(range(count, count + len(entries)))
        if "param_names" in group:
            facts["param_names"] = [entry.key for entry in entries]
        new["param_groups"].append(facts)
        for entry in entries:
            moved = _moved(entry, known)
            if moved:
                new["state"][count] = moved
            count += 1
    return new


def _named(state: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The names that an optimizer keeps which was made of `named_parameters()`."""
    groups = state["param_groups"]
    if not all("param_names" in group for group in groups):
        return None
    by_index = {
        index: name for group in groups for index, name in zip(group["params"], group["param_names"], strict=True)
    }
    return tuple(by_index[index] for index in sorted(by_index))


def _groups(state: Mapping[str, Any], names: Sequence[str]) -> tuple[dict[str, int], dict[str, State]]:
    """The group of each parameter by name, and its state."""
    place = {index: number for number, group in enumerate(state["param_groups"]) for index in group["params"]}
    if sorted(place) != list(range(len(names))):
        raise PlanError(f"the optimizer has {len(place)} parameters, and the module before the rewrite {len(names)}")
    groups = {name: place[index] for index, name in enumerate(names)}
    return groups, {name: state["state"].get(index, {}) for index, name in enumerate(names)}


def _sources(entry: Entry) -> list[str]:
    return [leaf.key for leaf in leaves(entry.expression) if isinstance(leaf, Take)]


def _one(entry: Entry, values: list[int], fault: str) -> int:
    if len(set(values)) > 1:
        raise PlanError(f"`{entry.key}` is made of parameters that {fault}")
    return values[0]


def _moved(entry: Entry, known: Mapping[str, State]) -> State:
    """The state of one new parameter."""
    states = {key: known[key] for key in _sources(entry)}
    if len({tuple(sorted(facts)) for facts in states.values()}) > 1:
        raise PlanError(f"`{entry.key}` is made of parameters of which some were never stepped")
    first = next(iter(states.values()))
    if entry.expression == Take(entry.key, sizes_of(entry.expression)):
        return {name: _copied(value) for name, value in first.items()}
    return {name: _carried(entry, name, {key: facts[name] for key, facts in states.items()}) for name in first}


def _carried(entry: Entry, name: str, values: Mapping[str, Any]) -> Any:
    """One number or array of the state."""
    sizes = {leaf.key: leaf.sizes for leaf in leaves(entry.expression) if isinstance(leaf, Take)}
    first = next(iter(values.values()))
    shaped = [isinstance(value, Tensor) and tuple(value.shape) == sizes[key] for key, value in values.items()]
    if name in ELEMENTS and all(shaped):
        arrays, back = _as_arrays(values)
        return back(value_of(entry.expression, arrays, {}))
    if name not in NUMBERS and any(value is not None for value in values.values()):
        raise PlanError(f"the optimizer's `{quote(name)}` of `{entry.key}` is not known, and not carried")
    if any(not _equal(value, first) for value in values.values()):
        raise PlanError(f"`{entry.key}` is made of parameters whose `{name}` differ, and it can have only one")
    return _copied(first)


def _copied(value: Any) -> Any:
    """A value that the old optimizer does not go on changing: torch loads a state without copying it."""
    return value.clone() if isinstance(value, Tensor) else value


def _equal(value: Any, other: Any) -> bool:
    if isinstance(value, Tensor) and isinstance(other, Tensor):
        return value.shape == other.shape and bool((value == other).all())
    return type(value) is type(other) and bool(value == other)


def _as_arrays(values: Mapping[str, Tensor]) -> tuple[dict[str, Array], Callable[[Array], Tensor]]:
    """Tensors as arrays of the same bits, and the way back to their type and device."""
    like = next(iter(values.values()))
    plain = like.dtype == torch.bfloat16  # which numpy lacks
    arrays = {
        key: (value.detach().cpu().view(torch.int16) if plain else value.detach().cpu()).numpy()
        for key, value in values.items()
    }

    def back(array: Array) -> Tensor:
        tensor = torch.from_numpy(np.array(array, order="C"))
        return (tensor.view(torch.bfloat16) if plain else tensor).to(like.device)

    return arrays, back
