"""Specs that put one name in one place, and the names that a compiler to Python is most likely to trip over."""

from __future__ import annotations

import builtins
import keyword

from torch import nn

PLAIN = "zebra"  # a name that nothing has
SPECS = r"""
=== label
arch net() {
    input 4x6x6
    "NAME": conv(4, 1x1)
    relu
}
=== label of what is only called
arch net() {
    input 4x6x6
    conv(4, 1x1)
    "NAME": dropout(0.5)
    conv(4, 1x1)
}
=== label of a level
arch net() {
    input 4x6x6
    "NAME" {
        conv(4, 1x1)
        relu
        residual {
            conv(4, 1x1)
        }
    }
}
=== label of a merge
arch net() {
    input 4x6x6
    branches {
        conv(4, 1x1)
        conv(4, 1x1)
    }
    "NAME": concat
}
=== label in a level
arch net() {
    input 4x6x6
    up {
        "NAME": conv(4, 1x1)
        bn: batchnorm
        relu
    }
}
=== level between
arch net() {
    input 4x6x6
    "up.NAME.a": conv(4, 1x1)
    mid: relu
    "up.NAME.b": conv(4, 1x1)
}
=== end of a path
arch net() {
    input 4x6x6
    "up.a.NAME": conv(4, 1x1)
    mid: relu
    "up.a.b": conv(4, 1x1)
}
=== label of a call
block Cell(width) {
    conv(width, 1x1)
    relu
}
arch net() {
    input 4x6x6
    "NAME": Cell(4)
    other: Cell(5)
}
=== label in two calls
block Cell(width) {
    "NAME": conv(width, 1x1)
    relu
}
arch net() {
    input 4x6x6
    one: Cell(4)
    two: Cell(5)
}
=== label that some calls lack
block Both(more) {
    if more {
        branches add {
            conv(4, 1x1)
            skip {
                "NAME": conv(4, 1x1)
            }
        }
    } else {
        branches add {
            conv(4, 1x1)
            skip identity
        }
    }
}
arch net() {
    input 4x6x6
    one: Both(true)
    two: Both(false)
}
=== label of a family
arch net() {
    input 4x6x6
    branches {
        for i in range(3) {
            "NAME{i}": conv(2, 1x1)
        }
    }
    concat
}
=== learned tensor
arch net() {
    input 4x6x6
    conv(4, 1x1)
    param "NAME": constant(0.5, [4, 1, 1])
    from [here, "NAME"] -> mul
}
=== learned tensor in a level
arch net() {
    input 4x6x6
    up {
        conv(4, 1x1)
        param "NAME": constant(0.5, [4, 1, 1])
        from [here, "NAME"] -> mul
    }
}
=== shared weights
arch net() {
    input 4x6x6
    shared NAME: conv(4, 1x1)
    NAME
    relu
    NAME
}
=== block
block NAME(width) {
    conv(width, 1x1)
    relu
}
arch net() {
    input 4x6x6
    one: NAME(4)
    two: NAME(5)
}
=== block parameter
block Cell(NAME) {
    conv(NAME, 1x1)
    relu
    conv(NAME + 4, 1x1)
}
arch net() {
    input 4x6x6
    one: Cell(4)
    two: Cell(5)
}
=== parameter read by forward
block Cell(NAME) {
    conv(4, 1x1)
    dropout_channels(NAME)
    slice(0, 4)
}
arch net() {
    input 4x6x6
    one: Cell(0.25)
    two: Cell(0.5)
}
=== arch parameter
arch net(NAME=4) {
    input 4x6x6
    conv(NAME, 1x1)
    relu
}
=== input
arch net() {
    input NAME: 4x6x6
    input other: 4x6x6
    from [NAME, other] -> add
    conv(4, 1x1)
}
=== value
arch net() {
    input 4x6x6
    conv(4, 1x1) as NAME
    relu
    from [NAME, here] -> add
}
=== output
arch net() {
    input 4x6x6
    conv(4, 1x1) as one
    relu
    output NAME=here, second=one
}
=== output in training
arch net() {
    input 4x6x6
    conv(4, 1x1)
    aux NAME {
        conv(4, 1x1)
    }
    relu
}
=== let
arch net(width=4) {
    input 4x6x6
    let NAME = width + 2
    conv(NAME, 1x1)
    conv(NAME * 2, 1x1)
}
=== let in a block
block Cell(width) {
    let NAME = width + 2
    conv(NAME, 1x1)
    conv(NAME * 2, 1x1)
}
arch net() {
    input 4x6x6
    one: Cell(4)
    two: Cell(5)
}
=== let of the file
let NAME = 4
arch net(width=NAME) {
    input 4x6x6
    conv(width + NAME, 1x1)
}
=== loop variable
block Cell(width) {
    conv(width, 1x1)
    relu
}
arch net(width=4) {
    input 4x6x6
    for NAME in [1, 2, 3] { Cell(width * NAME) }
}
=== parameter through two blocks
block Inner(NAME) {
    conv(NAME, 1x1)
    relu
}
block Outer(NAME, more=2) {
    Inner(NAME * more)
    Inner(NAME)
}
arch net(NAME=4) {
    input 4x6x6
    one: Outer(NAME)
    two: Outer(NAME + 1, more=3)
}
=== symbol
arch net(NAME=6) {
    input [4, NAME, NAME]
    conv(4, 1x1)
    flatten
    linear(NAME)
}
=== arch
arch NAME() {
    input 4x6x6
    conv(4, 1x1)
    relu
}
=== arch with several outputs
arch NAME() {
    input 4x6x6
    conv(4, 1x1) as one
    relu
    output here=here, one
}
"""
# Where a name can stand, and the spec that puts it there.
PLACES = dict(part.split("\n", 1) for part in SPECS.strip().removeprefix("=== ").split("\n=== "))

# What the generated source itself uses, and what Python or torch gives a meaning to.
OURS = """
relu conv concat add mul zeros constant range min max params macs depth shape len block arch net up Both more
torch nn F Tensor NamedTuple functools self super getattr range dict out identity x x1 result module modules i
archdsl forward Outputs TrainingOutputs netOutputs net Net NetOutputs NetTrainingOutputs Cell Cell2 Part part
part1 weight bias running_mean running_var num_batches_tracked weight_v weight_g init reduce partial len
isinstance StochasticDepth LayerNorm2d Shuffle Sequential ModuleDict ModuleList Conv2d count index _fields
_make _replace _asdict _field_defaults input inputs output here in_ of at None_ a_b _x __x _ __ ___ in out1
one two other inplace annotations __future__ __doc__ __module__ __qualname__ __annotations__ __reduce__
__class_getitem__ mro 0 1 00 01 1a a-b a_b -1 - -- 7-up batch_size append extend insert clear keys items
values pop update get copy
"""
LONGEST = "n" * 64


def spec(place: str, name: str) -> str:
    """The spec that has the name in the place."""
    return PLACES[place].replace("NAME", name)


def names() -> list[str]:
    """About 500 names: keywords, builtins, what modules and tuples have, what we use, and odd shapes."""
    soft = [*keyword.kwlist, *keyword.softkwlist, *dir(builtins)]
    modules = [*dir(nn.Module()), *dir(nn.ModuleDict()), *dir(nn.Sequential()), *vars(nn.Module())]
    tuples = dir(tuple)
    return list(dict.fromkeys([*OURS.split(), LONGEST, "N" * 63 + "0", *soft, *modules, *tuples]))
