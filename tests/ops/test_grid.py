"""Every operation against torch over a grid of arguments and shapes: the same results, tensors and rejections."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

from archdsl.ops import OPERATIONS, ArgumentError, Op, ShapeError
from archdsl.shapes import Shape
from archdsl.targets.torch_ops import function_form, module_form
from tests.ops.grid import CASES, STRICTER, Case
from tests.support.torch_forms import apply, module

BATCH = 3
WORDS = tuple(dict.fromkeys(case.word for case in CASES))
torch.set_num_threads(1)


def accept(case: Case, given: dict[str, Any], inputs: tuple[Shape, ...]) -> tuple[Op, tuple[Shape, ...]] | None:
    """The operation and its results, or `None` where archdsl rejects."""
    try:
        op: Op = OPERATIONS[case.word].make(**_with_words(case, given))
        return op, op.outputs(*inputs)
    except (ArgumentError, ShapeError):
        return None


def _with_words(case: Case, given: dict[str, Any]) -> dict[str, Any]:
    from archdsl.ops import Word

    words = {"padding", "padding_mode", "mode", "approximate"}
    return {name: Word(value) if name in words and isinstance(value, str) else value for name, value in given.items()}


def values(inputs: tuple[Shape, ...]) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(7)
    return tuple(torch.randn(BATCH, *shape.sizes, generator=generator) for shape in inputs)


def expected(case: Case, given: dict[str, Any], inputs: tuple[Shape, ...]) -> tuple[Any, Any] | None:
    """torch's own module or function and its result, or `None` where torch rejects."""
    try:
        made = case.reference(*(inputs if not _is_module(case) else inputs[:1]), **given)
        if isinstance(made, nn.Module):
            made.eval()
            randomise(made)
        return made, made(*values(inputs))
    except Exception:
        return None


def _is_module(case: Case) -> bool:
    return "build" not in case.reference.__qualname__ or "module" in case.reference.__qualname__


def randomise(made: nn.Module) -> None:
    generator = torch.Generator().manual_seed(11)
    for tensor in made.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5, generator=generator)


def forms(op: Op, inputs: tuple[Shape, ...]) -> Iterator[tuple[str, Any]]:
    """Each way in which torch says the operation, ready to be called."""
    call = module_form(op, inputs)
    if call is not None:
        yield "module", module(call).eval()
    call = function_form(op, inputs)
    if call is not None:
        yield "function", lambda *x, call=call: apply(call, *x)
    call = function_form(op, inputs, inplace=True)
    if call is not None:
        yield "inplace", lambda *x, call=call: apply(call, *(each.clone() for each in x))


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        (other,) = other if isinstance(other, tuple) else (other,)  # a list of one is that one
        return one.shape == other.shape and torch.allclose(one, other, rtol=1e-6, atol=1e-7, equal_nan=True)
    return len(one) == len(other) and all(map(same, one, other))


def stricter(word: str, given: dict[str, Any], inputs: tuple[Shape, ...]) -> int | None:
    """The place of the documented exception that a point falls under."""
    rules = enumerate(STRICTER)
    return next((place for place, (who, where, _) in rules if who == word and where(given, inputs)), None)


@cache
def judged(word: str) -> tuple[list[tuple[Any, ...]], list[str], Counter[str]]:
    """Points that both accept, points that only one accepts, and how many archdsl rejects with torch or on purpose."""
    both, differ, counts = [], [], Counter[str]()
    for case in (case for case in CASES if case.word == word):
        for given, inputs in case.points():
            ours, theirs = accept(case, given, inputs), expected(case, given, inputs)
            why = stricter(word, given, inputs) if ours is None and theirs is not None else None
            point = f"{word} {given} on {[str(shape) for shape in inputs]}"
            if ours is None and (theirs is None or why is not None):
                counts["rejected"] += 1
                counts.update([] if why is None else [f"rule {why}"])
            elif ours is None or theirs is None:
                differ.append(f"{point}: {'torch' if ours is None else 'archdsl'} alone accepts")
            else:
                both.append((point, *ours, inputs, *theirs))
    return both, differ, counts


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_the_grid_has_every_operation() -> None:
    assert set(WORDS) == set(OPERATIONS)


@pytest.mark.parametrize("word", WORDS)
def test_archdsl_rejects_what_torch_rejects_and_no_more(word: str) -> None:
    _, differ, counts = judged(word)
    assert differ == []
    assert counts["rejected"] > 0


@pytest.mark.parametrize("word", WORDS)
def test_every_form_computes_what_torch_computes(word: str) -> None:
    points, _, _ = judged(word)
    assert points
    for point, op, outputs, inputs, reference, result in points:
        made = list(forms(op, inputs))
        assert made, point
        for kind, form in made:
            if isinstance(form, nn.Module) and isinstance(reference, nn.Module):
                form.load_state_dict(reference.state_dict(), strict=True)
            got = form(*values(inputs))
            assert same(got, result), f"{point}: {kind}"
            shapes = [
                tuple(each.shape[0 if op.batchless else 1 :])
                for each in (got if isinstance(got, (tuple, list)) else [got])
            ]
            assert shapes == [shape.sizes for shape in outputs], f"{point}: {kind}"


@pytest.mark.parametrize("word", WORDS)
def test_tensors_are_the_state_dict(word: str) -> None:
    """Names, order, sizes, kinds and what is trained: as torch's module has them."""
    points, _, _ = judged(word)
    for point, op, _, inputs, _, _ in points:
        tensors = op.tensors(*inputs)
        call = module_form(op, inputs)
        if call is None:
            assert tensors == (), point
            continue
        made = module(call)
        state = {name: (tuple(t.shape), str(t.dtype).removeprefix("torch.")) for name, t in made.state_dict().items()}
        assert list(state.items()) == [(each.name, (each.sizes, each.dtype)) for each in tensors], point
        trained = [name for name, _ in made.named_parameters()]
        assert trained == [each.name for each in tensors if each.trainable], point


def test_no_rule_of_strictness_is_idle() -> None:
    """Each documented exception rejects a point that torch takes."""
    used = {name for word in WORDS for name in judged(word)[2]}
    assert {f"rule {place}" for place in range(len(STRICTER))} <= used
