"""The order of a checkpoint's layers, found again where its file has sorted them by name.

What is left of the order are the names as a tree, and shapes. The layers of one level stand together in the order of
registration; within a level, names that are numbers (`0`, `1`) keep their order, and names that differ in a number
alone (`up1`, `up2`) keep it or have it backwards, a norm as the layer of its number; levels with the same children (the
blocks of a net) have them in the same order; and every layer has the shapes of the one at its place in the spec. An
order is believed only if all that fit compute the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from archdsl.diagnostics import quote
from archdsl.graph import Graph
from archdsl.ops import Add, Mean, Mul
from archdsl.passes.canonical import meant, operation, walk
from archdsl.prove.entries import NESTING, ROLES, Entry, Layer, Misfit, Sizes, reshaped, split

FUEL = 100_000  # comparisons of a layer with a place
MANY = 4  # times as many layers as a net has, from which on a checkpoint is not compared with it
ORDERS = 64  # orders that are compared with one another
NUMBERED = re.compile(r"(.*?)([0-9]{1,9})", re.DOTALL)

State: TypeAlias = tuple[int, ...]  # how many of each chain are placed; below 0 where it runs backwards


@dataclass
class _Level:
    """A level of names: layers of its own, which stand first, and levels below."""

    own: list[Layer] = field(default_factory=list)
    children: dict[str, _Level] = field(default_factory=dict)
    count: int = 0  # of layers, in all
    chains: tuple[tuple[tuple[str, Layer | _Level], ...], ...] = ()
    guides: tuple[
        tuple[int, ...] | None, ...
    ] = ()  # of each chain of norms the chains of its numbers, whose way it runs
    fixed: tuple[bool, ...] = ()  # whether a chain never runs backwards
    names: tuple[frozenset[str], ...] = ()  # of each chain
    signature: tuple[str, ...] = ()

    def settle(self) -> None:
        """Counts the layers, and puts the items in chains of known order."""
        for child in self.children.values():
            child.settle()
        self.count = len(self.own) + sum(child.count for child in self.children.values())
        chains: dict[str, list[tuple[int, str, Layer | _Level]]] = {}
        for name, child in self.children.items():
            parts = NUMBERED.fullmatch(name)
            stem, number = (parts[1], int(parts[2])) if parts else (name, -1)
            chains.setdefault(stem, []).append((number, name, child))
        below = [tuple((name, item) for _, name, item in sorted(c, key=lambda i: i[:2])) for c in chains.values()]
        self.chains = (*(((_own_name(layer), layer),) for layer in self.own), *below)
        self._direct([None] * len(self.own) + list(chains), [[]] * len(self.own) + list(chains.values()))
        self.names = tuple(frozenset(name for name, _ in chain) for chain in self.chains)
        self.signature = tuple(sorted(name for chain in self.chains for name, _ in chain))

    def _direct(self, stems: list[str | None], chains: list[list[tuple[int, str, Layer | _Level]]]) -> None:
        """Says which chains can run backwards: not mere numbers, and norms only as the layers of their numbers do."""
        numbers = [{number for number, _, _ in chain} for chain in chains]
        norms = [all(_is_norm(item) for _, _, item in chain) for chain in chains]
        guides = [
            tuple(c for c, other in enumerate(numbers) if len(other & mine) > 1 and not norms[c]) if norm else ()
            for mine, norm in zip(numbers, norms, strict=True)
        ]
        self.guided = tuple((chain, found) for chain, found in enumerate(guides) if found and len(chains[chain]) > 1)
        self.fixed = tuple(
            not stem or len(chain) < 2 or (norm and not guide)
            for stem, chain, norm, guide in zip(stems, chains, norms, guides, strict=True)
        )


Item: TypeAlias = Layer | _Level
Head: TypeAlias = tuple[int, int]  # a chain, and 1 or -1 for the way that it runs


class _OutOfFuel(Exception):  # noqa: N818 - an end, not an error
    """There are more ways than can be looked at."""


def restored(graph: Graph, layers: list[Layer], given: Sizes) -> dict[str, str] | Misfit:
    """The given key of each expected one, if only one order of the given layers fits, or all that do compute the same.

    Branches of a sum that can change places are such: they are matched in the order of the first that fits.
    """
    tree = _tree(given)
    if tree is None:
        return Misfit(f"names of the checkpoint nest more than {NESTING} deep")
    search = _Search(layers)
    try:
        found = list(_first(search.solutions(tree, alike=True)))
        if not found:
            found = list(_first(search.solutions(tree, alike=False)))
    except _OutOfFuel:
        return Misfit(
            "there are too many orders of the checkpoint's entries that could fit: save it as .pth", None, None, True
        )
    if not found:
        return search.misfit(tree)
    different = next((other for other in found[1:] if not _same(graph, layers, found[0], other)), None)
    if different is None and len(found) == ORDERS:
        return Misfit(f"{ORDERS} orders of the checkpoint's entries fit, or more: save it as .pth", ambiguous=True)
    if different is not None:
        return _ambiguity(layers, found[0], different)
    return {
        mine.key: other.key
        for layer, there in zip(layers, found[0], strict=True)
        for mine, other in layer.pairs(there) or ()
    }


def _first(solutions: Iterator[list[Layer]]) -> Iterator[list[Layer]]:
    for _, solution in zip(range(ORDERS), solutions, strict=False):
        yield solution


def _tree(given: Sizes) -> _Level | None:
    """The names as a tree, or nothing if they nest too deep. Arrays of one level that have torch's names are a layer,
    any other is one alone."""
    root = _Level()
    owned: dict[str, tuple[_Level, list[Entry]]] = {}
    for key, sizes in given.items():
        path, name = split(key)
        parts = path.split(".") if path else []
        if len(parts) > NESTING:
            return None
        level = root
        for part in parts:
            level = level.children.setdefault(part, _Level())
        if name in ROLES:
            owned.setdefault(path, (level, []))[1].append(Entry(key, name, sizes))
        else:
            level.own.append(Layer(key, (Entry(key, name, sizes),)))
    for path, (level, entries) in owned.items():
        level.own.insert(0, Layer(path, tuple(entries)))
    root.settle()
    return root


@dataclass
class _Search:
    """The places of a spec's layers, and what has been found out about them."""

    layers: list[Layer]
    fuel: int = FUEL
    ways: dict[tuple[int, int], list[dict[State, list[Head]]] | None] = field(default_factory=dict)
    farthest: int = -1
    tried: list[Layer] = field(default_factory=list)

    def solutions(self, tree: _Level, *, alike: bool) -> Iterator[list[Layer]]:
        """Every order of the tree's layers that fits; with `alike`, levels with the same children have the same, and
        the same names run the same way in all levels."""
        if tree.count != len(self.layers):
            if tree.count < MANY * len(self.layers):
                self._ways(tree, 0)  # how far it goes
            return
        start: tuple[Any, ...] = ((tree, 0, None), {}, None)
        stack = [start]
        while stack:
            agenda, chosen, placed = stack.pop()
            if agenda is None:
                found: list[Layer | None] = [None] * len(self.layers)
                while placed is not None:
                    place, layer, placed = placed
                    found[place] = layer
                yield [layer for layer in found if layer is not None]
                continue
            level, start_at, rest = agenda
            self._burn()
            known = level.signature in chosen if alike else None
            orders = [chosen[level.signature]] if known else self._orders(level, start_at, chosen if alike else {})
            states = []
            for order in orders:
                state = self._laid(level, start_at, order, rest, placed)
                if state is not None:
                    chosen_now = chosen if known is not False else {**chosen, **_habits(level, order)}
                    states.append((state[0], chosen_now, state[1]))
            stack += reversed(states)

    def misfit(self, tree: _Level) -> Misfit:
        """Where the orders that were tried go no further."""
        counts = ""
        if tree.count != len(self.layers):
            counts = f"; the spec has {len(self.layers)} layers with arrays, the checkpoint {tree.count}"
        place = min(max(self.farthest, 0), len(self.layers) - 1)
        if not self.layers or not self.tried:
            return Misfit(f"no order of its entries fits{counts}")
        mine = self.layers[place]
        remarks = {layer.path: _remark(mine, layer) for layer in self.tried}
        others = sorted(self.tried, key=lambda layer: not remarks[layer.path])[:3]
        named = ", ".join(layer.text() for layer in others) + (", ..." if len(self.tried) > len(others) else "")
        reason = f"layer {place}: nothing fits {mine.text()}, not {named}{remarks[others[0].path]}{counts}"
        return Misfit(reason, mine.path, others[0].path)

    def _laid(self, level: _Level, place: int, order: tuple[str, ...], rest: Any, placed: Any) -> Any:
        """The levels below still to be laid, and the layers that have their place, if this order fits there."""
        items = dict(pair for chain in level.chains for pair in chain)
        below = []
        for name in order:
            item = items[name]
            if not self._fits(item, place):
                return None
            if isinstance(item, Layer):
                placed = (place, item, placed)
                place += 1
            else:
                below.append((item, place))
                place += item.count
        for item, where in reversed(below):
            rest = (item, where, rest)
        return rest, placed

    def _fits(self, item: Item, place: int) -> bool:
        if isinstance(item, _Level):
            return self._ways(item, place) is not None
        self._burn()
        if place < len(self.layers) and self.layers[place].pairs(item) is not None:
            return True
        if place > self.farthest:
            self.farthest, self.tried = place, []
        if place == self.farthest and item not in self.tried:
            self.tried.append(item)
        return False

    def _ways(self, level: _Level, place: int) -> list[dict[State, list[Head]]] | None:
        """From each number of items placed, which chains may go on so that all find a place; nothing if none can."""
        known = (id(level), place)
        if known in self.ways:
            return self.ways[known]
        self.ways[known] = None
        start = (0,) * len(level.chains)
        layers: list[dict[State, list[Head]]] = []
        frontier: dict[State, int] = {start: place}
        for _ in range(sum(map(len, level.chains))):
            steps: dict[State, list[Head]] = {}
            reached: dict[State, int] = {}
            for state, at in frontier.items():
                steps[state] = []
                for head in _heads(level, state):
                    item = _item(level, state, head)[1]
                    self._burn()
                    if self._fits(item, at):
                        steps[state].append(head)
                        reached[_after(state, head)] = at + (1 if isinstance(item, Layer) else item.count)
            layers.append(steps)
            frontier = reached
        if not frontier:
            return None
        alive = set(frontier)
        for steps in reversed(layers):
            for state, heads in list(steps.items()):
                steps[state] = [head for head in heads if _after(state, head) in alive]
                if not steps[state]:
                    del steps[state]
            alive = set(steps)
        self.ways[known] = layers
        return layers

    def _orders(self, level: _Level, place: int, habits: Mapping[Any, Any]) -> Iterator[tuple[str, ...]]:
        """Every order of a level's items that fits at a place, in which chains run the way that is known of their
        names."""
        ways = self._ways(level, place)
        if ways is None:
            return
        stack: list[tuple[State, Any]] = [((0,) * len(level.chains), None)]
        total = len(ways)
        while stack:
            state, names = stack.pop()
            self._burn()
            placed = sum(map(abs, state))
            if placed == total:
                order = []
                while names is not None:
                    name, names = names
                    order.append(name)
                yield tuple(reversed(order))
                continue
            for head in reversed(ways[placed].get(state, ())):
                if not state[head[0]] and habits.get(level.names[head[0]], head[1]) != head[1]:
                    continue
                stack.append((_after(state, head), (_item(level, state, head)[0], names)))

    def _burn(self) -> None:
        self.fuel -= 1
        if self.fuel < 0:
            raise _OutOfFuel


