"""Levels -> bodies: what a class for this level would build and do, with the builds of the levels below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from archdsl.graph.graph import Graph
from archdsl.ir.program import Value
from archdsl.ops.base import Learned
from archdsl.outline.call import Call
from archdsl.outline.holes import build_shape, call_shape
from archdsl.outline.levels import Item, Level
from archdsl.outline.model import (
    Attribute,
    Body,
    Build,
    Chain,
    Describe,
    Forms,
    Holder,
    Leaf,
    Ref,
    Repeat,
    Step,
)

FAMILY = 4  # so many alike before they become a loop


def is_chain(graph: Graph, level: Level, describe: Describe) -> bool:
    """Whether the children are modules in sequence, named by their positions, with one value in and one out."""
    if len(level.inputs) != 1 or len(level.outputs) != 1:
        return False
    value = level.inputs[0]
    for position, item in enumerate(level.items):
        if item.name != (str(position),):
            return False
        if item.level is not None:
            reads, gives = item.level.inputs, item.level.outputs
        else:
            node = graph.nodes[item.node]
            if isinstance(node.op, Learned) or describe(graph, item.node).module is None:
                return False
            reads, gives = node.inputs, tuple(Value(item.node, output) for output in range(len(node.outputs)))
        if reads != (value,) or len(gives) != 1:
            return False
        value = gives[0]
    return value == level.outputs[0] and bool(level.items)


def has_setup(graph: Graph, level: Level, describe: Describe) -> bool:
    """Whether a module right in this level needs statements after it is built."""
    return any(item.level is None and describe(graph, item.node).setup for item in level.items)


def chain(builds: list[Build]) -> Chain:
    """Modules in sequence, where equal ones in a row are a `Repeat`."""
    folded: list[Build] = []
    at = 0
    while at < len(builds):
        end = at + 1
        while end < len(builds) and builds[end] == builds[at]:
            end += 1
        least = 3 if isinstance(builds[at], Leaf) else 2
        folded += [Repeat(builds[at], end - at, tuple(builds[at:end]))] if end - at >= least else builds[at:end]
        at = end
    return Chain(tuple(folded))


def chain_body(build: Chain) -> Body:
    """The body of a class that is a chain: one module without a name of its own."""
    return Body((Attribute("", build),), (Step((Ref(-1),), 1, ("",)),), 1, (Ref(0),))


def leaf(graph: Graph, index: int, forms: Forms) -> Leaf:
    """The module of one node."""
    assert forms.module is not None, graph.nodes[index].path
    return Leaf(forms.module, forms.setup, isinstance(graph.nodes[index].op, Learned), index)


@dataclass(slots=True)
class _Draft:
    """A body as it grows."""

    graph: Graph
    describe: Describe
    builds: Mapping[int, Build]
    path: str
    names: Mapping[tuple[Value, str], str]
    attributes: dict[str, Attribute] = field(default_factory=dict)
    held: dict[str, dict] = field(default_factory=dict)  # type: ignore[type-arg]
    steps: list[Step] = field(default_factory=list)
    refs: dict[Value, Ref] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()
    places: dict[str, int] = field(default_factory=dict)  # of each attribute, among the statements


def body(
    graph: Graph,
    level: Level,
    describe: Describe,
    builds: Mapping[int, Build],
    names: Mapping[tuple[Value, str], str],
) -> Body:
    """The body of a level; `builds` has those of the levels below by `id`, `names` what values are called in levels."""
    draft = _Draft(graph, describe, builds, level.path, names)
    draft.labels = frozenset(item.name[0] for item in level.items)
    draft.refs = {value: Ref(-1, at) for at, value in enumerate(level.inputs)}
    if graph.program.declared:
        _register(draft, level)
    for item in level.items:
        if item.level is not None:
            _call(draft, item, item.level)
        else:
            _node(draft, item)
    for name, children in draft.held.items():
        draft.attributes[name] = Attribute(name, _holder(children))
    attributes = sorted(draft.attributes.values(), key=lambda item: draft.places.get(item.name, 0))
    outputs = tuple(draft.refs[value] for value in level.outputs)
    steps = draft.steps
    if level.training:  # whoever calls it knows
        steps = [replace(step, training=False) for step in steps]
    return _fold_families(Body(tuple(attributes), tuple(steps), len(level.inputs), outputs))


def _register(draft: _Draft, level: Level) -> None:
    """Registers what has a state in the order of the statements, where the net does not run in it."""
    for item in sorted(level.items, key=lambda item: _place(draft.graph, item)):
        place = _place(draft.graph, item)
        if item.level is not None:
            _attach(draft, item.name, draft.builds[id(item.level)])
        elif _stateful(draft.graph, item.node):
            forms = draft.describe(draft.graph, item.node)
            _attach(draft, item.name, leaf(draft.graph, item.node, forms))
        draft.places.setdefault(item.name[0], place)


def _place(graph: Graph, item: Item) -> int:
    """The first place of an item's nodes among the statements."""
    if item.level is None:
        return graph.program.places[item.node]
    return min(_place(graph, below) for below in item.level.items)


