"""Graph -> Outline: levels of one form become one class, its parameters found in the table of its instances."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from archdsl.elaborate.trace import trace_of
from archdsl.graph.graph import Graph
from archdsl.outline.bodies import body, chain, chain_body, has_setup, is_chain, leaf, shape, without
from archdsl.outline.call import Call, without_inplace
from archdsl.outline.docs import spoken
from archdsl.outline.formulas import Option
from archdsl.outline.holes import Hole, Initial, body_holes, build_shape, call_holes, fill_call
from archdsl.outline.levels import Level, levels
from archdsl.outline.model import Body, Build, Chain, Class, Common, Describe, Expression, New, Outline, Parameter
from archdsl.outline.record import Places, Record, record_of
from archdsl.outline.rules import Explain
from archdsl.outline.table import ordered, parameters
from archdsl.outline.terms import Key

CLASSES = "num_classes"
MOST_STEPS_TO_JOIN = 200
OFTEN, LONG = 8, 4  # chains of one form, and children of each, before they are worth a class


def outline(
    graph: Graph,
    describe: Describe,
    optional: Callable[[str], bool] = str.isidentifier,
    named: Callable[[str], str] = str,
    explain: Explain | None = None,
    common: tuple[Common, ...] = (),
) -> Outline:
    """The classes of a net as a target would write it. Every legal graph has one; linear in the graph.

    `optional` says of a child's name whether a class can take that child as an argument, and `named` makes the name of
    a parameter one that the target can have. `explain` says what the target's literals are, so that an untouched
    graph's classes say what its spec says; `common` are statements of the net's own.
    """
    return _Outliner(graph, _remembered(describe), optional, named, explain, common).run()


@dataclass(slots=True)
class _Group:
    """Levels of one form: a class to be. `option` is the optional place and each instance's module for it."""

    body: Body
    chained: bool
    members: list[tuple[Level, Body]] = field(default_factory=list)
    option: str | None = None


