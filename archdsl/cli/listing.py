"""`archdsl list`: the bundled specs."""

from __future__ import annotations

import re

from archdsl.bundled import bundled
from archdsl.cli import console, options
from archdsl.library import specs_root

DOCUMENTATION = re.compile(r"^##[ \t]*(\S.*)$", re.MULTILINE)


def listing(as_json: options.Json = False) -> None:
    """List the bundled specs: name, file, and what it is.

    Example: archdsl list
    """
    rows = []
    for name, entries in bundled().items():
        for entry in entries:
            about = DOCUMENTATION.search(entry.path.read_text("utf-8"))
            sentence = about.group(1).partition(". ")[0].rstrip(".") if about else ""
            file = entry.path.relative_to(specs_root()).as_posix()
            rows.append({"name": name, "file": file, "about": sentence})
    if as_json:
        console.say_json(ok=True, specs=rows)
    elif rows:
        console.say(console.table([(row["name"], row["file"], row["about"]) for row in rows]))
