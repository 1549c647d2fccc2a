"""Graph -> drafts: the body of the arch and of every call of a block as parts, each with its own numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from archdsl.diagnostics import UsageError, quote
from archdsl.elaborate.environment import taken
from archdsl.graph.graph import Graph
from archdsl.ir.program import Node, Value
from archdsl.ops import OPERATIONS, Add
from archdsl.ops.base import Described, Input, Learned
from archdsl.outline.call import REQUIRED
from archdsl.syntax import tree
from archdsl.syntax.lexer import WORDS
from archdsl.targets.arch_source_groups import Group, groups
from archdsl.targets.arch_source_names import Places
from archdsl.targets.arch_source_parts import HERE, Hole, Label, Part

Flow = Value | tuple[Value, ...] | None
LISTS = frozenset({"split", "unstack"})
ROLES = frozenset({"stem", "stage", "head"})
LETTERS = ("x", "y", "z", "u", "v", "w")


@dataclass(eq=False, slots=True)
class Body:
    """The body of the arch or of one call of a block while it is written: what flows, and what has which name."""

    root: str
    inputs: tuple[Value, ...]
    here: Flow
    units: Counter[str]  # how often each path is applied right in this body
    arch: bool = False
    producers: dict[Value, tuple[Part, int]] = field(default_factory=dict)
    labelled: dict[Value, list[str]] = field(default_factory=dict)
    wanted: dict[int, set[int]] = field(default_factory=dict)
    shared: dict[str, Part] = field(default_factory=dict)
    skip: bool = False
    training: bool = False


@dataclass(eq=False, slots=True)
class Instance:
    """One call of a block: its name, its arguments as data, the channels that flow in, and its body."""

    name: str
    arguments: dict[str, Any]
    channels: int | None
    parts: list[Part]
    doc: str
    height: int


class Drafting:
    """One walk over a graph; `parts` is the arch's body, `instances` the calls, inner ones first."""

    def __init__(self, graph: Graph, defaults: dict[tuple[str, str], Any]) -> None:
        self.graph = graph
        self.defaults = defaults
        self.places = Places(graph)
        self.results = frozenset(output.value for output in graph.outputs)
        self.instances: list[Instance] = []
        self.empty: dict[int, list[int]] = {}
        self.firsts: dict[int, list[int]] = {}
        root = groups(graph, self._single() | _between(graph))
        self._find_empty()
        inputs = tuple(Value(index) for index in graph.inputs)
        body = Body("", inputs, inputs[0] if len(inputs) == 1 else inputs, self._units(root.items), arch=True)
        self.parts = self._items(root.items, body, "")
        self.outputs = self._outputs(body)
        _finish(self.parts, body, graph, self.outputs)

    def _single(self) -> frozenset[int]:
        """Blocks that are called once: they are written where they stand."""
        counts = Counter(scope.block for scope in self.graph.scopes[1:] if scope.block)
        return frozenset(
            index
            for index, scope in enumerate(self.graph.scopes)
            if index and scope.block and counts[scope.block] == 1
        )

    def _find_empty(self) -> None:
        """Calls of blocks that add no layer, by the shortcut that they stand in."""
        filled: set[int] = set()
        for node in self.graph.nodes:
            current: int | None = node.scope
            while current is not None and current not in filled:
                filled.add(current)
                current = self.graph.scopes[current].parent
        for index, scope in enumerate(self.graph.scopes):
            if scope.block and index not in filled and scope.parent is not None:
                above = self.graph.scopes[scope.parent]
                if above.kind == "skip" and above.parent is not None:
                    self.empty.setdefault(above.parent, []).append(index)

    # ------------------------------------------------------------- statements

    def _items(self, items: Sequence[int | Group], body: Body, level: str) -> list[Part]:
        parts: list[Part] = []
        at = 0
        while at < len(items):
            item = items[at]
            end = self._implicit(items, at, level)
            if end > at:
                parts.append(self._below(items[at:end], body, level))
                at = end
                continue
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
            found = list(_nodes(items[end]))
            if not all(self.graph.nodes[index].path.startswith(f"{inner}.") for index in found):
                break
            end, count = end + 1, count + len(found)
        whole = count == self._levels[inner] and inner not in self.places.levels
        return end if whole and inner not in self._opened else at

    def _below(self, items: Sequence[int | Group], body: Body, level: str) -> Part:
        """A level that no scope opens."""
        path = self.graph.nodes[next(_nodes(items[0]))].path
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

    def _all(self, item: int | Group, mark: str) -> bool:
        nodes = item.nodes() if isinstance(item, Group) else (item,)
        return all(getattr(self.graph.nodes[index], mark) for index in nodes)

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

    # ------------------------------------------------------------------ reads

    def _read(self, values: tuple[Value, ...], many: bool, body: Body, level: str) -> list[Part]:
        """What makes these values the current ones, if they are not."""
        wanted: Flow = values if many else values[0]
        if body.here == wanted:
            return []
        body.here = wanted
        reads = tuple(self._ref(value, body, level) for value in values)
        return [Part("from", reads=reads, many=many)]

    def _ref(self, value: Value, body: Body, level: str) -> tuple[Any, ...]:
        """How a value is read: what flowed in, a label in sight, or else a variable."""
        if value in body.inputs:
            node = self.graph.nodes[value.node]
            if body.arch and isinstance(node.op, Input) and not (node.path == "input" and len(body.inputs) == 1):
                return ("name", node.path)
            return ("in", body.inputs.index(value) if len(body.inputs) > 1 else None)
        label = self._visible(value, body, level)
        if label is not None:
            return ("label", label)
        part, output = body.producers[value]
        body.wanted.setdefault(id(part), set()).add(output)
        return ("out", part, output)

    def _visible(self, value: Value, body: Body, level: str) -> str | None:
        found = [self._relative(path, body, level) for path in body.labelled.get(value, ())]
        names = [name for name in found if name is not None]
        return min(names, key=lambda name: (name.count("."), len(name)), default=None)

    def _relative(self, path: str, body: Body, level: str) -> str | None:
        """The name of a path as seen from a level, if it is more than a number and nothing nearer has it."""
        above = level
        while above != body.root and not path.startswith(f"{above}."):
            above = above.rpartition(".")[0]
        name = path[len(above) + 1 :] if above else path
        if not any(char.isalpha() for char in name):
            return None
        inner = level
        while inner != above:
            if f"{inner}.{name}" in self.places.known:
                return None
            inner = inner.rpartition(".")[0]
        return name

    def _made(self, part: Part, values: Sequence[Value], body: Body, path: str | None) -> None:
        part.outputs = len(values)
        for output, value in enumerate(values):
            body.producers[value] = (part, output)
        if path and len(values) == 1:
            body.labelled.setdefault(values[0], []).append(path)

    # ----------------------------------------------------------------- layers

    def _node(self, index: int, body: Body, level: str) -> list[Part]:
        node = self.graph.nodes[index]
        if isinstance(node.op, Learned):
            label = self.places.claim(node.path, level)
            holes = (*self._holes(node.op.init), Hole("shape", node.op.sizes))
            part = Part("param", label, node.op.init.word, holes)
            body.producers[Value(index)] = (part, 0)
            body.labelled.setdefault(Value(index), []).append(node.path)
            return [part]
        many = node.op.takes == "list"
        before = self._read(node.inputs, many, body, level)
        values = tuple(Value(index, output) for output in range(len(node.outputs)))
        if body.units[node.path] > 1:
            part = Part("use", word=self._shared_name(node.path, body))
            body.shared[node.path].holes = self._holes(node.op)
            body.shared[node.path].word = node.op.word
            self._made(part, values, body, None)
        else:
            label = self.places.label(index, level)
            part = Part("op", label, node.op.word, self._holes(node.op))
            if label is None and self.places.weighted[index]:
                part.tail = node.path.rpartition(".")[2]
            self._made(part, values, body, f"{level}.{label}" if level and label else label)
        listed = node.op.word in LISTS
        if listed:
            part.outputs = -len(values)
        body.here = values if listed else values[0]
        return [*before, part]

    def _holes(self, value: Described) -> tuple[Hole, ...]:
        holes: list[Hole] = []
        for name, info in type(value).model_fields.items():
            item = getattr(value, name)
            if value.open_arguments and name == "sizes":
                holes += [Hole(axis, size) for axis, size in item]
                continue
            default = REQUIRED if info.is_required() else self.defaults.get((value.word, name), info.default)
            words = type(value).words()
            holes.append(Hole(name, _literal(item, words), default if default is REQUIRED else _literal(default, words)))
        return tuple(holes)

    # ------------------------------------------------------------------ calls

    def _ends(self, nodes: Sequence[int]) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
        """What nodes read from outside, in the order of reading, and what others read of them."""
        inside = frozenset(nodes)
        reads: dict[Value, None] = {}
        gives: dict[Value, None] = {}
        for index in nodes:
            for value in self.graph.nodes[index].inputs:
                if value.node not in inside:
                    reads[value] = None
            outside = [reader for reader in self.graph.readers(index) if reader not in inside]
            read = {value for reader in outside for value in self.graph.nodes[reader].inputs}
            for output in range(len(self.graph.nodes[index].outputs)):
                value = Value(index, output)
                if value in read or value in self.results:
                    gives[value] = None
        return tuple(reads), tuple(gives)

    def _call(self, item: Group, body: Body, level: str) -> list[Part]:
        scope = self.graph.scopes[item.scope]
        nodes = list(item.nodes())
        reads, gives = self._ends(nodes)
        before = self._read(reads, len(reads) > 1, body, level) if reads else []
        shared = scope.opens and body.units[scope.path] > 1
        again = shared and scope.path in body.shared and body.shared[scope.path].instance >= 0
        if shared:
            part = Part("use", word=self._shared_name(scope.path, body))
        else:
            label: Label = self.places.call(scope.path, level) if scope.opens else "_"
            role = scope.role if scope.role in ROLES else None
            tail = scope.path.rpartition(".")[2] if label is None else None
            part = Part("call", label, scope.block or "", role=role, tail=tail)
        if shared and not again:
            self.firsts[id(body.shared[scope.path])] = nodes
        if again:
            self._hold_alike(nodes, body.shared[scope.path])
            end: Flow = None
        else:
            end = self._enter(item, scope.path, reads, gives, body, part if not shared else body.shared[scope.path])
        self._made(part, gives, body, scope.path if part.label and scope.opens else None)
        if gives:
            body.here = gives[0] if len(gives) == 1 else gives
        elif end is not None:
            body.here = end
        return [*before, part]

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
        _finish(parts, inner, self.graph, [])
        channels = self.graph.shape(reads[0]).size("c") if len(reads) == 1 else None
        self._instance(scope.block or "Part", dict(scope.arguments), channels, parts, scope.doc, part)
        return inner.here

    def _instance(
        self, name: str, arguments: dict[str, Any], channels: int | None, parts: list[Part], doc: str, part: Part
    ) -> None:
        below = [self.instances[inner.instance].height for each in parts for inner in each.parts() if inner.instance >= 0]
        part.instance = len(self.instances)
        self.instances.append(Instance(name, arguments, channels, parts, doc, 1 + max(below, default=0)))

    # ----------------------------------------------------------------- shared

    def _unit(self, item: int | Group) -> str | None:
        """The path that an item applies as a whole, if it does."""
        if not isinstance(item, Group):
            return self.graph.nodes[item].path
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
        label = self.places.claim(path, level)
        problem = taken(tree.Ident(HERE, label))
        if not label.isidentifier() or label in WORDS or problem is not None:
            raise UsageError(
                f"`{quote(self.graph.name)}` shares the weights of `{quote(path)}` between layers, and a spec can share "
                "only what has a plain name"
            )
        body.shared[path] = Part("shared", label)
        return [body.shared[path]]

    @staticmethod
    def _shared_name(path: str, body: Body) -> str:
        label = body.shared[path].label
        assert isinstance(label, str)
        return label

    def _hold_alike(self, nodes: Sequence[int], declared: Part) -> None:
        """Holds a further application of shared weights to the form of the first."""
        first = self.firsts[id(declared)]
        if self._form(nodes) != self._form(first):
            raise UsageError(
                f"`{quote(self.graph.name)}` applies the weights of `{quote(str(declared.label))}` in two ways, and a "
                "spec can share only what is the same at each place"
            )

    def _form(self, nodes: Sequence[int]) -> list[object]:
        """What two applications of the same weights must have in common."""
        place = {index: at for at, index in enumerate(nodes)}
        reads, gives = self._ends(nodes)
        rows: list[object] = []
        for index in nodes:
            node = self.graph.nodes[index]
            inputs = tuple(
                (place[value.node], value.output) if value.node in place else (-1, reads.index(value))
                for value in node.inputs
            )
            rows.append((node.path if node.op.numbered else "", node.op, inputs, node.training))
        return [*rows, tuple((place[value.node], value.output) for value in gives)]

    # ---------------------------------------------- branches, residuals, heads

    def _residual(self, item: Group, body: Body, level: str) -> list[Part] | None:
        """`residual { } skip ...`, if the scope ends in the sum of the two."""
        last = item.items[-1]
        if isinstance(last, Group) or not self._sums(last, body) or not self.places.free_word(level, "add"):
            return None
        add = self.graph.nodes[last]
        inner, skips = list(item.items[:-1]), []
        if inner and isinstance(inner[-1], Group) and self.graph.scopes[inner[-1].scope].kind == "skip":
            if not self._all(inner[-1], "skip"):
                return None
            skips = [inner.pop()]
        elif inner and self._all(inner[-1], "skip"):
            while inner and self._all(inner[-1], "skip"):
                skips.insert(0, inner.pop())
        if any(self._all(each, "skip") for each in inner) and not body.skip:
            return None
        start = add.inputs[1]
        own = {index for each in (*inner, *skips) for index in _nodes(each)}
        if skips:
            reads = self._ends([index for each in (*skips, *inner) for index in _nodes(each)])[0]
            start = reads[0] if reads else start
        if not inner or start.node in own or add.inputs[0].node not in own:
            return None
        if skips and add.inputs[1].node not in {index for each in skips for index in _nodes(each)}:
            return None
        before = self._read((start,), False, body, level)
        main = self._items(inner, body, level)
        main += self._read((add.inputs[0],), False, body, level)
        body.here = start
        side: list[Part] = []
        if skips:
            body.skip, outer = True, body.skip
            for each in skips:
                flat = isinstance(each, Group) and self.graph.scopes[each.scope].kind == "skip" and not each.torn
                side += self._items(each.items, body, level) if flat and isinstance(each, Group) else self._item(
                    each, body, level
                )
            side += self._read((add.inputs[1],), False, body, level)
            body.skip = outer
        elif len(self.empty.get(item.scope, ())) == 1:
            side = [self._empty_call(self.empty[item.scope][0], start, level)]
        part = Part("residual", bodies=(main, side))
        self.places.word(level, "add")
        self._made(part, (Value(last),), body, None)
        body.here = Value(last)
        return [*before, part]

    def _empty_call(self, scope_index: int, start: Value, level: str) -> Part:
        """A call that adds no layer here; the position that it takes counts."""
        scope = self.graph.scopes[scope_index]
        label: Label = self.places.call(scope.path, level) if scope.opens else "_"
        part = Part("call", label, scope.block or "")
        self._instance(scope.block or "", dict(scope.arguments), self.graph.shape(start).size("c"), [], scope.doc, part)
        return part

    def _sums(self, index: int, body: Body) -> bool:
        node = self.graph.nodes[index]
        return node.op == Add() and len(node.inputs) == 2 and node.inputs[0] != node.inputs[1] and self._plain(node, body)

    @staticmethod
    def _plain(node: Node, body: Body) -> bool:
        return node.skip == body.skip and node.training == body.training and body.units[node.path] == 1

    def _branches(self, item: Group, body: Body, level: str) -> list[Part] | None:
        """`branches merge { }`, if the scope ends in a merge of what its branches give, in their order."""
        last = item.items[-1]
        if isinstance(last, Group):
            return None
        node = self.graph.nodes[last]
        if not self.places.free_word(level, node.op.word):
            return None
        if node.op.takes != "list" or node.op.numbered or not self._plain(node, body) or len(node.inputs) < 2:
            return None
        lanes = self._lanes(item.items[:-1], node.inputs)
        if lanes is None:
            return None
        reads, _ = self._ends([index for lane in lanes for each in lane for index in _nodes(each)])
        if not reads:
            return None
        start = reads[0]
        before = self._read((start,), False, body, level)
        branches = []
        for lane, value in zip(lanes, node.inputs, strict=True):
            body.here = start
            branches.append(self._branch(lane, value, body, level))
        part = Part("branches", word=node.op.word, holes=self._holes(node.op), bodies=(branches,))
        self.places.word(level, node.op.word)
        self._made(part, (Value(last),), body, None)
        body.here = Value(last)
        return [*before, part]

    def _branch(self, lane: list[int | Group], value: Value, body: Body, level: str) -> Part:
        skip = not body.skip and (value == body.here if not lane else all(self._all(each, "skip") for each in lane))
        outer, body.skip = body.skip, body.skip or skip
        parts: list[Part] = []
        for each in lane:
            parts += self._items([each], body, level) if not skip else self._item(each, body, level)
        parts += self._read((value,), False, body, level)
        body.skip = outer
        return Part("branch", role="skip" if skip else None, bodies=(parts,))

    def _lanes(self, items: Sequence[int | Group], inputs: tuple[Value, ...]) -> list[list[int | Group]] | None:
        """The statements of each branch: those up to the one that gives its value; none for a value from outside."""
        owner = {index: at for at, each in enumerate(items) for index in _nodes(each)}
        lanes: list[list[int | Group]] = []
        at = 0
        for value in inputs:
            end = owner.get(value.node)
            if end is None:
                lanes.append([])
                continue
            if end < at:
                return None
            lanes.append(list(items[at : end + 1]))
            at = end + 1
        return lanes if at == len(items) else None

    def _aux(self, items: Sequence[int | Group], body: Body, level: str) -> Part:
        """A side head, which leaves the current value alone."""
        before = body.here
        reads, _ = self._ends([index for each in items for index in _nodes(each)])
        body.here = None
        start = self._read(reads, len(reads) > 1, body, level)
        body.training = True
        inner: list[Part] = []
        for each in items:
            flat = isinstance(each, Group) and self.graph.scopes[each.scope].kind == "role"
            inner += self._items(each.items, body, level) if flat and isinstance(each, Group) else self._item(
                each, body, level
            )
        body.training = False
        body.here = before
        return Part("aux", bodies=([*start, *inner],))

    # ---------------------------------------------------------------- outputs

    def _outputs(self, body: Body) -> list[tuple[str, tuple[Any, ...]]]:
        """What an `output` has to say; nothing where the last value and the side heads are the results as they are."""
        outputs = self.graph.outputs
        read = {value.node for node in self.graph.nodes for value in node.inputs}
        ends = [index for index, node in enumerate(self.graph.nodes) if node.training and index not in read]
        own = [(self.graph.nodes[index].path.split(".")[0], Value(index)) for index in ends]
        if isinstance(body.here, Value) and [(o.name, o.value) for o in outputs] == [("output", body.here), *own]:
            return []
        return [(output.name, self._ref(output.value, body, "")) for output in outputs]


