"""The parameters of a class as its spec has them: each literal in the spec's own terms, where these hold everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from archdsl.elaborate.trace import Decision
from archdsl.outline.call import REQUIRED
from archdsl.outline.holes import Hole, exact
from archdsl.outline.model import Formula, Guard, Parameter
from archdsl.outline.reader import Kept, Reader, Sink
from archdsl.outline.seen import Seen
from archdsl.outline.symbols import ANYTHING, FOREIGN, Sym
from archdsl.outline.table import CHOSEN, kind_of
from archdsl.outline.terms import Apply, Const, Key, Named, Sides, Term, Var, bare, evaluate, fixed, variables
from archdsl.syntax import tree


@dataclass(slots=True)
class Member:
    """One instance of a class: how its spec is seen from inside, its literals, and what hangs on what."""

    seen: Seen
    row: Sequence[Hole]
    decisions: Sequence[Decision]
    sinks: Sequence[Sink]
    known: dict[Key, Any] = field(default_factory=dict)
    syms: list[Sym | None] = field(default_factory=list)


@dataclass(slots=True)
class Solved:
    """What was found: a formula for each literal or `None`, the parameters with their keys, what has a name and what
    must hold. `rest` are, for each member, the decisions and sinks that a class around this one must answer for."""

    holes: list[Any]
    keys: list[Key]
    parameters: list[Parameter]
    locals: tuple[tuple[str, Term], ...]
    guards: tuple[Guard, ...]
    rest: list[tuple[list[Decision], list[Sink]]]
    open: dict[int, str]  # literals that the class around gives, as a parameter of the net may change them


@dataclass(frozen=True, slots=True)
class Option:
    """A child that only some members have."""

    name: str
    present: tuple[bool, ...]


@dataclass(slots=True)
class Asked:
    """What the structure hangs on at one place of the spec: of each member that has it, its number and what it is."""

    members: list[int] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    syms: list[Sym] = field(default_factory=list)

    @property
    def taint(self) -> frozenset[Any]:
        """The parameters that may change it."""
        return frozenset[Any]().union(*map(hangs_on, self.decisions, self.syms))

    def agreed(self) -> bool | None:
        """The truth value in all these members, `None` if they differ or it is none or cannot be written."""
        outcomes = {decision.outcome for decision in self.decisions}
        sure = len(outcomes) == 1 and all(sym.term is not None for sym in self.syms)
        return outcomes.pop() if sure else None


class Solver:
    """Finds the parameters of one class. `settled` says that each parameter's value is its default: the net itself."""

    def __init__(
        self, reader: Reader, members: Sequence[Member], settled: bool, option: Option | None, net: Seen
    ) -> None:
        self.net = net
        self.reader, self.members, self.settled, self.option = reader, members, settled, option
        self.offered: frozenset[Key] = frozenset()
        self.terms: list[Term | None] = []
        self.guards: dict[Any, Guard] = {}

    def solve(self) -> Solved:
        """Everything about the class."""
        for member in self.members:
            member.syms = [self.reader.combined(member.seen, hole.sources, hole.value) for hole in member.row]
        found = [term_of(sym) for member in self.members for sym in member.syms if sym is not None]
        keys = frozenset[Key]().union(*(variables(term) for term in found if term is not None))
        keys = frozenset(key for key in keys if all(member.seen.has(key) for member in self.members))
        for member in self.members:
            member.known = {key: member.seen.value_of(key) for key in keys}
        asked = self._decisions()
        self.offered = keys - {key for key in keys if isinstance(key, Sides) and key.name in keys}
        gone = self._blocked(asked)
        while True:
            gone = frozenset(self.offered) if ANYTHING in gone else _both(gone)
            self.offered -= gone
            gone = self._unexplained() | self._unguarded(asked)
            if not _both(gone) & self.offered and not (ANYTHING in gone and self.offered):
                break
        return self._solved(asked)

    # --------------------------------------------------------------- decisions

    def _decisions(self) -> dict[Any, Asked]:
        """What the structure hangs on, by the place where it is written."""
        found: dict[Any, Asked] = {}
        for at, member in enumerate(self.members):
            for place, decision in _placed(member.decisions):
                sym = member.seen.written(decision.written)
                if hangs_on(decision, sym):
                    asked = found.setdefault(place, Asked())
                    asked.members.append(at)
                    asked.decisions.append(decision)
                    asked.syms.append(sym)
        return found

    def _without(self, asked: Asked) -> str | None:
        """The optional child without which this is asked; none (`""`) if it always is, `None` if neither."""
        if len(asked.members) == len(self.members):
            return ""
        absent = [at for at, has in enumerate(self.option.present) if not has] if self.option else []
        return self.option.name if self.option and asked.members == absent else None

    def _blocked(self, asked: Mapping[Any, Asked]) -> frozenset[Any]:
        """The parameters that change more than literals."""
        blocked: frozenset[Any] = frozenset()
        for entry in asked.values():
            if entry.agreed() is None or self._without(entry) is None:
                blocked |= entry.taint
        for member in self.members:
            for sink in member.sinks:
                blocked |= self.reader.taint(member.seen, sink)
        return blocked

    def _unguarded(self, asked: Mapping[Any, Asked]) -> frozenset[Any]:
        """Finds the conditions that the class must check; gives the parameters in those that it cannot."""
        self.guards, gone = {}, frozenset[Any]()
        for place, entry in asked.items():
            outcome, without = entry.agreed(), self._without(entry)
            if outcome is None or without is None or not entry.taint & self.offered:
                continue
            members = [self.members[at] for at in entry.members]
            terms = [sym.term for sym in entry.syms if sym.term is not None]
            left = [self._left(term, member) for term, member in zip(terms, members, strict=True)]
            known = {key: members[0].seen.value_of(key) for key in variables(left[0])}
            if len({bare(term) for term in left}) > 1 or not _gives(left[0], known, outcome):
                gone |= entry.taint
            elif _settles(left[0], outcome):
                gone |= variables(left[0])  # it has this one value
            elif not isinstance(left[0], Const):
                gone = gone.union(*map(_beyond, entry.syms))
                asked_for = left[0].term if isinstance(left[0], Named) else left[0]
                self.guards[place] = Guard(asked_for, outcome, without)
        return gone

    def _left(self, term: Term, member: Member) -> Term:
        """A term with what the class does not offer at its value."""
        others = variables(term) - self.offered
        return fixed(term, {key: member.seen.value_of(key) for key in others}) if others else term

    # ---------------------------------------------------------------- literals

    def _unexplained(self) -> frozenset[Any]:
        """Finds the term of each column; gives the parameters that change a literal without one."""
        gone: frozenset[Any] = frozenset()
        self.terms = []
        for at, hole in enumerate(self.members[0].row):
            term = self._column(at)
            self.terms.append(term)
            same = len({exact(member.row[at].value) for member in self.members}) == 1
            syms = [sym for member in self.members if (sym := member.syms[at]) is not None]
            if term is not None:
                gone = gone.union(*(_beyond(sym) for sym in syms))
            elif same and hole.name != "inplace":
                gone = gone.union(*(sym.all for sym in syms))
        return gone

    def _column(self, at: int) -> Term | None:
        """The term that gives this literal in every member, if there is one with a parameter or a reason to print."""
        left: list[Term] = []
        for member in self.members:
            sym = member.syms[at]
            term = None if sym is None else term_of(sym)
            if term is None:
                return None
            term = self._left(term, member)
            if not _gives(term, member.known, member.row[at].value):
                return None
            left.append(term)
        return left[0] if len({bare(term) for term in left}) == 1 and not isinstance(left[0], Const) else None

    # ------------------------------------------------------------------ result

    def _solved(self, asked: Mapping[Any, Asked]) -> Solved:
        used = [term for term in self.terms if term is not None]
        seen = frozenset().union(*(variables(term) for term in used))
        self.offered &= seen
        self._unguarded(asked)
        keys = self._ordered(seen)
        names = self._names(keys)
        checks = list(dict.fromkeys(self.guards.values()))
        kept = self._named([*used, *(guard.condition for guard in checks)], set(names.values()))
        holes = [None if term is None else _content(_renamed(term, names, kept)) for term in self.terms]
        known = tuple((name, _renamed(term, names, kept)) for name, term in kept.items())
        guards = tuple(replace(guard, condition=_renamed(guard.condition, names, kept)) for guard in checks)
        parameters = [self._parameter(key, names[key]) for key in keys]
        opened = {} if self.settled else self._open()
        rest = [self._rest(member, opened) for member in self.members]
        return Solved(holes, keys, parameters, known, guards, rest, opened)

    def _open(self) -> dict[int, str]:
        """The literals that come from outside of the block other than by its parameters, and are the net's to say."""
        found: dict[int, str] = {}
        for at, hole in enumerate(self.members[0].row):
            inside = [member.syms[at] for member in self.members]
            if self.terms[at] is not None or not any(sym is not None and FOREIGN in sym.all for sym in inside):
                continue
            outside = self.reader.combined(self.net, hole.sources, hole.value)
            if outside is not None and outside.term is not None and variables(outside.term):
                term = outside.term
                found[at] = term.key if isinstance(term, Var) and isinstance(term.key, str) else hole.name
        return found

    def _ordered(self, keys: frozenset[Key]) -> list[Key]:
        """What enters first, then the block's parameters in its own order."""
        sizes = sorted(key for key in keys if isinstance(key, tuple))
        declared = [item.name.name for item in self.members[0].seen.declared()]
        return [*sizes, *(key for name in declared for key in (name, Sides(name)) if key in keys)]

    def _names(self, keys: Sequence[Key]) -> dict[Key, str]:
        """Names in the target for the parameters: their own; sizes are called by the first literal that shows one."""
        names: dict[Key, str] = {}
        for key in sorted(keys, key=lambda key: isinstance(key, tuple)):
            wish = self._wish(key) if isinstance(key, tuple) else key.name if isinstance(key, Sides) else key
            base = name = self.reader.named(wish)
            count = 1
            while name in names.values() or (isinstance(key, tuple) and name in self.members[0].seen.lets()):
                count += 1
                name = f"{base}{count}" if not base[-1].isdigit() else f"{base}_{count}"
            names[key] = name
        return names

    def _wish(self, key: tuple[int, int]) -> str:
        shown = [hole.name for hole, term in zip(self.members[0].row, self.terms, strict=True) if term == Var(key)]
        inner = [name for name in shown if name.startswith("in_")]
        name = (inner or shown or ["in_channels" if key[1] == 0 else "in_size"])[0]
        return CHOSEN.get(name, name)

    def _named(self, terms: Sequence[Term], taken: set[str]) -> dict[str, Term]:
        """The `let`s that the terms use, inner ones first; not those whose name means two things or a parameter."""
        found: dict[str, Term] = {}
        double: set[str] = set()

        def visit(term: Term) -> None:
            if isinstance(term, Apply):
                for part in term.parts:
                    visit(part)
            elif isinstance(term, Named):
                visit(term.term)
                if bare(found.setdefault(term.name, term.term)) != bare(term.term):
                    double.add(term.name)

        for term in terms:
            visit(term)
        spell = self.reader.named
        return {name: term for name, term in found.items() if name not in double | taken and spell(name) == name}

    def _parameter(self, key: Key, name: str) -> Parameter:
        values = tuple(member.known[key] for member in self.members)
        if isinstance(key, tuple):
            return Parameter(name, values, REQUIRED, "size")
        default = values[0] if self.settled else self.members[0].seen.default(key)
        places = [hole for hole, term in zip(self.members[0].row, self.terms, strict=True) if term == Var(key)]
        kind = places[0].kind or kind_of(places[0].name) if places else kind_of(name)
        return Parameter(name, values, default, kind)

    def _rest(self, member: Member, opened: Mapping[int, str]) -> tuple[list[Decision], list[Sink]]:
        """What an instance does not answer for itself."""
        decisions: list[Decision] = []
        for place, decision in _placed(member.decisions):
            taint = hangs_on(decision, member.seen.written(decision.written))
            checked = place in self.guards and not self.guards[place].without
            if taint and not (taint <= self.offered and checked):
                decisions.append(decision)
        sinks: list[Sink] = [sink for sink in member.sinks if self.reader.taint(member.seen, sink)]
        for at, (hole, sym, term) in enumerate(zip(member.row, member.syms, self.terms, strict=True)):
            if sym is None or not sym.all or at in opened or (term is not None and sym.all <= self.offered):
                continue
            sinks.append(Kept(hole.sources, hole.value))
        return decisions, sinks


