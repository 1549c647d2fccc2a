"""The graph of a stable text, as `print_graph` writes it. Nothing in a text is ever evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from archdsl.diagnostics import CompileError, Diagnostic, Problem, UsageError, closest, quote
from archdsl.graph import tokens
from archdsl.graph.graph import Graph
from archdsl.graph.tokens import NESTING, Reader, TextError
from archdsl.graph.verify import faults
from archdsl.ir.program import Node, Output, Program, Scope, Value
from archdsl.limits import DEFAULT
from archdsl.ops import INITIALIZERS, OPERATIONS, make
from archdsl.ops.base import ArgumentError, Input, Learned, Op, Word
from archdsl.shapes import Shape
from archdsl.source import Source, Span

HEADER = "archdsl-graph 1"
OPS: dict[str, type[Op]] = {**OPERATIONS, Input.word: Input, Learned.word: Learned}
BIGGEST = 1 << 25  # characters of a text


class BrokenGraphText(Problem):
    """A line of a graph's text does not read as `print_graph` writes it."""

    code: ClassVar[str] = "E0901"
    rule: ClassVar[str] = "A graph's text holds one scope, operation or output a line."
    message: str
    span: Span

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(self.code, self.message, self.span)


class IllegalGraphText(Problem):
    """A graph's text reads well, and the graph in it breaks a law of graphs: an operation reads what does not stand
    before it, says another shape than it makes, or takes a path that is taken."""

    code: ClassVar[str] = "E0902"
    rule: ClassVar[str] = "A graph that is read from a text is verified like any other."
    message: str
    span: Span

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(self.code, f"the graph is illegal: {self.message}", self.span)


@dataclass
class _Draft:
    """What the lines read so far have said, and the line of each node and scope."""

    facts: dict[str, Any] = field(default_factory=dict)
    parameters: list[tuple[str, Any]] = field(default_factory=list)
    scopes: list[Scope] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    node_lines: list[Span] = field(default_factory=list)
    scope_lines: list[Span] = field(default_factory=list)
    unread: int = 0  # operations that could not be read, which have their numbers all the same


def read_graph(text: str | Source) -> Graph:
    """The verified graph of a text. Raises `CompileError` with a diagnostic for each line that does not hold."""
    source = text if isinstance(text, Source) else Source(text, "<graph>")
    if len(source.text) > BIGGEST:
        raise UsageError(f"a graph's text has at most {BIGGEST} characters")
    draft = _Draft()
    problems: list[Problem] = []
    for number, (start, line) in enumerate(_numbered(source.text)):
        try:
            _read_line(line, number, draft, Span(source, start, start + len(line)))
        except TextError as error:
            column = start + min(error.column, len(line))
            problems.append(BrokenGraphText(error.message, Span(source, column, column + error.width)))
            draft.unread += line.startswith("%")
            if number == 0:
                break
    if not problems and "name" not in draft.facts:
        problems.append(BrokenGraphText("there is no `arch` line", Span(source, 0, 0)))
    if not problems:
        graph = Graph(_program(draft))
        problems = list(_law_problems(graph, draft, Span(source, 0, len(HEADER))))
    if problems:
        raise CompileError(problem.diagnostic() for problem in problems)
    return graph


def _program(draft: _Draft) -> Program:
    lists = (tuple(draft.nodes), tuple(draft.scopes), tuple(draft.outputs), tuple(draft.parameters))
    nodes, scopes, outputs, parameters = lists
    return Program(draft.facts.pop("name"), nodes, scopes, outputs, parameters, **draft.facts)


def _law_problems(graph: Graph, draft: _Draft, whole: Span) -> Iterator[Problem]:
    for fault in faults(graph):
        span = whole
        if fault.node is not None:
            span = draft.node_lines[fault.node]
        elif fault.scope is not None and fault.scope < len(draft.scope_lines):
            span = draft.scope_lines[fault.scope]
        yield IllegalGraphText(fault.message, span)


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    """Each line with its offset; lines end at line feeds alone."""
    start = 0
    for line in text.split("\n"):
        yield start, line.removesuffix("\r")
        start += len(line) + 1


def _read_line(line: str, number: int, draft: _Draft, span: Span) -> None:
    if number == 0:
        if line != HEADER:
            raise TextError(f"a graph's text begins with `{HEADER}`", 0, max(1, len(line)))
        return
    if not line.strip():
        return
    reader = Reader(line)
    match reader.next.kind:
        case "value":
            draft.nodes.append(_read_node(reader, len(draft.nodes) + draft.unread))
            draft.node_lines.append(span)
        case "scope":
            draft.scopes.append(_read_scope(reader, draft.scopes))
            draft.scope_lines.append(span)
        case "name":
            _read_fact(reader, draft)
        case _:
            raise reader.error(f"expected a scope, an operation or an output, not {quote(reader.next.text)}")
    reader.take("end", "the end of the line")


