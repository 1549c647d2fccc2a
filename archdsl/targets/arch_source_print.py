"""Parts -> tree: statements as a researcher would break them into lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from archdsl.elaborate.environment import is_taken
from archdsl.ops import OPERATIONS
from archdsl.outline.call import REQUIRED
from archdsl.syntax import tree
from archdsl.syntax.lexer import WORDS
from archdsl.targets.arch_source_parts import HERE, Given, Hole, Label, LoopIndex, Part, exact, is_expression
from archdsl.targets.arch_text import expression, listed

INDICES = "ijkmnpqr"
MOST_LOOPS = 64  # in one another
POSITIONS = 2  # arguments of a block that need no name
SHORT = 4  # layers of a body that stand on one line
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_FOLLOWS = frozenset({"batchnorm", "layernorm", "groupnorm", "instancenorm", "flatten", "dropout", "dropout_channels"})
_FOLLOWS |= frozenset({"stochastic_depth", "identity", "shuffle", "concat", "add", "mul", "mean", "stack"})
_HEADS = frozenset({"gap", "flatten", "dropout"})
STATEMENTS = frozenset({"param", "aux", "shared", "repeat", "for", "stack", "if"})


def statements(
    parts: Sequence[Part], parameters: frozenset[str], taken: frozenset[str] = frozenset()
) -> tuple[tree.Statement, ...]:
    """A body's statements: chains end where a reader expects a new line. `parameters` hide labels of their name; no
    loop's index has one of these names, or of those that are `taken`."""
    return _Printer(parts, parameters, taken).body(parts, 0)


def reference(ref: tuple[Any, ...]) -> tree.Expr:
    """How a value is read in the body of an arch."""
    return _Printer((), frozenset(), frozenset()).ref(ref)


