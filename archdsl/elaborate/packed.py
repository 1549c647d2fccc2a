"""A spec as texts alone: what is needed to elaborate it again where its files have changed or are gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from archdsl.source import Source

if TYPE_CHECKING:
    from archdsl.elaborate.modules import Reading

SPEC = Path("0")  # what stands for the path of the first file


@dataclass(frozen=True, slots=True)
class Expression:
    """A parameter set from outside as text of the language: `Expression("Bottleneck(groups=32)")`."""

    text: str


@dataclass(frozen=True, slots=True)
class Packed:
    """The texts of a spec and of all that it imports, the arch, and the parameters that are set from outside.

    Each file has its name (of which diagnostics speak), that of its path, its text, and the words of its imports with
    the numbers of the files that they mean; the spec is the first. As long as it is elaborated, the numbers are paths.
    """

    files: tuple[tuple[str, str, str, tuple[tuple[str, int], ...]], ...]
    arch: str
    parameters: tuple[tuple[str, Any], ...]

    def __post_init__(self) -> None:
        """Raises `ValueError` for what `pack` does not make: a file may hold anything."""
        files = self.files if isinstance(self.files, tuple) else ()
        if not files or not all(map(_is_file, files)) or not isinstance(self.arch, str):
            raise ValueError("these are no texts of a spec with their names and imports")

    @property
    def spec(self) -> Source:
        """The spec itself, whose imports are looked up here alone."""
        return self.read(SPEC)

    @property
    def digest(self) -> str:
        """A hash of all of it."""
        return sha256(repr((self.files, self.arch, self.parameters)).encode()).hexdigest()

    def read(self, path: Path) -> Source:
        """The text of a file."""
        name, called, text, _ = self.files[int(path.name)]
        return Source(text, name, Path(called) if called else None)

    def located(self, words: str, importer: Path) -> Path | None:
        """The file that an import means, or `None` if there is none."""
        found = dict(self.files[int(importer.name)][3]).get(words)
        return None if found is None or not 0 <= found < len(self.files) else Path(str(found))

    def __reduce__(self) -> tuple[Any, ...]:
        return Packed, (self.files, self.arch, self.parameters)


def pack(source: Source, readings: Iterable[Reading], arch: str, parameters: Mapping[str, Any]) -> Packed:
    """A spec that was elaborated, with the imports that were followed for it."""
    readings = tuple(readings)
    own = source.path.resolve() if source.path is not None else None
    texts: dict[Path | None, Source] = {own: source, **{reading.target: reading.source for reading in readings}}
    numbers = {path: number for number, path in enumerate(texts)}
    imports: dict[Path | None, dict[str, int]] = {path: {} for path in texts}
    for reading in readings:
        imports[reading.importer][reading.declaration.path.plain or ""] = numbers[reading.target]
    files = tuple(
        (PurePath(file.name).name, file.path.name if file.path else "", file.text, tuple(imports[path].items()))
        for path, file in texts.items()
    )
    return Packed(files, arch, tuple((name, _plain(value)) for name, value in parameters.items()))


def _is_file(item: object) -> bool:
    return (
        isinstance(item, tuple)
        and [type(part) for part in item] == [str, str, str, tuple]
        and all(isinstance(pair, tuple) and [type(part) for part in pair] == [str, int] for pair in item[3])
    )


def _plain(value: Any) -> Any:
    """A parameter's value without any kind of the caller's own."""
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    kinds = (bool, int, float, str)
    return next((kind(value) for kind in kinds if isinstance(value, kind)), value)
