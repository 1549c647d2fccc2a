"""Arguments and shapes that operations refuse, in the words that a user reads; and what equal arguments give."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from archdsl import ops
from archdsl.ops import INITIALIZERS, OPERATIONS, WORDS, ArgumentError, ShapeError, Word, make
from archdsl.ops.init import fans
from archdsl.shapes import Shape
from archdsl.targets.torch_ops import module_form
from tests.support.torch_forms import module

IMAGE = Shape.of(4, 6, 5)

ARGUMENTS: tuple[tuple[str, dict[str, Any], str | None, str], ...] = (
    ("conv", {"out": 0, "kernel": 3}, "out", "out must be at least 1, not 0"),
    ("conv", {"out": 2**31, "kernel": 3}, "out", "out must be below 2^31, not 2147483648"),
    ("conv", {"out": True, "kernel": 3}, "out", "out takes a whole number, not true"),
    ("conv", {"out": 2.0, "kernel": 3}, "out", "out takes a whole number, not 2.0"),
    ("conv", {"out": 2}, "kernel", "`kernel` is missing"),
    ("conv", {"out": 2, "kernel": 3, "strid": 2}, "strid", "there is no argument `strid`"),
    ("conv", {"out": 2, "kernel": (3, -1)}, "kernel", "kernel must be at least 1, not -1"),
    ("conv", {"out": 2, "kernel": (1, 1, 1, 1)}, "kernel", "kernel takes one to three sizes, not 4"),
    ("conv", {"out": 2, "kernel": 3, "padding": Word("sam")}, "padding", "`sam` is no padding"),
    ("conv", {"out": 2, "kernel": 3, "padding": "same"}, "padding", "padding takes a bare word, not a string"),
    ("conv", {"out": 2, "kernel": 3, "padding": -1}, "padding", "padding must be at least 0 and below 2^31, not -1"),
    ("conv", {"out": 2, "kernel": 3, "bias": 1}, "bias", "bias takes true or false, not 1"),
    ("conv", {"out": 2, "kernel": 3, "groups": 4}, None, "4 groups do not divide 2 output channels"),
    ("conv", {"out": 2, "kernel": 3, "init": 3}, "init", "init takes an initial value, as `zeros`"),
    ("conv", {"out": 2, "kernel": 3, "padding_mode": 3}, "padding_mode", "reflect, replicate or circular, not 3"),
    ("linear", {"out": 2, "bias": False, "bias_init": ops.Zeros()}, None, "bias_init is for a bias, and there is none"),
    ("batchnorm", {"eps": 0}, "eps", "eps must be above 0, not 0"),
    ("batchnorm", {"eps": -1e-5}, "eps", "eps must be above 0, not -1e-05"),
    ("batchnorm", {"momentum": 1.5}, "momentum", "momentum must be from 0 to 1, not 1.5"),
    ("batchnorm", {"eps": float("nan")}, "eps", "eps must be a finite number, not nan"),
    ("batchnorm", {"eps": 10**400}, "eps", "eps must be a finite number"),
    ("dropout", {"rate": 1.5}, "rate", "rate must be from 0 to 1, not 1.5"),
    ("dropout", {"rate": Word("half")}, "rate", "`half` is no rate"),
    ("avgpool", {"kernel": 3, "padding": 1}, None, "a padded avgpool says whether padding counts"),
    ("upsample", {"factor": 2, "align_corners": True}, None, "align_corners is for linear, bilinear"),
    ("split", {"pieces": ()}, "pieces", "not an empty list"),
    ("slice", {"start": 3, "stop": 2}, None, "stop must be above start, not 3 and 2"),
    ("rearrange", {"pattern": "c h w"}, None, "a pattern has one arrow"),
    ("rearrange", {"pattern": "c h -> c"}, None, "`h` stands only on the left"),
    ("rearrange", {"pattern": "c -> c n"}, None, "`n` stands only on the right, and needs a size: n=..."),
    ("rearrange", {"pattern": "c c -> c"}, None, "`c` stands twice on one side"),
    ("rearrange", {"pattern": "(c -> c"}, None, "a parenthesis in the pattern is not closed"),
    ("rearrange", {"pattern": "c ... -> c"}, None, "a pattern holds names of axes and parentheses"),
    ("rearrange", {"pattern": "((c)) -> c"}, None, "parentheses in a pattern hold names, and do not nest"),
    ("rearrange", {"pattern": "c -> c n", "n": 2.5}, "n", "n takes a whole number, not 2.5"),
    ("rearrange", {"pattern": "c -> c", "n": 2}, None, "there is no axis `n` in the pattern"),
)  # fmt: skip


@pytest.mark.parametrize(
    "word,arguments,field,message", ARGUMENTS, ids=[f"{row[0]}-{row[3][:40]}" for row in ARGUMENTS]
)
def test_an_argument_is_refused_in_plain_words(word: str, arguments: dict[str, Any], field: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        OPERATIONS[word].make(**arguments)
    assert message in caught.value.message
    assert caught.value.argument == (field if field is not None else None)
    assert "pydantic" not in caught.value.message


def test_an_initial_value_that_needs_fans_is_refused_for_one_axis() -> None:
    with pytest.raises(ArgumentError, match="`kaiming_normal` needs a weight of two axes or more"):
        OPERATIONS["batchnorm"].make(init=ops.KaimingNormal())
    with pytest.raises(ArgumentError, match="`xavier_uniform` needs a tensor of two axes or more"):
        ops.Learned.make(init=ops.XavierUniform(), sizes=(3,))


SHAPES: tuple[tuple[ops.Op, tuple[Shape, ...], str], ...] = (
    (ops.Conv(out=2, kernel=3), (Shape((6, 5, 4), ("h", "w", "c")),), "needs its channels first"),
    (ops.Conv(out=2, kernel=7, padding=0), (IMAGE,), "covers 7 elements, and the input has 6"),
    (ops.Conv(out=3, kernel=1, groups=3), (IMAGE,), "3 groups do not divide 4 input channels"),
    (ops.Conv(out=2, kernel=3, padding="causal"), (IMAGE,), "`causal` is for 1-D inputs, and this one is 2-D"),
    (ops.Conv(out=2, kernel=(3, 3, 3)), (IMAGE,), "kernel has 3 sizes, and the input is 2-D"),
    (ops.MaxPool(kernel=2, padding=((0, 1), (0, 1)), ceil=True), (IMAGE,), "ceil=true needs the same padding"),
    (ops.Linear(out=2), (IMAGE,), "maps the last axis, which is `w`"),
    (ops.Add(), (IMAGE, Shape.of(4, 6, 1)), "`add` takes values of one shape, not 4x6x5 and 4x6x1"),
    (ops.Add(), (IMAGE, Shape((4, 6, 5), ("c", "w", "h"))), "the axes differ in `add`: `c h w` and `c w h`"),
    (ops.Concat(axis="p"), (IMAGE, IMAGE), 'there is no axis "p"'),
    (ops.Stack(axis="c"), (IMAGE, IMAGE), 'there is an axis "c"'),
    (ops.Rearrange(pattern="c w h -> c h w"), (IMAGE,), "names `w` where the value has `h`"),
    (ops.Rearrange(pattern="c h (p q) -> c h p q"), (IMAGE,), "the sizes of `(p q)` are not settled"),
    (ops.Flatten(), (Shape((), ()),), "not a scalar"),
    (ops.Relu(), (IMAGE, IMAGE), "`relu` takes one value, not 2"),
)


@pytest.mark.parametrize("op,inputs,message", SHAPES, ids=[message[:40] for _, _, message in SHAPES])
def test_a_shape_is_refused_in_plain_words(op: ops.Op, inputs: tuple[Shape, ...], message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        op.outputs(*inputs)
    assert message in caught.value.message


def test_channels_last_comes_with_the_rearrangement_that_mends_it() -> None:
    with pytest.raises(ShapeError) as caught:
        ops.BatchNorm().outputs(Shape((6, 5, 4), ("h", "w", "c")))
    assert caught.value.hint == 'rearrange("h w c -> c h w")'


@pytest.mark.parametrize("op", [ops.Add(), ops.Mean(), ops.Concat(), ops.Mul()], ids=lambda op: op.word)
def test_an_axis_without_a_name_takes_the_others(op: ops.Op) -> None:
    learned = Shape((4, 6, 5), (None, None, None))
    for inputs in ((IMAGE, learned), (learned, IMAGE)):
        assert op.outputs(*inputs)[0].axes == ("c", "h", "w")


def test_linear_names_the_last_axis_and_takes_the_name_from_another() -> None:
    assert ops.Linear(out=7).outputs(Shape((6, 5), ("h", "w")))[0] == Shape((6, 7), ("h", "c"))
    assert ops.Linear(out=7).outputs(Shape((4, 30), ("c", None)))[0] == Shape((4, 7), (None, "c"))


def test_equal_arguments_make_the_very_same_value() -> None:
    one = make(ops.Conv, out=4, kernel=(3, 3), init=ops.Zeros())
    assert make(ops.Conv, out=4, kernel=(3, 3), init=ops.Zeros()) is one
    assert make(ops.Scale, factor=1) == make(ops.Scale, factor=1.0)
    with pytest.raises(ArgumentError):  # true is no number, though Python takes it for 1
        make(ops.Conv, out=True, kernel=(3, 3), init=ops.Zeros())


def test_operations_are_values() -> None:
    assert ops.Conv(out=4, kernel=3) == ops.Conv(out=4, kernel=3)
    assert len({ops.Conv(out=4, kernel=3), ops.Conv(out=4, kernel=3), ops.Conv(out=4, kernel=5)}) == 2
    with pytest.raises(ValueError, match="frozen"):
        ops.Conv(out=4, kernel=3).out = 5  # type: ignore[misc]


def test_words_are_the_bare_words_of_all_arguments() -> None:
    assert {"same", "valid", "same_tf", "causal", "weight_norm", "fan_out", "bilinear", "reflect"} <= WORDS
    assert all(word.isidentifier() for word in WORDS)
    assert set(INITIALIZERS).isdisjoint(OPERATIONS)


json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(sorted(WORDS)).map(Word),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(OPERATIONS)), st.data())
def test_any_arguments_are_taken_or_refused(word: str, data: st.DataObject) -> None:
    """Never another exception, whatever stands in the place of an argument, and whatever flows in."""
    cls = OPERATIONS[word]
    names = data.draw(st.lists(st.sampled_from([*cls.model_fields, "x"]), unique=True, max_size=5))
    shapes = st.lists(st.integers(1, 6), max_size=5).map(lambda sizes: Shape.of(*sizes))
    try:
        op = cls.make(**{name: data.draw(json) for name in names})
        inputs = tuple(data.draw(st.lists(shapes, max_size=3)))
        outputs = op.outputs(*inputs)
    except (ArgumentError, ShapeError):
        return
    assert all(size >= 1 for shape in outputs for size in shape.sizes)
    assert all(len(shape.sizes) == len(shape.axes) for shape in outputs)
    assert op.macs(inputs, outputs) >= 0


@pytest.mark.parametrize(
    "op,shape",
    [
        (ops.Conv(out=6, kernel=(3, 2), padding=0, groups=2), IMAGE),
        (ops.ConvTranspose(out=6, kernel=3, groups=2), IMAGE),
        (ops.Linear(out=6), Shape.of(10)),
    ],
)
def test_default_initial_values_are_within_torchs_bounds(op: ops.Op, shape: Shape) -> None:
    """torch draws weights by kaiming_uniform(a=sqrt(5)), thus within 1 / sqrt(fan_in), and biases within the same."""
    weight, bias = op.tensors(shape)
    fan_in, fan_out = fans(weight.sizes)
    assert (fan_in, fan_out) == nn.init._calculate_fan_in_and_fan_out(torch.empty(weight.sizes))  # type: ignore[no-untyped-call]
    bound = 1 / sqrt(fan_in)
    assert weight.init == ops.KaimingUniform(a=sqrt(5))
    assert bias.init == ops.Uniform(low=-bound, high=bound)
    call = module_form(op, (shape,))
    assert call is not None
    torch.manual_seed(0)
    drawn = torch.cat([module(call).bias.detach() for _ in range(200)])  # type: ignore[misc,operator]
    assert 0.97 * bound < drawn.abs().max() <= bound


def test_costs_are_those_of_the_reference_rules() -> None:
    """conv: out.numel() * Cin/groups * prod(k); transposed: in.numel() * Cout/groups * prod(k); linear: out * in."""
    image = (Shape.of(8, 14, 10),)
    conv = ops.Conv(out=12, kernel=(3, 5), stride=2, groups=4)
    assert conv.macs(image, conv.outputs(*image)) == 12 * 7 * 5 * 2 * 15
    transposed = ops.ConvTranspose(out=12, kernel=2, stride=2, groups=2)
    assert transposed.macs(image, transposed.outputs(*image)) == 8 * 14 * 10 * 6 * 4
    linear, row = ops.Linear(out=12), (Shape((5, 8), ("l", "c")),)
    assert linear.macs(row, linear.outputs(*row)) == 5 * 12 * 8
