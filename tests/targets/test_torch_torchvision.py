"""Live modules against torchvision's: the same keys, and with the same weights the same bits, also after a step."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from archdsl.targets.torch_module import instantiate
from archdsl.weights import initial
from tests.support import nets
from tests.support.peers import torchvision_model

torch.set_num_threads(1)

PEERS = {
    "resnet18": "resnet18",
    "resnet50": "resnet50",
    "resnext50": "resnext50_32x4d",
    "wide_resnet50_2": "wide_resnet50_2",
}


def randomised(module: nn.Module) -> dict[str, Tensor]:
    """Random weights; means random and variances log-uniform, so that a wrong eps shows."""
    generator = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {}
    for key, value in module.state_dict().items():
        drawn = torch.randn(value.shape, generator=generator)
        if value.dtype == torch.int64:
            state[key] = value.clone()
        elif key.endswith("running_var"):
            state[key] = torch.exp(torch.rand(value.shape, generator=generator) * 6 - 3)
        else:
            state[key] = drawn * (2 / value[0].numel()) ** 0.5 if value.ndim > 1 else 1 + 0.1 * drawn
    return state


def step(module: nn.Module, x: Tensor) -> list[Tensor]:
    """Output, input gradient, gradients, and the state after one training step."""
    module.train()
    module.zero_grad()
    x = x.clone().requires_grad_()
    output = module(x)
    output.square().mean().backward()
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    torch.optim.SGD(module.parameters(), lr=0.01).step()
    assert x.grad is not None
    return [output, x.grad, *gradients, *module.state_dict().values()]


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_family_member_is_torchvisions_bit_for_bit(name: str, dtype: torch.dtype) -> None:
    graph = getattr(nets, name)()
    ours, theirs = instantiate(graph, initial(graph, 0)), torchvision_model(PEERS[name])
    shapes = [(key, value.shape, value.dtype) for key, value in theirs.state_dict().items()]
    assert [(key, value.shape, value.dtype) for key, value in ours.state_dict().items()] == shapes
    state = randomised(theirs)
    for module in (ours, theirs):
        module.load_state_dict(state, strict=True)
        module.to(dtype)
    x = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(1), dtype=dtype)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))
    for left, right in zip(step(ours, x), step(theirs, x), strict=True):
        assert torch.equal(left, right)


def test_fresh_values_come_from_torchvisions_distributions() -> None:
    """Without weights the module draws its own, with torchvision's standard deviations within sampling error."""
    graph = nets.resnet18()
    torch.manual_seed(0)
    ours, theirs = instantiate(graph), torchvision_model("resnet18")
    for (key, left), right in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        if left.ndim > 1:
            assert left.std().item() == pytest.approx(right.std().item(), rel=6 / left.numel() ** 0.5), key
            assert abs(left.mean().item()) < 6 * left.std().item() / left.numel() ** 0.5
        elif key != "fc.bias":
            assert torch.equal(left, right), key
