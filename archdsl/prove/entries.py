"""Which array of a checkpoint is which of a spec's: by names that are the spec's own, else by order and shapes.

A checkpoint says less than a spec: names of its own, shapes, and perhaps an order. What torch saves (`.pt`, `.pth`)
keeps the order in which modules were registered, which is that of a spec's statements. The library of safetensors
sorts entries by name instead; then `reorder` finds the order again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal

from archdsl.diagnostics import quote
from archdsl.graph import Graph
from archdsl.weights.matching import COUNTER, without_prefix

ROLES = ("weight", "bias", "running_mean", "running_var", "weight_g", "weight_v")  # torch's names of a layer's arrays
ALIASES = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_var": "running_var",
    "moving_variance": "running_var",
}  # names of a norm's arrays elsewhere
NESTING = 64  # levels of a key
Sizes = Mapping[str, tuple[int, ...]]
How = Literal["name", "order", "restored"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One array: its key, its name in its layer, its sizes."""

    key: str
    name: str
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """The arrays of one layer in their order, counters of batch norms left out."""

    path: str
    entries: tuple[Entry, ...]

    def text(self) -> str:
        """The layer with its shapes, for a reader."""
        held = ", ".join(f"{entry.name} {shape_text(entry.sizes)}".strip() for entry in self.entries)
        return f"{quote(self.path)} ({quote(held)})"

    def pairs(self, other: Layer) -> list[tuple[Entry, Entry]] | None:
        """The entries of this layer with those of another that fit them: by their names, or the only one by shape."""
        if len(self.entries) != len(other.entries):
            return None
        theirs = {entry.name: entry for entry in other.entries}
        mine = {entry.name for entry in self.entries}
        if mine == theirs.keys():
            found = [(entry, theirs[entry.name]) for entry in self.entries]
        elif len(mine) == 1 and not (mine < set(ROLES) and theirs.keys() < set(ROLES)):
            found = [(self.entries[0], other.entries[0])]
        else:
            return None
        return found if all(a.sizes == b.sizes for a, b in found) else None


@dataclass(frozen=True, slots=True)
class Fit:
    """A checkpoint that fits a spec: for each key of the spec the checkpoint's, and how they were found.

    `fresh` are the counters of batch norms that the checkpoint lacks; they begin at 0.
    """

    keys: Mapping[str, str]
    how: How
    fresh: tuple[str, ...] = ()

    @property
    def renamed(self) -> int:
        """How many arrays have another name in the checkpoint."""
        return sum(key != other for key, other in self.keys.items())


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a checkpoint fits no spec, or not in one way alone; where it is known, the first place of each."""

    reason: str
    expected: str | None = None
    found: str | None = None
    ambiguous: bool = False


def fit(graph: Graph, given: Sizes, *, ordered: bool | None) -> Fit | Misfit:
    """How a checkpoint's arrays are those of a graph; `ordered` says that they stand in the order of registration, or
    with nothing that they may.

    Names count where they are all the graph's own. Else each array has to have the shape of the one that stands at its
    place, and the same role (weight, bias, running mean, ...) where both say it in torch's words. Nothing is guessed:
    what could be matched in ways that compute differently is a `Misfit` that says so.
    """
    given = without_prefix(given)
    layers = layers_of(graph)
    plain = {key: sizes for key, sizes in given.items() if not _is_counter(key)}
    expected = [entry for layer in layers for entry in layer.entries]
    how: How = "order"
    if plain.keys() == {entry.key for entry in expected}:
        found, how = _by_name(expected, plain), "name"
    else:
        found, how = _by_place(graph, layers, plain, ordered)
        if not isinstance(found, Misfit):
            found = _contradicted(found, expected, plain) or found
    return found if isinstance(found, Misfit) else _with_counters(graph, found, given, how)


def _by_place(
    graph: Graph, layers: list[Layer], given: Sizes, ordered: bool | None
) -> tuple[dict[str, str] | Misfit, How]:
    """The match by order, or by an order found again; where the file may have either, both have to agree."""
    from archdsl.prove.reorder import outputs_meaning, restored

    if ordered:
        return in_order(layers, given), "order"
    again = restored(graph, layers, given)
    if ordered is not None:
        return again, "restored"
    kept = in_order(layers, given)
    if isinstance(kept, Misfit):
        return (kept if isinstance(again, Misfit) and not again.ambiguous else again), "restored"
    if isinstance(again, Misfit):
        return (again if again.ambiguous else kept), "order"
    meanings = [
        outputs_meaning(graph, {layer.path: split(found[layer.entries[0].key])[0] for layer in layers})
        for found in (kept, again)
    ]
    if meanings[0] == meanings[1]:
        return kept, "order"
    reason = "the file's entries are sorted by name, and fit in that order and in another: nothing says which is meant"
    return Misfit(reason, ambiguous=True), "order"


def _contradicted(found: Mapping[str, str], expected: Iterable[Entry], given: Sizes) -> Misfit | None:
    """The first array whose own name is in the checkpoint and means another, where most names are the spec's own: then
    either the names or the order are wrong."""
    if sum(key == other for key, other in found.items()) * 2 <= len(found):
        return None
    for entry in expected:
        if found[entry.key] != entry.key and given.get(entry.key) == entry.sizes:
            there = quote(found[entry.key])
            reason = (
                f"most names are the spec's own, and {entry.key} stands where {there} should: name or order is wrong"
            )
            return Misfit(reason, entry.key, found[entry.key], True)
    return None


def layers_of(graph: Graph) -> list[Layer]:
    """The layers of a graph that have arrays, in the order of its state_dict."""
    found: dict[str, list[Entry]] = {}
    for key, node, tensor in graph.state():
        if not _is_counter(key):
            found.setdefault(node.path, []).append(Entry(key, tensor.name, tensor.sizes))
    return [Layer(path, tuple(entries)) for path, entries in found.items()]


def in_order(layers: Iterable[Layer], given: Sizes) -> dict[str, str] | Misfit:
    """The given key of each expected one, both taken in the order in which they stand; else the first place that does
    not fit. Arrays of one layer whose names are torch's are matched by those, in whatever order they stand."""
    entries = [_entry(key, sizes) for key, sizes in given.items()]
    found: dict[str, str] = {}
    for layer in layers:
        start, count = len(found), len(layer.entries)
        there = entries[start : start + count]
        together = len({_path(entry) for entry in there}) == 1 and len({entry.name for entry in there}) == count
        pairs = layer.pairs(Layer("", tuple(there))) if together else None
        for place, (mine, other) in enumerate(pairs or zip(layer.entries, there, strict=False)):
            why = _unlike(mine, other)
            if why:
                return Misfit(f"entry {start + place}: {why}", mine.key, other.key)
            found[mine.key] = other.key
        if len(there) < count:
            first = layer.entries[len(there)]
            return Misfit(f"the checkpoint ends before {first.key} ({len(entries)} arrays)", first.key)
    if len(found) < len(entries):
        more = quote(entries[len(found)].key)
        return Misfit(f"the checkpoint has {len(entries) - len(found)} entries more, from {more} on", found=more)
    return found


