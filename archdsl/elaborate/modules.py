"""Files as tables of names: imports are followed, inside their roots and without cycles."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from archdsl import reading
from archdsl.diagnostics import Diagnostic, Problem
from archdsl.elaborate.found import Found
from archdsl.elaborate.fuel import IMPORT, TOKEN, Fuel
from archdsl.elaborate.packed import SPEC, Packed
from archdsl.elaborate.problems import structure
from archdsl.elaborate.values import POISON, BlockValue, Bound, LayerValue
from archdsl.library import specs_root
from archdsl.limits import DEFAULT, Limits
from archdsl.source import Source, Span
from archdsl.syntax import tree
from archdsl.syntax.parser import parse

LISTED = 2000  # files of a folder that are looked through for the one that was meant


@dataclass(frozen=True, slots=True)
class Pending:
    """A declaration that is evaluated when it is first read."""

    declaration: tree.Let | tree.BlockVariant


@dataclass(frozen=True, slots=True)
class ArchValue:
    """An arch by name, with the file that declares it."""

    declaration: tree.Arch | tree.ArchVariant
    module: Module = field(compare=False, repr=False)
    kind: ClassVar[str] = "an arch"

    @property
    def name(self) -> str:
        return self.declaration.name.name


@dataclass(eq=False)
class Module:
    """A parsed file: what it declares and imports, by name, and the defaults that hold in it."""

    source: Source
    file: tree.File
    names: dict[str, Any] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    defaults: dict[str, dict[str, Bound]] = field(default_factory=dict)
    imports: list[Module] = field(default_factory=list)
    spoilt: dict[str, Problem] = field(default_factory=dict)  # what is wrong with the names that an import lacks

    @property
    def archs(self) -> dict[str, ArchValue]:
        """The archs that this file itself declares, in order."""
        own = (item for item in self.file.declarations if isinstance(item, (tree.Arch, tree.ArchVariant)))
        return {item.name.name: ArchValue(item, self) for item in own}

    @property
    def exported(self) -> tuple[str, ...]:
        """What other files may import."""
        return tuple(name for name, value in self.names.items() if not _imported(self, name, value))

    def lacks(self, name: str) -> Problem | None:
        """Why an import did not bring a name, here or in the file that it is imported from."""
        entry = self.names.get(name)
        return entry.module.lacks(entry.name) if isinstance(entry, Imported) else self.spoilt.get(name)

    @cached_property
    def digest(self) -> str:
        """A hash of this file's text and of all that it imports, once they are loaded."""
        texts = sorted({module.source.text for module in self.closure()})
        return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]

    def closure(self) -> Iterator[Module]:
        """This file and all that it imports, each once."""
        seen: dict[int, Module] = {}
        todo: list[Module] = [self]
        while todo:
            module = todo.pop()
            if id(module) not in seen:
                seen[id(module)] = module
                todo += reversed(module.imports)
        yield from seen.values()


def _imported(module: Module, name: str, value: Any) -> bool:
    return name not in module.spans or any(
        isinstance(item, tree.Import) and any(ident.name == name for ident in item.names)
        for item in module.file.declarations
    )


@lru_cache(maxsize=64)
def _shared(source: Source, limits: Limits) -> tree.File:
    """The tree of a file that specs share: many specs of one family, checked in a row, parse it once."""
    return parse(source, limits)


@dataclass(frozen=True, slots=True)
class Reading:
    """An import that was followed: its words, the file that has them, the folders allowed, the file that it meant."""

    declaration: tree.Import
    importer: Path | None
    roots: tuple[Path, ...]
    target: Path
    source: Source

    def holds(self) -> bool:
        """Whether the import still means that file, and the file still says the same."""
        path = self.declaration.path
        try:
            same = _locate(path.plain or "", path.span, self.importer, self.roots) == self.target
            return same and read(self.target, self.source.name).text == self.source.text
        except (Found, OSError):
            return False


