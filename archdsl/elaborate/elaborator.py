"""One elaboration: an arch with its arguments becomes a program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

from archdsl.diagnostics import Diagnostic, Problem, unsuggested
from archdsl.elaborate.environment import Application, CallSite, Env, Place, Stream
from archdsl.elaborate.expressions import Expressions
from archdsl.elaborate.found import Found
from archdsl.elaborate.fuel import CHARACTERS, DEPTH, EDGE, LEVEL, NODE, OWNER, Fuel
from archdsl.elaborate.problems import names, shapes, structure
from archdsl.elaborate.trace import Decision, Trace
from archdsl.elaborate.values import POISON, Flow, Labelled, LayerValue, Tensor
from archdsl.gate import MODE, is_label
from archdsl.ir import metrics
from archdsl.ir.builder import Builder
from archdsl.ir.program import Program, Value
from archdsl.limits import Limits
from archdsl.ops.base import Input, Op, ShapeError
from archdsl.source import Span
from archdsl.syntax import tree

SHOWN_CALLS = 6
SUGGESTED = 2000  # labels that are looked through for one that was meant
_FIXED = frozenset([tree.Number, tree.Bool, tree.Nothing])


class Elaborator:
    """The state of one elaboration: the program so far, labels, paths, mistakes, and what is left of the budgets."""

    def __init__(self, name: str, fuel: Fuel) -> None:
        self.fuel = fuel
        self.limits: Limits = fuel.limits
        self.builder = Builder(name)
        self.expressions = Expressions(self)
        self.problems: dict[tuple[str, Span | None], Diagnostic] = {}
        self.program: Program | None = None
        self.later: list[Callable[[], None]] = []  # claims about figures, held against the finished net
        self.order: list[float] = []  # of each node, its place among the declarations
        self.after: dict[int, int] = {}  # of each node of a side head, the node that it runs after
        self.trace = Trace()
        self._labels: dict[str, Flow] = self.trace.labels
        self._taken: dict[str, Span | None] = {}
        self._owners: dict[str, str] = {}  # of each path that an application of shared weights took, theirs
        self._applications: dict[str, Application] = {}  # the last one of the shared weights at each path
        self._automatic: dict[str, int] = {}  # paths that no one wrote, and the nodes that have them
        self._levels: set[str] = {""}
        self._counters: dict[str, int] = {}
        self._depth = 0
        self._turns = 0
        self._totals: dict[str, dict[str, int]] = {}
        self._depths: dict[str, int] = {}
        self.doubt = False  # a body did not run because of a mistake, so names that it binds may be missing

    # --------------------------------------------------------------- mistakes

    def record(self, problem: Problem, calls: tuple[CallSite, ...] = ()) -> None:
        """Keeps a problem, once for each code and place, with the calls that led to it."""
        key = (problem.code, getattr(problem, "span", None))
        if key in self.problems:
            return
        if self.fuel.mistakes >= self.limits.diagnostics:
            problem = unsuggested(problem)
        self.fuel.mistakes += 1
        diagnostic = problem.diagnostic()
        shown = calls if len(calls) <= SHOWN_CALLS else (calls[0], *calls[1 - SHOWN_CALLS :])
        way = [call.note(diagnostic.span) for call in reversed(shown)]
        if shown is not calls:
            way.insert(-1, f"... and {len(calls) - SHOWN_CALLS} more calls around it")
        self.problems[key] = replace(diagnostic, notes=(*diagnostic.notes, *way))

    def told(self, code: str, span: Span) -> bool:
        """True if another problem of this kind and place would not be shown, so that it needs no suggestion."""
        return (code, span) in self.problems or self.fuel.mistakes >= self.limits.diagnostics

    @contextmanager
    def catching(self, env: Env) -> Iterator[None]:
        """Records a mistake and lets poison flow on, so that the statements after it are checked too."""
        try:
            yield
        except Found as found:
            self.caught(found, env)

    def caught(self, found: Found, env: Env) -> None:
        """Records a mistake; what flows on is poison."""
        stream = env.stream
        self.record(found.problem, stream.calls if stream else ())
        if stream is not None:
            stream.here = POISON

    def enter(self, span: Span) -> None:
        """Counts bodies that are entered in one another; each is left again. Raises `Found` for too many."""
        if self._depth >= self.limits.levels:
            raise Found(structure.TooDeep(span, self.limits.levels, "bodies"))
        self._depth += 1

    def leave(self) -> None:
        """Ends a body."""
        self._depth -= 1

    def turn(self, span: Span) -> None:
        """Counts the turns of comprehensions. Raises `Found` when the budget is spent."""
        self._turns += 1
        if self._turns > self.limits.turns:
            raise Found(structure.TooManySteps(span, "too many turns of comprehensions", self.limits.turns, "turns"))

    # ----------------------------------------------------------- labels, paths

    def label(self, name: str, env: Env) -> Labelled | None:
        """What a label or dotted path means as seen from here: the innermost level of this block that has it."""
        if env.stream is None:
            return None
        root = env.stream.root
        level = env.stream.path
        while True:
            path = f"{level}.{name}" if level else name
            if path in self._labels:
                return Labelled(path, self._labels[path])
            if any(self._labels.get(above) is POISON for above in _levels_above(path, level)):
                return Labelled(path, POISON)
            if level == root or not level:
                return None
            level = level.rpartition(".")[0]

    def is_label(self, name: str) -> bool:
        """True if a layer of any block has this label at its own level."""
        return any(path.rpartition(".")[2] == name for path in self._labels)

    def label_at(self, path: str) -> Labelled | None:
        """The label at an absolute path."""
        return Labelled(path, self._labels[path]) if path in self._labels else None

    def labels_in_sight(self, env: Env) -> tuple[str, ...]:
        """Labels of this block, for suggestions."""
        prefix = f"{env.stream.root}." if env.stream and env.stream.root else ""
        inside = (path[len(prefix) :] for path in self._labels if path.startswith(prefix))
        return tuple(islice(inside, SUGGESTED))

    def set_label(self, path: str, flow: Flow) -> None:
        """Names what came out at a path."""
        self._labels[path] = flow

    def spoil_label(self, label: tree.Label | None, place: Place) -> None:
        """Names poison, so that readers of a layer that failed are not mistaken too."""
        if isinstance(label, tree.Text) and label.plain is None:
            return
        name = label.name if isinstance(label, tree.Ident) else label.plain if label is not None else None
        if name:
            self._labels.setdefault(f"{place.path}.{name}" if place.path else name, POISON)

    def claim(
        self, place: Place, label: str | None, span: Span, *, level: bool, application: Application | None = None
    ) -> str:
        """The absolute path of a new child: its label, or its position. Raises `Found` if the path is taken, save by an
        earlier application of the same shared weights."""
        levels = place.path.count(".") + (0 if label is None else label.count(".")) + 2
        if levels > self.limits.levels:
            raise Found(structure.TooDeep(span, self.limits.levels, "the levels of a path"))
        size = len(place.path) + (0 if label is None else len(label) + levels * label.count("."))
        self.fuel.spend(span, LEVEL * levels + size // CHARACTERS)
        count = self._counters.get(place.path, 0)
        prefix = f"{place.path}." if place.path else ""
        reopens = label is not None and "." in label and prefix + label.partition(".")[0] in self._levels
        self._counters[place.path] = count + (not reopens)
        path = prefix + (str(count) if label is None else label)
        if label is not None and "." in label:
            self._claim_levels(prefix, label, span, application)
        self.take(path, span, application)
        if level:
            self._levels.add(path)
        return path

    def take(self, path: str, span: Span, application: Application | None = None) -> None:
        """Gives a path to what stands at `span`. Raises `Found` if another one has it."""
        if application is not None:
            first = path not in application.claimed
            application.claimed.add(path)
            if first and self._owners.get(path) == application.path:
                return
        if path in self._taken or path in self._levels:
            raise Found(names.PathTaken(span, path, self._taken.get(path)))
        if path in self._automatic:
            self._step_aside(path)
        self._taken[path] = span
        if application is not None:
            self._owners[path] = application.path

    def free_path(self, scope: int, word: str) -> str:
        """A path for the next node, which takes no position: `layer1.0.add`, or `add_2` where that is taken."""
        path = self.builder.free_path(scope, word)
        while path in self._taken or path in self._levels:
            path = self.builder.free_path(scope, word)
        self._automatic[path] = len(self.builder.nodes)
        return path

    def is_automatic(self, path: str) -> bool:
        """True for a path that no one wrote."""
        return path in self._automatic

    def _step_aside(self, path: str) -> None:
        """Moves a node whose path no one wrote away from a path that is wanted now."""
        index = self._automatic.pop(path)
        nodes = self.builder.nodes
        if index >= len(nodes) or nodes[index].path != path:
            return  # its node was never made
        node = nodes[index]
        new = self.free_path(node.scope, node.op.word)
        self._automatic[new] = index
        nodes[index] = replace(node, path=new)
        if path in self._labels:
            self._labels[new] = self._labels.pop(path)

    def _claim_levels(self, prefix: str, label: str, span: Span, application: Application | None) -> None:
        """The levels that a dotted label opens or reopens; none of them may be a layer."""
        parts = label.split(".")
        for depth in range(1, len(parts)):
            level = prefix + ".".join(parts[:depth])
            if level in self._taken and level not in self._levels:
                raise Found(names.PathTaken(span, level, self._taken[level]))
            if level not in self._levels:
                if level in self._automatic:
                    self._step_aside(level)
                self._levels.add(level)
                if application is not None:
                    application.claimed.add(level)
                parent = level.rpartition(".")[0]
                if depth > 1:
                    self._counters[parent] = self._counters.get(parent, 0) + 1
        parent = prefix + ".".join(parts[:-1])
        self._counters[parent] = self._counters.get(parent, 0) + 1

    def application(self, path: str, span: Span) -> Application:
        """The next application of the shared weights at a path: positions, levels and labels below it begin anew."""
        before = self._applications.get(path)
        self.fuel.items(span, len(before.claimed) if before is not None else 0)
        for inner in (path, *(before.claimed if before is not None else ())):
            self._counters.pop(inner, None)
            if inner != path:
                self._levels.discard(inner)
                self._labels.pop(inner, None)
        self._applications[path] = Application(path, before is not None)
        return self._applications[path]

    def label_text(self, label: tree.Label | None, env: Env, place: Place) -> str | None:
        """The label as a relative path, `None` without one. Raises `Found` for what cannot be a path."""
        if label is None:
            return None
        text = label.name if isinstance(label, tree.Ident) else self.expressions.text(label, env)
        if isinstance(label, tree.Text) and label.plain is None:
            self.decided(place, label, env)
        if text is POISON:
            self.doubt = True
            return None
        if not is_label(text, self.limits.identifier):
            too_long = self.limits.identifier if is_label(text, len(text)) else None
            raise Found(names.BadLabel(label.span, text, too_long))
        if MODE in text.split("."):
            raise Found(names.ModeLabel(label.span, text))
        return str(text)

    def decided(
        self, place: Place, expression: tree.Expr, env: Env, outcome: bool | None = None, at: tree.Node | None = None
    ) -> None:
        """Notes that the structure hangs on the value of an expression, which stands at itself or at `at`."""
        if type(expression) not in _FIXED:
            self.trace.decisions.append(Decision(place.scope, env.noted(expression), at or expression, outcome))

    # ------------------------------------------------------------------ nodes

    def add(self, op: Op, inputs: tuple[Value, ...], path: str, place: Place, span: Span, order: float | None) -> Flow:
        """A node; its results as a flow. Raises `ShapeError`, and `Found` if the budget is spent."""
        builder = self.builder
        if len(builder.nodes) >= self.limits.nodes:
            raise Found(structure.TooManyNodes(span, len(builder.nodes) + 1, self.limits.nodes))
        self.fuel.spend(span, NODE + OWNER * op.owns() + EDGE * len(inputs))
        values = builder.add(op, inputs, path, place.scope, skip=place.skip, training=place.training, span=span)
        index = len(builder.nodes) - 1
        self.order.append(index if order is None else order)
        if not place.training and any(builder.nodes[value.node].training for value in inputs):
            raise Found(shapes.TrainingOnly(span))
        tensors = tuple(Tensor(value) for value in values)
        return tensors if op.word in ("split", "unstack") else tensors[0]

    def origin(self, value: Value, reader: Span) -> str:
        """A value's shape and the layer that gave it, for a note of a diagnostic at `reader`."""
        nodes = self.builder.nodes
        shape, index = self.builder.shape(value), value.node
        while True:
            node = nodes[index]
            previous = node.inputs[0].node if node.inputs else None
            if previous is None or nodes[previous].outputs[0] != shape or len(node.inputs) > 1:
                break
            index = previous
            self.fuel.spend(reader, 1)
        node = nodes[index]
        where = f" at {node.span.seen_from(reader)}" if node.span else ""
        by = "the input" if isinstance(node.op, Input) else f"{node.path} ({node.op.word})"
        return f"{shape} from {by}{where}"

    def merge_problem(self, error: ShapeError, layer: str, flow: tuple[Tensor, ...], span: Span) -> Problem:
        """A merge's shapes that do not fit, branch by branch."""
        lines = tuple(f"branch {number}: {self.origin(part.value, span)}" for number, part in enumerate(flow[:8]))
        return shapes.BranchShapes(span, layer, error.message, lines, error.hint)

    @staticmethod
    def call_site(layer: LayerValue, span: Span, path: str) -> CallSite:
        """A block's call with its arguments, for the notes of what is found inside."""
        return CallSite(layer, span, path)

    # ---------------------------------------------------------------- figures

    def figure(self, name: str, path: str | None = None) -> Any:
        """A metric of the finished net, or of a path level; each is computed once."""
        program = self.program
        assert program is not None, "figures are read when the net is finished"
        if name == "shape":
            return program.shape(program.outputs[0].value).sizes
        if name in ("params", "macs"):
            if name not in self._totals:
                self._totals[name] = metrics.totals(program, name)
            return self._totals[name].get(path or "", 0)
        known = path or ""
        if known not in self._depths:
            span = program.nodes[0].span
            assert span is not None
            self.fuel.spend(span, DEPTH * len(program.nodes))
            self._depths[known] = metrics.depth(program, path)
        return self._depths[known]


def _levels_above(path: str, level: str) -> Iterator[str]:
    """The prefixes of a path that are longer than a level."""
    end = path.rfind(".")
    while end > len(level):
        yield path[:end]
        end = path.rfind(".", 0, end)


def stream_of(env: Env) -> Stream:
    """The stream of a body; every body has one."""
    assert env.stream is not None
    return env.stream
