"""Where results go: stdout, or a file that may be overwritten."""

from __future__ import annotations

import os
from pathlib import Path

from archdsl.diagnostics import UsageError, quote
from archdsl.files import STANDARD

MARK = b"archdsl"  # stands near an end of every file that archdsl writes
HEAD = 4096  # bytes at each end that are searched for it


def may_write(path: Path | None, force: bool) -> None:
    """Raises `UsageError` if a file is there that archdsl did not write, unless it is forced."""
    if path is None or force or str(path) == STANDARD or not path.is_file():
        return
    with path.open("rb") as file:
        ends = file.read(HEAD)
        if path.stat().st_size > HEAD:
            file.seek(-min(HEAD, path.stat().st_size - HEAD), os.SEEK_END)
            ends += file.read(HEAD)
    if ends and MARK not in ends:
        raise UsageError(f"{quote(str(path))} was not written by archdsl: --force overwrites it")
