"""Where results go: stdout, or a file that may be overwritten."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from archdsl.diagnostics import UsageError, quote
from archdsl.files import STANDARD, replaceable
from archdsl.marks import NEAR, is_ours

if TYPE_CHECKING:
    from archdsl.compiler import Spec
    from archdsl.limits import Limits


def may_write(path: Path | None, force: bool, reads: Iterable[str | os.PathLike[str] | None] = ()) -> None:
    """Raises `UsageError` if a file is there that archdsl did not write, unless it is forced.

    What the command `reads` is never written over, not even by force.
    """
    if path is None or str(path) == STANDARD or not os.path.lexists(path) or not replaceable(path):
        return
    if any(_same(path, read) for read in reads if read is not None):
        raise UsageError(f"{quote(str(path))} is read and would be written too: name another file")
    if force or not os.path.isfile(path):
        return
    with path.open("rb") as file:
        beginning = file.read(NEAR)
        file.seek(max(0, path.stat().st_size - NEAR))
        end = file.read(NEAR)
    if beginning and not is_ours(beginning, end):
        raise UsageError(f"{quote(str(path))} was not written by archdsl: --force overwrites it")


def texts_of(spec: Spec, limits: Limits) -> Iterator[Path]:
    """The files that a spec is read from, with all that it imports; looked for when the first one is asked for."""
    from archdsl.compiler import files_of

    yield from files_of(spec, limits)


def _same(path: Path, other: str | os.PathLike[str]) -> bool:
    try:
        return os.path.samefile(path, other)
    except OSError:  # one of them is not there
        return os.path.realpath(path) == os.path.realpath(other)