def _read_fact(reader: Reader, draft: _Draft) -> None:
    if reader.have("output"):
        name = reader.word()
        reader.need("=")
        value = Value(*reader.value())
        draft.outputs.append(Output(name, value, reader.have("training")))
    elif reader.have("set"):
        name = reader.word()
        reader.need("=")
        draft.parameters.append((name, reader.literal()))
    elif reader.have("declared") and "declared" not in draft.facts:
        draft.facts["declared"] = _read_order(reader)
    elif reader.have("arch") and "name" not in draft.facts:
        draft.facts["name"] = reader.word()
        for key in ("source", "digest", "doc"):
            if reader.have(key):
                reader.need("=")
                draft.facts[key] = reader.string()
    else:
        raise reader.error("expected one `arch` line, `set` or `output`")


def _read_order(reader: Reader) -> tuple[int, ...]:
    order = []
    while reader.next.kind == "number":
        number = reader.number()
        if not isinstance(number, int):
            raise reader.error("the order of declarations is of whole numbers")
        order.append(number)
    return tuple(order)


def _read_scope(reader: Reader, scopes: list[Scope]) -> Scope:
    if reader.index("scope") != len(scopes):
        raise TextError(f"scopes are numbered in order: this is &{len(scopes)}", 0)
    reader.need("=")
    kind = reader.word()
    parent = None
    if reader.have("in"):
        parent = reader.index("scope")
        if parent >= len(scopes):
            raise reader.error(f"there is no scope &{parent} before this line")
    opens = reader.have("opens")
    path = scopes[parent].path if parent is not None else ""
    if reader.next.kind == "path":
        path = reader.path()
    role = reader.word() if _key(reader, "role") else None
    block = reader.word() if _key(reader, "block") else None
    arguments = tuple(_pairs(reader, lambda: reader.literal())) if reader.have("(") else ()
    doc = reader.string() if _key(reader, "doc") else ""
    return Scope(kind, path, parent, opens, role, block, arguments, doc)


def _key(reader: Reader, key: str) -> bool:
    if not reader.have(key):
        return False
    reader.need("=")
    return True


def _pairs(reader: Reader, value: Any) -> Iterator[tuple[str, Any]]:
    """`name=value, ...` up to the closing bracket, which it takes."""
    while not reader.have(")"):
        name = reader.word()
        reader.need("=")
        yield name, value()
        if not reader.have(","):
            reader.need(")")
            return


def _read_node(reader: Reader, index: int) -> Node:
    if index >= DEFAULT.nodes:
        raise reader.error(f"a graph has at most {DEFAULT.nodes} nodes")
    if reader.value() != (index, 0):
        raise TextError(f"operations are numbered in order: this is %{index}", 0)
    reader.need("=")
    op = _read_described(reader, OPS, "operation")
    inputs = []
    while reader.next.kind == "value":
        inputs.append(Value(*reader.value()))
        if not reader.have(","):
            break
    reader.need(":")
    outputs = [_read_shape(reader)]
    while reader.have(","):
        outputs.append(_read_shape(reader))
    path = reader.path()
    reader.need("in")
    scope = reader.index("scope")
    skip = reader.have("skip")
    return Node(path, op, tuple(inputs), tuple(outputs), scope, skip, reader.have("training"))


def _read_described(reader: Reader, table: dict[str, Any], what: str, depth: int = 0) -> Any:
    token = reader.next
    word = reader.take("name", f"an {what}")
    if word not in table:
        near = closest(word, table)
        hint = f"; did you mean `{near}`?" if near else ""
        raise TextError(f"there is no {what} `{quote(word)}`{hint}", token.column, len(word))
    pairs = list(_pairs(reader, lambda: _read_argument(reader, depth + 1))) if reader.have("(") else []
    arguments = dict(pairs)
    if len(arguments) < len(pairs):
        raise TextError("an argument is given twice", token.column, len(word))
    try:
        return make(table[word], **arguments)
    except ArgumentError as error:
        raise TextError(f"{word}: {error.message}", token.column, len(word)) from None


def _read_argument(reader: Reader, depth: int) -> Any:
    if depth > NESTING:
        raise reader.error(f"operations nest at most {NESTING} deep")
    token = reader.next
    if token.kind != "name" or token.text in tokens.CONSTANTS:
        return reader.literal()
    if reader.calls():
        return _read_described(reader, INITIALIZERS, "initial value", depth)
    return Word(reader.take("name"))


def _read_shape(reader: Reader) -> Shape:
    if reader.have("scalar"):
        return Shape((), ())
    sizes: tuple[int, ...]
    if reader.next.kind == "number":
        size = reader.number()
        if not isinstance(size, int) or size < 0:
            raise reader.error("a size is a whole number")
        sizes = (size,)
    else:
        sizes = reader.size()
    if not reader.have("["):
        return Shape.of(*sizes)
    axes: list[str | None] = []
    while not reader.have("]"):
        bare = reader.next.kind == "name"
        axis = reader.word()
        axes.append(None if bare and axis == "_" else axis)
    if len(axes) != len(sizes):
        raise reader.error(f"{len(sizes)} sizes have {len(axes)} names")
    return Shape(sizes, tuple(axes))