class Loader:
    """Reads a spec and the files that it imports, each once. Mistakes in imports are collected in `problems`, what was
    imported in `readings`. With `packed`, all texts come from there, and no file is looked up or opened."""

    def __init__(self, fuel: Fuel, packed: Packed | None = None) -> None:
        self.fuel = fuel
        self.packed = packed
        self.problems: list[Diagnostic] = []
        self.readings: list[Reading] = []
        self._modules: dict[Path, Module] = {}
        self._size = 0

    def load(self, source: Source) -> Module:
        """The module of a spec. Raises `CompileError` if its text, or that of a file it imports, does not parse."""
        self._size = len(source.text)
        if self.packed is not None:
            return self._load(source, SPEC, (), ())
        path = source.path.resolve() if source.path is not None else None
        roots = tuple(root for root in (path.parent if path else None, specs_root().resolve()) if root is not None)
        return self._load(source, path, roots, ())

    def _load(self, source: Source, path: Path | None, roots: tuple[Path, ...], chain: tuple[Path, ...]) -> Module:
        limits = self.fuel.limits
        module = Module(source, _shared(source, limits) if chain else parse(source, limits))
        self.fuel.spend(module.file.span, TOKEN * module.file.tokens)
        if path is not None:
            self._modules[path] = module
        for declaration in module.file.declarations:
            match declaration:
                case tree.Import():
                    try:
                        self._import(module, declaration, path, roots, chain)
                    except Found as found:
                        self._spoil(module, declaration, found.problem)
                case tree.Let():
                    for name in declaration.names:
                        module.names[name.name] = Pending(declaration)
                        module.spans[name.name] = name.span
                case tree.Block():
                    self._declare(module, declaration.name, LayerValue(BlockValue(declaration, module)))
                case tree.BlockVariant():
                    self._declare(module, declaration.name, Pending(declaration))
                case tree.Arch() | tree.ArchVariant():
                    self._declare(module, declaration.name, ArchValue(declaration, module))
        return module

    def _spoil(self, module: Module, declaration: tree.Import, problem: Problem) -> None:
        """Keeps what is wrong with an import; the names that it would bring are poison."""
        if len(self.problems) < self.fuel.limits.diagnostics:
            self.problems.append(problem.diagnostic())
        for name in declaration.names:
            if name.name not in module.spans:
                module.names[name.name] = POISON
                module.spans[name.name] = name.span
                module.spoilt[name.name] = problem

    @staticmethod
    def _declare(module: Module, name: tree.Ident, value: Any) -> None:
        module.names[name.name] = value
        module.spans[name.name] = name.span

    def _hold(self, source: Source, span: Span) -> None:
        """Holds a spec with all its imports to the size of one file. Raises `Found`."""
        self._size += len(source.text)
        most = self.fuel.limits.source
        if self._size > most:
            reason = f"the spec and its imports have more than {most:,} characters with it"
            raise Found(structure.Unreadable(span, source.name, reason))

    def _target(self, text: str, span: Span, path: Path | None, roots: tuple[Path, ...]) -> Path:
        """The file that an import means. Raises `Found`."""
        if self.packed is None:
            return _locate(text, span, path, roots)
        found = self.packed.located(text, path or SPEC)
        if found is None:
            raise Found(structure.UnknownFile(span, text, ()))
        return found

    def _read(self, target: Path, text: str, span: Span, importer: Module) -> Source:
        """The text of an imported file. Raises `Found`."""
        if self.packed is not None:
            return self.packed.read(target)
        return read(target, _display(text, importer.source, target), span, self.fuel.limits)

    def _import(
        self,
        module: Module,
        declaration: tree.Import,
        path: Path | None,
        roots: tuple[Path, ...],
        chain: tuple[Path, ...],
    ) -> None:
        text = declaration.path.plain or ""
        span = declaration.path.span
        self.fuel.spend(span, IMPORT)
        target = self._target(text, span, path, roots)
        here = (*chain, path) if path is not None else chain
        if target in here:
            names = tuple(item.name for item in (*here[here.index(target) :], target))
            raise Found(structure.ImportCycle(span, names))
        if len(here) >= self.fuel.limits.imports:
            raise Found(structure.TooDeep(span, self.fuel.limits.imports))
        other = self._modules.get(target)
        if other is None:
            source = self._read(target, text, span, module)
            self._hold(source, span)
            other = self._load(source, target, roots, here)
        self.readings.append(Reading(declaration, path, roots, target, other.source))
        module.imports.append(other)
        for name in declaration.names:
            if name.name not in other.names:
                continue
            module.names[name.name] = Imported(other, name.name)
            module.spans[name.name] = name.span
        missing = next((name for name in declaration.names if name.name not in other.names), None)
        if missing is not None:
            raise Found(structure.NotExported(missing.span, missing.name, text, tuple(other.names)))


