"""Members of ten families that nobody has published, drawn at random, against torchvision's own constructors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
import torch
from torch import nn

from tests.support.peers import torchvision_models
from tests.support.spec_peers import Peer, assert_same_inference, assert_same_step, bare_layout, layout


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """One thread: faster for small images, and no order of sums is left to chance."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def peer(spec: str, build: Callable[..., nn.Module], options: dict[str, Any], side: int, **parameters: Any) -> Peer:
    return Peer(spec, build, side, options, parameters)


def vgg(draw: Random) -> Peer:
    module = torchvision_models().vgg
    stages = [[draw.randrange(8, 25)] * draw.randint(1, 3) for _ in range(draw.randint(1, 4))] + [[512]]
    normed = draw.random() < 0.5
    config = [item for widths in stages for item in (*widths, "M")]

    def build(num_classes: int) -> nn.Module:
        made: nn.Module = module.VGG(module.make_layers(config, batch_norm=normed), num_classes)
        return made

    classes = draw.randint(2, 30)
    spec = "vgg16_bn" if normed else "vgg16"
    return peer(spec, build, {"num_classes": classes}, draw.randrange(32, 80), stages=stages, num_classes=classes)


def densenet(draw: Random) -> Peer:
    growth, width, classes = 4 * draw.randint(1, 8), draw.randrange(8, 40), draw.randint(2, 30)
    layers = [draw.randint(1, 4) for _ in range(draw.randint(2, 4))]
    options = {"growth_rate": growth, "block_config": layers, "num_init_features": width, "num_classes": classes}
    build = torchvision_models().DenseNet
    side = draw.randrange(64, 90)
    return peer("densenet", build, options, side, growth=growth, layers=layers, width=width, num_classes=classes)


def shufflenet(draw: Random) -> Peer:
    widths = [2 * draw.randint(8, 60) for _ in range(3)]
    tail, classes = draw.randint(16, 200), draw.randint(2, 30)
    options = {"stages_repeats": [4, 8, 4], "stages_out_channels": [24, *widths, tail], "num_classes": classes}
    build = torchvision_models().ShuffleNetV2
    return peer("shufflenet_v2", build, options, draw.randrange(64, 90), widths=widths, tail=tail, num_classes=classes)


def mnasnet(draw: Random) -> Peer:
    width, classes = draw.uniform(0.2, 1.1), draw.randint(2, 30)
    options = {"alpha": width, "num_classes": classes}
    return peer("mnasnet", torchvision_models().MNASNet, options, 64, width=width, num_classes=classes)


def mobilenet2(draw: Random) -> Peer:
    width, classes = draw.uniform(0.2, 1.4), draw.randint(2, 30)
    options = {"width_mult": width, "num_classes": classes, "weights": None}
    return peer("mobilenet2", torchvision_models().mobilenet_v2, options, 64, width=width, num_classes=classes)


def mobilenet3(draw: Random) -> Peer:
    width, classes = draw.uniform(0.3, 1.3), draw.randint(2, 30)
    name = draw.choice(["mobilenet_v3_small", "mobilenet_v3_large"])
    options = {"width_mult": width, "num_classes": classes, "weights": None}
    return peer(name, getattr(torchvision_models(), name), options, 64, width=width, num_classes=classes)


def efficientnet(draw: Random) -> Peer:
    module = torchvision_models().efficientnet
    width, depth, rate, classes = (
        draw.uniform(0.3, 1.2),
        draw.uniform(0.4, 1.4),
        draw.random() * 0.5,
        draw.randint(2, 30),
    )

    def build(num_classes: int) -> nn.Module:
        rows, last = module._efficientnet_conf("efficientnet_b0", width_mult=width, depth_mult=depth)
        made: nn.Module = module.EfficientNet(rows, rate, num_classes=num_classes, last_channel=last)
        return made

    chosen = {"width": width, "depth": depth, "rate": rate, "resolution": 32 * draw.randint(2, 8)}
    return peer("efficientnet", build, {"num_classes": classes}, 64, num_classes=classes, **chosen)


def regnet(draw: Random) -> Peer:
    module = torchvision_models().regnet
    blocks, w0, group = draw.randint(6, 14), 8 * draw.randint(2, 6), 8 * draw.randint(1, 3)
    wa, wm = draw.uniform(15, 30), draw.uniform(1.8, 2.8)
    squeeze, classes = draw.choice([0.0, 0.25]), draw.randint(2, 30)

    def build(num_classes: int) -> nn.Module:
        params = module.BlockParams.from_init_params(blocks, w0, wa, wm, group, se_ratio=squeeze or None)
        made: nn.Module = module.RegNet(params, num_classes)
        return made

    line = {"blocks": blocks, "w0": w0, "wa": wa, "wm": wm, "group": group, "squeeze": squeeze}
    return peer("regnet", build, {"num_classes": classes}, 64, num_classes=classes, **line)


def convnext(draw: Random) -> Peer:
    module = torchvision_models().convnext
    widths = [draw.randrange(8, 40) for _ in range(4)]
    depths, drop, classes = [draw.randint(1, 3) for _ in range(4)], draw.random() * 0.5, draw.randint(2, 30)
    rows = [
        module.CNBlockConfig(width, after, depth)
        for width, after, depth in zip(widths, [*widths[1:], None], depths, strict=True)
    ]
    options = {"block_setting": rows, "stochastic_depth_prob": drop, "num_classes": classes}
    return peer("convnext", module.ConvNeXt, options, 64, widths=widths, depths=depths, drop=drop, num_classes=classes)


def squeezenet(draw: Random) -> Peer:
    version, classes, drop = draw.choice(["1_0", "1_1"]), draw.randint(2, 30), draw.random() * 0.9
    options = {"version": version, "num_classes": classes, "dropout": drop}
    side = draw.randrange(48, 90)
    return peer(f"squeezenet{version}", torchvision_models().SqueezeNet, options, side, num_classes=classes, drop=drop)


FAMILIES = [vgg, densenet, shufflenet, mnasnet, mobilenet2, mobilenet3, efficientnet, regnet, convnext, squeezenet]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_a_random_member_is_torchvisions_to_the_bit(family: Callable[[Random], Peer], seed: int) -> None:
    row = family(Random(seed))
    ours, theirs = row.ours(), row.bare()
    assert bare_layout(row.graph()) == layout(theirs)
    assert_same_inference(row, ours, theirs, torch.float64)
    assert_same_step(row, ours, theirs, torch.float32)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_many_random_members_are_torchvisions_to_the_bit(family: Callable[[Random], Peer], seed: int) -> None:
    test_a_random_member_is_torchvisions_to_the_bit(family, seed)
