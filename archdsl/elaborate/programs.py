"""The body of an arch, run to a program: outputs, order, budgets, and the claims held against its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count
from math import prod
from pathlib import PurePath
from typing import Any

from archdsl.elaborate import claims
from archdsl.elaborate.elaborator import Elaborator, stream_of
from archdsl.elaborate.environment import Env, Place
from archdsl.elaborate.flow import Flows
from archdsl.elaborate.found import Found
from archdsl.elaborate.modules import ArchValue, Module
from archdsl.elaborate.problems import names, shapes, structure
from archdsl.elaborate.values import POISON, BlockValue, Labelled, LayerValue, Tensor, flow_of, kind_of, plain_arguments
from archdsl.gate import plain
from archdsl.ir import sharing
from archdsl.ir.program import Output, Program, Value
from archdsl.ops import StochasticDepth
from archdsl.syntax import tree


def run(
    arch: ArchValue,
    layer: LayerValue,
    symbols: dict[str, Any],
    elaborator: Elaborator,
    *,
    claimed: bool,
    demands: Sequence[tuple[tree.Require, Module]] = (),
) -> Program | None:
    """The program of an arch with its arguments, or `None` if the elaborator recorded mistakes. `demands` are the
    requirements of its chain of variants, each with the file in which it stands."""
    assert isinstance(layer.target, BlockValue)
    declaration, flows = layer.target.declaration, Flows(elaborator)
    env = flows.layers.frame(layer, layer.target, None, "", arch.declaration.name.span, None)
    elaborator.trace.frames[0] = env
    stream = stream_of(env)
    for name, value in symbols.items():
        env.names[name] = value
    flows.least.hold(declaration, env)
    flows.body(declaration.body, env, Place(0, ""))
    if not flows.inputs and not any(item.code == shapes.NothingFlows.code for item in elaborator.problems.values()):
        raise Found(structure.NoInput(declaration.name.span, arch.name))
    if elaborator.problems or stream.here is None or stream.here is POISON:
        return None
    outputs = _outputs(flows, env, elaborator, declaration)
    facts = {
        "parameters": plain_arguments(env.names),
        "doc": arch.declaration.doc or arch.module.file.doc or declaration.doc,
        "digest": arch.module.digest,
        "source": plain(PurePath(arch.module.source.name).name),  # where it lies leaves no trace
        "trace": elaborator.trace,
    }
    elaborator.builder.scopes[0] = replace(
        elaborator.builder.scopes[0],
        block=declaration.name.name,
        arguments=plain_arguments(env.names),
        doc=declaration.doc,
    )
    program = _ordered(elaborator.builder.program(outputs, **facts), elaborator)
    elaborator.program = program
    for _, why in sharing.broken(program):
        raise RuntimeError(why)  # the names above keep every path apart
    _hold_budgets(program, elaborator)
    _sums(program)
    for later in elaborator.later:
        later()
    for demand, module in demands:
        try:
            claims.demand(elaborator, demand, Env(module, stream))
        except Found as found:
            elaborator.record(found.problem)
    if claimed:
        own = arch.declaration
        expects = (
            [(item, Env(arch.module, stream)) for item in own.claims if isinstance(item, tree.Expect)]
            if isinstance(own, tree.ArchVariant)
            else flows.expects
        )
        for statement, frame in expects:
            try:
                claims.expect(elaborator, statement, frame)
            except Found as found:
                elaborator.record(found.problem)
    return program


def _outputs(flows: Flows, env: Env, elaborator: Elaborator, declaration: tree.Block | tree.Arch) -> tuple[Output, ...]:
    nodes = elaborator.builder.nodes
    stream = stream_of(env)
    if flows.outputs is None:
        here = stream.here
        if not isinstance(here, Tensor):
            length = len(here) if isinstance(here, tuple) else 0
            raise Found(structure.NoOutput(declaration.body.statements[-1].span, length))
        heads = _side_heads(elaborator)
        return (Output("output", here.value), *heads)
    statement, frame = flows.outputs
    outputs: list[Output] = []
    for item in statement.items:
        reader = frame.inner(reading=True)
        value = elaborator.expressions.value(item.value, reader)
        elaborator.decided(Place(0, ""), item.value, reader)
        flow = flow_of(value)
        if not isinstance(flow, Tensor):
            raise Found(names.NotAFlow(item.value.span, kind_of(value)))
        name = item.name.name if item.name else _own_name(item.value, value)
        if name is None:
            raise Found(structure.UnnamedOutput(item.span))
        elaborator.fuel.items(item.span, len(outputs))
        if any(output.name == name for output in outputs):
            raise Found(structure.SecondOutput(item.span, name))
        outputs.append(Output(name, flow.value, nodes[flow.value.node].training))
    if all(output.training for output in outputs):
        raise Found(shapes.TrainingOnly(statement.span, outputs=True))
    return tuple(outputs)


def _own_name(expression: tree.Expr, value: Any) -> str | None:
    if isinstance(expression, tree.Name) and expression.name not in ("in", "here"):
        return expression.name
    return (
        value.path.rpartition(".")[2]
        if isinstance(value, Labelled) and value.path.rpartition(".")[2].isidentifier()
        else None
    )


def _side_heads(elaborator: Elaborator) -> tuple[Output, ...]:
    """Without `output`, every side head's end follows the last value."""
    nodes = elaborator.builder.nodes
    read = {value.node for node in nodes for value in node.inputs}
    ends = [index for index, node in enumerate(nodes) if node.training and index not in read]
    called = _head_names([nodes[index].path for index in ends])
    return tuple(Output(name, Value(index), True) for name, index in zip(called, ends, strict=True))


