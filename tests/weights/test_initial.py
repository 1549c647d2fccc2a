"""Initial values: what they depend on, and how they are distributed."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from archdsl.diagnostics import UsageError
from archdsl.graph.graph import Graph
from archdsl.ir.builder import Builder
from archdsl.ops.base import Init, Learned
from archdsl.ops.conv import Conv
from archdsl.ops.init import (
    Constant,
    KaimingNormal,
    KaimingUniform,
    Normal,
    TruncatedNormal,
    Uniform,
    XavierNormal,
    XavierUniform,
)
from archdsl.ops.norm import BatchNorm
from archdsl.weights import initial as draw


def convolutions(*names: str) -> Graph:
    """A chain of convolution and batchnorm pairs, the convolutions so named."""
    builder = Builder("chain")
    value = builder.input(8, 6, 6)
    for name in names:
        (value,) = builder.add(Conv(out=8, kernel=(3, 3)), (value,), name)
        (value,) = builder.add(BatchNorm(), (value,), f"{name}_bn")
    return Graph(builder.program(value))


def learned(*tensors: tuple[str, Init, tuple[int, ...]]) -> Graph:
    """A net of learned tensors alone."""
    builder = Builder("tensors")
    for name, init, sizes in tensors:
        (value,) = builder.add(Learned(init=init, sizes=sizes), (), name)
    return Graph(builder.program(value))


def test_arrays_are_the_state_dict_in_order_with_its_sizes_and_types() -> None:
    graph = convolutions("a", "b")
    arrays = draw(graph)
    assert [(key, array.shape, array.dtype.name) for key, array in arrays.items()] == [
        (key, tensor.sizes, tensor.dtype) for key, _, tensor in graph.state()
    ]


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others() -> None:
    graph = convolutions("a")
    first, again, other = draw(graph, 3), draw(graph, 3), draw(graph, 4)
    assert all(np.array_equal(first[key], again[key]) for key in first)
    assert not np.array_equal(first["a.weight"], other["a.weight"])


def test_renaming_or_adding_a_layer_changes_no_other() -> None:
    one, two = draw(convolutions("a", "b"), 1), draw(convolutions("x", "b", "c"), 1)
    assert np.array_equal(one["b.weight"], two["b.weight"])
    assert not np.array_equal(one["a.weight"], two["x.weight"])


def test_two_layers_of_one_size_differ() -> None:
    arrays = draw(convolutions("a", "b"))
    assert not np.array_equal(arrays["a.weight"], arrays["b.weight"])


def test_the_numbers_do_not_depend_on_how_many_threads_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = learned(("a", Normal(), (700, 1000)), ("b", TruncatedNormal(), (300, 1000)))
    expected = draw(graph, 5)

    class Alone(ThreadPoolExecutor):
        def __init__(self, threads: int) -> None:
            super().__init__(1)

    monkeypatch.setattr("archdsl.weights.drawing.ThreadPoolExecutor", Alone)
    alone = draw(graph, 5)
    assert all(np.array_equal(alone[key], expected[key]) for key in expected)


def test_blocks_of_a_long_array_differ() -> None:
    array = draw(learned(("a", Normal(), (4, 1 << 18))))["a"]
    assert len({row.tobytes() for row in array}) == 4


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(UsageError, match="from 0 on"):
        draw(convolutions("a"), -1)


def test_a_seed_of_63_bits_is_taken_whole() -> None:
    graph = convolutions("a")
    assert not np.array_equal(draw(graph, 2**62)["a.weight"], draw(graph, 2**62 + 2**40)["a.weight"])


def test_batchnorm_begins_as_the_identity() -> None:
    arrays = draw(convolutions("a"))
    begins = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0, "num_batches_tracked": 0}
    assert {name: set(arrays[f"a_bn.{name}"].reshape(-1).tolist()) for name in begins} == {
        name: {value} for name, value in begins.items()
    }


SIZES = (64, 32, 3, 3)  # fan_in 288, fan_out 576
DISTRIBUTIONS = [
    (Normal(mean=2.0, std=0.5), 2.0, 0.5),
    (Uniform(low=-1.0, high=3.0), 1.0, 4 / 12**0.5),
    (KaimingNormal(mode="fan_out"), 0.0, (2 / 576) ** 0.5),
    (KaimingNormal(a=1.0), 0.0, (1 / 288) ** 0.5),
    (KaimingUniform(a=5**0.5), 0.0, (1 / 3 / 288) ** 0.5),
    (XavierNormal(gain=2.0), 0.0, 2 * (2 / 864) ** 0.5),
    (XavierUniform(), 0.0, (2 / 864) ** 0.5),
    (TruncatedNormal(std=0.02), 0.0, 0.02),
    (TruncatedNormal(std=1.0), 0.0, 0.87963),
]


@pytest.mark.parametrize("init, mean, deviation", DISTRIBUTIONS, ids=lambda value: str(value)[:40])
def test_mean_and_deviation_are_those_of_the_distribution(init: Init, mean: float, deviation: float) -> None:
    """18,432 numbers: five standard errors are 3.7% of the deviation for the mean, and 2.6% for the deviation."""
    array = draw(learned(("a", init, SIZES)))["a"].astype(np.float64)
    assert abs(array.mean() - mean) < 5 * deviation / array.size**0.5
    assert abs(array.std() / deviation - 1) < 5 / (2 * array.size) ** 0.5


@pytest.mark.parametrize(
    "init", [KaimingNormal(mode="fan_out"), KaimingUniform(a=5**0.5), XavierUniform(), XavierNormal()]
)
@pytest.mark.parametrize("sizes", [(6, 4), (6, 4, 5), (6, 4, 3, 3), (6, 4, 3, 3, 2)], ids=str)
def test_fans_are_torchs(init: Init, sizes: tuple[int, ...]) -> None:
    """torch's own draw from the same distribution has the same bound or deviation, read off its code's result."""
    torch = pytest.importorskip("torch")
    many = (sizes[0] * 64, sizes[1] * 64, *sizes[2:])
    theirs = torch.empty(many)
    {
        "kaiming_normal": lambda: torch.nn.init.kaiming_normal_(theirs, mode="fan_out"),
        "kaiming_uniform": lambda: torch.nn.init.kaiming_uniform_(theirs, a=5**0.5),
        "xavier_uniform": lambda: torch.nn.init.xavier_uniform_(theirs),
        "xavier_normal": lambda: torch.nn.init.xavier_normal_(theirs),
    }[init.word]()
    ours = draw(learned(("a", init, many)))["a"]
    assert ours.std() == pytest.approx(theirs.std().item(), rel=10 / ours.size**0.5)


BOUNDS = [
    (0.0, 1.0, -2.0, 2.0),  # the normal itself, drawn again
    (0.0, 1.0, 3.0, 4.0),  # a likely tail, by an exponential
    (0.0, 1.0, -50.0, -5.0),  # a far tail on the other side
    (0.0, 1.0, -0.1, 0.1),  # a narrow middle, by a uniform
    (2.0, 0.5, -1.0, 0.0),  # four deviations off
    (0.0, 1.0, 8.0, 8.01),  # a sliver far out
]


@pytest.mark.parametrize("mean, std, a, b", BOUNDS)
def test_a_truncated_normal_has_the_distribution_between_its_bounds(
    mean: float, std: float, a: float, b: float
) -> None:
    """Kolmogorov and Smirnov against scipy's truncnorm; a wrong proposal is off by far more than the bound."""
    stats = pytest.importorskip("scipy.stats")
    array = draw(learned(("a", TruncatedNormal(mean=mean, std=std, a=a, b=b), (100_000,))), 7)["a"].astype(np.float64)
    assert array.min() >= np.float32(a)
    assert array.max() <= np.float32(b)
    expected = stats.truncnorm((a - mean) / std, (b - mean) / std, mean, std)
    assert stats.kstest(array, expected.cdf).statistic < 2.2 / array.size**0.5


