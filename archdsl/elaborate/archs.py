"""From a file to the programs of its archs: which one is meant, with which arguments, and whether its claims hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from archdsl.collector import paused
from archdsl.diagnostics import CompileError, Diagnostic, quote
from archdsl.elaborate import static
from archdsl.elaborate.elaborator import Elaborator
from archdsl.elaborate.environment import Env
from archdsl.elaborate.flow import Flows
from archdsl.elaborate.found import Found
from archdsl.elaborate.fuel import ARCH, STATEMENT, Fuel, Spent
from archdsl.elaborate.modules import ArchValue, Imported, Loader, Module, Reading
from archdsl.elaborate.packed import Expression, Packed, pack
from archdsl.elaborate.problems import arguments, names, structure
from archdsl.elaborate.programs import run
from archdsl.elaborate.readers import Readers
from archdsl.elaborate.trace import Trace
from archdsl.elaborate.values import BlockValue, Bound, LayerValue, kind_of
from archdsl.gate import is_string
from archdsl.ir.program import Program
from archdsl.limits import DEFAULT, Limits
from archdsl.ops.base import Word
from archdsl.source import Source, Span
from archdsl.syntax import tree
from archdsl.syntax.parser import parse_expression


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check` found: the programs of a file's archs, by name."""

    programs: Mapping[str, Program]


def check(source: Source, limits: Limits = DEFAULT) -> Checked:
    """Every arch of the file that can be built as it stands. Raises `CompileError` with all that is wrong in it."""
    with paused():
        return _check(source, Fuel(limits))


def _check(source: Source, fuel: Fuel) -> Checked:
    module, problems, _ = _load(source, fuel)
    problems += static.problems(module)
    programs: dict[str, Program] = {}
    readers = Readers()
    try:
        for name, arch in module.archs.items():
            fuel.spend(arch.declaration.name.span, ARCH)
            if _buildable(arch, fuel):
                program, found = _build(arch, {}, fuel, readers)
                problems += found
                if program is not None:
                    programs[name] = program
    except Spent as spent:
        raise CompileError([*_sorted(problems), spent.problem.diagnostic()]) from None
    problems += readers.problems(module)
    _raise(problems)
    return Checked(programs)


def elaborate(
    source: Source, arch: str | None = None, parameters: Mapping[str, Any] | None = None, limits: Limits = DEFAULT
) -> Program:
    """The program of one arch with its parameters set. Raises `CompileError` with all that is wrong in it."""
    return traced(source, arch, parameters, limits)[0]


def traced(
    source: Source, arch: str | None = None, parameters: Mapping[str, Any] | None = None, limits: Limits = DEFAULT
) -> tuple[Program, tuple[Reading, ...]]:
    """The same, with the imports that were followed for it."""
    with paused():
        return _elaborate(source, arch, dict(parameters or {}), Fuel(limits))


def unpacked(packed: Packed) -> Program:
    """The program of a spec that comes as texts alone, made again without any file. Raises `CompileError`."""
    with paused():
        return _elaborate(packed.spec, packed.arch, dict(packed.parameters), Fuel(DEFAULT), packed)[0]


def _elaborate(
    source: Source, arch: str | None, parameters: dict[str, Any], fuel: Fuel, packed: Packed | None = None
) -> tuple[Program, tuple[Reading, ...]]:
    module, problems, readings = _load(source, fuel, packed)
    problems += static.problems(module)
    readers = Readers()
    try:
        chosen = _choose(module, arch, fuel)
        program, found_problems = _build(chosen, parameters, fuel, readers)
    except (Found, Spent) as stopped:
        raise CompileError([*_sorted(problems), stopped.problem.diagnostic()]) from None
    problems += found_problems
    problems += readers.problems(module)
    _raise(problems)
    assert program is not None
    if isinstance(program.trace, Trace):
        program.trace.origin = program, packed or pack(source, readings, chosen.name, parameters)
    return program, readings


