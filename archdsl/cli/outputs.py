"""Where results go: stdout, or a file that may be overwritten."""

from __future__ import annotations

from pathlib import Path

from archdsl.diagnostics import UsageError, quote
from archdsl.files import STANDARD

MARK = b"archdsl"  # stands near the start of every file that archdsl writes
HEAD = 4096  # bytes that are searched for it


def may_write(path: Path | None, force: bool) -> None:
    """Raises `UsageError` if a file is there that archdsl did not write, unless it is forced."""
    if path is None or force or str(path) == STANDARD or not path.is_file():
        return
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head and MARK not in head.lower():
        raise UsageError(f"{quote(str(path))} was not written by archdsl: --force overwrites it")