class _Outliner:
    def __init__(
        self,
        graph: Graph,
        describe: Describe,
        optional: Callable[[str], bool],
        named: Callable[[str], str],
        explain: Explain | None,
        common: tuple[Common, ...],
    ) -> None:
        self.graph, self.describe, self.optional, self.named = graph, describe, optional, named
        self.explain, self.common = explain, common
        self.builds: dict[int, Build] = {}
        self.classes: list[Class] = []
        self.record: Record | None = None
        trace = trace_of(graph.program) if explain is not None else None
        self.names = {} if trace is None else trace.named()

    def run(self) -> Outline:
        root = levels(self.graph, self._written)
        self.record = record_of(self.graph, root, self.explain, self.named, self._is_class)
        for rank in _ranked(root):
            self._rank([level for level in rank if level is not root])
        made = self._body(root)
        self._class([_Group(made, False, [(root, made)])])
        return Outline(tuple(self.classes), len(self.classes) - 1)

    def _written(self, index: int) -> tuple[Call | None, ...]:
        """The module and the function of a node, whether it writes over its operand or not."""
        forms = self.describe(self.graph, index)
        return tuple(call and without_inplace(call) for call in (forms.module, forms.function))

    def _is_class(self, level: Level) -> bool:
        """Whether a level is a class of its own, and not written where it stands."""
        return isinstance(self.builds[id(level)], New)

    def _rank(self, found: Iterable[Level]) -> None:
        """Builds for levels whose children have theirs."""
        groups: dict[Any, _Group] = {}
        for level, inline in self._forms(found):
            if inline is not None:
                self.builds[id(level)] = inline
                continue
            chained = is_chain(self.graph, level, self.describe)
            made = chain_body(self._chain(level)) if chained else self._body(level)
            key = (level.block, shape(made, chained))
            groups.setdefault(key, _Group(made, chained)).members.append((level, made))
        self._class(_joined(groups, self.optional))

    def _forms(self, found: Iterable[Level]) -> list[tuple[Level, Chain | None]]:
        """Each level with the chain that it is where it is built; many long chains of one form are a class instead."""
        forms: list[tuple[Level, Chain | None]] = []
        counts: dict[Any, int] = {}
        for level in found:
            inline = None
            if level.block is None and is_chain(self.graph, level, self.describe):
                inline = None if has_setup(self.graph, level, self.describe) else self._chain(level)
            forms.append((level, inline))
            if inline is not None:
                counts[build_shape(inline)] = counts.get(build_shape(inline), 0) + 1
        often = {form for form, count in counts.items() if count >= OFTEN and len(form) > LONG}
        return [(level, None if inline and build_shape(inline) in often else inline) for level, inline in forms]

    def _chain(self, level: Level) -> Chain:
        return chain(
            [
                self.builds[id(item.level)]
                if item.level is not None
                else leaf(self.graph, item.node, self.describe(self.graph, item.node))
                for item in level.items
            ]
        )

    def _body(self, level: Level) -> Body:
        return body(self.graph, level, self.describe, self.builds, self.names)

    def _class(self, groups: Iterable[_Group]) -> None:
        for group in groups:
            rows = [self._row(group, made) for _, made in group.members]
            made_class = self._recorded(group, rows) if self.record else self._guessed(group, rows)
            self.classes.append(made_class)
            for at, (member, made) in enumerate(group.members):
                values = tuple(parameter.values[at] for parameter in made_class.parameters)
                option = _option(group, made)
                applied = id(member) if self.record else -1
                self.builds[id(member)] = New(len(self.classes) - 1, values, option, applied)

    def _guessed(self, group: _Group, rows: list[list[Hole]]) -> Class:
        """The class of levels of which nothing but their values is known."""
        arguments = [dict(level.scope.arguments) if level.scope else {} for level, _ in group.members]
        taken = frozenset([group.option] if group.option else [])
        holes, found, _ = parameters(rows, arguments, taken, self.named)
        level = group.members[0][0]
        common: tuple[Call, ...] = ()
        if not level.path:
            holes, found = _with_classes(holes, rows[0], dict(self.graph.program.parameters))
            common = tuple(item.call for item in self.common)
        name, doc = _named(self.graph, level), _doc(self.graph, level)
        return Class(name, group.body, holes, found, group.chained, doc, common=common)

    def _recorded(self, group: _Group, rows: list[list[Hole]]) -> Class:
        """The class of levels in the terms of their spec; what these do not tell is found from values."""
        assert self.record is not None
        option = None
        if group.option is not None:
            has = tuple(any(item.name == group.option for item in made.attributes) for _, made in group.members)
            option = Option(group.option, has)
        if not group.members[0][0].path:
            rows = [[*rows[0], *self._common_holes()]]
        solved = self.record.solve([level for level, _ in group.members], rows, option)
        level = group.members[0][0]
        named = dict(zip((item.name for item in solved.parameters), solved.keys, strict=True))
        arguments = [dict(level.scope.arguments) if level.scope else {} for level, _ in group.members]
        taken = {*named, *(name for name, _ in solved.locals), *([group.option] if group.option else [])}
        holes, more, columns = parameters(rows, arguments, frozenset(taken), self.named, solved.holes, solved.open)
        found = ordered([*solved.parameters, *more])
        keys: list[Key | Places] = [named[item.name] if item.name in named else columns[item.name] for item in found]
        for at, (level, _) in enumerate(group.members):
            self.record.keep(level, rows[at], keys, solved, at)
        known = {item.name for item in found}
        missing = [name for name in self.record.declared(level) if name not in known]
        name, doc = _named(self.graph, level), spoken(_doc(self.graph, level), missing)
        own, common = self._apart(holes) if not level.path else (holes, ())
        told = solved.locals, solved.guards
        return Class(name, group.body, own, tuple(found), group.chained, doc, *told, common)

    def _common_holes(self) -> Iterator[Hole]:
        """The literals of the statements that the net's class makes for many nodes."""
        for item in self.common:
            for hole in call_holes(item.call):
                sources = (Initial(node, tensor, item.call.function, hole.name) for node, tensor in item.tensors)
                yield replace(hole, sources=tuple(sources))

    def _apart(self, holes: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Call, ...]]:
        """The literals of the body, and the common statements with theirs."""
        count = sum(1 for _ in self._common_holes())
        values = iter(holes[len(holes) - count :])
        return holes[: len(holes) - count], tuple(fill_call(item.call, values) for item in self.common)

    def _row(self, group: _Group, made: Body) -> list[Hole]:
        if group.option is not None:
            made = _without_build(made, group.option)
        return list(body_holes(made, self._parameters))

    def _parameters(self, cls: int) -> tuple[Parameter, ...]:
        return self.classes[cls].parameters


def _with_classes(
    holes: tuple[Any, ...], row: list[Hole], given: Mapping[str, Any]
) -> tuple[tuple[Any, ...], tuple[Parameter, ...]]:
    """The net's number of classes stays a parameter, where one layer alone has so many outputs."""
    count = given.get(CLASSES)
    places = [at for at, hole in enumerate(row) if hole.value == count and hole.name.startswith("out_")]
    if type(count) is not int or len(places) != 1:
        return holes, ()
    (place,) = places
    kept = (*holes[:place], Expression(CLASSES), *holes[place + 1 :])
    return kept, (Parameter(CLASSES, (count,), count, "size"),)


