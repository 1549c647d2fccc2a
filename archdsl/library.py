"""The bundled specs: where they lie, and under which names they are known."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def specs_root() -> Path:
    """The folder of the bundled specs: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "specs"
    return inside if inside.is_dir() else package.parent / "specs"


@cache
def bundled() -> dict[str, Path]:
    """Every bundled file by its stem, sorted; stems are unique over `specs/` (a test holds them to it)."""
    return {path.stem: path for path in sorted(specs_root().rglob("*.arch"))}
