"""Small specs: their programs, their keys, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest

from archdsl.diagnostics import CompileError, Diagnostic
from archdsl.elaborate import check, elaborate
from archdsl.ir.program import Program
from archdsl.source import Source


def program(text: str, arch: str | None = None, **parameters: Any) -> Program:
    """The program of an arch of a spec."""
    return elaborate(Source(text, "spec.arch"), arch, parameters)


def net(body: str, size: str = "3x16x16", **parameters: Any) -> Program:
    """The program of an arch with this body and one input."""
    return program(f"arch net() {{\n    input {size}\n{body}\n}}\n", **parameters)


def levels(built: Program) -> list[str]:
    """The paths of all layers with weights, in the order of the state_dict."""
    return list(dict.fromkeys(key.rpartition(".")[0] for key, _, _ in built.state))


def keys(built: Program) -> list[str]:
    """Every key of the state_dict, in order."""
    return [key for key, _, _ in built.state]


def words(built: Program) -> list[str]:
    """The operations in the order in which they run."""
    return [node.op.word for node in built.nodes]


def mistakes(text: str, arch: str | None = None, **parameters: Any) -> tuple[Diagnostic, ...]:
    """What is wrong with a spec: with all of it, or as it is built with parameters."""
    source = Source(text, "spec.arch")
    with pytest.raises(CompileError) as caught:
        _ = check(source) if arch is None and not parameters else elaborate(source, arch, parameters)
    return caught.value.diagnostics


def codes(text: str, arch: str | None = None, **parameters: Any) -> list[str]:
    """The codes of what is wrong with a spec, in the order of the text."""
    return [diagnostic.code for diagnostic in mistakes(text, arch, **parameters)]