def _remark(mine: Layer, other: Layer) -> str:
    """What the weight of a layer that does not fit has in common with the one that is expected."""
    theirs = {entry.name: entry.sizes for entry in other.entries}
    entry = mine.entries[0]
    return reshaped(entry.sizes, theirs[entry.name]) if entry.name in theirs else ""


def _own_name(layer: Layer) -> str:
    """How a level calls a layer of its own: as no level below is called, and alike in levels alike."""
    return "." if layer.entries[0].name in ROLES else f".{layer.entries[0].name}"


def _habits(level: _Level, order: tuple[str, ...]) -> dict[Any, Any]:
    """What an order says of levels with the same children, and of chains with the same names."""
    place = {name: at for at, name in enumerate(order)}
    ways = {
        names: 1 if place[chain[0][0]] < place[chain[-1][0]] else -1
        for names, chain in zip(level.names, level.chains, strict=True)
        if len(chain) > 1
    }
    return {level.signature: order, **ways}


def _is_norm(item: Item) -> bool:
    """Whether a name is that of a layer without a matrix, as norms are."""
    if not isinstance(item, _Level) or item.children or len(item.own) != 1:
        return False
    return all(len(entry.sizes) < 2 for entry in item.own[0].entries)


def _heads(level: _Level, state: State) -> Iterator[Head]:
    """The chains that may go on, and which way: a level's own layers stand before those below it."""
    own = [(chain, 1) for chain in range(len(level.own)) if not state[chain]]
    yield from own or _below(level, state)


