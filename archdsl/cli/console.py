"""What a user reads: results on stdout, all else on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO, TypeVar

from archdsl.diagnostics import CompileError, render_all
from archdsl.gate import shown

Item = TypeVar("Item")
JSON_VERSION = 1  # of the shape of what `--json` prints
LONG = 8  # inputs from which on a terminal shows progress


class ClosedPipe(Exception):  # noqa: N818 - an end, not an error
    """Nobody reads what is written any more."""


def say(text: str) -> None:
    """A line or lines of the result, on stdout, safe for a terminal."""
    sys.stdout.write(shown(text) + "\n")


def say_file(text: str) -> None:
    """Lines of a file on stdout: as they are for a program, safe on a terminal."""
    sys.stdout.write((shown(text) if sys.stdout.isatty() else text) + "\n")


def say_json(**content: Any) -> None:
    """The result as one JSON object on stdout, with the version of its shape."""
    sys.stdout.write(json.dumps({"version": JSON_VERSION, **content}, indent=2, ensure_ascii=True) + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """A line beside the result, on stderr."""
    sys.stderr.write(f"archdsl: {shown(text)}\n")


def complain(error: CompileError) -> None:
    """All diagnostics of a spec, on stderr."""
    sys.stderr.write(render_all(error.diagnostics, colored(sys.stderr)) + "\n")


def colored(stream: TextIO) -> bool:
    """Whether a stream takes colors: a terminal does, unless NO_COLOR says no (no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def table(rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> str:
    """Rows as aligned columns, two spaces apart; the columns in `right` are flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    flush = frozenset(right)
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index in flush else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def progress(items: Sequence[Item], doing: str) -> Iterator[Item]:
    """The items one by one, with a bar on a terminal's stderr where they are many."""
    if len(items) < LONG or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, description=doing, console=Console(stderr=True), transient=True)
