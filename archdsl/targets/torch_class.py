"""One class of an outline as lines of Python: its docstring, what it builds, and what it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from archdsl.gate import Python, identifier, level, python, text_of
from archdsl.graph.graph import Graph
from archdsl.outline.bodies import chain
from archdsl.outline.call import REQUIRED, Call, Operand
from archdsl.outline.holes import call_holes, fill_body
from archdsl.outline.model import (
    Attribute,
    Build,
    Chain,
    Class,
    Expression,
    Formula,
    Guard,
    Holder,
    Leaf,
    New,
    Outline,
    Repeat,
)
from archdsl.outline.terms import Apply, Const, Named, Term, Var, walk
from archdsl.targets.torch_forward import Forward
from archdsl.targets.torch_init import NORM_OF, Shared
from archdsl.targets.torch_names import attribute, fields, hidden, hidden_in_container, variable
from archdsl.targets.torch_terms import denied, term_doc
from archdsl.targets.torch_text import Brackets, Doc, Marked, Spread, definition, docstring, flat, literal, statement
from archdsl.targets.torch_words import argument_text, child, expression_text, is_list

BODY = 8


def class_lines(outline: Outline, at: int, names: list[str], *, graph: Graph | None, shared: Shared) -> list[str]:
    """The lines of a class. `graph` is the net, for its own class: inputs, outputs, common initial values."""
    return _Writer(outline, at, names, graph, shared).lines()


class _Writer:
    def __init__(self, outline: Outline, at: int, names: list[str], graph: Graph | None, shared: Shared) -> None:
        cls = outline.classes[at]
        self.outline, self.names, self.graph = outline, names, graph
        told = iter(cls.common)
        self.shared: Shared = {
            name: {tensor: (next(told), optional) for tensor, (_, optional) in tensors.items()}
            for name, tensors in shared.items()
        }
        self.kept: dict[str, str] = {}  # parameters that forward needs, by name: the attributes that keep them
        self.cls: Class = replace(cls, body=fill_body(cls.body, iter(self._holes(cls))))
        self.name = names[at]
        self.locals: dict[str, int] = {}

    def _holes(self, cls: Class) -> list[Any]:
        """The holes of a class; those of forward read parameters from `self`."""
        last = sum(1 for step in cls.body.steps if step.call is not None for _ in call_holes(step.call))
        holes = list(cls.holes)
        for at in range(len(holes) - last, len(holes)):
            holes[at] = self._from_self(cls, holes[at])
        return holes

    def _from_self(self, cls: Class, hole: Any) -> Any:
        """A literal or expression, its parameter read from `self`; a size holds several."""
        if isinstance(hole, tuple):
            return tuple(self._from_self(cls, item) for item in hole)
        if isinstance(hole, Formula):
            return Formula(self._kept(cls, hole.term))
        if not isinstance(hole, Expression):
            return hole
        return replace(hole, parameter=f"self.{self._keep(cls, hole.parameter)}")

    def _kept(self, cls: Class, term: Term) -> Term:
        """A term whose parameters are read from `self`."""
        match term:
            case Var():
                return Var(f"self.{self._keep(cls, str(term.key))}")
            case Named():
                return Var(f"self.{self._keep(cls, term.name)}")
            case Apply():
                return Apply(term.op, tuple(self._kept(cls, part) for part in term.parts))
            case _:
                return term

    def _keep(self, cls: Class, name: str) -> str:
        if name not in self.kept:
            taken = {item.name for item in cls.body.attributes}
            free = name if attribute(name) else f"{name}_"
            while free in taken:
                free += "_"
            self.kept[name] = free
        return self.kept[name]

    def lines(self) -> list[str]:
        """The whole class, preceded by those of its outputs."""
        outputs = self._output_classes()
        base = "nn.Sequential" if self.cls.sequential else "nn.Module"
        doc = docstring(self.cls.doc, 4)
        build = self._sequential() if self.cls.sequential else self._init()
        forward = [] if self.cls.sequential else self._forward()
        body = [part for part in (doc, build, forward) if part]
        lines = [f"class {self.name}({base}):"]
        for number, part in enumerate(body):
            lines += ([""] if number else []) + part
        return [*outputs, *lines]

    def _parameters(self) -> list[str]:
        given = ["self"]
        for parameter in self.cls.parameters:
            kinds = {_type(value) for value in parameter.values} | (
                set() if parameter.default is REQUIRED else {_type(parameter.default)}
            )
            hint = " | ".join(sorted(kinds, key=lambda kind: (kind == "None", kind)))
            default = "" if parameter.default is REQUIRED else f" = {literal(parameter.default)}"
            given.append(f"{parameter.name}: {hint}{default}")
        given += [f"{item.name}: nn.Module | None = None" for item in self.cls.body.attributes if item.optional]
        return given

    def _sequential(self) -> list[str]:
        """A chain's class: all children go to `nn.Sequential`."""
        build = self.cls.body.attributes[0].build
        assert isinstance(build, Chain)
        items: list[Doc] = []
        before: list[str] = []
        for part in build.children:
            if isinstance(part, Leaf) and part.setup:
                name = self._local(part.call.function.rpartition(".")[2].lower())
                before += statement(f"{name} = ", self._build(part), BODY)
                before += self._setup(part, name)
                items.append(name)
            else:
                items.append(self._build(part))
        call = statement("", Brackets("super().__init__", tuple(items)), BODY)
        return [*definition("__init__", self._parameters(), "None", 4), *self._told(), *before, *call]

    def _told(self) -> list[str]:
        """What the spec gives names, as far as it is used, and what must be so for the class to be the spec's block."""
        used = [*self._building(), *(guard.condition for guard in self.cls.guards)]
        wanted = _names_in([*used, *(term for name, term in self.cls.locals if name in self.kept)]) | set(self.kept)
        lines: list[str] = []
        for name, term in self.cls.locals:
            if name in wanted:
                lines += statement(f"{name} = ", term_doc(term), BODY)
        for guard in self.cls.guards:
            lines += self._guard(guard)
        return lines

    def _building(self) -> Iterator[Term]:
        """The terms that `__init__` shows."""
        last = sum(1 for step in self.cls.body.steps if step.call is not None for _ in call_holes(step.call))
        holes: list[Any] = list(self.cls.holes[: len(self.cls.holes) - last])
        holes += [hole.value for call in self.cls.common for hole in call_holes(call)]
        while holes:
            hole = holes.pop()
            if isinstance(hole, tuple):
                holes += hole
            elif isinstance(hole, Formula):
                yield hole.term

    def _guard(self, guard: Guard) -> list[str]:
        wrong = denied(guard.condition) if guard.outcome else guard.condition
        said = f"{self.name} is built in another way where {flat(term_doc(wrong))}"
        if guard.without:
            said = f"{self.name} needs {guard.without} where {flat(term_doc(wrong))}"
            wrong = Apply("and", (Apply("==", (Var(guard.without), Const(None))), wrong))
        lines = statement("if ", term_doc(wrong), BODY, 1)
        lines[-1] += ":"
        return [*lines, *statement("raise ", Brackets("ValueError", (literal(said),)), BODY + 4)]

    def _init(self) -> list[str]:
        lines = [
            *definition("__init__", self._parameters(), "None", 4),
            " " * BODY + "super().__init__()",
            *self._told(),
        ]
        lines += [" " * BODY + f"self.{kept} = {name}" for name, kept in self.kept.items()]
        for item in self.cls.body.attributes:
            lines += self._attribute(item)
        return [*lines, *self._common()] if self.cls.body.attributes or self.kept else []

    def _attribute(self, item: Attribute) -> list[str]:
        if item.optional:
            value: Doc = item.name
        elif item.first is not None:
            return self._family(item)
        else:
            value = self._build(item.build)
        if isinstance(item.build, Leaf) and not item.optional:
            if item.build.setup and not (attribute(item.name) and not item.build.tensor):
                return self._prepared(item, item.build)
            return [*self._register(item, value), *self._setup(item.build, f"self.{item.name}")]
        return [*self._register(item, value), *self._hidden(item)]

    def _prepared(self, item: Attribute, leaf: Leaf) -> list[str]:
        """A module or tensor that gets its values before it gets its name."""
        name = self._local(item.name if item.name.isidentifier() else "layer")
        return [
            *statement(f"{name} = ", self._build(leaf), BODY),
            *self._setup(leaf, name),
            *self._register(item, name),
        ]

    def _register(self, item: Attribute, value: Doc) -> list[str]:
        if attribute(item.name):
            return statement(python("self.{} = ", identifier(item.name)), value, BODY)
        tensor = isinstance(item.build, Leaf) and item.build.tensor
        if hidden(item.name):
            table = python("_parameters") if tensor else python("_modules")
            return statement(python("self.{}[{}] = ", table, text_of(item.name)), value, BODY)
        register = "self.register_parameter" if tensor else "self.add_module"
        return statement("", Brackets(register, (text_of(item.name), value)), BODY)

    def _family(self, item: Attribute) -> list[str]:
        assert isinstance(item.build, Repeat)
        assert item.first is not None
        count = flat(expression_text(item.build.count))
        last = f"{item.first}, {item.first} + {count}" if item.first else count
        if item.first and isinstance(item.build.count, int):
            last = f"{item.first}, {item.first + item.build.count}"
        name = python('f"{}{{i}}"', level(item.name))
        call = Brackets("self.add_module", (name, self._build(item.build.child)))
        return [" " * BODY + f"for i in range({last}):", *statement("", call, BODY + 4)]

    def _hidden(self, item: Attribute) -> list[str]:
        """Children of holders that their container cannot be given when it is made."""
        if not isinstance(item.build, Holder):
            return []
        own = attribute(item.name)
        of = python("self.{}", identifier(item.name)) if own else child(python("self"), item.name)
        return self._hidden_in(of, item.build)

    def _hidden_in(self, of: Python, holder: Holder) -> list[str]:
        lines: list[str] = []
        one_by_one = self._one_by_one(holder)
        for name, build in holder.children:
            value: Doc = ""
            if one_by_one and isinstance(build, Leaf) and build.setup:
                local = self._local(name if name.isidentifier() else "layer")
                lines += [*statement(f"{local} = ", self._build(build), BODY), *self._setup(build, local)]
                value = local
            elif one_by_one:
                value = self._build(build)
            if one_by_one and isinstance(build, Leaf) and build.tensor:
                lines += statement(python("{}._parameters[{}] = ", of, text_of(name)), value, BODY)
            elif one_by_one and is_list(holder):
                lines += statement("", Brackets(python("{}.append", of), (value,)), BODY)
            elif one_by_one:
                table = python("._modules") if hidden_in_container(name) else python("")
                lines += statement(python("{}{}[{}] = ", of, table, text_of(name)), value, BODY)
            if isinstance(build, Holder):
                inner = python("{}[{}]", of, int(name) if is_list(holder) else text_of(name))
                lines += self._hidden_in(inner, build)
        return lines

    def _one_by_one(self, holder: Holder) -> bool:
        """Whether some child cannot be given to the container when it is made, so that all are added in order."""
        return any(
            hidden_in_container(name) or (isinstance(item, Leaf) and (item.tensor or bool(item.setup)))
            for name, item in holder.children
        )

    def _setup(self, leaf: Leaf, target: str) -> list[str]:
        lines: list[str] = []
        for tensor, call in leaf.setup:
            of = f"{target}.{tensor}" if tensor else target
            if call.function == NORM_OF:
                dim = literal(call.arguments[0].value)
                norm = Brackets("torch.linalg.vector_norm", (f"{target}.weight_v.data", f"dim={dim}", "keepdim=True"))
                lines += statement(f"{of}.data = ", norm, BODY)
            elif tensor == "bias" and leaf.call.function.startswith("nn.Conv"):
                lines += [" " * BODY + f"if {of} is not None:", *_init_statement(call, of, BODY + 4)]
            else:
                lines += _init_statement(call, of, BODY)
        return lines

    def _common(self) -> list[str]:
        """The initial values that all modules of a class have in common, set in one loop at the end."""
        if not self.shared:
            return []
        pad = " " * BODY
        lines = ["", pad + "for module in self.modules():"]
        groups: list[tuple[list[str], dict[str, tuple[Call, bool]]]] = []
        for name, tensors in self.shared.items():
            alike = next((names for names, known in groups if known == tensors), None)
            if alike is None:
                groups.append(([name], tensors))
            else:
                alike.append(name)
        for number, (names, tensors) in enumerate(groups):
            lines.append(f"{pad}    {'el' if number else ''}if isinstance(module, {' | '.join(names)}):")
            for tensor, (call, optional) in tensors.items():
                indent = BODY + 8
                if optional:
                    lines.append(" " * indent + f"if module.{tensor} is not None:")
                    indent += 4
                lines += _init_statement(call, f"module.{tensor}", indent)
        return lines

    def _local(self, wish: str) -> str:
        base = variable(wish or "layer")
        self.locals[base] = count = self.locals.get(base, 0) + 1
        taken = {parameter.name for parameter in self.cls.parameters}
        return base if count == 1 and base not in taken else f"{base}_{count}"

    def _build(self, build: Build) -> Doc:
        match build:
            case Leaf():
                return _call_doc(build.call)
            case New():
                return self._new(build)
            case Chain():
                return Brackets("nn.Sequential", tuple(self._build(child) for child in build.children))
            case Repeat():
                count = flat(expression_text(build.count))
                inner = Spread((self._build(build.child), f"for _ in range({count})"))
                return Marked("*", Brackets("", (inner,), "[", "]", loose=True))
            case Holder():
                return self._holder(build)

    def _holder(self, holder: Holder) -> Doc:
        container = "nn.ModuleList" if is_list(holder) else "nn.ModuleDict"
        if self._one_by_one(holder):
            return Brackets(container, ())
        if not is_list(holder):
            pairs = tuple(Marked(python("{}: ", text_of(name)), self._build(item)) for name, item in holder.children)
            return Brackets(container, (Brackets("", pairs, "{", "}"),))
        folded = [self._build(item) for item in chain([item for _, item in holder.children]).children]
        if len(folded) == 1 and isinstance(folded[0], Marked):
            return Brackets(container, (folded[0].doc,))
        return Brackets(container, (Brackets("", tuple(folded), "[", "]"),))

    def _new(self, new: New) -> Doc:
        cls = self.outline.classes[new.cls]
        items: list[Doc] = []
        for parameter, value in zip(cls.parameters, new.arguments, strict=True):
            if parameter.default is REQUIRED:
                items.append(expression_text(value))
            elif not (type(value) is type(parameter.default) and value == parameter.default):
                items.append(Marked(f"{parameter.name}=", expression_text(value)))
        for name, option in new.options:
            if option is not None:
                items.append(Marked(f"{name}=", self._build(option)))
        return Brackets(self.names[new.cls], tuple(items))

    def _inputs(self) -> tuple[str, ...]:
        count = self.cls.body.inputs
        if self.graph is None:
            return ("x",) if count == 1 else tuple(f"x{at + 1}" for at in range(count))
        if count == 1 and self.graph.nodes[self.graph.inputs[0]].path == "input":
            return ("x",)
        names: list[str] = []
        for index in self.graph.inputs:
            name = variable(self.graph.nodes[index].path)
            while name in names:
                name += "_"
            names.append(name)
        return tuple(names)

    def _forward(self) -> list[str]:
        inputs = self._inputs()
        forward = Forward(self.cls, inputs)
        results = forward.run()
        if any(doc in forward.untyped for doc in results):  # the type of what is returned is said where it is made
            forward = Forward(self.cls, inputs, annotated=frozenset(doc for doc in results if isinstance(doc, str)))
            results = forward.run()
        if len(results) == 1 and not isinstance(results[0], str) and forward.unsure(results[0]) and not self._several():
            name = "x" if "x" in inputs else "result: Tensor"
            forward.lines += statement(f"{name} = ", results[0], BODY)
            results = [name.partition(":")[0]]
        given = ["self", *(f"{name}: Tensor" for name in inputs)]
        head = definition("forward", given, self._result_type(), 4)
        return [*head, *forward.lines, *self._return(results)]

    def _several(self) -> bool:
        return self.graph is not None and len(self.graph.outputs) > 1

    def _result_type(self) -> str:
        if not self._several() or self.graph is None:
            count = len(self.cls.body.outputs)
            return "Tensor" if count == 1 else f"tuple[{', '.join(['Tensor'] * count)}]"
        always = [output for output in self.graph.outputs if not output.training]
        if len(always) == len(self.graph.outputs):
            return f"{self.name}Outputs"
        plain = "Tensor" if len(always) == 1 else f"{self.name}Outputs"
        return f"{plain} | {self.name}TrainingOutputs"

    def _return(self, results: list[Doc]) -> list[str]:
        if not self._several() or self.graph is None:
            if len(results) == 1:
                return statement("return ", results[0], BODY)
            return statement(
                "return ", Spread(tuple(_comma(doc, at + 1 < len(results)) for at, doc in enumerate(results))), BODY
            )
        always = [doc for doc, output in zip(results, self.graph.outputs, strict=True) if not output.training]
        if len(always) == len(results):
            return statement("return ", Brackets(f"{self.name}Outputs", tuple(results)), BODY)
        full = Brackets(f"{self.name}TrainingOutputs", tuple(results))
        rest = always[0] if len(always) == 1 else Brackets(f"{self.name}Outputs", tuple(always))
        return [
            " " * BODY + "if self.training:",
            *statement("return ", full, BODY + 4),
            *statement("return ", rest, BODY),
        ]

    def _output_classes(self) -> list[str]:
        """The NamedTuples of a net with several outputs: all of them, and without those of training."""
        if not self._several() or self.graph is None:
            return []
        outputs = self.graph.outputs
        every = fields(output.name for output in outputs)
        always = [name for name, output in zip(every, outputs, strict=True) if not output.training]
        lines: list[str] = []
        if len(always) > 1:
            lines += _named_tuple(f"{self.name}Outputs", f"The results of `{self.name}`.", always)
        if len(always) < len(every):
            lines += _named_tuple(f"{self.name}TrainingOutputs", f"The results of `{self.name}` in training.", every)
        return lines