def parameters_of(source: Source, arch: str | None = None, limits: Limits = DEFAULT) -> dict[str, Any]:
    """The parameters of an arch and what they are bound to (`...` for those that must be given)."""
    fuel = Fuel(limits)
    module, problems, _ = _load(source, fuel)
    _raise(problems)
    try:
        layer = _resolve(_choose(module, arch, fuel), Elaborator("", fuel))
    except (Found, Spent) as stopped:
        raise CompileError([stopped.problem.diagnostic()]) from None
    bound = {name: item.value for name, item in layer.bound}
    return {name: bound.get(name, ...) for name in _all_parameters(layer)}


def claims_of(
    source: Source, arch: str | None = None, limits: Limits = DEFAULT
) -> tuple[tree.Expect | tree.Require, ...]:
    """What an arch says of itself, and what it and those down its chain of variants require."""
    fuel = Fuel(limits)
    elaborator = Elaborator("", fuel)
    try:
        chosen = _choose(_load(source, fuel)[0], arch, fuel)
        layer = _resolve(chosen, elaborator)
        assert isinstance(layer.target, BlockValue)
        statements = layer.target.declaration.body.statements
        demands = [claim for claim, _ in _demands(chosen, elaborator)]
    except (Found, Spent) as stopped:
        raise CompileError([stopped.problem.diagnostic()]) from None
    body = [item for item in statements if isinstance(item, (tree.Expect, tree.Require))]
    own = chosen.declaration
    if isinstance(own, tree.Arch):
        return tuple(body)
    expects = [claim for claim in own.claims if isinstance(claim, tree.Expect)]
    return (*(claim for claim in body if isinstance(claim, tree.Require)), *demands, *expects)


def _load(
    source: Source, fuel: Fuel, packed: Packed | None = None
) -> tuple[Module, list[Diagnostic], tuple[Reading, ...]]:
    loader = Loader(fuel, packed)
    try:
        module = loader.load(source)
    except (Found, Spent) as found:
        raise CompileError([found.problem.diagnostic()]) from None
    problems = list(loader.problems)
    elaborator = Elaborator("", fuel)
    try:
        for each in module.closure():
            _prepare(each, elaborator)
    except Spent as spent:
        found_before = _sorted([*problems, *elaborator.problems.values()])
        raise CompileError([*found_before, spent.problem.diagnostic()]) from None
    return module, problems + list(elaborator.problems.values()), tuple(loader.readings)


def _prepare(module: Module, elaborator: Elaborator) -> None:
    """Evaluates a file's defaults and everything that it binds, so that mistakes in them show once."""
    flows = Flows(elaborator)
    env = Env(module)
    for declaration in module.file.declarations:
        if isinstance(declaration, tree.Defaults):
            with elaborator.catching(env):
                flows.defaults(declaration, env)
    for declaration in module.file.declarations:
        if isinstance(declaration, (tree.Let, tree.BlockVariant)):
            idents = declaration.names if isinstance(declaration, tree.Let) else (declaration.name,)
            for ident in idents:
                with elaborator.catching(env):
                    elaborator.expressions.of_module(module, ident.name, ident.span)


def _choose(module: Module, asked: str | None, fuel: Fuel) -> ArchValue:
    archs = {**_imported_archs(module), **module.archs}
    own = module.archs
    stem = module.source.path.stem if module.source.path else module.source.name
    name = asked if asked is not None else stem.replace("-", "_") if stem.replace("-", "_") in archs else None
    if name is None:
        ready = [key for key, arch in own.items() if _buildable(arch, fuel)]
        if len(ready) == 1:
            return own[ready[0]]
        if len(own) == 1:
            return next(iter(own.values()))
        raise Found(structure.NoArch(module.source.name, None, tuple(own)))
    if name not in archs:
        raise Found(structure.NoArch(module.source.name, name, tuple(own)))
    return archs[name]


def _imported_archs(module: Module) -> dict[str, ArchValue]:
    found = {}
    for name, entry in module.names.items():
        while isinstance(entry, Imported):
            entry = entry.module.names[entry.name]
        if isinstance(entry, ArchValue):
            found[name] = entry
    return found