def _below(level: _Level, state: State) -> Iterator[Head]:
    for chain in range(len(level.own), len(state)):
        done = state[chain]
        if abs(done) == len(level.chains[chain]):
            continue
        for way in (1, -1):
            begun = done * way > 0 or (done == 0 and (way > 0 or not level.fixed[chain]))
            if begun and (done or _guided(level, state, (chain, way))):
                yield chain, way


def _guided(level: _Level, state: State, head: Head) -> bool:
    """Whether every chain of norms runs the way of a chain of its numbers, or one that has not begun, once a chain
    begins."""

    def way(chain: int) -> int:
        return head[1] if chain == head[0] else state[chain]

    return all(any(way(guide) * way(chain) >= 0 for guide in guides) for chain, guides in level.guided if way(chain))


def _item(level: _Level, state: State, head: Head) -> tuple[str, Item]:
    """The name and the item that a chain goes on with."""
    chain, way = head
    return level.chains[chain][state[chain] if way > 0 else state[chain] - 1]


def _after(state: State, head: Head) -> State:
    chain, way = head
    return (*state[:chain], state[chain] + way, *state[chain + 1 :])


def _ambiguity(layers: list[Layer], one: list[Layer], two: list[Layer]) -> Misfit:
    mine, *others = next(places for places in zip(layers, one, two, strict=True) if places[1] != places[2])
    either = " or ".join(quote(layer.path) for layer in others)
    reason = f"the file has sorted its entries by name, and {mine.path} may be {either}, which have the same shapes"
    return Misfit(f"{reason}: save it in its own order, as .pth", mine.path, either, True)