def _remembered(describe: Describe) -> Describe:
    """The same, asked once for each node."""
    known: dict[int, Any] = {}

    def ask(graph: Graph, index: int) -> Any:
        if index not in known:
            known[index] = describe(graph, index)
        return known[index]

    return ask


def _named(graph: Graph, level: Level) -> str:
    """What a class is called after: its block, else the label of its level, else the net."""
    if not level.path:
        return graph.name
    if level.block:
        return level.block
    parts = [part for part in level.path.split(".") if not part.isdigit()]
    last = parts[-1].rstrip("0123456789") or parts[-1] if parts else ""
    return last or "Part"


def _doc(graph: Graph, level: Level) -> str:
    if not level.path:
        return graph.program.doc
    return level.scope.doc if level.scope is not None else ""


def _option(group: _Group, made: Body) -> tuple[tuple[str, Build | None], ...]:
    if group.option is None:
        return ()
    found = next((item.build for item in made.attributes if item.name == group.option), None)
    return ((group.option, found),)


def _without_build(made: Body, name: str) -> Body:
    attributes = tuple(replace(item, optional=True) if item.name == name else item for item in made.attributes)
    return replace(made, attributes=attributes)


def _joined(groups: Mapping[Any, _Group], optional: Callable[[str], bool]) -> list[_Group]:
    """Groups of one block that differ by one child against an identity become one, with that child optional."""
    by_block: dict[str, dict[Any, _Group]] = {}
    for (block, form), group in groups.items():
        if block is not None and not group.chained and len(group.body.steps) <= MOST_STEPS_TO_JOIN:
            by_block.setdefault(block, {})[form] = group
    gone: set[int] = set()
    for forms in by_block.values():
        if len(forms) > 1:
            _join_block(forms, gone, optional)
    return [group for group in groups.values() if id(group) not in gone]


def _join_block(forms: Mapping[Any, _Group], gone: set[int], optional: Callable[[str], bool]) -> None:
    hosts: dict[Any, _Group] = {}
    for group in forms.values():
        for name in reversed(
            [item.name for item in group.body.attributes if item.first is None and optional(item.name)]
        ):
            less = without(group.body, name)
            plain = forms.get(shape(less, False)) if less is not None else None
            if plain is None or plain is group:
                continue
            _merge(hosts, gone, group, plain, name)
            break


def _merge(hosts: dict[Any, _Group], gone: set[int], group: _Group, plain: _Group, name: str) -> None:
    """Puts a group with a child and the one without it together; a further group with the same child joins them."""
    opened = _without_build(group.body, name)
    key = (name, shape(opened, False))
    if key in hosts:
        host = hosts[key]
        host.members += group.members
        gone.add(id(group))
    elif id(plain) not in gone and plain.option is None and id(group) not in gone:
        group.body, group.option = opened, name
        group.members += plain.members
        hosts[key] = group
        gone.add(id(plain))


def _ranked(root: Level) -> list[list[Level]]:
    """All levels below the root by rank: each after those that it holds, and all calls of a block at one rank."""
    found: list[Level] = []
    below: dict[int, list[Level]] = {}

    def visit(level: Level) -> None:
        below[id(level)] = [item.level for item in level.items if item.level is not None]
        for child in below[id(level)]:
            visit(child)
        found.append(level)

    visit(root)
    heights = _block_heights(found, below)
    ranks: dict[int, list[Level]] = {}
    for level in found:
        own = 1 + max((child.rank for child in below[id(level)]), default=0)
        level.rank = max(own, heights.get(level.block or "", 0))
        ranks.setdefault(level.rank, []).append(level)
    return [ranks[rank] for rank in sorted(ranks)]


def _block_heights(found: list[Level], below: Mapping[int, list[Level]]) -> dict[str, int]:
    """The rank of each block: above all that any of its calls holds. Sound as long as no block holds itself."""
    heights: dict[str, int] = {}
    for _ in range(len({level.block for level in found}) + 1):
        changed = False
        ranks: dict[int, int] = {}
        for level in found:
            own = 1 + max((ranks[id(child)] for child in below[id(level)]), default=0)
            block = level.block or ""
            ranks[id(level)] = max(own, heights.get(block, 0)) if block else own
            if block and ranks[id(level)] > heights.get(block, 0):
                heights[block] = ranks[id(level)]
                changed = True
        if not changed:
            return heights
    return {}