def _head_names(paths: list[str]) -> list[str]:
    """A name for each side head: the first level of its path, or as many as tell it from the others, or its number."""
    chosen = [path.partition(".")[0] for path in paths]
    for depth in range(2, 1 + max((path.count(".") + 1 for path in paths), default=0)):
        taken = Counter(["output", *chosen])
        longer = ["_".join(path.split(".")[:depth]) for path in paths]
        chosen = [more if taken[name] > 1 else name for name, more in zip(chosen, longer, strict=True)]
    given = {"output": None}  # in this order
    for name in chosen:
        numbered = (f"{name}_{number}" for number in count(2))
        given[next(each for each in chain([name], numbered) if each not in given)] = None
    return list(given)[1:]


def _ordered(program: Program, elaborator: Elaborator) -> Program:
    """Side heads moved to right after what they read, and the order of declarations kept where it is another one."""
    every = range(len(program.nodes))
    declared = sorted(every, key=lambda index: elaborator.order[index])
    run = sorted(every, key=lambda index: (elaborator.after.get(index, index), index in elaborator.after, index))
    if run == list(every) and declared == run:
        elaborator.trace.finish(program, run)
        return program
    new = {old: index for index, old in enumerate(run)}

    def moved(value: Value) -> Value:
        return Value(new[value.node], value.output)

    nodes = tuple(replace(program.nodes[old], inputs=tuple(map(moved, program.nodes[old].inputs))) for old in run)
    outputs = tuple(replace(output, value=moved(output.value)) for output in program.outputs)
    program = replace(program, nodes=nodes, outputs=outputs, declared=tuple(new[old] for old in declared))
    elaborator.trace.finish(program, run)
    return program


def _hold_budgets(program: Program, elaborator: Elaborator) -> None:
    """Holds the sizes of values and weights to the budget, in whole numbers, before anything is allocated."""
    limits, total = elaborator.limits, 0
    for node in program.nodes:
        for shape in node.outputs:
            if shape.elements > limits.elements and node.span is not None:
                raise Found(
                    structure.TensorTooLarge(node.span, f"the result of {node.path}", shape.elements, limits.elements)
                )
    for key, node, tensor in program.state:
        size = prod(tensor.sizes)
        total += size
        if (size > limits.elements or total > limits.params) and node.span is not None:
            if size > limits.elements:
                raise Found(structure.TensorTooLarge(node.span, f"`{key}`", size, limits.elements))
            raise Found(structure.TensorTooLarge(node.span, "the net", total, limits.params, "parameters"))


def _sums(program: Program) -> None:
    """Holds every stochastic depth to be read by sums only."""
    for node in program.nodes:
        for value in node.inputs:
            source = program.nodes[value.node]
            if isinstance(source.op, StochasticDepth) and node.op.word != "add" and source.span is not None:
                raise Found(shapes.UnsummedDrop(source.span))
    for output in program.outputs:
        source = program.nodes[output.value.node]
        if isinstance(source.op, StochasticDepth) and source.span is not None:
            raise Found(shapes.UnsummedDrop(source.span))
