"""A graph as a module with weights, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from archdsl.graph import Graph
from archdsl.graph.sizes import other_sizes
from archdsl.prove.compare import Array
from archdsl.prove.probes import USUAL, Setting, again
from archdsl.prove.weights import loud_weights, shaping

if TYPE_CHECKING:
    from torch import Tensor, nn

Make: TypeAlias = "Callable[[Graph, Mapping[str, Array]], nn.Module]"


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


def calibrated(graph: Graph, make: Make, setting: Setting) -> nn.Module:
    """A net with random weights under which the results of its layers spread as a setting says."""
    from archdsl.prove.calibrate import calibrate

    loudness = {path: setting.of_layer(number) for number, path in enumerate(shaping(graph))}
    module = make(graph, loud_weights(graph, setting.seed, loudness))
    calibrate(module, setting.probes[0].inputs(), loudness, setting.seed)
    return module


def state_of(module: nn.Module) -> dict[str, Array]:
    """The weights and buffers of a module, copied."""
    return {key: np.array(tensor.detach().numpy()) for key, tensor in module.state_dict().items()}


def likely_weights(graph: Graph, make: Make = generated, seed: int = 0, loudness: float = USUAL) -> dict[str, Array]:
    """Random weights under which the values in a net spread by about so much, whatever its depth."""
    return state_of(calibrated(graph, make, again(graph, other_sizes(graph), loudness, seed)))


def results(module: nn.Module, inputs: Sequence[Tensor], seed: int) -> list[Tensor]:
    """All outputs of a module that are there in its mode, in order; what is random draws by the seed."""
    import torch

    torch.manual_seed(seed)
    outputs = module(*inputs)
    return [outputs] if isinstance(outputs, torch.Tensor) else [item for item in outputs if item is not None]


def arrays_of(module: nn.Module, inputs: Sequence[Tensor], seed: int = 0) -> list[Array]:
    """The same in inference, without gradients, as arrays."""
    import torch

    with torch.no_grad():
        return [tensor.numpy() for tensor in results(module.eval(), inputs, seed)]
