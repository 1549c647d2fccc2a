"""Initial values of specs without a twin, as their papers or their authors' files state them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import archdsl


def drawn(name: str) -> list[tuple[str, Tensor, Tensor]]:
    """Path, initial weight and bias of each layer that has them, in order."""
    state = archdsl.load(name, seed=3).state_dict()
    paths = [key.removesuffix(".weight") for key in state if key.endswith(".weight")]
    return [(path, state[f"{path}.weight"], state[f"{path}.bias"]) for path in paths]


def assert_normal(weight: Tensor, std: float) -> None:
    """A draw of a normal distribution around zero, told by its deviation, mean and tails."""
    count = weight.numel()
    assert abs(float(weight.std()) / std - 1) < 5 / math.sqrt(2 * count)
    assert abs(float(weight.mean())) < 5 * std / math.sqrt(count)
    assert float(weight.abs().max()) > 2.5 * std


def assert_constant(bias: Tensor, value: float) -> None:
    assert torch.equal(bias, torch.full_like(bias, value))


@pytest.mark.parametrize(
    "name, deviations",
    [
        ("nin_cifar10", [0.05] * 9),  # github.com/mavenlin/cuda-convnet, NIN/cifar-10_def: initW
        # the authors' train_val.prototxt for Caffe: weight_filler
        ("nin_imagenet", [0.01, 0.05, 0.05, 0.05, 0.05, 0.05, 0.01, 0.05, 0.05, 0.05, 0.05, 0.01]),
    ],
)
def test_network_in_network_starts_from_its_authors_deviations_without_biases(
    name: str, deviations: list[float]
) -> None:
    for (_, weight, bias), std in zip(drawn(name), deviations, strict=True):
        assert_normal(weight, std)
        assert_constant(bias, 0.0)


def test_alexnet_starts_from_one_deviation_and_ones_where_the_paper_sets_them() -> None:
    """Krizhevsky et al. 2012, section 5: biases of 1 in conv2, conv4, conv5 and the hidden linear layers."""
    ones = {"conv2", "conv4", "conv5", "fc6", "fc7"}
    layers = drawn("alexnet_two_tower")
    assert len(layers) == 8
    for path, weight, bias in layers:
        assert_normal(weight, 0.01)
        assert_constant(bias, 1.0 if path in ones else 0.0)


def test_googlenet_starts_as_in_caffe() -> None:
    """Uniform within the root of three over the fan-in; biases of 0.2, but none in the three classifiers."""
    layers = drawn("googlenet_paper")
    assert len(layers) == 64  # 58 of the net, and three of each side head
    for path, weight, bias in layers:
        bound = math.sqrt(3 / weight[0].numel())
        assert float(weight.abs().max()) <= bound
        assert float(weight.abs().max()) > 0.99 * bound
        assert abs(float(weight.std()) * math.sqrt(3) / bound - 1) < 5 / math.sqrt(weight.numel())
        assert_constant(bias, 0.0 if path in ("fc", "aux1.fc2", "aux2.fc2") else 0.2)