def _between(graph: Graph) -> frozenset[int]:
    """The calls of blocks that stand between shared weights and the body that holds all their applications."""
    uses: dict[str, list[tuple[int, ...]]] = {}
    for node in graph.nodes:
        if graph.applications[node.path] > 1:
            uses.setdefault(node.path, []).append(_calls(graph, node.scope))
    found: set[int] = set()
    for chains in uses.values():
        depth = 0
        while all(len(chain) > depth and chain[depth] == chains[0][depth] for chain in chains):
            depth += 1
        while any(len(chain) > depth for chain in chains):
            paths = {graph.scopes[chain[depth]].path if len(chain) > depth else None for chain in chains}
            if len(paths) == 1 and len({chain[depth] for chain in chains}) == len(chains):
                break
            found |= {chain[depth] for chain in chains if len(chain) > depth}
            depth += 1
    return frozenset(found)


def _calls(graph: Graph, scope: int) -> tuple[int, ...]:
    """The calls of blocks around a scope, outermost first."""
    found = []
    current: int | None = scope
    while current is not None:
        if current and graph.scopes[current].block:
            found.append(current)
        current = graph.scopes[current].parent
    return tuple(reversed(found))


def _nodes(item: int | Group) -> Iterator[int]:
    return item.nodes() if isinstance(item, Group) else iter((item,))


