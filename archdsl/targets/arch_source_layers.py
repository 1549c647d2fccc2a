"""Operations, learned tensors and shared weights as parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from archdsl.diagnostics import UsageError, quote
from archdsl.elaborate.environment import taken
from archdsl.graph.graph import Graph
from archdsl.ir.program import Value
from archdsl.ops import OPERATIONS
from archdsl.ops.base import Described, Learned
from archdsl.outline.call import REQUIRED
from archdsl.syntax import tree
from archdsl.syntax.lexer import WORDS
from archdsl.targets.arch_source_groups import Group
from archdsl.targets.arch_source_parts import ABSENT, HERE, Given, Hole, Part
from archdsl.targets.arch_source_values import Body, Reading

Place = tuple[int, str]  # a node, and an argument of its operation
Defaults = dict[tuple[str, str], Any]  # of an operation, what stands for an argument that is not written
LISTS = frozenset({"split", "unstack"})  # what flows on behind them is a list, even of one


def _sayable(name: str) -> bool:
    """True for a name that a layer can be called by."""
    return name.isidentifier() and name not in WORDS and taken(tree.Ident(HERE, name)) is None


class Layers(Reading):
    """Writes what has no statements inside."""

    def __init__(self, graph: Graph, defaults: Defaults, named: frozenset[int], given: Mapping[Place, Given]) -> None:
        super().__init__(graph)
        self.defaults = defaults
        self.given = given
        self.named = named
        self.invented: set[str] = set()  # names of shared weights that have none a layer can be called by
        self.firsts: dict[int, list[int]] = {}  # of each `shared`, the nodes of its first application

    def _node(self, index: int, body: Body, level: str) -> list[Part]:
        node = self.graph.nodes[index]
        if isinstance(node.op, Learned):
            label = self.places.claim(node.path, level)
            sizes = self.given.get((index, "sizes"), node.op.sizes)
            holes = (*self._holes(node.op.init), Hole("shape", sizes))
            part = Part("param", label, node.op.init.word, holes)
            if index in self.named:
                body.here = Value(index)
                name = Part("from", reads=(("label", label),))
                body.producers[body.here] = (name, 0)
                return [part, name]
            body.producers[Value(index)] = (part, 0)
            body.labelled.setdefault(Value(index), []).append(node.path)
            return [part]
        many = node.op.takes == "list"
        before = self._read(node.inputs, many, body, level)
        values = tuple(Value(index, output) for output in range(len(node.outputs)))
        if body.units[node.path] > 1:
            part = Part("use", word=self._shared_name(node.path, body))
            body.shared[node.path].holes = self._holes(node.op, index)
            body.shared[node.path].word = node.op.word
            self._made(part, values, body, None)
        else:
            place = self.places.label(index, level)
            part = Part("op", place, node.op.word, self._holes(node.op, index))
            if place is None and self.places.weighted[index]:
                part.tail = node.path.rpartition(".")[2]
            named = place is not None and node.op.word not in LISTS
            self._made(part, values, body, (f"{level}.{place}" if level else place) if named else None)
        if not self.graph.readers(index) and not self.results.intersection(values):
            body.unread.add(id(part))
        listed = node.op.word in LISTS
        if listed:
            part.outputs = -len(values)
        body.here = values if listed else values[0]
        return [*before, part]

    def _holes(self, value: Described, index: int = -1) -> tuple[Hole, ...]:
        holes: list[Hole] = []
        for name, info in type(value).model_fields.items():
            item = getattr(value, name)
            if value.open_arguments and name == "sizes":
                holes += [Hole(axis, size, ABSENT) for axis, size in item]
                continue
            default = REQUIRED if info.is_required() else self.defaults.get((value.word, name), info.default)
            words = type(value).words()
            if (index, name) in self.given:
                item = self.given[index, name]
            holes.append(
                Hole(name, _literal(item, words), default if default is REQUIRED else _literal(default, words))
            )
        return tuple(holes)

    def _unit(self, item: int | Group) -> str | None:
        """The path that an item applies as a whole, if it does."""
        if not isinstance(item, Group):
            return self.graph.nodes[item].path
        if item.scope < 0:
            return None
        scope = self.graph.scopes[item.scope]
        whole = scope.opens and not item.torn and (scope.block or scope.kind == "shared")
        return scope.path if whole else None

    def _units(self, items: Sequence[int | Group]) -> Counter[str]:
        """How often each path is applied in a body, not counting what stands in calls inside it."""
        found: Counter[str] = Counter()
        for item in items:
            path = self._unit(item)
            if path is not None:
                found[path] += 1
            elif isinstance(item, Group) and (item.torn or not self.graph.scopes[item.scope].block):
                found += self._units(item.items)
        return found

    def _declarations(self, item: int | Group, body: Body, level: str) -> list[Part]:
        """The `shared` that have to stand before a statement."""
        path = self._unit(item)
        if path is not None and body.units[path] < 2:
            path = None
        if path is None or path in body.shared:
            return []
        label = self.places.claim(self._speakable(path, level), level)
        body.shared[path] = Part("shared", label)
        return [body.shared[path]]

    def _speakable(self, path: str, level: str) -> str:
        """The path of shared weights, or one beside it where its name is none that a layer can be called by."""
        own = path[len(level) + 1 :] if level else path
        name = own.rpartition(".")[2]
        if "." not in own and _sayable(own):
            return path
        base = f"shared_{name}" if _sayable(f"shared_{name}") else "shared_layer"
        found, number = base, 1
        while found in self.invented or self.places.taken(f"{level}.{found}" if level else found):
            number += 1
            found = f"{base}_{number}"
        self.invented.add(found)
        return f"{level}.{found}" if level else found

    @staticmethod
    def _shared_name(path: str, body: Body) -> str:
        label = body.shared[path].label
        assert isinstance(label, str)
        return label

    def _hold_alike(self, nodes: Sequence[int], declared: Part) -> None:
        """Holds a further application of shared weights to the form of the first."""
        first = self.firsts[id(declared)]
        slots = self._slots(first)
        if self._form(nodes, slots) != self._form(first, slots):
            raise UsageError(
                f"`{quote(self.graph.name)}` applies the weights of `{quote(str(declared.label))}` in two ways, and a "
                "spec can share only what is the same at each place"
            )

    def _form(self, nodes: Sequence[int], slots: Mapping[tuple[int, int], int]) -> list[object]:
        """What two applications of the same weights must have in common; `slots` are the arguments from outside."""
        place = {index: at for at, index in enumerate(nodes)}
        given = self._like(nodes, slots)
        rows: list[object] = []
        for at, index in enumerate(nodes):
            node = self.graph.nodes[index]
            inputs: list[object] = []
            for argument, value in enumerate(node.inputs):
                slot = slots.get((at, argument))
                same = slot is not None and value.node not in place and given[slot] == value
                inputs.append((-1, slot) if same else (place.get(value.node), value.output))
            rows.append((node.path if node.op.numbered else "", node.op, tuple(inputs), node.training))
        return rows

    def _slots(self, nodes: Sequence[int]) -> dict[tuple[int, int], int]:
        """For each argument that comes from outside its place among those: one value read twice has one place."""
        inside, found = set(nodes), dict[Value, int]()
        return {
            (at, argument): found.setdefault(value, len(found))
            for at, index in enumerate(nodes)
            for argument, value in enumerate(self.graph.nodes[index].inputs)
            if value.node not in inside
        }

    def _like(self, nodes: Sequence[int], slots: Mapping[tuple[int, int], int]) -> tuple[Value, ...]:
        """What an application reads from outside, in the places of another one; a value may stand in several."""
        found: dict[int, Value] = {}
        for (at, argument), slot in slots.items():
            inputs = self.graph.nodes[nodes[at]].inputs if at < len(nodes) else ()
            if argument < len(inputs):
                found.setdefault(slot, inputs[argument])
        return tuple(found[slot] for slot in sorted(found))


def _literal(value: Any, words: frozenset[str]) -> Any:
    """A value as a hole holds it: a bare word as the name that it is."""
    return tree.Name(HERE, value) if isinstance(value, str) and value in words else value


def literal(word: str, value: Any) -> Any:
    """An argument of an operation as a hole holds it."""
    found = OPERATIONS.get(word)
    return _literal(value, found.words()) if found is not None else value