@dataclass(frozen=True, slots=True)
class Imported:
    """A name of another file."""

    module: Module
    name: str


def origin(module: Module, name: str) -> tuple[Module, str]:
    """Where a name of a file is declared: in it, or in a file that it is imported from."""
    entry = module.names.get(name)
    while isinstance(entry, Imported):
        module, name = entry.module, entry.name
        entry = module.names.get(name)
    return module, name


def files_of(source: Source, limits: Limits = DEFAULT) -> list[Path]:
    """The files of a spec: its own, and those that it imports, itself or through another. Raises `CompileError`."""
    found = Loader(Fuel(limits)).load(source).closure()
    return [module.source.path for module in found if module.source.path is not None]


def read(path: Path, name: str, span: Span | None = None, limits: Limits = DEFAULT) -> Source:
    """A file's text. Raises `Found` if it is no file, is too large, or cannot be read as UTF-8."""
    try:
        data, size = reading.start_of(path, limits.source)
        if reading.exceeds(data, limits.source):
            raise Found(structure.Unreadable(span, name, f"it has {size:,} bytes, and {limits.source:,} are allowed"))
        return Source(data.decode("utf-8-sig"), name, path)
    except UnicodeDecodeError as error:
        raise Found(structure.Unreadable(span, name, f"byte {error.start} is no UTF-8")) from None
    except OSError as error:
        raise Found(structure.Unreadable(span, name, (error.strerror or "it failed").lower())) from None


def _display(text: str, source: Source, target: Path) -> str:
    """How diagnostics call an imported file: relative like the importing one, or by its place in the bundle."""
    root = specs_root().resolve()
    if target.is_relative_to(root):
        return f"specs/{target.relative_to(root).as_posix()}"
    return (Path(source.name).parent / text).as_posix()


def _resolved(path: Path, span: Span, text: str) -> Path:
    """A path with its links followed. Raises `Found` where the system cannot: links in a circle, a name too long."""
    try:
        found = path.resolve()
        found.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its links go in a circle"
        raise Found(structure.Unreadable(span, text, reason.lower())) from None
    return found


def _locate(text: str, span: Span, path: Path | None, roots: tuple[Path, ...]) -> Path:
    """The file that an import means, inside the roots."""
    if not text or "\0" in text or Path(text).is_absolute():
        raise Found(structure.OutsideRoots(span, text))
    folders = [path.parent] if path is not None else []
    candidates = [_resolved(folder / text, span, text) for folder in (*folders, specs_root().resolve())]
    allowed = [item for item in candidates if any(item.is_relative_to(root) for root in roots)]
    if not allowed:
        raise Found(structure.OutsideRoots(span, text))
    for item in allowed:
        if item.is_file():
            return item
    if any(item.is_file() for item in candidates):
        raise Found(structure.OutsideRoots(span, text))
    beside = [Path(text).parent / item.name for item in sorted(islice(allowed[0].parent.glob("*.arch"), LISTED))]
    bundle = specs_root().resolve()
    known = [*beside, *(item.relative_to(bundle) for item in sorted(bundle.rglob("*.arch")))]
    raise Found(structure.UnknownFile(span, text, tuple(item.as_posix() for item in known)))