def _resolve(arch: ArchValue, elaborator: Elaborator) -> LayerValue:
    """An arch down its chain of variants: the declaration with a body, and what the chain binds."""
    chain = _chain(arch, elaborator)
    last = chain[-1].declaration
    assert isinstance(last, tree.Arch)
    layer = LayerValue(BlockValue(last, chain[-1].module))
    for variant in reversed(chain[:-1]):
        declaration = variant.declaration
        assert isinstance(declaration, tree.ArchVariant)
        layer = elaborator.expressions.bind(layer, declaration.base.arguments, Env(variant.module), replace=True)
    return layer


def _chain(arch: ArchValue, elaborator: Elaborator) -> list[ArchValue]:
    """An arch, what it is a variant of, and so on to the declaration with a body. Raises `Found`."""
    chain, seen = [arch], {id(arch.declaration)}
    while True:
        here = chain[-1]
        if isinstance(here.declaration, tree.Arch):
            return chain
        base = here.declaration.base
        span, name = base.name.span, base.name.name
        elaborator.fuel.spend(span, STATEMENT)
        if name not in here.module.names:
            raise Found(names.UnknownName(span, name, tuple(_imported_archs(here.module))))
        target = elaborator.expressions.of_module(here.module, name, span)
        if not isinstance(target, ArchValue):
            raise Found(here.module.lacks(name) or structure.WrongVariant(span, name, "arch"))
        again = target.declaration
        if id(again) in seen and isinstance(again, tree.ArchVariant):
            raise Found(structure.VariantCycle(again.base.name.span, target.name))
        chain.append(target)
        seen.add(id(target.declaration))


def _demands(arch: ArchValue, elaborator: Elaborator) -> Iterator[tuple[tree.Require, Module]]:
    """What each variant of a resolved chain requires, the first one's first, and the file in which that stands."""
    for variant in reversed(_chain(arch, elaborator)):
        if isinstance(variant.declaration, tree.ArchVariant):
            claims = variant.declaration.claims
            yield from ((claim, variant.module) for claim in claims if isinstance(claim, tree.Require))


def _all_parameters(layer: LayerValue) -> tuple[str, ...]:
    assert isinstance(layer.target, BlockValue)
    return (*layer.parameters(), *(s for s in _symbols(layer.target.declaration) if s not in layer.parameters()))


def _symbols(declaration: tree.Block | tree.Arch) -> tuple[str, ...]:
    """The capitals in an arch's input sizes."""
    sizes = (item.size for item in declaration.body.statements if isinstance(item, tree.Input))
    return tuple(
        dict.fromkeys(dim for size in sizes if isinstance(size, tree.Size) for dim in size.dims if isinstance(dim, str))
    )


def _buildable(arch: ArchValue, fuel: Fuel) -> bool:
    """True if nothing must be given to build it; True too where finding out fails, so that the mistake is reported."""
    try:
        layer = _resolve(arch, Elaborator("", fuel))
    except Found:
        return True
    assert isinstance(layer.target, BlockValue)
    bound = {name for name, _ in layer.bound}
    parameters = layer.target.declaration.parameters
    names_given = {p.name.name for p in parameters if p.default is not None} | bound
    needed = [p.name.name for p in parameters] + list(_symbols(layer.target.declaration))
    return all(name in names_given for name in needed)


def _build(
    arch: ArchValue, given: dict[str, Any], fuel: Fuel, readers: Readers
) -> tuple[Program | None, list[Diagnostic]]:
    """The program of an arch, or `None`, and what is wrong with it."""
    elaborator = Elaborator(arch.name, fuel)
    try:
        layer = _resolve(arch, elaborator)
        layer, symbols = _set(layer, arch, given, elaborator)
        program = run(arch, layer, symbols, elaborator, claimed=not given, demands=tuple(_demands(arch, elaborator)))
    except Found as found:
        elaborator.record(found.problem)
        program = None
    except Spent as spent:
        if not elaborator.problems:
            raise
        elaborator.record(spent.problem)
        program = None
    problems = list(elaborator.problems.values())
    if program is not None and not problems:
        readers.count(program)
    return (program if not problems else None), problems


