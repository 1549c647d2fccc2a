"""Every reason for which a rule keeps a site, read from the source of the passes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import archdsl.passes

FOLDER = Path(archdsl.passes.__file__).parent
MATCHING = {"structure"}  # says where two nets part, and rewrites none


def reasons() -> list[tuple[str, str]]:
    """The file that gives each reason, and a pattern for its words."""
    found: list[tuple[str, str]] = []
    for path in sorted(FOLDER.glob("*.py")):
        if path.stem == "structure":
            continue  # it says where two nets part, not why a rule keeps a site
        if path.stem in MATCHING:
            continue
        tree = ast.parse(path.read_text("utf-8"))
        for text in (*_of_keep(tree), *_of_functions(tree), *_appended(tree)):
            found.append((path.stem, text))
    return list(dict.fromkeys(found))


def _of_keep(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Keep":
            yield from _texts(node.args[0])


def _of_functions(tree: ast.AST) -> Iterator[str]:
    """What functions return that say why not: `-> str | None`, called a reason or what they find."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.returns and ast.unparse(node.returns) == "str | None":
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    yield from _texts(inner.value)


def _appended(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "reasons.append":
            yield from _texts(node.args[0])


def _texts(node: ast.expr) -> Iterator[str]:
    """The patterns that an expression's text has; none for what is computed elsewhere."""
    match node:
        case ast.Constant(value=str(text)) if " " in text:
            yield re.escape(text)
        case ast.JoinedStr(values=parts):
            yield "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+" for part in parts)
        case ast.IfExp(body=body, orelse=other):
            yield from _texts(body)
            yield from _texts(other)
