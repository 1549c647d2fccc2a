"""The specs that come with archdsl, by name."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from archdsl.diagnostics import UsageError, closest, quote
from archdsl.library import specs_root

# A declaration stands at the start of a line; the parser is not asked, so that a listing needs no parse of every file.
DECLARATION = re.compile(r"^arch[ \t]+([A-Za-z_][A-Za-z0-9_]*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Bundled:
    """A bundled arch: the file that declares it, and its name in that file (`None`: the file's own choice)."""

    name: str
    path: Path
    arch: str | None


@cache
def bundled() -> dict[str, tuple[Bundled, ...]]:
    """What each bundled name stands for: file stems (with an arch in them) and arch names, sorted; one entry if
    unique."""
    found: dict[str, list[Bundled]] = {}
    for path in sorted(specs_root().rglob("*.arch")):
        declared = DECLARATION.findall(path.read_text("utf-8"))
        if declared and path.stem not in declared:
            found.setdefault(path.stem, []).append(Bundled(path.stem, path, None))
        for arch in dict.fromkeys(declared):
            found.setdefault(arch, []).append(Bundled(arch, path, arch))
    return {name: tuple(found[name]) for name in sorted(found)}


def find(name: str) -> Bundled:
    """The bundled spec of a name. Raises `UsageError` for an unknown or ambiguous one."""
    stem = _by_stem(name)
    if stem is not None:
        return stem
    matches = bundled().get(name, ())
    if not matches:
        near = closest(name, bundled())
        hint = f"; did you mean `{near}`?" if near else "; `archdsl list` shows all"
        raise UsageError(f"there is no spec `{quote(name)}`, neither as a file nor bundled{hint}")
    if len(matches) > 1:
        places = ", ".join(str(match.path.relative_to(specs_root())) for match in matches)
        raise UsageError(f"`{name}` is declared in several bundled specs: {places}")
    return matches[0]


def _by_stem(name: str) -> Bundled | None:
    """The usual case without reading every file: `resnet50` is `specs/resnet50.arch`."""
    if not re.fullmatch(r"[A-Za-z0-9_]+", name):
        return None
    path = specs_root() / f"{name}.arch"
    return Bundled(name, path, None) if os.path.isfile(path) else None