def _set(
    layer: LayerValue, arch: ArchValue, given: dict[str, Any], elaborator: Elaborator
) -> tuple[LayerValue, dict[str, Any]]:
    """The arch with parameters set from outside, checked against what they replace; and the values of its symbols."""
    assert isinstance(layer.target, BlockValue)
    bound, symbols = dict(layer.bound), {}
    known = _all_parameters(layer)
    defaults = {item.name.name: item.default for item in layer.target.declaration.parameters}
    for name, value in given.items():
        if name not in known:
            span = arch.declaration.name.span
            raise Found(arguments.UnknownParameter(span, arch.name, name, known))
        elaborator.fuel.given(name, value, arch.declaration.name.span)
        value = _outside(name, value, tuple(_files(arch, elaborator)), elaborator)
        if name not in layer.parameters():
            if not isinstance(value, int) or isinstance(value, bool):
                raise Found(arguments.WrongParameter(None, name, "a whole number", kind_of(value)))
            symbols[name] = value
            continue
        default = defaults[name]
        old: Any = ...
        if name in bound:
            old = bound[name].value
        elif default is not None:
            old = elaborator.expressions.value(default, Env(layer.target.module))
        if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if old is not ... and not _same_kind(old, value):
            raise Found(arguments.WrongParameter(None, name, kind_of(old), kind_of(value)))
        bound[name] = Bound(value, arch.declaration.name.span)
    return replace(layer, bound=tuple(bound.items())), symbols


def _outside(name: str, value: Any, files: tuple[Module, ...], elaborator: Elaborator) -> Any:
    """A value given by a caller as the language has it; its names are those of the first file that knows them."""
    if isinstance(value, Expression):
        return _written(parse_expression(Source(value.text, "<argument>")), files, elaborator)
    if isinstance(value, (list, tuple)):
        return tuple(_outside(name, item, files, elaborator) for item in value)
    if isinstance(value, str) and not (is_string(value) and len(value) <= elaborator.limits.text):
        raise Found(arguments.WrongParameter(None, name, "a string of the language", f"`{quote(value)}`"))
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise Found(
        arguments.WrongParameter(None, name, "a number, a string, a list or an Expression", type(value).__name__)
    )


def _written(expression: tree.Expr, files: tuple[Module, ...], elaborator: Elaborator) -> Any:
    unknown: Found | None = None
    for module in files:
        try:
            return elaborator.expressions.value(expression, Env(module))
        except Found as found:
            if not isinstance(found.problem, names.UnknownName):
                raise
            unknown = unknown or found
    assert unknown is not None
    raise unknown


def _files(arch: ArchValue, elaborator: Elaborator) -> Iterator[Module]:
    """The file of an arch, and those down its chain of variants to the one that has the body."""
    yield arch.module
    declaration = arch.declaration
    if isinstance(declaration, tree.ArchVariant):
        base = elaborator.expressions.of_module(arch.module, declaration.base.name.name, declaration.base.span)
        yield from _files(base, elaborator)


def _same_kind(old: Any, new: Any) -> bool:
    """True if one value can stand for the other: `none` for anything, a word for numbers and lists."""
    if old is None or isinstance(old, Word) or isinstance(new, Word):
        return True
    if isinstance(old, LayerValue):
        return new is None or isinstance(new, LayerValue)
    if isinstance(old, bool) or isinstance(new, bool):
        return isinstance(old, bool) and isinstance(new, bool)
    return isinstance(new, type(old))


def _sorted(problems: list[Diagnostic]) -> list[Diagnostic]:
    unique: dict[tuple[str, Span | None, str], Diagnostic] = {}
    for problem in problems:
        unique.setdefault((problem.code, problem.span, problem.message), problem)
    return sorted(
        unique.values(),
        key=lambda item: (item.span.source.name, item.span.start) if item.span else ("", 0),
    )


def _raise(problems: list[Diagnostic]) -> None:
    if problems:
        raise CompileError(_sorted(problems))
