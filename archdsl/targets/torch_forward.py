"""The body of a `forward`: steps as nested calls where that reads well, else as variables, in program order always.

Expressions wait on a stack until their one reader takes them. What cannot be taken in the order of execution
becomes a variable first, so that Python evaluates every call in the order of the program.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from archdsl.gate import Python, identifier, level, python, text_of
from archdsl.ops import OPERATIONS
from archdsl.outline.call import Argument, Call, Operand
from archdsl.outline.model import Attribute, Build, Class, Holder, Leaf, Ref, Repeat, Step
from archdsl.targets.torch_names import attribute, hidden, variable
from archdsl.targets.torch_text import Brackets, Doc, Marked, Spread, flat, statement
from archdsl.targets.torch_words import argument_text, reach

TERMS = 100  # of one sum; Python nests those of a longer one too deeply
DEEPEST = 3  # calls in one another
MOST = 60  # columns of an operand that stays inside its reader
LAYERS = ("conv", "conv_transpose", "linear")
ACTIVATIONS = frozenset(cls.word for cls in OPERATIONS.values() if cls.elementwise) | {"concat"}


@dataclass(slots=True)
class _Pending:
    """An expression that no variable holds yet: the step, its document, how many calls deep, whether it has a layer."""

    step: int
    doc: Doc
    depth: int
    layer: bool
    composite: bool = False
    optional: bool = False


@dataclass(slots=True)
class Forward:
    """Writes the statements of one class; `lines` are they, `results` the documents of its outputs."""

    cls: Class
    arguments: tuple[str, ...]
    indent: int = 8
    lines: list[str] = field(default_factory=list)
    names: dict[Ref, Doc] = field(default_factory=dict)
    owners: dict[str, Ref] = field(default_factory=dict)
    stack: list[_Pending] = field(default_factory=list)
    reads: dict[Ref, list[int]] = field(default_factory=dict)
    training: bool = False
    fans: dict[int, str] = field(default_factory=dict)
    annotated: frozenset[str] = frozenset()
    untyped: set[str] = field(default_factory=set)
    attributes: dict[str, Attribute] = field(default_factory=dict)

    def __post_init__(self) -> None:
        body = self.cls.body
        self.attributes = {item.name: item for item in body.attributes}
        for at, name in enumerate(self.arguments):
            self.names[Ref(-1, at)] = name
            self.owners[name] = Ref(-1, at)
        for at, step in enumerate(body.steps):
            for ref in step.inputs:
                self.reads.setdefault(ref, []).append(at)
        for ref in body.outputs:
            self.reads.setdefault(ref, []).append(len(body.steps))

    def run(self) -> list[Doc]:
        """Writes all statements, and gives the documents of the outputs."""
        steps = self.cls.body.steps
        for at, step in enumerate(steps):
            self._switch(step.training)
            self._step(at, step)
        if self.training:
            self.flush()
            self._dedent()
        late = any(steps[ref.step].training for ref in self.cls.body.outputs if ref.step >= 0)
        if late or len(self.stack) > 1 or any(Ref(item.step) not in self.cls.body.outputs for item in self.stack):
            self.flush()
        return [self._take(ref) for ref in self.cls.body.outputs]

    def _switch(self, training: bool) -> None:
        if training == self.training:
            return
        self.flush()
        if training:
            self.lines.append(" " * self.indent + "if self.training:")
            self.indent += 4
        else:
            self._dedent()
        self.training = training

    def _dedent(self) -> None:
        self.indent -= 4
        self.training = False

    def _step(self, at: int, step: Step) -> None:
        if step.access is not None and self._learned(at, step):
            return
        if step.access is not None and self._attribute(step).first is not None:
            self._fan(at, step)
            return
        fanned = bool(step.inputs) and step.inputs[0].step in self.fans
        inplace = step.call is not None and step.call.function in "+*" and _inplace(step.call) and not fanned
        taken = self._operands(at, step, keep_first=inplace)
        doc, depth = self._document(step, taken)
        if inplace and step.call is not None:
            self._augmented(at, step, doc)
            return
        layer = step.word in LAYERS or any(item.layer for item in taken.values())
        composite = step.access is not None and step.nodes < 0
        optional = step.access is not None and self._attribute(step).optional
        self.stack.append(_Pending(at, doc, depth, layer, composite, optional))
        readers = self.reads.get(Ref(at), [])
        if step.outputs != 1 or len(readers) != 1 or step.given:
            self.flush()

    def _attribute(self, step: Step) -> Attribute:
        assert step.access is not None
        return self.attributes[step.access[0]]

    def _learned(self, at: int, step: Step) -> bool:
        item = self._attribute(step)
        assert step.access is not None
        build = item.build
        for name in step.access[1:]:
            assert isinstance(build, Holder)
            build = dict(build.children)[name]
        if not (isinstance(build, Leaf) and build.tensor):
            return False
        self.names[Ref(at)] = self._tensor(step.access, item.build)
        return True

    def _tensor(self, access: tuple[str, ...], build: Build) -> Python:
        holder = reach(access[:-1], build) if len(access) > 1 else python("self")
        if len(access) == 1 and attribute(access[0]):
            return python("self.{}", identifier(access[0]))
        if hidden(access[-1]):
            return python("dict({}.named_parameters(recurse=False))[{}]", holder, text_of(access[-1]))
        return python("{}.get_parameter({})", holder, text_of(access[-1]))

    def _operands(self, at: int, step: Step, keep_first: bool) -> dict[int, _Pending]:
        """The waiting expressions that this step takes in: those on top of the stack, in its own order.

        With `keep_first` the first operand becomes a variable, over which the result is written.
        """
        wanted = [place for place, ref in enumerate(step.inputs) if ref not in self.names]
        held = self._top(step, wanted)
        if held is None and keep_first and wanted[:1] == [0]:
            wanted = wanted[1:]
            held = self._top(step, wanted)
        elif held is not None and keep_first and wanted[:1] == [0]:
            self.stack.append(held[0])
            wanted, held = wanted[1:], held[1:]
        if held is None:
            self.flush()
            return {}
        if keep_first and step.inputs[0] not in self.names:
            self.flush()
        return dict(zip(wanted, held, strict=True))

    def _top(self, step: Step, wanted: list[int]) -> list[_Pending] | None:
        """Takes the top of the stack if that is what the places `wanted` read, in order, and reads well there."""
        top = self.stack[len(self.stack) - len(wanted) :] if wanted else []
        if len(top) < len(wanted):
            return None
        for place, item in zip(wanted, top, strict=True):
            if step.inputs[place] != Ref(item.step) or not self._joins(step, item):
                return None
        del self.stack[len(self.stack) - len(wanted) :]
        return top

    def _joins(self, step: Step, item: _Pending) -> bool:
        """Whether an expression reads well inside this step."""
        infix = step.call is not None and step.call.function in "+*"
        if step.access is not None and (step.nodes < 0 or item.composite):
            return False  # a block is called on a variable
        if item.optional:
            return step.call is not None and _inplace(step.call) and infix
        if item.composite and not infix and step.word not in ACTIVATIONS:
            return False
        if step.word in LAYERS and item.layer:
            return False
        return item.depth < (2 if infix else DEEPEST) and len(flat(item.doc)) <= MOST

    def _document(self, step: Step, taken: dict[int, _Pending]) -> tuple[Doc, int]:
        depth = 1 + max((item.depth for item in taken.values()), default=0)
        operands: list[Doc] = []
        for place, ref in enumerate(step.inputs):
            operands.append(taken[place].doc if place in taken else self.names[ref])
        if step.call is not None:
            return self._called(step.call, operands, step), depth
        assert step.access is not None
        item = self._attribute(step)
        called = Brackets(reach(step.access, item.build), tuple(operands))
        if item.optional:
            absent = f"self.{step.access[0]} is None"
            return Spread((operands[0], Marked(f"if {absent} else ", called))), depth
        return called, depth

    def _called(self, call: Call, operands: list[Doc], step: Step) -> Doc:
        if call.function in ("+", "*"):
            return self._infix(call, operands, step)
        items: list[Doc] = []
        for argument in call.arguments:
            printed = self._argument(argument, operands, step)
            if printed is not None:
                items.append(printed)
        return Brackets(call.function, tuple(items))

    def _argument(self, argument: Argument, operands: list[Doc], step: Step) -> Doc | None:
        value = argument.value
        doc: Doc | None
        if isinstance(value, Operand):
            doc = operands[value.index] if value.index is not None else self._list(operands, step)
        elif isinstance(value, Call):
            doc = self._called(value, operands, step)
        else:
            doc = argument_text(argument)
            if doc is None:
                return None
        return doc if argument.positional else Marked(f"{argument.name}=", doc)

    def _list(self, operands: list[Doc], step: Step) -> Doc:
        """The list of all operands: that of a fan if they are all of its values."""
        first = step.inputs[0] if step.inputs else None
        if first is not None and first.step in self.fans:
            whole = tuple(Ref(first.step, at) for at in range(self.cls.body.steps[first.step].outputs))
            if step.inputs == whole:
                return self.fans[first.step]
        return Brackets("", tuple(operands), "[", "]")

    def _infix(self, call: Call, operands: list[Doc], step: Step) -> Doc:
        first = step.inputs[0]
        values = [argument for argument in call.arguments if argument.name != "inplace"]
        fan = first.step in self.fans and len(values) == len(step.inputs)
        listed = self._list(operands, step)
        if (fan and isinstance(listed, str)) or (len(step.inputs) > TERMS and not _inplace(call)):
            function = {"+": "torch.add", "*": "torch.mul"}[call.function]
            return Brackets("functools.reduce", (function, listed))
        parts: list[Doc] = []
        for argument in values:
            printed = self._argument(argument, operands, step)
            assert printed is not None
            doc = printed.doc if isinstance(printed, Marked) else printed
            if isinstance(doc, Spread) and (parts or call.function == "*" or _conditional(doc)):
                doc = Brackets("", (doc,), loose=True)
            parts.append(doc if not parts else Marked(f"{call.function} ", doc))
        return Spread(tuple(parts))

    def _augmented(self, at: int, step: Step, doc: Doc) -> None:
        """`out += rest`, over the first operand, whose one reader this is."""
        assert isinstance(doc, Spread)
        assert step.call is not None
        self.flush()
        first, *rest = doc.parts
        name = flat(first)
        operator = step.call.function
        bare = [part.doc if isinstance(part, Marked) else part for part in rest]
        if len(bare) > 1:  # one after the other, as a sum is taken
            for part in bare:
                self.lines += statement(f"{name} {operator}= ", part, self.indent)
        else:
            only = bare[0]
            if isinstance(only, Brackets) and only.loose and not only.head:
                only = only.items[0]
            self.lines += statement(f"{name} {operator}= ", only, self.indent)
        self.names[Ref(at)] = name
        self.owners[name] = Ref(at)

    def _fan(self, at: int, step: Step) -> None:
        self.flush()
        item = self._attribute(step)
        assert isinstance(item.build, Repeat)
        assert item.first is not None
        name = self._fresh(f"{item.name}s", at)
        count = step.outputs
        span = f"range({count})" if item.first == 0 else f"range({item.first}, {item.first + count})"
        called = Brackets(
            python('getattr(self, f"{}{{i}}")', level(item.name)), tuple(self.names[ref] for ref in step.inputs)
        )
        doc = Brackets("", (Spread((called, f"for i in {span}")),), "[", "]", loose=True)
        self.lines += statement(f"{name} = ", doc, self.indent)
        self.fans[at] = name
        for output in range(count):
            self.names[Ref(at, output)] = f"{name}[{output}]"

    def _take(self, ref: Ref) -> Doc:
        for item in self.stack:
            if Ref(item.step) == ref:
                return item.doc
        return self.names[ref]

    def unsure(self, doc: Doc) -> bool:
        """Whether a type checker cannot tell that this is a tensor."""
        if isinstance(doc, Spread):
            return any(self.unsure(part) for part in doc.parts)
        if isinstance(doc, Marked):
            return self.unsure(doc.doc)
        return doc in self.untyped if isinstance(doc, str) else of_module(doc)

    def flush(self) -> None:
        """Gives each waiting expression a variable, in order."""
        waiting, self.stack = self.stack, []
        for item in waiting:
            self._assign(item)

    def _assign(self, item: _Pending) -> None:
        step = self.cls.body.steps[item.step]
        used = [output for output in range(step.outputs) if self.reads.get(Ref(item.step, output))]
        if not used:
            self.lines += statement("", item.doc, self.indent)
            return
        if step.outputs == 1:
            fresh = set(self.owners)
            name = self._name(item.step, step)
            new = name not in fresh
            if name not in self.arguments and name not in self.annotated and of_module(item.doc):
                self.untyped.add(name)
            mark = f"{name}: Tensor = " if new and name in self.annotated else f"{name} = "
            self.lines += statement(mark, item.doc, self.indent)
            self.names[Ref(item.step)] = name
            return
        names = []
        for output in range(step.outputs):
            name = self._fresh(f"{step.label or 'part'}{output + 1}", item.step) if output in used else "_"
            names.append(name)
            if output in used:
                self.names[Ref(item.step, output)] = name
                self.owners[name] = Ref(item.step, output)
        self.lines += statement(f"{', '.join(names)} = ", item.doc, self.indent)

    def _name(self, at: int, step: Step) -> str:
        """The variable for a step's value: that of its first input if nothing reads it again, else a new one."""
        if step.given:
            return self._fresh(step.given, at)
        optional = step.access is not None and self._attribute(step).optional
        sources = [] if optional else self._sources(at)
        for ref in sources:
            name = self.names.get(ref)
            if isinstance(name, str) and self.owners.get(name) == ref and self._dead(ref, at):
                named = ref.step >= 0 and self.cls.body.steps[ref.step].given
                if named or (name in self.arguments and name != "x"):
                    continue  # what has a name of its own stays what it is
                if len(set(sources)) > 1 and name not in self.arguments and not name.startswith("out"):
                    continue  # a merge is no longer one of its parts
                self.owners[name] = Ref(at)
                return name
        soon = self.reads[Ref(at)][0] <= at + 1 and len(self.reads[Ref(at)]) == 1
        wish = "identity" if optional else "out" if soon or _dull(step.label) else step.label
        name = self._fresh(wish, at)
        self.owners[name] = Ref(at)
        return name

    def _sources(self, at: int) -> list[Ref]:
        """The values that the expression of a step reads, its own inputs first, then those of what it took in."""
        found, queue = [], [at]
        while queue:
            current = queue.pop(0)
            for ref in self.cls.body.steps[current].inputs:
                if ref in self.names:
                    found.append(ref)
                elif ref.step >= 0:
                    queue.append(ref.step)
        return found

    def _dead(self, ref: Ref, at: int) -> bool:
        return all(reader <= at for reader in self.reads.get(ref, []))

    def _fresh(self, wish: str, at: int) -> str:
        base = variable(wish)
        name, count = base, 1
        while name in self.owners and not self._free(name, at):
            count += 1
            name = f"{base}{count}" if not base[-1].isdigit() else f"{base}_{count}"
        self.owners[name] = Ref(at)
        return name

    def _free(self, name: str, at: int) -> bool:
        owner = self.owners[name]
        return name not in self.arguments and owner.step >= 0 and self._dead(owner, at) and owner.step not in self.fans


def _dull(label: str) -> bool:
    """Whether a label says no more of a value than which layer made it."""
    return not label or label.startswith(("conv", "bn", "norm", "fc", "relu"))


def of_module(doc: Doc) -> bool:
    """Whether an expression is a module's call, of which a type checker knows nothing."""
    if isinstance(doc, Spread):
        return any(of_module(part) for part in doc.parts)
    if isinstance(doc, Marked):
        return of_module(doc.doc)
    return isinstance(doc, Brackets) and doc.head.startswith(("self.", "getattr(self", "dict(self"))


def _inplace(call: Call) -> bool:
    return any(argument.name == "inplace" and argument.value is True for argument in call.arguments)


def _conditional(doc: Spread) -> bool:
    return any(isinstance(part, Marked) and part.mark.startswith("if ") for part in doc.parts)