class _Printer:
    def __init__(self, parts: Sequence[Part], parameters: frozenset[str], taken: frozenset[str]) -> None:
        self.parameters = parameters
        self.loops: dict[int, str] = {}
        used = {name for each in parts for part in each.parts() for name in (*part.names, *part.variables)}
        self.indices = [letter for letter in INDICES if letter not in parameters | taken | used]
        self.indices += [f"{INDICES}{number}" for number in range(MOST_LOOPS)]

    def body(self, parts: Sequence[Part], depth: int) -> tuple[tree.Statement, ...]:
        out: list[tree.Statement] = []
        line: list[Part] = []
        short = 1 < len(parts) <= SHORT and all(part.kind == "op" and not part.names for part in parts)
        for part in parts:
            if part.kind in STATEMENTS:
                self._flush(line, out, depth)
                out.append(self.statement(part, depth))
                continue
            if line and not (short and _brief(parts)) and not _joins(line, part):
                self._flush(line, out, depth)
            line.append(part)
            if part.names:
                self._flush(line, out, depth)
        self._flush(line, out, depth)
        return tuple(out)

    def _flush(self, line: list[Part], out: list[tree.Statement], depth: int) -> None:
        if line:
            out.append(self.chain(line, depth))
            line.clear()

    def chain(self, parts: Sequence[Part], depth: int) -> tree.Chain:
        targets = tuple(tree.Target(HERE, tree.Ident(HERE, name)) for name in parts[-1].names if name)
        return tree.Chain(HERE, tuple(self.link(part, depth) for part in parts), targets)

    # ------------------------------------------------------------- statements

    def statement(self, part: Part, depth: int) -> tree.Statement:
        match part.kind:
            case "param":
                *init, shape = part.holes
                given = tuple(_arguments(init))
                name_of = tree.Ident(HERE, "shape") if any(each.name is not None for each in given) else None
                arguments = (*given, tree.Argument(HERE, name_of, _listed(shape.value)))
                name = tree.Ident(HERE, part.word)
                return tree.Param(HERE, self.label(part.label), tree.Placed(HERE, name, arguments, True))
            case "shared":
                return tree.Shared(HERE, self.label(part.label), self.placed(part))
            case "aux":
                return tree.Aux(HERE, self._aux(part, depth))
            case "if":
                return self._if(part, depth)
            case "stack":
                return self._stack(part, depth)
            case "repeat":
                return self._repeat(part, depth)
            case _:
                return self._for(part, depth)

    def _aux(self, part: Part, depth: int) -> tree.Chain:
        (body,) = part.bodies
        first = body[:1] if body and body[0].kind == "from" else []
        rest = body[len(first) :]
        links = [self.link(each, depth) for each in first]
        if len(rest) == 1 and rest[0].kind not in STATEMENTS and not rest[0].names:
            return tree.Chain(HERE, (*links, self.link(rest[0], depth)))
        inner = tree.Scope(HERE, tree.Ident(HERE, "_"), tree.Body(HERE, self.body(rest, depth)))
        return tree.Chain(HERE, (*links, inner))

    def _if(self, part: Part, depth: int) -> tree.If:
        then, other = part.bodies
        return tree.If(
            HERE,
            value_of(part.holes[0].value),
            self._inner(then, depth),
            self._inner(other, depth) if other else None,
        )

    def _repeat(self, part: Part, depth: int) -> tree.Repeat:
        name = self.indices[depth]
        self.loops[part.height] = name
        body = self._inner(part.bodies[0], depth + 1)
        index = tree.Ident(HERE, name) if _reads_index(part, part.height) else None
        return tree.Repeat(HERE, value_of(part.holes[0].value), index, body)

    def _inner(self, parts: Sequence[Part], depth: int) -> tree.Body:
        """The body of a loop or condition, whose statements are branches where it stands among these."""
        if parts and parts[0].kind == "branch":
            return tree.Body(HERE, tuple(self.branch(each, depth) for each in parts))
        return tree.Body(HERE, self.body(parts, depth))

    def _for(self, part: Part, depth: int) -> tree.For:
        name = self.indices[depth]
        self.loops[part.height] = name
        body = self._inner(part.bodies[0], depth + 1)
        rows = part.holes[0].value
        table = rows if is_expression(rows) else _table(rows, len(part.variables))
        index = tree.Ident(HERE, name) if _reads_index(part, part.height) else None
        names = tuple(tree.Ident(HERE, variable) for variable in part.variables)
        return tree.For(HERE, names, table, index, body)

    def _stack(self, part: Part, depth: int) -> tree.Statement:
        """`count` calls of a block: the first may have arguments of its own."""
        count, *rest = part.holes
        half = len(rest) // 2
        name = self.indices[depth]
        same, holes = True, []
        for first, after in zip(rest[:half], rest[half:], strict=True):
            if count.value == 1 or exact(first.value) == exact(after.value):
                holes.append(first)
            else:
                same = False
                start = tree.Binary(HERE, "==", tree.Name(HERE, name), tree.Number(HERE, 0, "0"))
                split = tree.Conditional(HERE, value_of(first.value), start, value_of(after.value))
                holes.append(first.filled(split))
        self.loops[part.height] = name
        label = part.label
        if count.value == 1 and isinstance(label, tuple):
            label = (*label[:-1], str(label[-1].start))
        layer = tree.Layer(HERE, self._label(label), self.placed(Part("call", word=part.word, holes=tuple(holes))))
        chain = tree.Chain(HERE, (layer,))
        if count.value == 1:
            return chain
        index = None if same and label is None else tree.Ident(HERE, name)
        return tree.Repeat(HERE, value_of(count.value), index, tree.Body(HERE, (chain,)))

    # ------------------------------------------------------------------ links

    def link(self, part: Part, depth: int) -> tree.Link:
        match part.kind:
            case "from":
                return tree.From(HERE, self.reads(part))
            case "op" | "call" | "use":
                return self._role(part.role, tree.Layer(HERE, self._label(part.label), self.placed(part)))
            case "level":
                body = tree.Body(HERE, self.body(part.bodies[0], depth))
                return self._role(part.role, tree.Scope(HERE, self._label(part.label), body))
            case "role":
                return tree.Role(HERE, part.word, self.target(part.bodies[0], depth))
            case "residual":
                return self._residual(part, depth)
            case "branches":
                return self._branches(part, depth)
        raise AssertionError(part.kind)

    def _role(self, role: str | None, target: tree.Layer | tree.Scope) -> tree.Link:
        return tree.Role(HERE, role, target) if role else target

    def _residual(self, part: Part, depth: int) -> tree.Residual:
        main, side = part.bodies
        condition = value_of(part.holes[0].value) if part.holes else None
        body = tree.Body(HERE, self.body(main, depth))
        return tree.Residual(HERE, condition, body, self.target(side, depth) if side else None)

    def _branches(self, part: Part, depth: int) -> tree.Branches:
        merge = self.placed(part) if part.word else None
        return tree.Branches(HERE, merge, tree.Body(HERE, tuple(self.branch(each, depth) for each in part.bodies[0])))

    def target(self, parts: Sequence[Part], depth: int) -> tree.Layer | tree.Scope:
        """What stands behind `skip` or a role: one layer, or a body."""
        if len(parts) == 1 and parts[0].kind in ("op", "call", "use") and not parts[0].names and not parts[0].role:
            return tree.Layer(HERE, self._label(parts[0].label), self.placed(parts[0]))
        return tree.Scope(HERE, None, tree.Body(HERE, self.body(parts, depth)))

    def branch(self, part: Part, depth: int) -> tree.Statement:
        """One statement of `branches`."""
        if part.kind != "branch":
            return self.statement(part, depth)
        (parts,) = part.bodies
        if part.role == "skip" and parts:
            return tree.Chain(HERE, (tree.Role(HERE, "skip", self.target(parts, depth)),))
        if not parts:
            return tree.Chain(HERE, (tree.From(HERE, tree.Name(HERE, "here")),))
        plain = all(each.kind not in STATEMENTS for each in parts) and not any(each.names for each in parts[:-1])
        if plain and (len(parts) <= 6 or all(each.kind == "op" for each in parts)):
            return self.chain(parts, depth)
        body = tree.Body(HERE, self.body(parts, depth))
        return tree.Chain(HERE, (tree.Scope(HERE, tree.Ident(HERE, "_"), body),))

    def reads(self, part: Part) -> tree.Expr:
        items = tuple(self.ref(ref) for ref in part.reads)
        return tree.ListOf(HERE, items) if part.many else items[0]

    def ref(self, ref: tuple[Any, ...]) -> tree.Expr:
        match ref:
            case ("in", None):
                return tree.Name(HERE, "in")
            case ("in", index):
                return tree.Index(HERE, tree.Name(HERE, "in"), self._place(index))
            case ("name", name):
                return tree.Name(HERE, name)
            case ("piece", name, index):
                return tree.Index(HERE, tree.Name(HERE, name), self._place(index))
            case ("label", path):
                plain = _NAME.match(path) and path not in self.parameters and path not in self.loops.values()
                plain = plain and path not in WORDS and path != "here" and not is_taken(path)
                return tree.Name(HERE, path) if plain else tree.Text(HERE, (path,))
        raise AssertionError(ref)

    def _place(self, at: int | LoopIndex) -> tree.Expr:
        """A number, or the index of a loop, shifted."""
        if not isinstance(at, LoopIndex):
            return expression(at)
        name = tree.Name(HERE, self.loops[at.height])
        return tree.Binary(HERE, "+", name, expression(at.start)) if at.start else name

    def placed(self, part: Part) -> tree.Placed:
        found = OPERATIONS.get(part.word)
        arguments = tuple(_arguments(part.holes, *((0, found.lists) if found else (POSITIONS,))))
        return tree.Placed(HERE, tree.Ident(HERE, part.word), arguments, bool(arguments))

    def _label(self, label: Label) -> tree.Label | None:
        return None if label is None else self.label(label)

    def label(self, label: Label) -> tree.Label:
        """A bare label where it is a plain name, else a quoted one; a template has the indices of loops."""
        if isinstance(label, str):
            plain = _NAME.match(label) and label not in WORDS
            return tree.Ident(HERE, label) if plain else tree.Text(HERE, (label,))
        assert label is not None
        if all(isinstance(piece, str) for piece in label):
            return self.label("".join(label))
        pieces: list[str | tree.Expr] = []
        for piece in label:
            if isinstance(piece, LoopIndex):
                pieces.append(self._place(piece))
            elif pieces and isinstance(pieces[-1], str):
                pieces[-1] += str(piece)
            else:
                pieces.append(str(piece))
        return tree.Text(HERE, tuple(pieces))


