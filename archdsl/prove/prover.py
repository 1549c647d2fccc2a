"""Two graphs run in float64 on the same random inputs, with random weights carried from one to the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from archdsl.graph import Graph
from archdsl.ops import BatchNorm
from archdsl.passes.arrays import Take
from archdsl.passes.plan import Entry, Plan
from archdsl.passes.rule import Promise
from archdsl.prove.compare import REWRITE, Array, deviation, gradient_deviation
from archdsl.prove.weights import passing, random_fresh, random_weights, settled

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
        if self.promise == "redesign":
            return "redesign: another function, which needs training; nothing to prove"
        parts = ", ".join(f"{name} {found:.1e}" for name, found in self.deviations)
        return f"{'proved' if self.holds else 'NOT equal'} ({self.promise}): {parts}; gate {self.gate:.0e}"


Make = Callable[[Graph, Mapping[str, Array]], "nn.Module"]


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
    make: Make | None = None,
) -> Proof:
    """What a rewrite promises, held against random inputs and, unless given, random weights.

    `exact-eval` compares the outputs in inference. `exact` compares a training step too: outputs, gradients and
    buffers, and after `steps` further steps of SGD with momentum the weights and the momentum; its plan must only
    rearrange. All of it is float64. A `redesign` promises nothing of its function, so there is nothing to compare: its
    proof is empty. `make` gives the module that computes a graph, its weights in float64; by default the generated one.
    """
    if promise == "redesign":
        return Proof(promise, ())
    if promise == "exact" and not plan.exact:
        return Proof(promise, (("weights (they are not merely rearranged)", math.inf),))
    make = make or generated
    old = dict(weights) if weights is not None else likely_weights(before, make, seed)
    old = {key: array.astype(np.float64) if array.dtype.kind == "f" else array for key, array in old.items()}
    new = plan.apply(old, random_fresh(plan, seed + 1))
    one, two = make(before, old), make(after, new)
    found = [("outputs", _inference(one, two, _inputs(before, seed, batch or 2), seed))]
    if promise == "exact":
        found += _training(before, one, two, plan, seed, batch or batch_of(before), steps)
    return Proof(promise, tuple(found))


def likely_weights(graph: Graph, make: Make, seed: int) -> dict[str, Array]:
    """Random weights, the statistics of norms near to those of a batch."""
    import torch

    drawn = random_weights(graph, seed)
    if not any(isinstance(node.op, BatchNorm) and node.op.track for node in graph.nodes):
        return drawn
    drawn = passing(graph, drawn)
    module = make(graph, drawn).train()
    with torch.no_grad():
        _results(module, _inputs(graph, seed, max(4, batch_of(graph))), seed)
    updated = {key: tensor.numpy() for key, tensor in module.state_dict().items()}
    return settled(graph, drawn, updated, seed)


def generated(graph: Graph, arrays: Mapping[str, Array]) -> nn.Module:
    """The generated source as a live module, in float64."""
    import torch

    from archdsl.targets.torch_module import instantiate

    narrow = {key: array.astype(np.float32) if array.dtype.kind == "f" else array for key, array in arrays.items()}
    module = instantiate(graph, narrow).double()
    with torch.no_grad():
        for key, tensor in module.state_dict(keep_vars=True).items():
            tensor.copy_(torch.from_numpy(np.array(arrays[key])))
    return module


def same_function(
    left: Graph,
    right: Graph,
    keys: Mapping[str, str],
    *,
    seed: int = 0,
    weights: Mapping[str, Array] | None = None,
) -> Proof:
    """Two nets in inference, `keys` giving for each weight of `right` the key of `left` that holds it."""
    sizes = {key: tensor for key, _, tensor in right.state()}
    entries = tuple(
        Entry(key, Take(keys[key], sizes[key].sizes), sizes[key].trainable, sizes[key].dtype) for key in sizes
    )
    plan = Plan(entries, tuple(key for key, _, tensor in left.state() if tensor.trainable))
    return prove(left, right, plan, "exact-eval", seed=seed, weights=weights)


def batch_of(graph: Graph) -> int:
    """Examples enough for the statistics of a batch: `SAMPLES` numbers of each channel that a batch norm sees."""
    seen = [
        prod(graph.shape(node.inputs[0]).sizes[1:])
        for node in graph.nodes
        if isinstance(node.op, BatchNorm) and node.inputs
    ]
    return max(2, -(-SAMPLES // min(seen, default=SAMPLES)))


def random_inputs(graph: Graph, seed: int, batch: int, scale: float = 1.0) -> list[Tensor]:
    """A batch for each input of a net, float64, of this spread."""
    return [scale * tensor for tensor in _inputs(graph, seed, batch)]


def results_of(module: nn.Module, inputs: list[Tensor]) -> list[Array]:
    """All outputs of a module, in order, without gradients."""
    import torch

    with torch.no_grad():
        return [tensor.numpy() for tensor in _results(module, inputs, 0)]


def _inputs(graph: Graph, seed: int, batch: int) -> list[Tensor]:
    import torch

    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, *graph.nodes[index].outputs[0].sizes, generator=generator, dtype=torch.float64)
        for index in graph.inputs
    ]


def _results(module: nn.Module, inputs: list[Tensor], seed: int) -> list[Tensor]:
    import torch

    torch.manual_seed(seed)
    outputs = module(*inputs)
    return [outputs] if isinstance(outputs, torch.Tensor) else [item for item in outputs if item is not None]


def _worst(pairs: Iterable[tuple[Any, Any]], measure: Callable[[Array, Array], float]) -> float:
    return max((measure(np.asarray(a), np.asarray(b)) for a, b in pairs), default=0.0)


def _inference(one: nn.Module, two: nn.Module, inputs: list[Tensor], seed: int) -> float:
    import torch

    with torch.no_grad():
        pairs = zip(_results(two.eval(), inputs, seed), _results(one.eval(), inputs, seed), strict=True)
        return _worst([(a.numpy(), b.numpy()) for a, b in pairs], deviation)


def _training(
    before: Graph, one: nn.Module, two: nn.Module, plan: Plan, seed: int, batch: int, steps: int
) -> list[tuple[str, float]]:
    import torch

    inputs = _inputs(before, seed, batch)
    first, second = _step(one.train(), inputs, seed), _step(two.train(), inputs, seed)
    found = [("training outputs", _worst(zip(second, first, strict=True), deviation))]
    expected, got = plan.apply_moments(_gradients(one)), _gradients(two)
    found.append(("gradients", _worst([(got[key], expected[key]) for key in got], gradient_deviation)))
    found.append(("buffers", _states(one, two, plan)))
    if steps and plan.old:
        optimizers = [torch.optim.SGD(module.parameters(), 1e-3, momentum=0.9) for module in (one, two)]
        for step in range(steps):
            for module, optimizer in zip((one, two), optimizers, strict=True):
                optimizer.zero_grad()
                _step(module, _inputs(before, seed + step, batch), seed + step)
                optimizer.step()
        found.append((f"weights after {steps} steps", _states(one, two, plan)))
        momenta = [_momenta(module, optimizer) for module, optimizer in zip((one, two), optimizers, strict=True)]
        moved = plan.apply_moments(momenta[0])
        found.append(("momentum", _worst([(momenta[1][key], moved[key]) for key in moved], gradient_deviation)))
    return found


def _states(one: nn.Module, two: nn.Module, plan: Plan) -> float:
    """How far the weights and buffers of one module, carried by the plan, are from the other's."""
    state = plan.apply({key: tensor.numpy() for key, tensor in one.state_dict().items()})
    now = {key: tensor.numpy() for key, tensor in two.state_dict().items()}
    return _worst([(now[key], state[key]) for key in state], deviation)


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
    if loss.requires_grad:
        loss.backward()  # type: ignore[no-untyped-call]
    return [result.detach().numpy() for result in results]


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