def _same(graph: Graph, layers: list[Layer], one: list[Layer], two: list[Layer]) -> bool:
    """Whether a net computes the same with its layers' arrays from either list: sums may read in any order."""
    return _meaning(graph, layers, one) == _meaning(graph, layers, two)


def _meaning(graph: Graph, layers: list[Layer], given: list[Layer]) -> list[str]:
    """What each output computes, as a hash of operations and of the arrays that they hold."""
    names = {mine.path: other.path for mine, other in zip(layers, given, strict=True)}
    return outputs_meaning(graph, names)


def outputs_meaning(graph: Graph, names: Mapping[str, str]) -> list[str]:
    """A hash of what each output computes, weights known by the names given to their layers' paths; the arguments of a
    sum or product may stand in any order."""
    hashes: dict[int, str] = {}
    for index in walk(graph):
        node = graph.nodes[index]
        read = [f"{hashes[value.node]}.{value.output}" for value in (meant(graph, v) for v in node.inputs)]
        if isinstance(node.op, Add | Mean | Mul):
            read.sort()
        text = f"{operation(graph, index)} {' '.join(read)} {names.get(node.path, '')!r}"
        hashes[index] = hashlib.sha256(text.encode()).hexdigest()
    return [f"{hashes[value.node]}.{value.output}" for value in (meant(graph, o.value) for o in graph.outputs)]