def _named_tuple(name: str, doc: str, fields: list[str]) -> list[str]:
    return [f"class {name}(NamedTuple):", *docstring(doc, 4), "", *(f"    {field}: Tensor" for field in fields), "", ""]


def _names_in(terms: Iterable[Term]) -> set[str]:
    """The `let`s in some terms."""
    return {part.name for term in terms for part in walk(term) if isinstance(part, Named)}


def _comma(doc: Doc, more: bool) -> Doc:
    return flat(doc) + "," if more else doc


def _type(value: Any) -> str:
    if isinstance(value, tuple):
        return f"tuple[{', '.join(map(_type, value))}]" if value else "tuple[()]"
    return "None" if value is None else type(value).__name__


def _call_doc(call: Call) -> Doc:
    items: list[Doc] = []
    for argument in call.arguments:
        doc = _call_doc(argument.value) if isinstance(argument.value, Call) else argument_text(argument)
        if doc is not None:
            items.append(doc if argument.positional else Marked(f"{argument.name}=", doc))
    return Brackets(call.function, tuple(items))


def _init_statement(call: Call, target: str, indent: int) -> list[str]:
    items: list[Doc] = []
    for argument in call.arguments:
        doc = target if isinstance(argument.value, Operand) else argument_text(argument)
        if doc is not None:
            items.append(doc if argument.positional else Marked(f"{argument.name}=", doc))
    return statement("", Brackets(call.function, tuple(items)), indent)
