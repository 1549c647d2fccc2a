"""A family's layer, given again from another file, makes the same net: its file's `defaults` go with its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from archdsl.bundled import bundled
from archdsl.compiler import compile
from archdsl.elaborate import Expression, elaborate, parameters_of
from archdsl.elaborate.values import BlockValue, LayerValue, shown
from archdsl.graph.graph import Graph
from archdsl.library import specs_root
from archdsl.passes.canonical import canonical_hash
from archdsl.source import Source


def _slots() -> dict[str, tuple[str, Path, str, LayerValue]]:
    """One bundled net for each layer that a family takes: its name, file, the parameter and the layer."""
    found: dict[str, tuple[str, Path, str, LayerValue]] = {}
    for item in (each for entries in bundled().values() for each in entries if each.arch == each.name):
        source = Source(item.path.read_text(), item.path.name, item.path)
        for name, value in parameters_of(source, item.arch).items():
            if isinstance(value, LayerValue) and isinstance(value.target, BlockValue):
                found.setdefault(f"{name}={shown(value)}", (item.arch, item.path, name, value))
    return found


def test_layers_given_again_make_the_same_nets(tmp_path: Path) -> None:
    slots = _slots()
    assert len(slots) > 20
    for case, (name, path, parameter, value) in slots.items():
        assert _again(tmp_path, name, path, parameter, value) == canonical_hash(compile(name)), case


def _again(folder: Path, name: str, path: Path, parameter: str, value: LayerValue) -> str:
    """The hash of a net with a layer of its own given by a file outside."""
    imports = {name: path, **dict(_named(value))}
    lines = [f'from "{file.relative_to(specs_root()).as_posix()}" import {word}\n' for word, file in imports.items()]
    again = folder / "again.arch"
    again.write_text(f"{''.join(lines)}arch again = {name}({parameter}={shown(value)})\n")
    return canonical_hash(Graph(elaborate(Source(again.read_text(), "again.arch", again))))


def _named(layer: LayerValue) -> Iterator[tuple[str, Path]]:
    """The blocks that a layer names, and the files that declare them."""
    if isinstance(layer.target, BlockValue) and layer.target.module.source.path is not None:
        yield layer.name, layer.target.module.source.path
    for _, bound in layer.bound:
        if isinstance(bound.value, LayerValue):
            yield from _named(bound.value)


def test_a_unit_padded_as_tensorflow_does_keeps_the_activation_of_its_family() -> None:
    graph = compile("efficientnet_b0", unit=Expression("ConvNorm(padding=same_tf)"))
    words = [node.op.word for node in graph.nodes]
    assert words.count("silu") == [node.op.word for node in compile("efficientnet_b0").nodes].count("silu") > 40
    assert "relu" not in words
    assert {node.op.padding for node in graph.nodes if node.op.word == "conv"} >= {"same_tf"}  # type: ignore[attr-defined]
