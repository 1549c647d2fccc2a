"""`archdsl fmt`: specs in the one form."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archdsl.cli import console, inputs, options
from archdsl.diagnostics import CompileError
from archdsl.files import STANDARD, FileError, write

if TYPE_CHECKING:
    from archdsl.source import Source

Check = Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if a file would change.")]
Diff = Annotated[
    bool, typer.Option("--diff", help="Write nothing; print what would change, and exit 1 if anything would.")
]


def fmt(specs: options.Specs, check: Check = False, diff: Diff = False, as_json: options.Json = False) -> None:
    """Format specs in place; comments stay. With - the result goes to stdout.

    Examples: archdsl fmt specs

    archdsl fmt --check --diff mine.arch
    """
    from archdsl.syntax.formatter import format_source

    reports = []
    for name in console.progress(inputs.specs(specs), "Formatting"):
        text = _source(name)
        try:
            formatted = format_source(text)
        except CompileError as error:
            reports.append({"file": name, "ok": False, "changed": False})
            console.complain(error)
            continue
        changed = formatted != text.text
        reports.append({"file": name, "ok": True, "changed": changed})
        if diff and changed and not as_json:
            console.say_file("\n".join(_difference(name, text.text, formatted)))
        if check or diff:
            _tell(changed and not as_json, f"{name} would change")
        elif name == STANDARD:
            write(STANDARD, formatted.encode())
        elif changed:
            write(text.path or name, formatted.encode())
            _tell(not as_json, f"formatted {name}")
    if as_json:
        console.say_json(ok=all(report["ok"] for report in reports), files=reports)
    broken = not all(report["ok"] for report in reports)
    if broken or ((check or diff) and any(report["changed"] for report in reports)):
        raise typer.Exit(1)


def _source(name: str) -> Source:
    """The text of a file, never of a bundled name: formatting writes, and a bundled spec is not the user's."""
    from archdsl.compiler import source

    if name != STANDARD and not Path(name).is_file():
        raise FileError(f"{name}: no such file")
    return source(inputs.spec(name))[0]


def _difference(name: str, before: str, after: str) -> Iterator[str]:
    return difflib.unified_diff(_lines(before), _lines(after), name, f"{name} (formatted)", lineterm="")


def _lines(text: str) -> list[str]:
    """The lines of a text, which end in one way alone."""
    return text.removesuffix("\n").split("\n")


def _tell(wanted: bool, text: str) -> None:
    if wanted:
        console.note(text)
