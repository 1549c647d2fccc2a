"""A generated class with other arguments is what its spec builds with them, or an error that names the condition.

All bundled specs: `pytest -m slow tests/targets/test_torch_parameters.py`.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import archdsl
from archdsl.library import specs_root
from archdsl.source import Source
from archdsl.targets.torch_source import code

BLOCKS = sorted((specs_root() / "blocks").glob("*.arch"))
NETS = [specs_root() / f"{name}.arch" for name in ("resnet18", "unet")]
SPECS = [*BLOCKS, *sorted(specs_root().glob("*.arch"))]

TWO_INPUTS = """
## `out` channels, half of them in groups.
block Mix(out, parts=2, wide=3x3, act=none) {
    let half = out // parts
    conv1: conv(half, 1x1) -> relu
    conv2: conv(out, wide, groups=half // 4) -> batchnorm
    _: act
}

block Gate(reduction) {
    let squeezed = max(8, in.c // reduction)
    branches mul {
        skip identity
        gap -> fc1: conv(squeezed, 1x1) -> relu -> fc2: conv(in.c, 1x1) -> sigmoid
    }
}

arch two(width=32, ratio=0.5, drop=0.075, deep=false, classes=[10, 4], reduction=4) {
    input left: 3x16x16
    input right: 3x16x16
    let inner = round(width * ratio) // 8 * 8
    from left -> a: Mix(width) as x
    from right -> b: Mix(inner, parts=1 if deep else 2, wide=5x5) as y
    from [x, y] -> concat -> Gate(reduction) as joined
    if deep { extra: conv(joined.c, 1x1) }
    gap -> flatten -> dropout(drop)
    if ratio < 1 { hidden: linear(here.c // 2) -> relu }
    one: linear(classes[0], init=normal(std=width ** -0.5))
}
"""


def generated(graph: Any) -> tuple[type[nn.Module], dict[str, Any]]:
    """The class of a net as its source defines it, and all that the source defines."""
    made = code(graph)
    names: dict[str, Any] = {"__name__": "generated"}
    exec(compile(made.text, "<generated>", "exec", dont_inherit=True), names)
    return names[made.name], names


def form(module: nn.Module) -> tuple[Any, ...]:
    """The state's keys and shapes in order, and every layer with its settings."""
    state = [(key, tuple(value.shape)) for key, value in module.state_dict().items()]
    layers = [(name, repr(layer)) for name, layer in module.named_modules() if not list(layer.children())]
    return state, [(name, re.sub(r"^\w+", "", text)) for name, text in layers]


def built(cls: type[nn.Module], **arguments: Any) -> nn.Module | None:
    """The module, or `None` if the class refuses the arguments for the structure that they would need."""
    try:
        return cls(**arguments)
    except ValueError as error:
        if "built in another way" not in str(error):
            raise
        return None


def others(value: Any) -> list[Any]:
    """Further values of a parameter."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return sorted({value * 2, max(1, value // 2), value + 1, value + 8, 3, 1} - {value})
    if isinstance(value, float):
        return [value * 1.5, value * 0.5, 0.0, 1.0]
    if isinstance(value, tuple):
        return [tuple(item * 2 for item in value), (*value, value[-1])]
    return []


def sweep(spec: Any) -> tuple[int, int]:
    """How many other arguments of a net were as the spec has them, and how many were refused."""
    cls, _ = generated(archdsl.compile(spec))
    same = refused = 0
    for parameter in list(inspect.signature(cls.__init__).parameters.values())[1:]:
        for value in others(parameter.default):
            try:
                theirs = archdsl.compile(spec, **{parameter.name: value})
            except archdsl.ArchdslError:
                continue  # no value of this parameter
            with torch.device("meta"):
                mine = built(cls, **{parameter.name: value})
                if mine is None:
                    refused += 1
                    continue
                assert form(mine) == form(generated(theirs)[0]()), (parameter.name, value)
            same += 1
    return same, refused


@pytest.mark.parametrize("spec", [*BLOCKS[::3], *NETS], ids=lambda path: path.stem)
def test_another_argument_of_a_net_builds_what_the_spec_builds_with_it(spec: Path) -> None:
    same, _ = sweep(spec)
    assert same


@pytest.mark.slow
@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_another_argument_of_any_net_builds_what_the_spec_builds_with_it(spec: Path) -> None:
    sweep(spec)


def test_a_spec_of_two_inputs_keeps_its_names_and_refuses_another_structure() -> None:
    spec = Source(TWO_INPUTS, "two.arch")
    cls, names = generated(archdsl.compile(spec))
    assert sweep(spec)[0] > 10
    assert "deep" not in inspect.signature(cls.__init__).parameters
    assert list(inspect.signature(names["Mix"].__init__).parameters)[1:] == ["in_channels", "out", "parts", "wide"]
    assert list(inspect.signature(cls.forward).parameters)[1:] == ["left", "right"]
    with pytest.raises(ValueError, match="ratio >= 1"):
        cls(ratio=1.0)


@pytest.mark.parametrize(("width", "stride"), [(64, 1), (96, 1), (8, 2), (40, 2)])
def test_a_class_with_other_arguments_is_its_block_with_them(width: int, stride: int) -> None:
    _, names = generated(archdsl.compile(specs_root() / "resnet50.arch"))
    called = f"""
from "families/resnet.arch" import Bottleneck

arch one() {{
    input 64x16x16
    block: Bottleneck({width}, {stride})
}}
"""
    theirs = archdsl.compile(Source(called, "one.arch", specs_root() / "one.arch"))
    with pytest.raises(ValueError, match="needs downsample"):
        names["Bottleneck"](64, width, stride)
    mine = names["Bottleneck"](64, width, stride, downsample=names["Project"](64, width * 4, stride))
    loaded = archdsl.load(Source(called, "one.arch", specs_root() / "one.arch"), seed=1).eval()
    mine.load_state_dict(dict(loaded.block.state_dict()))
    assert theirs.output_shapes
    image = torch.randn(2, 64, 16, 16)
    with torch.no_grad():
        assert torch.equal(mine.eval()(image), loaded(image))


def test_a_class_is_refused_where_its_block_is_nothing() -> None:
    _, names = generated(archdsl.compile(specs_root() / "resnet50.arch"))
    with pytest.raises(ValueError, match="stride == 1 and in_channels == out"):
        names["Project"](64, 64)
