"""`archdsl explain`: what a diagnostic's code means."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

import archdsl
from archdsl.cli import console, options
from archdsl.diagnostics import Problem, UsageError, closest, quote

Code = Annotated[str | None, typer.Argument(metavar="CODE", help="A code such as E0302; without one, all are listed.")]

ELSEWHERE = (("graph", "text"), ("graph", "read"))  # modules that hold problems beside the `problems` of each room


def explain(code: Code = None, as_json: options.Json = False) -> None:
    """Explain a diagnostic's code, and the rule of the language behind it.

    Example: archdsl explain E0302
    """
    known = problems()
    if code is None:
        if as_json:
            console.say_json(ok=True, codes=[_facts(problem) for problem in known.values()])
        else:
            console.say(console.table([(name, _title(problem)) for name, problem in known.items()]))
        return
    problem = known.get(code.upper())
    if problem is None:
        near = closest(code.upper(), known)
        hint = f", did you mean `{near}`?" if near else ""
        raise UsageError(f"there is no code `{quote(code)}`{hint}; `archdsl explain` lists all")
    if as_json:
        console.say_json(ok=True, **_facts(problem))
    else:
        console.say(f"{problem.code}: {_text(problem)}\n\nThe rule: {problem.rule}")


def problems() -> dict[str, type[Problem]]:
    """Every kind of mistake by its code, sorted."""
    root = Path(archdsl.__file__).parent
    for file in sorted(root.rglob("*.py")):
        module = file.relative_to(root.parent).with_suffix("").parts
        if "problems" in module or module[1:] in ELSEWHERE:
            import_module(".".join(part for part in module if part != "__init__"))
    return {code: Problem.registry[code] for code in sorted(Problem.registry)}


def _facts(problem: type[Problem]) -> dict[str, str]:
    return {"code": problem.code, "text": _text(problem), "rule": problem.rule}


def _text(problem: type[Problem]) -> str:
    return " ".join((inspect.getdoc(problem) or "").split())


def _title(problem: type[Problem]) -> str:
    """The first sentence of the explanation."""
    return _text(problem).partition(". ")[0].rstrip(".")
