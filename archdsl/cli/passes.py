"""`archdsl passes`: what rewrites there are."""

from __future__ import annotations

from dataclasses import MISSING
from typing import Any, get_args

from archdsl.cli import console, options


def passes(
    pass_file: options.PassFile = None,
    as_json: options.Json = False,
) -> None:
    """List the passes: what each does, what it promises, its options, the law behind it and where that is from.

    exact: only rearranges weights, so training goes on as before. exact-eval: the same function in inference.
    redesign: another architecture of the same interface, which needs training.

    Example: archdsl passes
    """
    rows = [_facts(name, kind) for name, kind in options.known_passes(pass_file).items()]
    if as_json:
        console.say_json(ok=True, passes=rows)
        return
    for row in rows:
        console.say(f"{row['name']}  ({row['promise']})\n    {row['summary']}")
        console.say(f"    law: {row['law']}\n    source: {row['source']}")
        settings = ", ".join(f"{name}={default}" for name, default in row["options"].items() if name != "where")
        console.say(f"    options: where=PATH{', ' + settings if settings else ''}\n    example: {row['example']}\n")


def _facts(name: str, kind: Any) -> dict[str, Any]:
    from archdsl.passes.registry import options as fields

    shown = {}
    for option, (hint, default) in fields(kind).items():
        words = "|".join(map(str, get_args(hint)))
        value = "" if default is MISSING else str(default).lower() if isinstance(default, bool) else default
        shown[option] = words or value
    return {
        "name": name,
        "promise": kind.promise,
        "summary": kind.summary(),
        "law": kind.law,
        "source": kind.source,
        "options": shown,
        "example": f"archdsl rewrite SPEC --pass {name}",
    }
