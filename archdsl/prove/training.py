"""Two nets in training: a step of each on the same examples, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from archdsl.passes.plan import Plan
from archdsl.prove.compare import REWRITE, Array, gradient_deviation, look, state_deviation
from archdsl.prove.evidence import Evidence, axes_of
from archdsl.prove.probes import LOUD, Probe, again, batch_of
from archdsl.prove.run import results

if TYPE_CHECKING:
    from torch import Tensor, nn

PLAIN = ((1.0, 0.0),)  # examples that drive no step of SGD far away
Found = list[tuple[str, float]]


def training(found: Evidence, plan: Plan, seed: int, batch: int | None, steps: int) -> Found:
    """How far two nets are apart in training: outputs, gradients and buffers after a step with usual values and one
    with loud ones, each at a size of its own; after `steps` more of SGD the weights and the momentum."""
    worst: dict[str, float] = {}
    for number, loudness in enumerate((1.0, LOUD)):
        setting = again(found.before, found.others, loudness, seed + 70 + number)
        sizes = found.declared if number == 0 else setting.probes[0].sizes
        probe = Probe(sizes, batch or batch_of(found.before, sizes), 10 * seed + number, loudness, PLAIN)
        pair = found.modules(setting)
        for name, far in _both(found, pair, plan, probe, steps if number == 0 else 0):
            worst[name] = max(far, worst.get(name, 0.0))
        if max(worst.values()) > REWRITE:
            break
    return list(worst.items())


def _both(found: Evidence, pair: tuple[nn.Module, nn.Module], plan: Plan, probe: Probe, steps: int) -> Found:
    import torch

    one, two = pair
    axes, inputs = axes_of(found.before, training=True), probe.inputs()
    first, second = _step(one.train(), inputs, probe.seed), _step(two.train(), inputs, probe.seed)
    outputs = [look([(got, known)], axis).deviation for got, known, axis in zip(second, first, axes, strict=True)]
    apart: Found = [("training outputs", max(outputs, default=0.0))]
    expected, got = plan.apply_moments(_gradients(one)), _gradients(two)
    apart.append(("gradients", _worst([(got[key], expected[key]) for key in got], gradient_deviation)))
    apart.append(("buffers", _states(one, two, plan)))
    if steps and plan.old:
        optimizers = [torch.optim.SGD(module.parameters(), 1e-3, momentum=0.9) for module in (one, two)]
        for step in range(steps):
            again_ = Probe(probe.sizes, probe.batch, probe.seed + step, probe.loudness, PLAIN).inputs()
            for module, optimizer in zip((one, two), optimizers, strict=True):
                optimizer.zero_grad()
                _step(module, again_, probe.seed + step)
                optimizer.step()
        apart.append((f"weights after {steps} steps", _states(one, two, plan)))
        momenta = [_momenta(module, optimizer) for module, optimizer in zip((one, two), optimizers, strict=True)]
        moved = plan.apply_moments(momenta[0])
        apart.append(("momentum", _worst([(momenta[1][key], moved[key]) for key in moved], gradient_deviation)))
    return apart


def _worst(pairs: Iterable[tuple[Any, Any]], measure: Callable[[Array, Array], float]) -> float:
    return max((measure(np.asarray(a), np.asarray(b)) for a, b in pairs), default=0.0)


def _states(one: nn.Module, two: nn.Module, plan: Plan) -> float:
    """How far the weights and buffers of one module, carried by the plan, are from the other's."""
    state = plan.apply({key: tensor.numpy() for key, tensor in one.state_dict().items()})
    now = {key: tensor.numpy() for key, tensor in two.state_dict().items()}
    return _worst([(now[key], state[key]) for key in state], state_deviation)


def _step(module: nn.Module, inputs: Sequence[Tensor], seed: int) -> list[Array]:
    """Forward and backward of a fixed random functional of the outputs, each brought to the size of one."""
    import torch

    found = results(module, inputs, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    loss = sum(
        (result * torch.randn(result.shape, generator=generator, dtype=result.dtype)).sum() / result[0].numel() ** 0.5
        for result in found
    )
    assert isinstance(loss, torch.Tensor)
    if loss.requires_grad:
        loss.backward()  # type: ignore[no-untyped-call]
    return [result.detach().numpy() for result in found]


def _gradients(module: nn.Module) -> dict[str, Array]:
    return {
        key: np.zeros(tuple(tensor.shape)) if tensor.grad is None else tensor.grad.numpy()
        for key, tensor in module.named_parameters()
    }


def _momenta(module: nn.Module, optimizer: Any) -> dict[str, Array]:
    """The momentum of each parameter, zero for one that no output depends on."""
    return {
        key: optimizer.state[tensor]["momentum_buffer"].numpy() if tensor in optimizer.state else np.zeros(tensor.shape)
        for key, tensor in module.named_parameters()
    }
