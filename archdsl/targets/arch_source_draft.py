"""Graph -> drafts: the body of the arch and of every call of a block as parts, each with its own numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from archdsl.graph.graph import Graph
from archdsl.ir.program import Value
from archdsl.targets.arch_heads import is_implied
from archdsl.targets.arch_source_docs import altered
from archdsl.targets.arch_source_groups import (
    BELOW,
    BRANCHES,
    Group,
    between,
    called_once,
    groups,
    named_apart,
    nodes_of,
)
from archdsl.targets.arch_source_lanes import Lanes
from archdsl.targets.arch_source_layers import Defaults, Place
from archdsl.targets.arch_source_parts import Given, Label, Part
from archdsl.targets.arch_source_values import Body, Flow, name_values

MOST_BRANCHES = 2000  # statements of branches that are looked for
MOST_BODY = 60  # statements of a residual's body
ROLES = frozenset({"stem", "stage", "head"})


@dataclass(eq=False, slots=True)
class Instance:
    """One call of a block: its name, its arguments as data, the channels that flow in, and its body."""

    name: str
    arguments: dict[str, Any]
    channels: int | None
    parts: list[Part]
    doc: str
    height: int


def draft(
    graph: Graph, defaults: Defaults, taken: frozenset[str], given: Mapping[Place, Given], changed: frozenset[int]
) -> Drafting:
    """The drafts of a net; no variable in them has a `taken` name. Learned tensors have variables where labels do not
    do, which shows only when all is written."""
    first = Drafting(graph, defaults, taken, frozenset(), given, changed)
    return Drafting(graph, defaults, taken, frozenset(first.hidden), given, changed) if first.hidden else first


class Drafting(Lanes):
    """One walk over a graph; `parts` is the arch's body, `instances` the calls, inner ones first. Learned tensors
    that are `named` have variables."""

    def __init__(
        self,
        graph: Graph,
        defaults: Defaults,
        taken: frozenset[str],
        named: frozenset[int],
        given: Mapping[Place, Given],
        changed: frozenset[int],
    ) -> None:
        super().__init__(graph, defaults, named, given)
        self.instances: list[Instance] = []
        self.gathering = False
        self.altered = altered(graph) | changed
        self.taken = taken | {scope.block for scope in graph.scopes if scope.block}
        root = groups(graph, called_once(graph) | between(graph) | named_apart(graph))
        inputs = tuple(Value(index) for index in graph.inputs)
        body = Body("", inputs, inputs[0] if len(inputs) == 1 else inputs, self._units(root.items), arch=True)
        self.parts = self._items(root.items, body, "")
        self.outputs = self._outputs(body)
        name_values(self.parts, body, {*self.taken, *(graph.nodes[index].path for index in graph.inputs)}, self.outputs)

    def _items(self, items: Sequence[int | Group], body: Body, level: str) -> list[Part]:
        parts: list[Part] = []
        at = 0
        items = self._gathered(self._levelled(items, level), body)
        while at < len(items):
            item = items[at]
            parts += self._declarations(item, body, level)
            if not body.training and self._all(item, "training"):
                end = at + 1
                while end < len(items) and self._all(items[end], "training") and not isinstance(item, Group):
                    end += 1
                parts.append(self._aux(items[at:end], body, level))
                at = end
                continue
            at += 1
            if not body.skip and self._all(item, "skip"):
                parts += self._skipping(item, body, level)
            else:
                parts += self._item(item, body, level)
        return parts

    def _item(self, item: int | Group, body: Body, level: str) -> list[Part]:
        if not isinstance(item, Group):
            return self._node(item, body, level)
        if item.scope == BELOW:
            return [self._below(item.items, body, level)]
        if item.scope == BRANCHES:
            made = self._residual(item, body, level) or self._branches(item, body, level)
            return made or self._ungathered(item, body, level)
        scope = self.graph.scopes[item.scope]
        if item.torn:
            inner = self._items(item.items, body, level) if not scope.opens else None
            if inner is None and self._whole(item):
                return self._level(item, body, level)
            if inner is None:
                inner = self._items(item.items, body, level)
            return self._with_role(scope.role, inner)
        if scope.block or scope.kind == "shared":
            return self._call(item, body, level)
        if scope.opens:
            return self._level(item, body, level)
        if scope.kind in ("residual", "branches"):
            made = self._residual(item, body, level) if scope.kind == "residual" else self._branches(item, body, level)
            if made is not None:
                return made
        return self._with_role(scope.role, self._items(item.items, body, level))

    def _gathered(self, items: Sequence[int | Group], body: Body) -> Sequence[int | Group]:
        """The same statements, those as a group that are branches of one value up to their merge."""
        if self.gathering or not any(not isinstance(each, Group) and self._merges(each, body) for each in items):
            return items
        out: list[int | Group] = []
        owner: dict[int, int] = {}  # of each node, its statement in `out`
        for item in items:
            start = None if isinstance(item, Group) else self._start(item, out, owner, body)
            if start is None:
                owner.update((index, len(out)) for index in nodes_of(item))
                out.append(item)
                continue
            out[start:] = [Group(BRANCHES, [*out[start:], item])]
            owner.update((index, start) for index in out[start].nodes())  # type: ignore[union-attr]
        return out

    def _merges(self, index: int, body: Body) -> bool:
        node = self.graph.nodes[index]
        return node.op.takes == "list" and not node.op.numbered and len(node.inputs) > 1 and self._plain(node, body)

    def _start(self, index: int, out: list[int | Group], owner: dict[int, int], body: Body) -> int | None:
        """Where the branches of a merge begin, if they are all that stands between, and read one value alike."""
        inputs = self.graph.nodes[index].inputs
        if not self._merges(index, body):
            return None
        if self._sums(index, body) and owner.get(inputs[0].node) == len(out) - 1:
            first = self._start_of_body(inputs, out)
            if first is not None:
                return first
        if any(value.node not in owner for value in inputs):
            return None
        ends = [owner[value.node] for value in inputs]
        if ends != sorted(set(ends)) or ends[-1] != len(out) - 1:
            return None
        first = ends[0]
        while first >= 0 and len(out) - first <= MOST_BRANCHES:
            found = [each for item in out[first:] for each in nodes_of(item)]
            reads = set(self._ends(found)[0])
            lanes = self._lanes(out[first:], inputs)
            if lanes is not None and len(reads) == 1 and self._each_reads(lanes, next(iter(reads))):
                return first
            first -= 1
            if first < 0 or not self._belongs(out[first], found):
                return None
        return None

    def _start_of_body(self, inputs: tuple[Value, ...], out: list[int | Group]) -> int | None:
        """Where a body begins that a sum adds to what the body alone read."""
        for first in range(len(out) - 1, max(-1, len(out) - 1 - MOST_BODY), -1):
            found = [each for item in out[first:] for each in nodes_of(item)]
            if not self._belongs(out[first], found) and first < len(out) - 1:
                return None
            if inputs[1].node in found:
                return None
            if set(self._ends(found)[0]) == {inputs[1]}:
                return first
        return None

    def _belongs(self, item: int | Group, found: list[int]) -> bool:
        """True if only these statements read an item."""
        _, gives = self._ends(list(nodes_of(item)))
        inside = set(found)
        readers = {reader for value in gives for reader in self.graph.readers(value.node)}
        return not (self.results & set(gives)) and readers <= inside | set(nodes_of(item))

    def _each_reads(self, lanes: list[list[int | Group]], start: Value) -> bool:
        """True if every branch reads this value and nothing else of the others."""
        return all(
            set(self._ends([index for item in lane for index in nodes_of(item)])[0]) == {start} for lane in lanes
        )

    def _ungathered(self, item: Group, body: Body, level: str) -> list[Part]:
        self.gathering = True
        parts = self._items(item.items, body, level)
        self.gathering = False
        return parts

    def _whole(self, item: Group) -> bool:
        """True if a dissolved scope is one run after all, so that its level can be written."""
        nodes = self.graph.nodes
        path = self.graph.scopes[item.scope].path
        if path in self.places.levels:
            return False
        inside = sum(1 for _ in item.nodes())
        return inside == self._inside[item.scope] and all(
            nodes[index].path.startswith(f"{path}.") for index in item.nodes()
        )

    def _levelled(self, items: Sequence[int | Group], level: str) -> list[int | Group]:
        out: list[int | Group] = []
        at = 0
        while at < len(items):
            end = self._implicit(items, at, level)
            out.append(items[at] if end == at else Group(BELOW, list(items[at:end])))
            at = max(end, at + 1)
        return out

    def _implicit(self, items: Sequence[int | Group], at: int, level: str) -> int:
        """Where the items end that stand in a level below which no scope opens, as passes make them."""
        item = items[at]
        if isinstance(item, Group):
            return at
        path = self.graph.nodes[item].path
        rest = path[len(level) + 1 :] if level else path
        if "." not in rest:
            return at
        inner = f"{level}.{rest.partition('.')[0]}" if level else rest.partition(".")[0]
        end, count = at, 0
        while end < len(items):
            found = list(nodes_of(items[end]))
            if not all(self.graph.nodes[index].path.startswith(f"{inner}.") for index in found):
                break
            end, count = end + 1, count + len(found)
        whole = count == self._levels[inner] and inner not in self.places.levels
        return end if whole and inner not in self._opened else at

    def _below(self, items: Sequence[int | Group], body: Body, level: str) -> Part:
        """A level that no scope opens."""
        path = self.graph.nodes[next(nodes_of(items[0]))].path
        rest = path[len(level) + 1 :] if level else path
        inner = f"{level}.{rest.partition('.')[0]}" if level else rest.partition(".")[0]
        self.places.levels.add(inner)
        label = self.places.claim(inner, level)
        parts = self._items(items, body, inner)
        if isinstance(body.here, Value):
            body.labelled.setdefault(body.here, []).append(inner)
        return Part("level", label, bodies=(parts,))

    @cached_property
    def _levels(self) -> Counter[str]:
        """How many nodes stand below each level."""
        found: Counter[str] = Counter()
        for node in self.graph.nodes:
            above = node.path.rpartition(".")[0]
            while above:
                found[above] += 1
                above = above.rpartition(".")[0]
        return found

    @cached_property
    def _opened(self) -> frozenset[str]:
        return frozenset(scope.path for scope in self.graph.scopes if scope.opens)

    @cached_property
    def _inside(self) -> Counter[int]:
        """How many nodes stand in each scope or below it."""
        counted: Counter[int] = Counter()
        for node in self.graph.nodes:
            current: int | None = node.scope
            while current is not None:
                counted[current] += 1
                current = self.graph.scopes[current].parent
        return counted

    @staticmethod
    def _with_role(role: str | None, parts: list[Part]) -> list[Part]:
        return [Part("role", word=role, bodies=(parts,))] if role in ROLES and parts else parts

    def _level(self, item: Group, body: Body, level: str) -> list[Part]:
        scope = self.graph.scopes[item.scope]
        self.places.levels.add(scope.path)
        label = self.places.claim(scope.path, level)
        inner = self._items(item.items, body, scope.path)
        if isinstance(body.here, Value):
            body.labelled.setdefault(body.here, []).append(scope.path)
        role = scope.role if scope.role in ROLES else None
        return [Part("level", label, bodies=(inner,), role=role)]

    def _skipping(self, item: int | Group, body: Body, level: str) -> list[Part]:
        """A shortcut that no residual holds: a single branch, which is what `skip` stands before."""
        body.skip = True
        inner = self._item(item, body, level)
        body.skip = False
        before = [inner.pop(0)] if inner and inner[0].kind == "from" else []
        if not inner:
            return before
        branch = Part("branch", role="skip", bodies=(inner,))
        return [*before, Part("branches", word="add", bodies=([branch],))]

    def _call(self, item: Group, body: Body, level: str) -> list[Part]:
        scope = self.graph.scopes[item.scope]
        nodes = list(item.nodes())
        reads, gives = self._ends(nodes)
        shared = scope.opens and body.units[scope.path] > 1
        again = shared and scope.path in body.shared and body.shared[scope.path].instance >= 0
        if again:
            self._hold_alike(nodes, body.shared[scope.path])
            reads = self._like(nodes, self._slots(self.firsts[id(body.shared[scope.path])]))
        if shared:
            gives = self._given(scope.path, nodes, gives)
        before = self._read(reads, len(reads) > 1, body, level) if reads else []
        if shared:
            part = Part("use", word=self._shared_name(scope.path, body))
        else:
            label: Label = self.places.call(scope.path, level) if scope.opens else "_"
            role = scope.role if scope.role in ROLES else None
            tail = scope.path.rpartition(".")[2] if label is None else None
            part = Part("call", label, scope.block or "", role=role, tail=tail)
        if shared and not again:
            self.firsts[id(body.shared[scope.path])] = nodes
        end: Flow = None
        if not again:
            end = self._enter(item, scope.path, reads, gives, body, part if not shared else body.shared[scope.path])
        self._made(part, gives, body, scope.path if part.label and scope.opens else None)
        if gives:
            body.here = gives[0] if len(gives) == 1 else gives
        elif end is not None:
            body.here = end
        return [*before, part]

    def _given(self, path: str, nodes: Sequence[int], gives: tuple[Value, ...]) -> tuple[Value, ...]:
        """What an application of shared weights gives: all that is read of any of them, since one block says it."""
        own = [(nodes.index(value.node), value.output) for value in gives]
        every = {place for other in self._applied.get(path, ()) for place in self._places_given(other)}
        if every <= set(own):
            return gives
        return tuple(Value(nodes[place], output) for place, output in sorted(every.union(own)))

    def _places_given(self, nodes: Sequence[int]) -> list[tuple[int, int]]:
        return [(nodes.index(value.node), value.output) for value in self._ends(nodes)[1]]

    @cached_property
    def _applied(self) -> dict[str, list[list[int]]]:
        """The nodes of every application of a path."""
        inside: dict[int, list[int]] = {}
        for index, node in enumerate(self.graph.nodes):
            current: int | None = node.scope
            while current is not None:
                inside.setdefault(current, []).append(index)
                current = self.graph.scopes[current].parent
        found: dict[str, list[list[int]]] = {}
        for number, nodes in inside.items():
            found.setdefault(self.graph.scopes[number].path, []).append(nodes)
        return found

    def _enter(
        self, item: Group, path: str, reads: tuple[Value, ...], gives: tuple[Value, ...], body: Body, part: Part
    ) -> Flow:
        """The body of a call as an instance of its block."""
        scope = self.graph.scopes[item.scope]
        here: Flow = reads[0] if len(reads) == 1 else reads or None
        inner = Body(path, reads, here, self._units(item.items), skip=body.skip, training=body.training)
        if part.kind == "shared":
            part.word = scope.block or "Part"
        parts = self._items(item.items, inner, path)
        if gives:
            parts += self._read(gives, len(gives) > 1, inner, path)
        name_values(parts, inner, {*self.taken, *dict(scope.arguments)}, [])
        channels = self.graph.shape(reads[0]).size("c") if len(reads) == 1 else None
        self._instance(part, item.scope, channels, parts)
        return inner.here

    def _instance(self, part: Part, scope: int, channels: int | None, parts: list[Part]) -> None:
        below = [
            self.instances[inner.instance].height for each in parts for inner in each.parts() if inner.instance >= 0
        ]
        found = self.graph.scopes[scope]
        height = 1 + max(below, default=0)
        part.instance = len(self.instances)
        doc = "" if scope in self.altered else found.doc
        made = Instance(found.block or "Part", dict(found.arguments), channels, parts, doc, height)
        self.instances.append(made)

    def _outputs(self, body: Body) -> list[tuple[str, tuple[Any, ...]]]:
        """What an `output` has to say; nothing where the last value and the side heads are the results as they are."""
        outputs = self.graph.outputs
        if is_implied(self.graph):
            self.parts += self._read((outputs[0].value,), False, body, "")
            return []
        return [(output.name, self._ref(output.value, body, "")) for output in outputs]
