"""Small specs with what makes live modules particular: shared layers, learned tensors, several outputs, side heads."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from torch import nn

import archdsl
from archdsl.source import Source

SHARED = Source(
    """\
block Cell() {
    conv(8, 3x3) -> batchnorm -> relu
}

arch shared_net() {
    input 3x16x16
    shared cell: Cell
    conv(8, 1x1) -> relu -> cell -> cell
    gap -> flatten -> dropout(0.3) -> fc: linear(5)
}
""",
    "shared_net.arch",
)
LEARNED = Source(
    """\
arch learned() {
    input 3x8x8
    param scale: ones([4, 1, 1])
    first: conv(4, 3x3) -> batchnorm
    from [here, scale] -> mul -> relu
    gap -> flatten -> fc: linear(3)
}
""",
    "learned.arch",
)
EVERYTHING = Source(
    """\
## A small net with a little of everything.

block Gate(reduction=2) {
    branches mul {
        skip identity
        gap -> fc1: conv(in.c // reduction, 1x1) -> relu -> fc2: conv(in.c, 1x1) -> sigmoid
    }
}

block Unit(width, stride=1) {
    residual {
        conv1: conv(width, 3x3, stride=stride) -> bn1: batchnorm -> relu -> gate: Gate
    } skip downsample: conv(width, 1x1, stride=stride)
    relu
}

arch everything(width=8, num_classes=5) {
    input 3x16x16
    stem { entry: conv(width, 3x3) -> norm: batchnorm -> relu }
    stage layer1 { repeat 2 as j { Unit(width * 2, 2 if j == 0 else 1) } }
    aux from layer1 -> side { gap -> flatten -> fc: linear(num_classes) }
    shared tower: conv(width * 2, 3x3)
    from layer1 -> tower -> relu -> tower
    param scale: constant(0.5, [width * 2, 1, 1])
    from [here, scale] -> mul -> drop: dropout(0.1) as features
    head { gap -> flatten -> fc: linear(num_classes) }
    output logits=fc, features, side
}
""",
    "everything.arch",
)


def as_file(spec: str | Source, folder: Path) -> ModuleType:
    """The generated source as a module that somebody imports from a file: an ordinary module by definition."""
    name = f"ordinary_{Path(spec if isinstance(spec, str) else spec.name).stem}"
    path = folder / f"{name}.py"
    path.write_text(str(archdsl.build(spec, "torch")))
    found = importlib.util.spec_from_file_location(name, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    found.loader.exec_module(module)
    return module


def net_class(module: ModuleType) -> type[nn.Module]:
    """The net's class of a generated file: the last one."""
    values = vars(module).values()
    own = [value for value in values if isinstance(value, type) and issubclass(value, nn.Module)]
    return [cls for cls in own if cls.__module__ == module.__name__][-1]