@pytest.mark.parametrize("count", [1, 2, 3, 32_767, 32_768, 32_769, 100_001])
def test_every_number_of_a_block_is_drawn(count: int) -> None:
    """Neither the odd last number nor a chunk's border is left as it was in memory: a normal never repeats like
    that."""
    stats = pytest.importorskip("scipy.stats")
    array = draw(learned(("a", Normal(), (count,))), 11)["a"].astype(np.float64)
    assert np.isfinite(array).all()
    assert count < 1000 or stats.kstest(array, stats.norm.cdf).statistic < 2.2 / count**0.5
    assert len(np.unique(array)) > 0.9 * count


def test_a_constant_and_a_deviation_of_zero_are_exact() -> None:
    arrays = draw(learned(("a", Constant(value=1e-6), (3,)), ("b", TruncatedNormal(std=0.0, mean=9.0), (3,))))
    assert arrays["a"].tolist() == [np.float32(1e-6)] * 3
    assert arrays["b"].tolist() == [2.0] * 3


def test_weight_norms_gain_is_the_norm_of_its_direction() -> None:
    builder = Builder("normed")
    value = builder.input(8, 20)
    (value,) = builder.add(Conv(out=4, kernel=(3,), reparam="weight_norm"), (value,), "conv")
    arrays = draw(Graph(builder.program(value)))
    direction = arrays["conv.weight_v"].astype(np.float64)
    assert np.allclose(arrays["conv.weight_g"].reshape(-1), np.sqrt((direction**2).sum(axis=(1, 2))), rtol=1e-6)


@pytest.mark.slow
def test_the_numbers_of_a_resnet50_take_less_than_torch_needs() -> None:
    """25 million normal numbers, against one draw of torch (torchvision's constructor draws twice), medians of five."""
    torch = pytest.importorskip("torch")
    graph = learned(*((f"a{index}", KaimingNormal(), (512, 512, 3, 3)) for index in range(11)))

    def seconds(work: object) -> float:
        taken = []
        for _ in range(5):
            begin = time.perf_counter()
            work()  # type: ignore[operator]
            taken.append(time.perf_counter() - begin)
        return sorted(taken)[2]

    theirs = seconds(lambda: [torch.empty(512, 512, 3, 3).normal_() for _ in range(11)])
    assert seconds(lambda: draw(graph)) < 3 * theirs
