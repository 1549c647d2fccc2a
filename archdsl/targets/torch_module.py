"""Graph -> live module: the class of the generated source, filled with weights, that knows where it comes from."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from archdsl.graph.graph import Graph
from archdsl.targets.torch_classes import module_class


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a module comes from: `graph = compile(*arguments)`, and the spec's name and digest.

    `compile` is a function of a module, so that pickle keeps its name; the arguments are what it needs to make the same
    graph again (the spec's text, the arch, its parameters), so that a file holds no source and no code.
    """

    compile: Callable[..., Graph]
    arguments: tuple[Any, ...]
    spec: str = ""
    digest: str = ""

    def __deepcopy__(self, memo: dict[int, Any]) -> Provenance:
        return self


class WrongWeightsError(ValueError):
    """Arrays that are not exactly those of the graph."""


def instantiate(
    graph: Graph,
    weights: Mapping[str, np.ndarray] | None = None,
    *,
    provenance: Provenance | None = None,
    copy: bool = True,
) -> nn.Module:
    """The net as a live module, in training mode as every new module is.

    `weights` are arrays by key, exactly those of the graph; without them the module draws its own, by torch's
    generator. With `copy=False` the module takes the arrays' memory over. Raises `WrongWeightsError`.
    """
    if weights is None:
        module = module_class(graph)()
    else:
        device = torch.get_default_device()
        module = blank(graph)
        fill(module, graph, weights, device, copy=copy)
    origin = provenance or Provenance(_itself, (graph,), graph.program.source, graph.program.digest)
    object.__setattr__(module, "archdsl", origin)
    return module


def blank(graph: Graph) -> nn.Module:
    """The net without weights: parameters and buffers are on the meta device, which takes no memory and no time. Only
    tensors that no state_dict holds (the numbers of a spec) are there, on torch's default device."""
    with _Blank(torch.get_default_device()):
        return module_class(graph)()


def fill(
    module: nn.Module,
    graph: Graph,
    weights: Mapping[str, np.ndarray],
    device: torch.device | str = "cpu",
    *,
    copy: bool = True,
) -> None:
    """Puts arrays on a device as the parameters and buffers of a blank module, in its types of numbers. Raises
    `WrongWeightsError` if they do not fit exactly."""
    state = {key: tensor for key, _, tensor in graph.state()}
    if state.keys() != weights.keys():
        missing = [key for key in state if key not in weights][:3]
        unknown = [key for key in weights if key not in state][:3]
        raise WrongWeightsError(f"the weights are not those of {graph.name}: missing {missing}, unknown {unknown}")
    for key, array in weights.items():
        if array.shape != state[key].sizes:
            raise WrongWeightsError(f"`{key}` has the shape {array.shape} where the net has {state[key].sizes}")
    for path, owner in module.named_modules():
        prefix = f"{path}." if path else ""
        for table in (owner._parameters, owner._buffers):
            for name, tensor in table.items():
                if tensor is not None and name not in owner._non_persistent_buffers_set:
                    table[name] = _placed(tensor, weights[prefix + name], device, copy)


def _placed(blank: torch.Tensor, array: np.ndarray, device: torch.device | str, copy: bool) -> torch.Tensor:
    """An array as the parameter or buffer that a blank one stands for, in the array's own memory where that can be."""
    with warnings.catch_warnings():  # of arrays that are not to be written to: those are copied
        warnings.simplefilter("ignore", UserWarning)
        given = torch.from_numpy(np.require(array, requirements=["C"]))
    value = given.to(device, blank.dtype, copy=copy or not array.flags.writeable)
    return nn.Parameter(value, blank.requires_grad) if isinstance(blank, nn.Parameter) else value


class _Blank(TorchFunctionMode):
    """Builds modules on the meta device without drawing initial values: what `nn.init` would fill is left as it is."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func in _FILLERS:
            return given["tensor"] if "tensor" in given else args[0]
        if func is torch.Tensor.any:  # `trunc_normal_`, which no mode sees, asks whether some values are to be redrawn
            return False
        if given.get("device") is None and (func in _MAKERS or func is torch.tensor):
            given = {**given, "device": "meta" if func in _MAKERS else self.device}
        return func(*args, **given)


_MAKERS = frozenset({torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn})
_FILLERS = frozenset(value for name, value in vars(nn.init).items() if name.endswith("_") and callable(value)) | {
    getattr(torch.Tensor, name)
    for name in ("normal_", "uniform_", "fill_", "zero_", "erfinv_", "mul_", "add_", "clamp_")
}


def _rebuilt(
    origin: Provenance, state: dict[str, torch.Tensor], modes: dict[str, bool], frozen: list[str]
) -> nn.Module:
    """A module of a pickle that archdsl 0.1.0 made, which held the state_dict and a few modes."""
    graph = origin.compile(*origin.arguments)
    module = blank(graph)
    module.load_state_dict(state, strict=True, assign=True)
    for path, child in module.named_modules():
        child.training = modes.get(path, True)
    for name in frozen:
        module.get_parameter(name).requires_grad_(False)
    object.__setattr__(module, "archdsl", origin)
    return module


def _itself(graph: Graph) -> Graph:
    return graph