def _joins(line: list[Part], part: Part) -> bool:
    """True if a part goes on the line of those before it."""
    before = line[-1]
    if before.kind == "from":
        return True
    if part.kind != "op":
        return False
    if before.kind not in ("op", "call", "use"):
        return False
    cls = OPERATIONS.get(part.word)
    follows = part.word in _FOLLOWS or (cls is not None and cls.elementwise)
    return follows or (before.word in _HEADS and len(line) < SHORT)


def _brief(parts: Sequence[Part]) -> bool:
    """True for a few layers that have little to say: they stand on one line."""
    written = sum(1 for part in parts for _ in _arguments(part.holes)) + sum(part.label is not None for part in parts)
    return written <= 6


def _reads_index(part: Part, height: int) -> bool:
    """True if a label or a read in a loop's body has the loop's index."""
    return any(
        isinstance(piece, LoopIndex) and piece.height == height
        for inner in part.parts()
        for pieces in (inner.label if isinstance(inner.label, tuple) else (), *inner.reads)
        for piece in pieces
    )


def _arguments(
    holes: Iterable[Hole], positions: int = 0, lists: frozenset[str] = frozenset()
) -> Iterable[tree.Argument]:
    """The arguments that are not defaults: required ones by position, and the first others that are, else by name."""
    by_position = True
    for at, hole in enumerate(holes):
        if hole.default is not REQUIRED:
            by_position = by_position and at < positions
            if exact(hole.value) == exact(hole.default):
                by_position = False
                continue
        name = None if by_position else tree.Ident(HERE, hole.name)
        rows = hole.name in lists and isinstance(hole.value, tuple)
        yield tree.Argument(HERE, name, listed(hole.value) if rows else value_of(hole.value))


def value_of(value: Any) -> tree.Expr:
    """A hole's value as an expression."""
    if isinstance(value, Given):
        return value.written
    return value if is_expression(value) else expression(value)


def _listed(value: Any) -> tree.Expr:
    if isinstance(value, Given) or is_expression(value):
        return value_of(value)
    return tree.ListOf(HERE, tuple(map(value_of, value)))


def _table(rows: tuple[Any, ...], columns: int) -> tree.ListOf:
    """The rows of a loop: lists of values, or values where there is one column."""
    if columns == 1:
        return tree.ListOf(HERE, tuple(map(value_of, rows)))
    return tree.ListOf(HERE, tuple(tree.ListOf(HERE, tuple(map(value_of, row))) for row in rows))