def _stateful(graph: Graph, index: int) -> bool:
    return bool(graph.nodes[index].op.tensors(*graph.program.shapes_in(graph.nodes[index])))


def _call(draft: _Draft, item: Item, level: Level) -> None:
    _attach(draft, item.name, draft.builds[id(level)])
    inputs = tuple(draft.refs[value] for value in level.inputs)
    for output, value in enumerate(level.outputs):
        draft.refs[value] = Ref(len(draft.steps), output)
    word = (level.block or "").lower()
    label = _label(item.name)
    step = Step(inputs, len(level.outputs), item.name, training=level.training, word=word, label=label)
    draft.steps.append(replace(step, given=_given(draft, level.outputs)))


def _node(draft: _Draft, item: Item) -> None:
    graph, index = draft.graph, item.node
    node = graph.nodes[index]
    inputs = tuple(draft.refs[value] for value in node.inputs)
    if node.op.word == "identity":
        draft.refs[Value(index)] = inputs[0]
        return
    forms = draft.describe(graph, index)
    stateful = _stateful(graph, index)
    access, call = None, forms.function
    if stateful or call is None:
        access = item.name if stateful else (_free(draft, item.name, node.op.word),)
        _attach(draft, access, leaf(graph, index, forms), stateful)
        if graph.program.declared:
            draft.places.setdefault(access[0], graph.program.places[index])
        call = None
    for output in range(len(node.outputs)):
        draft.refs[Value(index, output)] = Ref(len(draft.steps), output)
    inplace = call is not None and _writes_over(call)
    draft.steps.append(
        Step(
            inputs,
            len(node.outputs),
            access,
            call,
            inplace,
            node.training,
            node.op.word,
            _label(item.name),
            _given(draft, tuple(Value(index, output) for output in range(len(node.outputs)))),
            index,
        )
    )


def _given(draft: _Draft, values: tuple[Value, ...]) -> str:
    """The name that the spec gives the one value of a step in this level."""
    return draft.names.get((values[0], draft.path), "") if len(values) == 1 else ""


def _writes_over(call: Call) -> bool:
    return any(argument.name == "inplace" and argument.value is True for argument in call.arguments)


def _label(name: tuple[str, ...]) -> str:
    return name[-1] if name[-1].isidentifier() else ""


def _free(draft: _Draft, name: tuple[str, ...], word: str) -> str:
    """A name for a module without weights: its label, else its operation, that no other child has."""
    base = name[0] if len(name) == 1 and name[0].isidentifier() else word
    if (base,) == name and base not in draft.attributes:
        return base
    free, count = base, 1
    while free in draft.labels or free in draft.attributes:
        count += 1
        free = f"{base}{count}"
    return free


def _attach(draft: _Draft, name: tuple[str, ...], build: Build, stateful: bool = True) -> None:
    """Registers a module under its name, once; further applications find it there."""
    if len(name) == 1:
        draft.attributes.setdefault(name[0], Attribute(name[0], build, stateful=stateful))
        return
    draft.attributes.setdefault(name[0], Attribute(name[0], Holder(())))
    children = draft.held.setdefault(name[0], {})
    for part in name[1:-1]:
        children = children.setdefault(part, {})
    children.setdefault(name[-1], build)


def _holder(children: dict[str, Build | dict]) -> Holder:  # type: ignore[type-arg]
    return Holder(
        tuple((name, _holder(child) if isinstance(child, dict) else child) for name, child in children.items())
    )


