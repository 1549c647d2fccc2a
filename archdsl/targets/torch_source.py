"""Graph -> standalone PyTorch source: a class for each block, no repetition, formatted; it imports torch alone.

The source is laid out from validated names and literals; a spec's own text reaches it in docstrings only, harmless.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import PurePath

from archdsl.graph.graph import Graph
from archdsl.graph.verify import held
from archdsl.ops.base import Learned
from archdsl.outline import Argument, Call, Forms, Outline, outline
from archdsl.outline.call import without_inplace
from archdsl.outline.levels import Level, levels
from archdsl.targets.torch_class import class_lines
from archdsl.targets.torch_definitions import DEFINITIONS
from archdsl.targets.torch_init import Modules, Shared, common, learned, setup, shared
from archdsl.targets.torch_names import RESERVED, argument, class_name, variable
from archdsl.targets.torch_ops import function_form, module_form
from archdsl.targets.torch_rules import EXPLAIN
from archdsl.targets.torch_text import docstring, literal

# Operations whose result nothing needs for their gradient, and which is no view: what follows may write over it.
OVERWRITTEN = frozenset(
    {"conv", "conv_transpose", "linear", "batchnorm", "layernorm", "groupnorm", "add", "concat", "avgpool"}
)


@dataclass(frozen=True, slots=True)
class Code:
    """The generated source, and the name of the net's class in it."""

    text: str
    name: str


def source(graph: Graph) -> str:
    """The source of a net."""
    return code(graph).text


def code(graph: Graph) -> Code:
    """The source of a net with the name of its class. Raises `IllegalGraph` for texts that no spec can write."""
    held(graph)
    describe = _Describe(graph)
    found = outline(graph, describe, argument, variable, EXPLAIN, common(describe.shared, describe.modules))
    names = _class_names(graph, found)
    body: list[str] = []
    for at in range(len(found.classes)):
        root = at == found.root
        lines = class_lines(found, at, names, graph=graph if root else None, shared=describe.shared if root else {})
        body += ["", "", *lines]
    used = _names_used("\n".join(body))
    helpers = [DEFINITIONS[name].rstrip() for name in DEFINITIONS if name in used]
    text = "\n".join(["\n\n\n".join(helpers), *body]) if helpers else "\n".join(body[2:])
    header = _header(graph, used | _names_used("\n\n".join(helpers)))
    return Code("\n".join([*header, "", "", text]).rstrip() + "\n", names[found.root])


class _Describe:
    """The forms of each node in torch, with the statements for initial values that are not common to a whole class."""

    def __init__(self, graph: Graph) -> None:
        self.for_both = _for_both(graph)
        self.results = frozenset(output.value.node for output in graph.outputs)
        self.shared: Shared = {}
        self.modules = self._modules(graph)
        self.shared = shared(self.modules)

    def _modules(self, graph: Graph) -> Modules:
        found: Modules = []
        seen: set[str] = set()
        weighted = {type(node.op) for node in graph.nodes if node.op.tensors(*graph.program.shapes_in(node))}
        for index, node in enumerate(graph.nodes):
            tensors = node.op.tensors(*graph.program.shapes_in(node))
            if type(node.op) not in weighted or isinstance(node.op, Learned) or node.path in seen:
                continue  # one without weights counts where others of its kind have some: those are then optional
            seen.add(node.path)
            module = self(graph, index).module
            if module is not None:
                trainable = tuple(tensor.name for tensor in tensors if tensor.trainable)
                found.append((index, module.function, trainable, setup(graph, node)))
        return found

    def __call__(self, graph: Graph, index: int) -> Forms:
        from archdsl.targets.torch_init import base

        node = graph.nodes[index]
        if isinstance(node.op, Learned):
            made, fill = learned(node.op.init, node.op.sizes)
            return Forms(made, None, fill)
        shapes = graph.program.shapes_in(node)
        bare, both = graph.bare(index), index in self.for_both
        function = function_form(node.op, shapes, inplace=True, batchless=bare, both=both)
        plain = not bare and not both
        module = None if not plain and function is not None else module_form(node.op, shapes, both=not plain)
        free = self._free(graph, index)
        if function is not None and _named(function, "inplace"):
            function = _with_inplace(function, free)
            module = module and _with_inplace(module, free)
        elif function is not None and function.function in ("+",) and node.op.word == "add":
            function = Call("+", (*function.arguments, Argument("inplace", free, default=False)))
        statements = setup(graph, node) if self.shared is not None else ()
        if module is not None:
            common = self.shared.get(base(module.function), {})
            statements = tuple(item for item in statements if item[0] not in common)
        return Forms(module, function, statements)

    def _free(self, graph: Graph, index: int) -> bool:
        """Whether a node may write over its first input: only it reads that, and its gradient needs it no more."""
        node = graph.nodes[index]
        if not node.inputs:
            return False
        before = node.inputs[0].node
        producer = graph.nodes[before]
        level = node.path.rpartition(".")[0]
        inside = producer.path.startswith(f"{level}.") or not level
        return (
            inside
            and producer.op.word in OVERWRITTEN
            and graph.readers(before) == (index,)
            and before not in self.results
            and len(producer.outputs) == 1
            and not (producer.op.word in ("concat", "add") and len(producer.inputs) < 2)
            and graph.shape(node.inputs[0]).sizes == node.outputs[0].sizes
            and producer.training == node.training
            and before not in graph.batchless
        )


