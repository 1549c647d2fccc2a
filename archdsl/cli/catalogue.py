"""The bundled architectures with their facts: what their documentation says, and what the compiler counts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from archdsl.diagnostics import ArchdslError
from archdsl.library import specs_root

BLOCKS = "blocks"  # the folder, and family, of the teaching blocks
SHARED = ("families", "lib")
CITED = re.compile(
    r"(?P<authors>[A-Z][a-z]\w*(?: et al\.| & [A-Z]\w+)?) (?P<year>(?:19|20)\d\d)\b"
    r"(?:, arXiv:(?P<arxiv>\d{4}\.\d{4,5}))?"
)
SENTENCE_END = re.compile(r"(?<!\bal)\.(?:\s+|$)")
IMPORT = re.compile(r'^from[ \t]+"(?:[^"\n]*/)?([A-Za-z0-9_]+)\.arch"', re.MULTILINE)
DOCUMENTATION = re.compile(r"\A(?:##[^\n]*(?:\n|\Z))+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One architecture. `input` is the size of one example, `arxiv` the paper's number there, if it has one."""

    name: str
    family: str
    about: str
    params: int
    macs: int
    input: str
    year: int
    authors: str
    arxiv: str | None
    file: str


def entries() -> tuple[Entry, ...]:
    """Every bundled architecture by family (the oldest first) and size: as kept, if no spec has changed since."""
    kept = _kept()
    return kept if kept is not None else elaborated()


def elaborated() -> tuple[Entry, ...]:
    """The same, each spec compiled anew."""
    from archdsl.cli import console

    paths = {path.stem: path for path in _specs()}
    found = [_entry(paths[stem]) for stem in console.progress(list(paths), "Compiling")]
    first: dict[str, int] = {}
    for entry in found:
        first[entry.family] = min(entry.year, first.get(entry.family, entry.year))
    return tuple(sorted(found, key=lambda entry: (*_rank(entry, first), entry.params, entry.name)))


def kept_text(found: tuple[Entry, ...]) -> str:
    """The entries as `specs/catalogue.json` keeps them, with the digest of the specs that they are of."""
    rows = ",\n".join(f"  {json.dumps(asdict(entry), ensure_ascii=True)}" for entry in found)
    return f'{{\n "specs": "{_digest()}",\n "entries": [\n{rows}\n ]\n}}\n'


def kept_file() -> Path:
    """Where the entries are kept, so that a listing compiles nothing."""
    return specs_root() / "catalogue.json"


def documentation(path: Path) -> str:
    """What a spec's first lines say of it, as one paragraph."""
    found = DOCUMENTATION.match(path.read_text("utf-8"))
    return " ".join(line[2:].strip() for line in found.group().rstrip("\n").split("\n")) if found else ""


def _kept() -> tuple[Entry, ...] | None:
    try:
        content = json.loads(kept_file().read_text("utf-8"))
        if content["specs"] != _digest():
            return None
        return tuple(Entry(**row) for row in content["entries"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest() -> str:
    """A hash of every bundled spec's name and text."""
    total = hashlib.sha256()
    for path in sorted(specs_root().rglob("*.arch")):
        total.update(f"{path.relative_to(specs_root()).as_posix()}\0{path.read_text('utf-8')}\0".encode())
    return total.hexdigest()


def _specs() -> Iterator[Path]:
    """The files that are an architecture each, and not what several share."""
    for path in sorted(specs_root().rglob("*.arch")):
        if path.relative_to(specs_root()).parts[0] not in SHARED:
            yield path


def _entry(path: Path) -> Entry:
    from archdsl.compiler import compile as compile_spec

    graph = compile_spec(path)
    family = _family(path)
    text = documentation(path)
    cited = CITED.search(text) or CITED.search(documentation(specs_root() / "families" / f"{family}.arch"))
    if cited is None:
        raise ArchdslError(f"{path.name} names no paper in its first lines")
    sizes = [graph.nodes[index].outputs[0].sizes for index in graph.inputs]
    return Entry(
        name=graph.name,
        family=family,
        about=SENTENCE_END.split(text)[0],
        params=graph.params,
        macs=graph.macs,
        input=", ".join("x".join(map(str, shape)) for shape in sizes),
        year=int(cited["year"]),
        authors=cited["authors"],
        arxiv=cited["arxiv"],
        file=path.relative_to(specs_root()).as_posix(),
    )


def _family(path: Path) -> str:
    """The family that a spec is a member of: of those that it imports, itself or through another member, the one that
    builds on the others."""
    if path.parent.name == BLOCKS:
        return BLOCKS
    root, imported = specs_root(), _imported(path)
    named = [stem for stem in imported if (root / f"families/{stem}.arch").is_file()]
    below = {stem for name in named for stem in _imported(root / f"families/{name}.arch")}
    for name in named:
        if name not in below:
            return name
    members = [root / f"{stem}.arch" for stem in imported if (root / f"{stem}.arch").is_file()]
    return _family(members[0]) if members else path.stem


def _imported(path: Path) -> list[str]:
    """The stems of the files that a spec imports from, in its order."""
    return IMPORT.findall(path.read_text("utf-8"))


def _rank(entry: Entry, first: dict[str, int]) -> tuple[bool, int, str]:
    """Families by their oldest member's year; the teaching blocks come last."""
    return entry.family == BLOCKS, first[entry.family], entry.family
