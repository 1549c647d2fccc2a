"""Members of the residual family that nobody named, drawn from torchvision's own `ResNet` and made by parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archdsl
from archdsl.cli.main import run
from archdsl.elaborate import Expression
from tests.support.peers import torchvision_models
from tests.support.twins import assert_twins, bare, random_state


@dataclass(frozen=True)
class Member:
    """A net of the family, by the arguments of torchvision's class."""

    bottleneck: bool
    layers: tuple[int, ...]
    groups: int
    width_per_group: int
    num_classes: int

    def __str__(self) -> str:
        kind = f"{self.groups}x{self.width_per_group}d" if self.bottleneck else "basic"
        return f"{kind}-{'.'.join(map(str, self.layers))}-{self.num_classes}"

    @property
    def block(self) -> str:
        """The block as a spec writes it."""
        return f"Bottleneck(groups={self.groups}, base={self.width_per_group})" if self.bottleneck else "Basic"

    def theirs(self, build: Any, **more: Any) -> nn.Module:
        """Torchvision's module, made by `build`."""
        resnet = torchvision_models().resnet
        block = resnet.Bottleneck if self.bottleneck else resnet.BasicBlock
        wide = {"groups": self.groups, "width_per_group": self.width_per_group} if self.bottleneck else {}
        made: nn.Module = build(resnet.ResNet, block, list(self.layers), num_classes=self.num_classes, **wide, **more)
        return made


def drawn(seed: int) -> list[Member]:
    """Members with odd depths, groups, widths and class counts, every third of basic blocks."""
    random = Random(seed)
    found = []
    for number in range(9):
        layers = tuple(random.choice((1, 1, 2, 3, 4)) for _ in range(4))
        groups = random.choice((1, 2, 3, 5, 8, 16))
        width = random.choice([width for width in (4, 6, 8, 12, 20, 33, 48, 96) if groups * width <= 128])
        found.append(Member(number % 3 != 0, layers, groups, width, random.randint(2, 300)))
    return found


MEMBERS = drawn(2026)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def assert_is_theirs(ours: nn.Module, member: Member) -> None:
    """Keys, shapes, order, and every bit in inference and in a training step, in both precisions."""
    theirs = member.theirs(bare)
    state = random_state(theirs)
    assert [(key, tensor.shape) for key, tensor in ours.state_dict().items()] == [
        (key, tensor.shape) for key, tensor in theirs.state_dict().items()
    ]
    assert sum(tensor.numel() for tensor in ours.parameters()) == sum(tensor.numel() for tensor in theirs.parameters())
    for dtype in (torch.float32, torch.float64):
        for training in (False, True):
            assert_twins(ours, theirs, state, dtype, training)


def test_the_draw_reaches_what_no_bundled_spec_has() -> None:
    bottlenecks = [member for member in MEMBERS if member.bottleneck]
    assert {member.groups for member in bottlenecks} - {1, 32, 64}
    assert {member.width_per_group for member in bottlenecks} - {4, 8, 64, 128}
    assert any(member.groups % 2 and member.groups > 1 for member in bottlenecks)
    assert any(depth % 2 and depth > 1 for member in MEMBERS for depth in member.layers)
    assert len({member.layers for member in MEMBERS}) > 5


@pytest.mark.parametrize("member", MEMBERS[:5], ids=str)
def test_python_parameters_make_the_member(member: Member) -> None:
    parameters = {"block": Expression(member.block), "layers": list(member.layers), "num_classes": member.num_classes}
    assert_is_theirs(archdsl.load("resnet", seed=0, **parameters), member)
    graph = archdsl.compile("resnet", **parameters)
    assert graph.params == sum(tensor.numel() for tensor in member.theirs(bare).parameters())
    assert graph.output_shapes == {"output": (member.num_classes,)}


@pytest.mark.parametrize("member", MEMBERS[4:], ids=str)
def test_set_on_the_command_line_makes_the_members_source(member: Member, tmp_path: Path) -> None:
    settings = [f"block={member.block}", f"layers={list(member.layers)}", f"num_classes={member.num_classes}"]
    out = tmp_path / "member.py"
    assert run(["build", "resnet", *(word for pair in settings for word in ("--set", pair)), "-o", str(out)]) == 0
    names: dict[str, Any] = {"__name__": "member"}
    exec(compile(out.read_text(), str(out), "exec"), names)
    assert_is_theirs(names["ResNet"](), member)


def test_a_members_own_spec_replaces_what_was_bound(tmp_path: Path) -> None:
    """The third way: a spec that binds the family's parameters, and parameters that replace what it bound."""
    member = Member(True, (1, 1, 2, 1), 3, 12, 11)
    spec = tmp_path / "mine.arch"
    spec.write_text(
        'from "families/resnet.arch" import resnet, Bottleneck\n\n'
        f"arch mine = resnet({member.block}, {list(member.layers)}) {{\n    expect depth > 1\n}}\n"
    )
    assert_is_theirs(archdsl.load(spec, seed=0, num_classes=member.num_classes), member)
    other = Member(True, (1, 2, 1, 1), 6, 10, 9)
    made = archdsl.load(spec, seed=0, block=Expression(other.block), layers=[1, 2, 1, 1], num_classes=9)
    assert_is_theirs(made, other)


# ------------------------------------------------------------- initial values


def constant(tensor: Tensor) -> float | None:
    """The one value of a tensor that has no other."""
    first = float(tensor.flatten()[0])
    return first if bool((tensor == first).all()) else None


@pytest.mark.parametrize("zero", [False, True], ids=["plain", "zero_init_residual"])
@pytest.mark.parametrize("bottleneck", [False, True], ids=["basic", "bottleneck"])
def test_initial_values_are_those_of_torchvision(bottleneck: bool, zero: bool) -> None:
    """Constants are equal, drawn values have the same mean and deviation: in the live module, drawn by our generator,
    and in the generated source, which draws with torch's."""
    member = Member(bottleneck, (1, 2, 1, 1), 1, 64, 50)
    final = "(final=ZeroNorm)" if zero else ""
    block = Expression(("Bottleneck" if bottleneck else "Basic") + final)
    graph = archdsl.compile("resnet", block=block, layers=[1, 2, 1, 1], num_classes=50)
    names: dict[str, Any] = {"__name__": "member"}
    exec(str(archdsl.build("resnet", "torch", block=block, layers=[1, 2, 1, 1], num_classes=50)), names)
    live = archdsl.load("resnet", seed=3, block=block, layers=[1, 2, 1, 1], num_classes=50)
    torch.manual_seed(0)
    theirs = member.theirs(lambda build, *args, **more: build(*args, **more), zero_init_residual=zero).state_dict()
    assert [key for key, _, _ in graph.state()] == list(theirs)
    for ours in (live.state_dict(), names["ResNet"]().state_dict()):
        for key, tensor in theirs.items():
            assert constant(ours[key]) == constant(tensor), key
            if constant(tensor) is None:
                assert_same_distribution(ours[key], tensor, key)
    last = "bn3" if bottleneck else "bn2"
    zeros = {key for key, tensor in theirs.items() if key.endswith(".weight") and constant(tensor) == 0}
    assert zeros == ({key for key in theirs if key.endswith(f"{last}.weight")} if zero else set())


def assert_same_distribution(one: Tensor, other: Tensor, key: str) -> None:
    """Mean and deviation agree within seven times what chance allows for this many numbers."""
    count, deviation = one.numel(), float(other.std())
    assert abs(float(one.mean() - other.mean())) < 7 * deviation * (2 / count) ** 0.5, key
    assert abs(float(one.std()) / deviation - 1) < 7 / count**0.5, key
