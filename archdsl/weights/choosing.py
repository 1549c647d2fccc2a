"""Which of the sets of weights in a file is taken: training files hold several, such as averaged ones beside the raw.

A set is a mapping of names to tensors, anywhere in the file's dictionaries. One that is asked for is taken by its name,
`t.pth#state_dict_ema`; one alone is taken; of several the one that usually holds the model's own weights, which is
told; else the choice is the user's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archdsl.diagnostics import quote
from archdsl.weights.stored import State, Stored, WeightsError

USUAL = ("", "state_dict", "model_state_dict", "model")  # names of the raw weights, the likeliest first
CHOICE = "#"  # between a file and the name of a set in it
LEVELS = 8  # of dictionaries in one another
LONGEST = 100  # characters of a key under which weights are looked for
LOOKED_AT = 1_000_000  # entries
IN_MEMORY = "the weights"  # how messages call what is no file
NAMED = 6  # sets that a message names
AVERAGED = "n_averaged"  # the counter of torch's AveragedModel, beside the weights under `module.`
Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Set:
    """A set of weights: its place in the file, as `a/b`, and its arrays."""

    name: str
    arrays: State


def split_choice(path: str) -> tuple[Path, str | None]:
    """A file and the set that is asked for in it, if any: `t.pth#ema` is `t.pth` and `ema`, unless it is a file."""
    name, mark, choice = path.rpartition(CHOICE)
    if not mark or os.path.isfile(path):
        return Path(path), None
    return Path(name), choice


def sets_of(content: Any, is_tensor: Callable[[Any], bool], stored: Callable[[str, Any], Stored]) -> list[Set]:
    """The sets of weights in a file's content, in its order. Each dictionary is looked at once, however often it is
    there, so that those that hold themselves come to an end."""
    found: list[Set] = []
    seen: set[int] = set()
    todo: list[tuple[str, Any]] = [("", content)]
    count = 0
    while todo and count < LOOKED_AT:
        name, part = todo.pop()
        if not isinstance(part, Mapping) or id(part) in seen or name.count("/") >= LEVELS:
            continue
        seen.add(id(part))
        count += len(part)
        items = {key: value for key, value in part.items() if isinstance(key, str)}
        if part and len(items) == len(part) and all(map(is_tensor, items.values())):
            found.append(Set(name, {key: stored(key, value) for key, value in items.items()}))
        elif "param_groups" not in items:  # whose tensors are an optimizer's
            parts = [(key, value) for key, value in items.items() if isinstance(value, Mapping) and len(key) <= LONGEST]
            todo += [(f"{name}/{key}" if name else key, value) for key, value in reversed(parts)]
    return found


def chosen(sets: Sequence[Set], choice: str | None, where: str, note: Note) -> State:
    """The arrays of the set that is asked for, or of the one to take; what else there is goes to `note`. `where` is how
    messages call the file. Raises `WeightsError`."""
    if not sets:
        raise WeightsError(f"{where}: holds no state_dict (a mapping of names to tensors)")
    if choice is not None:
        found = next((item for item in sets if item.name == choice), None)
        if found is None:
            raise WeightsError(f"{where}: holds no weights `{quote(choice)}`; it has {_names(sets)}")
        return _averaged(found, note)
    taken = min(sets, key=lambda item: USUAL.index(item.name) if item.name in USUAL else len(USUAL))
    if len(sets) > 1 and taken.name not in USUAL:
        raise WeightsError(f"{where}: holds {len(sets)} sets of weights, {_names(sets)}: {_how(where, sets[0])}")
    if len(sets) > 1:
        others = [item for item in sets if item is not taken]
        note(
            f"{where}: holds {len(sets)} sets of weights; `{quote(taken.name)}` is taken and not {_names(others)} "
            f"({_how(where, others[0], taken=True)})"
        )
    return _averaged(taken, note)


def _averaged(found: Set, note: Note) -> State:
    """The arrays without the counter of averages."""
    rest = {key: array for key, array in found.arrays.items() if key != AVERAGED}
    if len(rest) == len(found.arrays) or not rest or not all(key.startswith("module.") for key in rest):
        return found.arrays
    note(f"`{AVERAGED}`, the counter of averaged weights, is left out")
    return rest


def _names(sets: Sequence[Set]) -> str:
    shown = ", ".join(f"`{quote(item.name)}`" for item in sets[:NAMED])
    return shown + (f" and {len(sets) - NAMED} more" if len(sets) > NAMED else "")


def _how(where: str, example: Set, *, taken: bool = False) -> str:
    if where == IN_MEMORY:
        return f"give `{quote(example.name)}` alone"
    return f"{Path(where).name}{CHOICE}{quote(example.name)} takes {'that' if taken else 'the first'}"