def _literal(value: Any, words: frozenset[str]) -> Any:
    """A value as a hole holds it: a bare word as the name that it is."""
    return tree.Name(HERE, value) if isinstance(value, str) and value in words else value


def literal(word: str, value: Any) -> Any:
    """An argument of an operation as a hole holds it."""
    found = OPERATIONS.get(word)
    return _literal(value, found.words()) if found is not None else value


def _finish(parts: list[Part], body: Body, graph: Graph, outputs: list[Any]) -> None:
    """Gives names to the values that are read by a variable, and puts the names where they are read."""
    labels = {str(part.label).split(".")[0] for each in parts for part in each.parts() if part.label}
    labels |= {graph.nodes[index].path for index in graph.inputs}
    letters = _free_names(labels)
    named: dict[int, Part] = {}
    for each in parts:
        for part in each.parts():
            wanted = body.wanted.get(id(part))
            if not wanted:
                continue
            named[id(part)] = part
            count = abs(part.outputs)
            if count > 1 and len(wanted) == count:
                part.names = tuple(next(letters) for _ in range(count))
            else:
                part.names = (next(letters),)

    def settled(ref: tuple[Any, ...]) -> tuple[Any, ...]:
        if ref[0] != "out":
            return ref
        part, output = ref[1], ref[2]
        if part.outputs in (1, 0):
            return ("name", part.names[0])
        return ("name", part.names[output]) if len(part.names) > 1 else ("piece", part.names[0], output)

    for each in parts:
        for part in each.parts():
            part.reads = tuple(settled(ref) for ref in part.reads)
    outputs[:] = [(name, settled(ref)) for name, ref in outputs]


def _free_names(labels: set[str]) -> Iterator[str]:
    """Short names that no label has."""
    number = 1
    while True:
        for letter in LETTERS:
            name = letter if number == 1 else f"{letter}{number}"
            if name not in labels:
                yield name
        number += 1
