"""Two graphs run in float64 on the same random inputs, with random weights carried from one to the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from archdsl.graph import Graph
from archdsl.passes.plan import Plan
from archdsl.passes.rule import Promise
from archdsl.prove.compare import REWRITE, Array, deviation, gradient_deviation
from archdsl.prove.weights import random_weights

if TYPE_CHECKING:
    from torch import Tensor, nn

SAMPLES = 16  # of each channel, at least, under the statistics of a batch


@dataclass(frozen=True, slots=True)
class Proof:
    """How far two graphs are apart, by what was compared: the largest deviation, and where it is."""

    promise: str
    deviations: tuple[tuple[str, float], ...]
    gate: float = REWRITE

    @property
    def worst(self) -> float:
        """The largest deviation of all."""
        return max((found for _, found in self.deviations), default=0.0)

    @property
    def holds(self) -> bool:
        """True if every deviation is within the gate."""
        return self.worst <= self.gate

    def text(self) -> str:
        """One line: what was compared, and how near it is."""
        parts = ", ".join(f"{name} {found:.1e}" for name, found in self.deviations)
        return f"{'proved' if self.holds else 'NOT equal'} ({self.promise}): {parts}; gate {self.gate:.0e}"


def prove(
    before: Graph,
    after: Graph,
    plan: Plan,
    promise: Promise,
    *,
    seed: int = 0,
    weights: Mapping[str, Array] | None = None,
    steps: int = 0,
    batch: int | None = None,
) -> Proof:
    """What a rewrite promises, held against random inputs and, unless given, random weights.

    `exact-eval` compares the outputs in inference. `exact` compares a training step too: outputs, gradients and
    buffers, and after `steps` steps of SGD with momentum the weights and the momentum. All of it is float64.
    A `redesign` promises nothing of its function, so there is nothing to compare: its proof is empty.
    """
    if promise == "redesign":
        return Proof(promise, ())
    old = dict(weights) if weights is not None else random_weights(before, seed)
    old = {key: array.astype(np.float64) if array.dtype.kind == "f" else array for key, array in old.items()}
    found = [("outputs", _inference(before, after, plan, old, seed, batch))]
    if promise == "exact":
        found += _training(before, after, plan, old, seed, batch, steps)
    return Proof(promise, tuple(found))


def _modules(before: Graph, after: Graph, plan: Plan, old: Mapping[str, Array]) -> tuple[nn.Module, nn.Module]:
    from archdsl.targets.torch_module import instantiate

    one = instantiate(
        before, {key: array.astype(np.float32, copy=False) for key, array in _floats(old).items()} | _counts(old)
    )
    other_arrays = plan.apply(old, random_weights(after, 1))
    two = instantiate(after, {k: a.astype(np.float32) if a.dtype.kind == "f" else a for k, a in other_arrays.items()})
    for module, arrays in ((one, old), (two, other_arrays)):
        module.double()
        _overwrite(module, arrays)
    return one, two


def _floats(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {key: array for key, array in arrays.items() if array.dtype.kind == "f"}


def _counts(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {key: array for key, array in arrays.items() if array.dtype.kind != "f"}


def _overwrite(module: nn.Module, arrays: Mapping[str, Array]) -> None:
    """Puts float64 values in the places of a module that was made in float32."""
    import torch

    with torch.no_grad():
        for key, tensor in module.state_dict(keep_vars=True).items():
            tensor.copy_(torch.from_numpy(np.array(arrays[key])))


def _inputs(graph: Graph, seed: int, batch: int) -> list[Tensor]:
    import torch

    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, *graph.nodes[index].outputs[0].sizes, generator=generator, dtype=torch.float64)
        for index in graph.inputs
    ]


def _batch(graph: Graph) -> int:
    """Examples enough for the statistics of every channel."""
    fewest = min(
        (shape.elements // max(1, shape.sizes[0]) for node in graph.nodes for shape in node.outputs if shape.rank),
        default=1,
    )
    return max(2, -(-SAMPLES // max(1, fewest)))


def _results(module: nn.Module, inputs: list[Tensor], seed: int) -> list[Tensor]:
    import torch

    torch.manual_seed(seed)
    outputs = module(*inputs)
    return [outputs] if isinstance(outputs, torch.Tensor) else [item for item in outputs if item is not None]


def _worst(pairs: list[tuple[Any, Any]], measure: Callable[[Array, Array], float]) -> float:
    return max((measure(np.asarray(a), np.asarray(b)) for a, b in pairs), default=0.0)


def _inference(
    before: Graph, after: Graph, plan: Plan, old: Mapping[str, Array], seed: int, batch: int | None
) -> float:
    import torch

    one, two = _modules(before, after, plan, old)
    inputs = _inputs(before, seed, batch or 2)
    with torch.no_grad():
        pairs = zip(_results(two.eval(), inputs, seed), _results(one.eval(), inputs, seed), strict=True)
        return _worst([(a.numpy(), b.numpy()) for a, b in pairs], deviation)


def _training(
    before: Graph, after: Graph, plan: Plan, old: Mapping[str, Array], seed: int, batch: int | None, steps: int
) -> list[tuple[str, float]]:
    import torch

    one, two = _modules(before, after, plan, old)
    inputs = _inputs(before, seed, batch or _batch(before))
    first, second = _step(one.train(), inputs, seed), _step(two.train(), inputs, seed)
    found = [("training outputs", _worst(list(zip(second, first, strict=True)), deviation))]
    expected = plan.apply_moments(_gradients(one))
    got = _gradients(two)
    found.append(("gradients", _worst([(got[key], expected[key]) for key in got], gradient_deviation)))
    state = plan.apply({key: tensor.numpy() for key, tensor in one.state_dict().items()})
    now = {key: tensor.numpy() for key, tensor in two.state_dict().items()}
    found.append(("buffers", _worst([(now[key], state[key]) for key in now], deviation)))
    if steps:
        rate = 1e-3
        optimizers = [torch.optim.SGD(module.parameters(), rate, momentum=0.9) for module in (one, two)]
        for step in range(steps):
            for module, optimizer in zip((one, two), optimizers, strict=True):
                optimizer.zero_grad()
                _step(module, _inputs(before, seed + step, batch or _batch(before)), seed + step)
                optimizer.step()
        state = plan.apply({key: tensor.numpy() for key, tensor in one.state_dict().items()})
        now = {key: tensor.numpy() for key, tensor in two.state_dict().items()}
        found.append((f"weights after {steps} steps", _worst([(now[key], state[key]) for key in now], deviation)))
        momenta = [_momenta(module, optimizer) for module, optimizer in zip((one, two), optimizers, strict=True)]
        moved = plan.apply_moments(momenta[0])
        pairs = [(momenta[1][key], moved[key]) for key in momenta[1]]
        found.append(("momentum", _worst(pairs, gradient_deviation)))
    return found


def _step(module: nn.Module, inputs: list[Tensor], seed: int) -> list[Array]:
    """Forward and backward of a fixed random functional of the outputs."""
    import torch

    results = _results(module, inputs, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    loss = sum(
        (result * torch.randn(result.shape, generator=generator, dtype=result.dtype)).sum() / result[0].numel() ** 0.5
        for result in results
    )
    assert isinstance(loss, torch.Tensor)
    loss.backward()  # type: ignore[no-untyped-call]
    return [result.detach().numpy() for result in results]


def _gradients(module: nn.Module) -> dict[str, Array]:
    return {
        key: np.zeros(tuple(tensor.shape)) if tensor.grad is None else tensor.grad.numpy()
        for key, tensor in module.named_parameters()
    }


def _momenta(module: nn.Module, optimizer: Any) -> dict[str, Array]:
    return {key: optimizer.state[tensor]["momentum_buffer"].numpy() for key, tensor in module.named_parameters()}
