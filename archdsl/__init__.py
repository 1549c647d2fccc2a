"""archdsl: a declarative compiler for neural-network architectures.

import archdsl

net = archdsl.load("resnext50", num_classes=10)  # a torch.nn.Module with torchvision's keys
graph = archdsl.compile("resnext50")  # .params, .macs, .output_shapes
archdsl.build("resnext50", "onnx", "resnext50.onnx", seed=1)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archdsl.compiler import build, check, compile, load, render
    from archdsl.diagnostics import ArchdslError, CompileError, Diagnostic, UsageError
    from archdsl.elaborate import Expression
    from archdsl.graph.graph import Graph
    from archdsl.library import specs_root
    from archdsl.limits import Limits
    from archdsl.source import Source

__version__ = "0.1.0"
__all__ = [
    "ArchdslError",
    "CompileError",
    "Diagnostic",
    "Expression",
    "Graph",
    "Limits",
    "Source",
    "UsageError",
    "build",
    "check",
    "compile",
    "load",
    "render",
    "specs_root",
]

# Where each name comes from; it is imported when it is first asked for (PEP 562), so that `import archdsl` costs
# nothing.
_HOMES = {
    "ArchdslError": "diagnostics",
    "CompileError": "diagnostics",
    "Diagnostic": "diagnostics",
    "Expression": "elaborate",
    "Graph": "graph.graph",
    "Limits": "limits",
    "Source": "source",
    "UsageError": "diagnostics",
    "build": "compiler",
    "check": "compiler",
    "compile": "compiler",
    "load": "compiler",
    "render": "compiler",
    "specs_root": "library",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'archdsl' has no attribute {name!r}")
    value = getattr(import_module(f"archdsl.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
