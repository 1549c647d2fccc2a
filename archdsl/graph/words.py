"""The words of a legal graph: every text in it is what the language lets a spec write in its place."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

from pydantic import ValidationError

from archdsl.diagnostics import quote
from archdsl.elaborate.environment import is_taken
from archdsl.gate import MODE, is_label, is_line, is_name, is_string
from archdsl.ir.program import Node, Program, Scope
from archdsl.limits import Limits
from archdsl.ops.base import Described, Input
from archdsl.syntax.lexer import WORDS

ROLES = frozenset({"stem", "stage", "head", "aux", "skip"})
DIGEST = frozenset("0123456789abcdef")
BIGGEST = 2**63  # exclusive bound of whole numbers that are no argument of an operation
LEVELS = 256  # of scopes in one another
SOURCE = 4096  # characters of a file's name


def program_fault(program: Program, limits: Limits) -> str | None:
    """What is wrong with a text of the net as a whole, or `None`."""
    if not _named(program.name, limits):
        return f"`{quote(program.name)}` is no name of an arch"
    if not (is_line(program.source) and len(program.source) <= SOURCE):
        return f"`{quote(program.source)}` is no name of a file"
    if not (set(program.digest) <= DIGEST and len(program.digest) <= 64):
        return f"`{quote(program.digest)}` is no digest"
    for output in program.outputs:
        if not is_label(output.name, limits.identifier) or "." in output.name:
            return f"`{quote(output.name)}` is no name of an output"
    return _doc_fault(program.doc, limits) or _bound_fault(program.parameters, limits)


def scope_fault(scope: Scope, limits: Limits) -> str | None:
    """What is wrong with a text of a scope, or `None`."""
    if scope.path and not _is_path(scope.path, limits):
        return f"`{quote(scope.path)}` is no path"
    if scope.role is not None and scope.role not in ROLES:
        return f"`{quote(scope.role)}` is no role"
    if scope.block is not None and not _named(scope.block, limits):
        return f"`{quote(scope.block)}` is no name of a block"
    return _doc_fault(scope.doc, limits) or _bound_fault(scope.arguments, limits)


def node_fault(node: Node, limits: Limits) -> str | None:
    """What is wrong with a text of a node, or `None`."""
    if isinstance(node.op, Input):
        if not (node.path == Input.word or _named(node.path, limits)):
            return f"`{quote(node.path)}` is no name of an input"
    elif not _is_path(node.path, limits):
        return f"`{quote(node.path)}` is no path"
    for text in _texts(node.op):
        if not is_string(text) or len(text) > limits.text:
            return f"`{quote(text)}` is no string of the language"
    if fault := _argument_fault(node.op):
        return fault
    for axis in (axis for shape in node.outputs for axis in shape.axes if axis is not None):
        if not is_string(axis) or len(axis) > limits.text:
            return f"`{quote(axis)}` is no name of an axis"
    return None


def _is_path(text: str, limits: Limits) -> bool:
    return is_label(text, limits.identifier) and text.count(".") < limits.levels and MODE not in text.split(".")


def _named(text: str, limits: Limits) -> bool:
    return is_name(text, limits.identifier) and text not in WORDS and not is_taken(text)


def _doc_fault(doc: str, limits: Limits) -> str | None:
    if len(doc) > limits.source or not all(map(is_line, doc.split("\n"))):
        return f"`{quote(doc)}` is no text of `##` lines"
    return None


def _bound_fault(bound: tuple[tuple[str, Any], ...], limits: Limits) -> str | None:
    names = [name for name, _ in bound]
    for name in names:
        if not _named(name, limits):
            return f"`{quote(name)}` is no name of a parameter"
    if len(set(names)) < len(names):
        return "a parameter is given twice"
    return next((fault for _, value in bound if (fault := _value_fault(value, limits))), None)


def _value_fault(value: Any, limits: Limits, depth: int = 0) -> str | None:
    match value:
        case None | bool():
            return None
        case int():
            return None if abs(value) < BIGGEST else "a whole number has more than 63 bits"
        case float():
            return None if isfinite(value) else f"{value} is no number of the language"
        case str():
            fits = is_string(value) and len(value) <= limits.text
            return None if fits else f"`{quote(value)}` is no string of the language"
        case tuple():
            if depth >= limits.nesting:
                return f"lists nest at most {limits.nesting} deep"
            return next((fault for item in value if (fault := _value_fault(item, limits, depth + 1))), None)
    return f"a {type(value).__name__} is no value of the language"


def _argument_fault(op: Described) -> str | None:
    """What is wrong with the arguments of an operation, however it was made."""
    try:
        type(op)(**{name: getattr(op, name) for name in type(op).model_fields})
    except ValidationError as error:
        return f"`{op.word}`: {quote(str(error.errors(include_url=False)[0]['msg']))}"
    return None


def _texts(value: Any) -> Iterator[str]:
    """The strings in the arguments of an operation or initial value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        if value and not isinstance(value[0], (int, float)):
            for item in value:
                yield from _texts(item)
    elif isinstance(value, Described):
        for name in type(value).model_fields:
            yield from _texts(getattr(value, name))
