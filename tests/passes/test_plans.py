"""Plans: applied, composed, run backwards, and what makes one exact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from archdsl import ops
from archdsl.compiler import compile
from archdsl.diagnostics import CompileError
from archdsl.passes import driver
from archdsl.passes.apply import carry, carry_checkpoint
from archdsl.passes.arrays import (
    Along,
    Concat,
    Const,
    Expr,
    Fresh,
    InverseRoot,
    MatMul,
    Padded,
    Part,
    Permute,
    Plus,
    Reshape,
    Same,
    Take,
    Times,
    Total,
    leaves,
    sizes_of,
    value_of,
    written,
)
from archdsl.passes.plan import Entry, Plan, PlanError, identity
from archdsl.passes.registry import parse
from archdsl.passes.tidy import assemble, boxes, tidy
from archdsl.prove.weights import random_weights
from archdsl.source import Source
from archdsl.weights import read, write
from tests.support.pass_sites import EXACT, EXACT_EVAL, net

A, B = Take("a", (4, 3)), Take("b", (2, 3))
OLD = {"a": np.arange(12.0).reshape(4, 3), "b": np.arange(6.0).reshape(2, 3) + 100}


def plan_of(*expressions: Expr) -> Plan:
    return Plan(tuple(Entry(f"new{n}", tidy(e), True) for n, e in enumerate(expressions)), ("a", "b"))


@st.composite
def rearranging(draw: st.DrawFn, depth: int = 0) -> Expr:
    """A random expression that only moves numbers of `a` and `b`."""
    kind = draw(st.sampled_from(["take", "concat", "part", "permute", "reshape", "same"] if depth < 4 else ["take"]))
    if kind == "take":
        return draw(st.sampled_from([A, B]))
    of = draw(rearranging(depth + 1))
    sizes = sizes_of(of)
    axis = draw(st.integers(0, len(sizes) - 1))
    if kind == "concat":
        return Concat((of, *draw(st.lists(st.just(of), min_size=1, max_size=2))), axis)
    if kind == "part":
        start = draw(st.integers(0, sizes[axis] - 1))
        return Part(of, axis, start, draw(st.integers(start + 1, sizes[axis])))
    if kind == "permute":
        return Permute(of, tuple(draw(st.permutations(range(len(sizes))))))
    if kind == "same":
        return Same((of, of))
    return Reshape(of, draw(st.sampled_from([sizes, (int(np.prod(sizes)),), (1, *sizes)])))


TWICE_TURNED = Part(Permute(Concat((Permute(A, (1, 0)), Permute(A, (1, 0))), 1), (1, 0)), 0, 4, 5)


@settings(max_examples=300, deadline=None)
@example(TWICE_TURNED)
@given(rearranging())
def test_the_simplest_form_is_the_same_array(expression: Expr) -> None:
    simple = tidy(expression)
    assert sizes_of(simple) == sizes_of(expression) == value_of(expression, OLD, {}).shape
    np.testing.assert_array_equal(value_of(simple, OLD, {}), value_of(expression, OLD, {}))
    assert tidy(simple) == simple


@settings(max_examples=300, deadline=None)
@given(rearranging())
def test_boxes_are_where_the_numbers_are(expression: Expr) -> None:
    simple = tidy(expression)
    held = boxes(simple, Take("new", sizes_of(simple)))
    new = {"new": value_of(simple, OLD, {})}
    for key, box, source in held or ():
        np.testing.assert_array_equal(OLD[key][tuple(slice(*side) for side in box)], value_of(source, new, {}))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_boxes_that_tile_are_assembled_and_others_are_not(data: st.DataObject) -> None:
    """Random cuts of cuts come together again; with one piece lost or twice they do not."""
    whole = ((0, 6), (0, 5), (0, 4))

    def cut(box: tuple[tuple[int, int], ...], depth: int) -> list[tuple[tuple[int, int], ...]]:
        axis = data.draw(st.integers(0, 2))
        low, high = box[axis]
        if depth == 0 or high - low < 2:
            return [box]
        at = data.draw(st.integers(low + 1, high - 1))
        sides = [(*box[:axis], side, *box[axis + 1 :]) for side in ((low, at), (at, high))]
        return [part for side in sides for part in cut(side, depth - 1)]

    found = cut(whole, 3)
    array = np.arange(120.0).reshape(6, 5, 4)
    held = {str(box): array[tuple(slice(*side) for side in box)] for box in found}
    pieces = [(box, Take(str(box), held[str(box)].shape)) for box in data.draw(st.permutations(found))]
    expression = assemble(whole, pieces)
    assert expression is not None
    np.testing.assert_array_equal(value_of(expression, held, {}), array)
    assert assemble(whole, pieces[:-1]) is None
    assert assemble(whole, [*pieces, pieces[0]]) is None


EXACT_PLANS = (
    (A, B),
    (B, A),
    (Concat((A, B), 0),),
    (Part(A, 0, 0, 1), Part(A, 0, 1, 4), B),
    (Permute(Part(A, 1, 2, 3), (1, 0)), Part(A, 1, 0, 2), B),
    (Reshape(A, (2, 6)), Permute(B, (1, 0))),
    (Part(Concat((A, B), 0), 0, 0, 5), Part(Concat((A, B), 0), 0, 5, 6)),
    (Part(Part(A, 0, 0, 2), 1, 0, 2), Part(Part(A, 0, 0, 2), 1, 2, 3), Part(A, 0, 2, 4), B),
)  # fmt: skip
INEXACT_PLANS = (
    (A,),  # one is dropped
    (A, B, B),  # one is used twice
    (A, Concat((B, B), 0)),
    (Part(A, 0, 0, 3), B),  # a row is lost
    (Part(A, 0, 0, 2), Part(A, 0, 0, 2), B),  # as many numbers, one half twice
    (Part(A, 0, 0, 3), Part(A, 0, 2, 3), B),
    (Part(A, 0, 0, 3), Part(A, 0, 2, 4), B),
    (A, Times((B, Const((2.0,), (1,))))),
    (A, Plus((B, B))),
    (Same((A, Part(Concat((A, B), 0), 0, 0, 4))), Same((B, Part(A, 0, 0, 2)))),
    (A, Padded(B, ((0, 0), (1, 1)))),
    (A, MatMul(B, Permute(B, (1, 0)))),
    (A, Total(B, (0,))),
    (A, InverseRoot(B, 1e-3)),
    (A, B, Const((0.0,), (1,))),
    (A, B, Fresh(ops.Zeros(), (2,), True, "new2")),
    (Part(Part(A, 0, 0, 2), 1, 0, 2), Part(Part(A, 0, 0, 2), 1, 1, 3), Part(A, 0, 2, 4), B),
)


@pytest.mark.parametrize("expressions", EXACT_PLANS)
def test_a_plan_that_uses_each_number_once_is_exact(expressions: tuple[Expr, ...]) -> None:
    assert plan_of(*expressions).exact


@pytest.mark.parametrize("expressions", INEXACT_PLANS)
def test_any_other_plan_is_not(expressions: tuple[Expr, ...]) -> None:
    assert not plan_of(*expressions).exact


@pytest.mark.parametrize("word", [word for word in EXACT if word not in ("dead-code", "remove-identities")])
def test_an_exact_plan_with_one_entry_changed_is_exact_no_more(word: str) -> None:
    graph = net(4, EXACT[word][0], **EXACT[word][1])
    plan = driver.run(graph, parse(word)).plan
    assert plan.exact
    for place, entry in enumerate(plan.entries):
        if not entry.trainable:
            continue
        twice = Times((entry.expression, Const((1.0,), (1,))))
        for expression in (twice, Fresh(ops.Ones(), sizes_of(entry.expression), True, entry.key)):
            entries = (*plan.entries[:place], replace(entry, expression=expression), *plan.entries[place + 1 :])
            assert not Plan(entries, plan.old).exact
        assert not Plan((*plan.entries[:place], *plan.entries[place + 1 :]), plan.old).exact
        assert not Plan((*plan.entries, replace(entry, key="again")), plan.old).exact


@pytest.mark.parametrize("word", EXACT)
def test_an_exact_plan_runs_backwards_bit_by_bit_and_forth_again(word: str) -> None:
    for seed in range(5):
        graph = net(seed, EXACT[word][0], **EXACT[word][1])
        result = driver.run(graph, parse(word))
        old = random_weights(graph, seed, np.float32)
        new = result.plan.apply(old)
        back = result.plan.backwards(graph)
        assert {k: (v.dtype, v.tobytes()) for k, v in back.apply(new).items()} == {
            k: (v.dtype, v.tobytes()) for k, v in old.items()
        }
        assert back.exact
        round_trip = result.plan.then(back)
        assert round_trip.exact
        assert all(e.expression == Take(e.key, sizes_of(e.expression)) for e in round_trip.entries if e.trainable)


@pytest.mark.parametrize("first", [*EXACT, *EXACT_EVAL])
def test_one_plan_then_another_is_both(first: str) -> None:
    site, facts = (EXACT | EXACT_EVAL)[first]
    graph = net(2, site, **facts)
    one = driver.run(graph, parse(first))
    for second in ("fold-batchnorm", "merge-parallel-convolutions", "merge-linear"):
        two = driver.run(one.graph, parse(second))
        old = random_weights(graph, 3)
        fresh = random_weights(one.graph, 4)
        joint, steps = one.plan.then(two.plan).apply(old, fresh), two.plan.apply(one.plan.apply(old, fresh))
        assert joint.keys() == steps.keys()
        for key in joint:
            np.testing.assert_allclose(joint[key], steps[key], rtol=1e-12, atol=1e-12)


def test_what_is_new_may_be_folded_later() -> None:
    """A pass adds a batch norm, a later one folds it: its values are drawn all the same."""
    graph = compile(Source("arch n() {\n input 3x16x16\n conv(8, 7x7, stride=2) -> batchnorm -> relu\n}", "n.arch"))
    result = driver.pipeline(graph, [parse("resnet-c,width=4"), parse("fold-batchnorm")])
    assert not any(isinstance(node.op, ops.BatchNorm) for node in result.graph.nodes)
    arrays = carry(result.plan, random_weights(graph, 0, np.float32), seed=5)
    assert {key: array.shape for key, array in arrays.items()} == {k: t.sizes for k, _, t in result.graph.state()}
    again = carry(result.plan, random_weights(graph, 0, np.float32), seed=5)
    other = carry(result.plan, random_weights(graph, 0, np.float32), seed=6)
    assert all(arrays[key].tobytes() == again[key].tobytes() for key in arrays)
    assert any(arrays[key].tobytes() != other[key].tobytes() for key in arrays)
    # Statistics as a norm begins with: the weight is that of the convolution, but for 1 / sqrt(1 + eps).
    fresh = {key for key in result.plan.new if key.endswith("running_var")}
    assert fresh


def test_counters_that_differ_are_told() -> None:
    graph = net(0, EXACT["multibranch-to-grouped"][0])
    plan = driver.run(graph, parse("multibranch-to-grouped")).plan
    arrays = random_weights(graph, 0)
    joined = next(e for e in plan.entries if isinstance(e.expression, Same))
    part = next(iter(leaves(joined.expression)))
    assert isinstance(part, Take)
    arrays[part.key] = np.asarray(7, np.int64)
    with pytest.raises(PlanError, match=r"cannot be made: .*num_batches_tracked and others .* differ"):
        plan.apply(arrays)


def test_a_missing_array_is_told() -> None:
    graph = net(0, EXACT["multibranch-to-grouped"][0])
    with pytest.raises(PlanError, match=r"needs `.*`, and there is no such array"):
        identity(graph).apply({})


def test_float32_stays_float32_and_is_rounded_once() -> None:
    graph = compile(Source("arch n() {\n input 3x8x8\n conv(4, 3x3) -> batchnorm\n}", "n.arch"))
    plan = driver.run(graph, parse("fold-batchnorm")).plan
    wide = random_weights(graph, 0)
    narrow = {k: a.astype(np.float32) if a.dtype == np.float64 else a for k, a in wide.items()}
    exact = plan.apply({k: a.astype(np.float64) if a.dtype == np.float32 else a for k, a in narrow.items()})
    for key, array in plan.apply(narrow).items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, exact[key].astype(np.float32))


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_checkpoint_goes_through_a_rewrite(tmp_path: Path, suffix: str) -> None:
    graph = net(1, EXACT["merge-parallel-convolutions"][0])
    result = driver.run(graph, parse("merge-parallel-convolutions"))
    arrays = random_weights(graph, 0, np.float32)
    before, after = tmp_path / f"before{suffix}", tmp_path / "after.safetensors"
    if suffix == ".pt":
        torch.save({key: torch.from_numpy(np.array(array)) for key, array in arrays.items()}, before)
    else:
        write(before, arrays, {})
    carry_checkpoint(graph, result.plan, before, after, metadata={"producer": "a test"})
    got, expected = read(after), result.plan.apply(arrays)
    assert {k: v.tobytes() for k, v in got.items()} == {k: v.tobytes() for k, v in expected.items()}


def test_a_checkpoint_of_another_net_is_refused(tmp_path: Path) -> None:
    graph = net(1, EXACT["merge-parallel-convolutions"][0])
    result = driver.run(graph, parse("merge-parallel-convolutions"))
    write(tmp_path / "other.safetensors", {"fc.weight": np.zeros((2, 2), np.float32)}, {})
    with pytest.raises(CompileError):
        carry_checkpoint(graph, result.plan, tmp_path / "other.safetensors", tmp_path / "new.safetensors")
    assert not (tmp_path / "new.safetensors").exists()


SHOWN = (
    (Concat((A, B), 0), "concat(a, b; axis 0)"),
    (Concat((A, A, A, A, B), 0), "concat(a, a, ..., b; axis 0)"),
    (Part(A, 1, 0, 2), "a[:, 0:2]"),
    (Reshape(A, (2, 6)), "(a as 2x6)"),
    (Permute(A, (1, 0)), "(a with axes 1 0)"),
    (Along(B, 0, 2), "b"),
    (Plus((A, A)), "(a + a)"),
    (Times((A, InverseRoot(B, 1e-5))), "a * 1/sqrt(b + 1e-05)"),
    (MatMul(A, B), "a @ b"),
    (Total(A, (0, 1)), "sum(a; axes 0 1)"),
    (Padded(A, ((0, 0), (1, 1))), "pad(a)"),
    (Const((2.0,), (1,)), "2"),
    (Const((2.0, 3.0), (2,)), "constant 2"),
    (Fresh(ops.Zeros(), (2,), True, "c"), "new (zeros)"),
    (Same((A, A)), "a"),
)


@pytest.mark.parametrize("expression,text", SHOWN, ids=[text for _, text in SHOWN])
def test_a_plan_can_be_read(expression: Expr, text: str) -> None:
    assert written(expression) == text


def test_the_text_of_a_plan_leaves_out_what_stays() -> None:
    assert plan_of(A, B).text() == "new0 = a\nnew1 = b"
    assert Plan((Entry("a", A, True), Entry("c", B, True)), ("a", "b")).text() == "c = b"