def reshaped(one: tuple[int, ...], two: tuple[int, ...]) -> str:
    """A remark on shapes that differ and hold equally many numbers."""
    if one == two or prod(one) != prod(two):
        return ""
    linear = {len(one), len(two)} == {2, 4}
    return (
        f"; both hold as many numbers{', as a linear layer and a convolution over the whole map do' if linear else ''}"
    )


def keeps_order(file: str, names: Iterable[str]) -> bool | None:
    """Whether a checkpoint's entries stand in the order of registration; nothing if that cannot be said.

    The entries of each level stand together, as a module's do. Sorted names tell nothing: the library of safetensors
    sorts all that it writes, and what was loaded from it may be saved in another form.
    """
    keys = [key for key in names if not _is_counter(key)]
    if keys != sorted(keys):
        return _together(keys)
    return False if file.endswith(".safetensors") else None


def _together(keys: Iterable[str]) -> bool:
    """Whether no level is left and entered again; a key of more levels than a net has says no."""
    left: set[tuple[str, ...]] = set()
    here: tuple[str, ...] = ()
    for key in keys:
        path = tuple(key.split(".")[:-1])
        if len(path) > NESTING:
            return False
        common = next((place for place, pair in enumerate(zip(here, path, strict=False)) if pair[0] != pair[1]), None)
        common = min(len(here), len(path)) if common is None else common
        left.update(here[:end] for end in range(common + 1, len(here) + 1))
        if any(path[:end] in left for end in range(common + 1, len(path) + 1)):
            return False
        here = path
    return True


def shape_text(sizes: tuple[int, ...]) -> str:
    """Sizes for a reader."""
    return "x".join(map(str, sizes)) or "scalar"


def split(key: str) -> tuple[str, str]:
    """The path of a key's layer, and the array's name in it."""
    path, _, name = key.rpartition(".")
    return path, name


def _entry(key: str, sizes: tuple[int, ...]) -> Entry:
    name = split(key)[1]
    return Entry(key, ALIASES.get(name, name) if len(sizes) == 1 else name, sizes)


def _path(entry: Entry) -> str:
    return split(entry.key)[0]


def _is_counter(key: str) -> bool:
    return f".{key}".endswith(COUNTER)


def _unlike(mine: Entry, other: Entry) -> str | None:
    """Why an array cannot be the one that is expected, if it cannot."""
    theirs = quote(other.key)
    if mine.sizes != other.sizes:
        shapes = f"{mine.key} has the shape {shape_text(mine.sizes)}, and {theirs} {shape_text(other.sizes)}"
        return shapes + reshaped(mine.sizes, other.sizes)
    if mine.name != other.name and mine.name in ROLES and other.name in ROLES:
        return f"{mine.key} is a {mine.name}, and {theirs} a {other.name}"
    return None


def _by_name(expected: Iterable[Entry], given: Sizes) -> dict[str, str] | Misfit:
    for entry in expected:
        why = _unlike(entry, _entry(entry.key, given[entry.key]))
        if why:
            return Misfit(why.replace(", and ", " in the spec, and in the checkpoint ", 1), entry.key, entry.key)
    return {entry.key: entry.key for entry in expected}


def _with_counters(graph: Graph, found: Mapping[str, str], given: Sizes, how: How) -> Fit:
    """The fit in the order of the graph's state, each counter from the layer that its statistics are from."""
    keys, fresh = {}, []
    for key, node, _ in graph.state():
        if not _is_counter(key):
            keys[key] = found[key]
            continue
        path, _ = split(found[f"{node.path}.running_mean"])
        other = f"{path}{COUNTER}" if path else COUNTER[1:]
        if given.get(other) == ():
            keys[key] = other
        else:
            fresh.append(key)
    return Fit(keys, how, tuple(fresh))
