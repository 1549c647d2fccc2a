"""Calls as data, made into Python source and executed beside our definitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from archdsl.outline.call import Call, Operand, Symbol
from archdsl.targets.torch_definitions import DEFINITIONS


def namespace() -> dict[str, Any]:
    """What generated source sees: torch's names and every definition."""
    names: dict[str, Any] = {"torch": torch, "nn": nn, "F": F, "Tensor": torch.Tensor}
    for source in DEFINITIONS.values():
        exec(compile(source, "definitions.py", "exec", dont_inherit=True), names)
    return names


NAMES = namespace()


def text(value: Any) -> str:
    """The source of a call's argument; operands are `x[0]`, `x[1]`, …"""
    if isinstance(value, Operand):
        return "list(x)" if value.index is None else f"x[{value.index}]"
    if isinstance(value, Symbol):
        return value.name
    if not isinstance(value, Call):
        return repr(value)
    if value.function in ("+", "*"):
        return "(" + f" {value.function} ".join(text(argument.value) for argument in value.arguments) + ")"
    arguments = [argument for argument in value.arguments if argument.value != argument.default]
    written = [("" if a.positional else f"{a.name}=") + text(a.value) for a in arguments]
    return f"{value.function}({', '.join(written)})"


def module(call: Call) -> nn.Module:
    """The module that a call constructs."""
    made = eval(text(call), dict(NAMES))
    assert isinstance(made, nn.Module)
    return made


def function(call: Call) -> Callable[..., Any]:
    """The function of its operands that a call is, as generated source has it."""
    made: Callable[..., Any] = eval(f"lambda *x: {text(call)}", dict(NAMES))
    return made


def apply(call: Call, *values: torch.Tensor) -> Any:
    """What a function's call returns for these operands."""
    return function(call)(*values)