def _placed(decisions: Sequence[Decision]) -> Iterator[tuple[Any, Decision]]:
    """Decisions with what tells the same one in another member: its place in the spec, and which time it comes."""
    counts: dict[int, int] = {}
    for decision in decisions:
        place = id(decision.place)
        counts[place] = counts.get(place, 0) + 1
        yield (place, counts[place]), decision


def _settles(term: Term, outcome: bool) -> bool:
    """Whether a condition leaves its parameter one value."""
    match term:
        case Var() | Apply(op="not", parts=(Var(),)):
            return True
        case Apply(op="==" | "!=", parts=(Var(), Const()) | (Const(), Var())):
            return outcome == (term.op == "==")
        case Named():
            return _settles(term.term, outcome)
        case _:
            return False


def _beyond(sym: Sym) -> frozenset[Any]:
    """What may change a value and is not in its term."""
    term = term_of(sym)
    return sym.all - (variables(term) if term is not None else frozenset())


def _both(keys: frozenset[Any]) -> frozenset[Any]:
    """Parameters with the numbers that stand for them on all axes."""
    names = {key.name for key in keys if isinstance(key, Sides)}
    return keys | names | {Sides(key) for key in keys if isinstance(key, str)}


def hangs_on(decision: Decision, sym: Sym) -> frozenset[Any]:
    """What may change a decision: of a loop's list its length, and that of the lists in it."""
    if isinstance(decision.place, tree.Placed) and sym.arguments is not None:
        return sym.taint  # its arguments are literals
    if isinstance(decision.place, tree.For) and sym.items is not None:
        return sym.taint.union(*(item.taint for item in sym.items if item.items is not None))
    return sym.all