def _fold_families(body: Body) -> Body:
    """Runs of `path0`, `path1`, … built alike and applied alike to the same values, as one fan each."""
    kept = {item.name: item for item in body.attributes}
    uses: dict[str, int] = {}
    for step in body.steps:
        if step.access:
            uses[step.access[0]] = uses.get(step.access[0], 0) + 1
    steps: list[Step] = []
    moved: dict[int, Ref] = {}
    names: dict[str, Attribute | None] = {}
    at = 0
    while at < len(body.steps):
        end = _family(body.steps, at, kept, uses)
        if end - at >= FAMILY:
            first = body.steps[at]
            assert first.access is not None
            base, number = _numbered(first.access[0])
            alike = tuple(kept[step.access[0]].build for step in body.steps[at:end] if step.access)
            build = Repeat(kept[first.access[0]].build, end - at, alike)
            for step in body.steps[at:end]:
                assert step.access is not None
                names[step.access[0]] = None
            names[first.access[0]] = Attribute(base, build, first=number)
            moved.update((old, Ref(len(steps), old - at)) for old in range(at, end))
            steps.append(Step(first.inputs, end - at, (base,), training=first.training, word=first.word, label=base))
        else:
            end = at + 1
            moved[at] = Ref(len(steps))
            steps.append(body.steps[at])
        at = end
    if not names:
        return body
    attributes = [names.get(item.name, item) for item in body.attributes]
    return Body(
        tuple(item for item in attributes if item is not None),
        tuple(_moved(step, moved) for step in steps),
        body.inputs,
        tuple(_ref(ref, moved) for ref in body.outputs),
    )


def _family(steps: tuple[Step, ...], at: int, attributes: dict[str, Attribute], uses: dict[str, int]) -> int:
    """Where the run of steps that begins here ends, as far as they are alike."""
    first, end = steps[at], at
    while end < len(steps):
        step = steps[end]
        if step.access is None or len(step.access) != 1 or uses[step.access[0]] != 1 or step.outputs != 1:
            break
        name, build = _numbered(step.access[0]), attributes[step.access[0]].build
        assert first.access is not None
        base = _numbered(first.access[0])
        alike = step.inputs == first.inputs and build == attributes[first.access[0]].build
        if not name[0] or name != (base[0], base[1] + end - at) or not alike or step.training != first.training:
            break
        if isinstance(build, Leaf) and build.tensor:
            break
        end += 1
    return end


def _numbered(name: str) -> tuple[str, int]:
    """`path3` as `("path", 3)`; what does not end in such a number has no base."""
    base = name.rstrip("0123456789")
    digits = name[len(base) :]
    plain = bool(digits) and str(int(digits)) == digits and base.isidentifier()
    return (base, int(digits)) if plain else ("", -1)


def _ref(ref: Ref, moved: dict[int, Ref]) -> Ref:
    if ref.step < 0:
        return ref
    found = moved[ref.step]
    return Ref(found.step, found.output + ref.output)


def _moved(step: Step, moved: dict[int, Ref]) -> Step:
    return replace(step, inputs=tuple(_ref(ref, moved) for ref in step.inputs))


def shape(body: Body, chained: bool) -> tuple[object, ...]:
    """What bodies have in common that can be one class: all but literals, and what optional places are given."""
    attributes = tuple(
        (item.name, item.optional, item.stateful, item.first, None if item.optional else build_shape(item.build))
        for item in body.attributes
    )
    steps = tuple(
        (step.inputs, step.outputs, step.access, step.call and call_shape(step.call), step.training)
        for step in body.steps
    )
    return (chained, body.inputs, attributes, steps, body.outputs)


def without(body: Body, name: str) -> Body | None:
    """The body with one attribute replaced by the identity, or `None` if it is not used once, as one value to one."""
    used = [at for at, step in enumerate(body.steps) if step.access is not None and step.access[0] == name]
    if len(used) != 1 or body.steps[used[0]].access != (name,):
        return None
    (at,) = used
    gone = body.steps[at]
    if len(gone.inputs) != 1 or gone.outputs != 1:
        return None
    moved = {old: Ref(old - (old > at)) for old in range(len(body.steps))}
    source = gone.inputs[0]
    moved[at] = source if source.step < 0 else moved[source.step]
    if source.step >= 0:
        moved[at] = Ref(moved[source.step].step, source.output)
    steps = tuple(_moved_safely(step, moved, at) for old, step in enumerate(body.steps) if old != at)
    outputs = tuple(_safely(ref, moved, at) for ref in body.outputs)
    return Body(tuple(item for item in body.attributes if item.name != name), steps, body.inputs, outputs)


def _safely(ref: Ref, moved: dict[int, Ref], gone: int) -> Ref:
    if ref.step < 0:
        return ref
    if ref.step == gone:
        return moved[gone]
    return Ref(moved[ref.step].step, ref.output)


def _moved_safely(step: Step, moved: dict[int, Ref], gone: int) -> Step:
    return replace(step, inputs=tuple(_safely(ref, moved, gone) for ref in step.inputs))
