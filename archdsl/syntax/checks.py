"""What the grammar cannot say: where statements may stand, and that names are not given twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from archdsl.diagnostics import Problem
from archdsl.source import Span
from archdsl.syntax import problems, tree


def check(file: tree.File) -> list[Problem]:
    """Every statement that stands in a wrong place, and every name that a file declares twice."""
    return [*_repeated(_declared(file)), *_late_defaults(file), *_misplaced(file)]


def repeated(kind: str, names: Iterable[tree.Ident]) -> list[Problem]:
    """A problem for each name that stands twice among those of a list."""
    return list(_repeated((kind, name) for name in names))


def check_arguments(arguments: Sequence[tree.Argument]) -> list[Problem]:
    """What is wrong with the order and names of a call's arguments."""
    found: list[Problem] = []
    named: dict[str, Span] = {}
    for argument in arguments:
        if argument.name is None:
            if named:
                found.append(problems.LatePositional(argument.span, next(iter(named.values()))))
        elif argument.name.name in named:
            found.append(problems.DuplicateArgument(argument.name.span, named[argument.name.name]))
        else:
            named[argument.name.name] = argument.name.span
    return found


def _declared(file: tree.File) -> Iterator[tuple[str, tree.Ident]]:
    for declaration in file.declarations:
        match declaration:
            case tree.Import(names=names) | tree.Let(names=names):
                yield from (("name", name) for name in names)
            case tree.Block(name=name) | tree.BlockVariant(name=name):
                yield "block", name
            case tree.Arch(name=name) | tree.ArchVariant(name=name):
                yield "arch", name


def _repeated(names: Iterable[tuple[str, tree.Ident]]) -> Iterator[Problem]:
    known: dict[str, Span] = {}
    for kind, name in names:
        first = known.setdefault(name.name, name.span)
        if first is not name.span and name.name:
            yield problems.DuplicateName(name.span, kind, first)


def _late_defaults(file: tree.File) -> Iterator[Problem]:
    first: Span | None = None
    for declaration in file.declarations:
        if isinstance(declaration, tree.Defaults) and first is not None:
            yield problems.LateDefaults(_word(declaration.span, "defaults"), first)
        elif isinstance(declaration, (tree.Block, tree.BlockVariant, tree.Arch, tree.ArchVariant)):
            first = first or declaration.span


@dataclass(frozen=True, slots=True)
class _Place:
    """What a body is: directly that of an arch, one of branches; `unknown` under a head that could not be read."""

    arch: bool = False
    branches: bool = False
    unknown: bool = False


def _misplaced(file: tree.File) -> Iterator[Problem]:
    for declaration in file.declarations:
        if isinstance(declaration, (tree.Block, tree.Arch)):
            unknown = not declaration.name.name
            yield from _body(declaration.body, _Place(arch=isinstance(declaration, tree.Arch), unknown=unknown))


def _body(body: tree.Body, place: _Place) -> Iterator[Problem]:
    before: tree.Statement | None = None
    for statement in body.statements:
        match statement:
            case tree.Input() | tree.Output() | tree.Expect():
                if not place.arch and not place.unknown:
                    word = type(statement).__name__.lower()
                    yield problems.MisplacedFigure(_word(statement.span, word), word)
            case tree.If():
                yield from _if(statement, place)
            case tree.Repeat() | tree.For():
                yield from _body(statement.body, _Place(branches=place.branches, unknown=place.unknown))
            case tree.Aux():
                yield from _chain(statement.chain, _Place(unknown=place.unknown), None)
            case tree.Chain():
                yield from _chain(statement, place, before)
        before = statement


def _if(statement: tree.If, place: _Place) -> Iterator[Problem]:
    last: tree.If | tree.Body | None = statement
    while isinstance(last, tree.If):
        yield from _body(last.body, place)
        last = last.otherwise
    if last is not None:
        yield from _body(last, place)


def _chain(chain: tree.Chain, place: _Place, before: tree.Statement | None) -> Iterator[Problem]:
    for index, link in enumerate(chain.links):
        match link:
            case tree.Role(role="skip"):
                if not place.unknown:
                    yield from _skip(chain, index, place, before)
                yield from _target(link.target)
            case tree.Role(target=target):
                yield from _target(target)
            case tree.Scope():
                yield from _target(link)
            case tree.Branches():
                yield from _body(link.body, _Place(branches=True))
            case tree.Residual():
                yield from _body(link.body, _Place())
                if link.skip is not None:
                    yield from _target(link.skip)


def _skip(chain: tree.Chain, index: int, place: _Place, before: tree.Statement | None) -> Iterator[Problem]:
    """What is wrong with a `skip` in a chain: it starts a branch, and is all of it."""
    link = chain.links[index]
    word = _word(link.span, "skip")
    if place.branches and index == 0:
        if len(chain.links) > 1:
            yield problems.SkipChain(chain.links[0].span.to(chain.links[-1].span))
    elif isinstance(before, tree.Chain) and before.links and isinstance(before.links[-1], tree.Residual) and index == 0:
        end = before.links[-1].span.end
        yield problems.SkipLine(word, Span(word.source, end - 1, end))
    else:
        yield problems.SkipOutside(word)


def _target(target: tree.Layer | tree.Scope) -> Iterator[Problem]:
    if isinstance(target, tree.Scope):
        made_up = isinstance(target.label, tree.Ident) and not target.label.name
        yield from _body(target.body, _Place(unknown=made_up))


def _word(span: Span, word: str) -> Span:
    """The word that a statement starts with."""
    return Span(span.source, span.start, span.start + len(word))