def term_of(sym: Sym) -> Term | None:
    """The term of a value, that of a list item by item."""
    if sym.term is not None or sym.items is None:
        return sym.term
    parts = [term_of(item) for item in sym.items]
    terms = [part for part in parts if part is not None]
    if len(terms) < len(parts):
        return None
    if all(isinstance(term, Const) for term in terms):
        return Const(tuple(term.value for term in terms if isinstance(term, Const)))
    return Apply("list", tuple(terms))


def _gives(term: Term, known: Mapping[Key, Any], value: Any) -> bool:
    """Whether a term has exactly this value."""
    try:
        found = evaluate(term, known)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return False
    return bool(found == value) and isinstance(found, bool) == isinstance(value, bool)


def _renamed(term: Term, names: Mapping[Key, str], kept: Mapping[str, Term]) -> Term:
    """The same with the names of the class."""
    match term:
        case Var():
            return Var(names[term.key])
        case Named():
            inner = _renamed(term.term, names, kept)
            return Named(term.name, inner) if term.name in kept else inner
        case Apply():
            return Apply(term.op, tuple(_renamed(part, names, kept) for part in term.parts))
        case _:
            return term


def _content(term: Term) -> Any:
    """What stands in a hole: a constant as itself, a list item by item."""
    if isinstance(term, Const):
        return term.value
    if isinstance(term, Apply) and term.op == "list":
        return tuple(_content(part) for part in term.parts)
    return Formula(term)