def _for_both(graph: Graph) -> frozenset[int]:
    """The nodes whose form serves values with and without a batch: the same steps of two applications of one class."""
    if not any(graph.nodes[index].inputs for index in graph.batchless):
        return frozenset()
    applied: dict[str, list[list[int]]] = {}
    _nodes(graph, levels(graph), applied)
    found: set[int] = set()
    for runs in applied.values():
        if len(runs) > 1 and len({len(run) for run in runs}) == 1:
            for step in zip(*runs, strict=True):
                if len({index in graph.batchless for index in step}) > 1:
                    found.update(step)
    return frozenset(found)


def _nodes(graph: Graph, level: Level, applied: dict[str, list[list[int]]]) -> list[int]:
    """The nodes of a level in order; `applied` gathers those of each application of each path below it."""
    every: list[int] = []
    for item in level.items:
        if item.level is not None:
            run, path = _nodes(graph, item.level, applied), item.level.path
        else:
            run, path = [item.node], graph.nodes[item.node].path
        applied.setdefault(path, []).append(run)
        every += run
    return every


def _named(call: Call, name: str) -> bool:
    return any(argument.name == name for argument in call.arguments)


def _with_inplace(call: Call, value: bool) -> Call:
    return Call(call.function, (*without_inplace(call).arguments, Argument("inplace", value, default=False)))


def _class_names(graph: Graph, found: Outline) -> list[str]:
    """A name for each class: no two alike, the net's own first."""
    taken = set(RESERVED) | {variable(part) for node in graph.nodes for part in node.path.split(".")}
    taken |= {parameter.name for cls in found.classes for parameter in cls.parameters}
    names = [""] * len(found.classes)
    for at in [found.root, *(at for at in range(len(found.classes)) if at != found.root)]:
        base = class_name(found.classes[at].name)
        name, count = base, 1
        results = ("", "Outputs", "TrainingOutputs") if at == found.root else ("",)
        while any(name + end in taken for end in results):
            count += 1
            name = f"{base}{count}" if not base[-1].isdigit() else f"{base}_{count}"
        taken |= {name + end for end in results}
        names[at] = name
    return names


def _names_used(text: str) -> frozenset[str]:
    return frozenset(node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name))


def _header(graph: Graph, used: frozenset[str]) -> list[str]:
    spec = PurePath(graph.program.source).name
    origin = f"`{spec}`" if spec else "a graph"
    digest = f" (sha256 {graph.program.digest[:16]})" if graph.program.digest else ""
    lines = docstring(f"{variable(graph.name)}, generated by archdsl from {origin}{digest}.", 0)
    standard = [
        ["import functools"] if "functools" in used else [],
        ["import math"] if "math" in used else [],
        ["from typing import NamedTuple"] if "NamedTuple" in used else [],
    ]
    before = [line for group in standard for line in group]
    froms = [name for name in ("Tensor", "nn") if name in used]
    torch = [
        *(["import torch"] if "torch" in used else []),
        *(["import torch.nn.functional as F"] if "F" in used else []),
        *([f"from torch import {', '.join(froms)}"] if froms else []),
    ]
    return [*lines, "", *before, *([""] if before else []), *torch]


__all__ = ["Code", "code", "literal", "source"]
