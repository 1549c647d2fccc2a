"""Graph -> live module: the generated source executed, filled with weights, and able to rebuild itself from its spec.

This is the one place of archdsl that executes code: source that it generated itself from a validated graph.
"""

from __future__ import annotations

import copy
import linecache
import warnings
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from archdsl.graph.graph import Graph
from archdsl.targets.torch_source import code

_classes: dict[str, type[nn.Module]] = {}
_of_graph: dict[int, tuple[weakref.ref[Graph], type[nn.Module]]] = {}  # by identity: a graph's hash takes long
_KEPT = 64  # sources whose classes are kept


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


class WrongWeightsError(ValueError):
    """Arrays that are not exactly those of the graph."""


def module_class(graph: Graph) -> type[nn.Module]:
    """The class of the net, as its generated source defines it."""
    known = _of_graph.get(id(graph))
    if known is None or known[0]() is not graph:
        gone = partial(_of_graph.pop, id(graph), None)
        known = _of_graph[id(graph)] = weakref.ref(graph, lambda _: gone()), _generated(graph)
    return known[1]


def _generated(graph: Graph) -> type[nn.Module]:
    generated = code(graph)
    digest = sha256(generated.text.encode()).hexdigest()
    found = _classes.get(digest)
    if found is None:
        found = _executed(generated.text, generated.name, graph, digest)
        while len(_classes) >= _KEPT:
            del _classes[next(iter(_classes))]
        _classes[digest] = found
    return found


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


def _executed(text: str, name: str, graph: Graph, digest: str) -> type[nn.Module]:
    """The class `name` of a source that `torch_source` generated; tracebacks and `inspect` show its lines."""
    filename = f"<archdsl {name} {digest[:12]}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {"__name__": f"archdsl_generated.{name}_{digest[:12]}", "__file__": filename}
    exec(compile(text, filename, "exec"), namespace)
    cls: type[nn.Module] = namespace[name]
    cls.__reduce_ex__ = _reduce  # type: ignore[method-assign, assignment]
    cls.__deepcopy__ = _deepcopy  # type: ignore[attr-defined]
    weakref.finalize(cls, linecache.cache.pop, filename, None)
    return cls


def _reduce(module: nn.Module, protocol: Any) -> tuple[Any, ...]:
    """What pickle keeps: the spec with its parameters and the state, never code."""
    origin: Provenance = module.archdsl  # type: ignore[assignment]
    modes = {path: child.training for path, child in module.named_modules()}
    frozen = [name for name, parameter in module.named_parameters() if not parameter.requires_grad]
    return _rebuilt, (origin, module.state_dict(keep_vars=False), modes, frozen)


def _rebuilt(
    origin: Provenance, state: dict[str, torch.Tensor], modes: dict[str, bool], frozen: list[str]
) -> nn.Module:
    """A module as it was when it was pickled."""
    graph = origin.compile(*origin.arguments)
    module = blank(graph)
    module.load_state_dict(state, strict=True, assign=True)
    for path, child in module.named_modules():
        child.training = modes.get(path, True)
    for name in frozen:
        module.get_parameter(name).requires_grad_(False)
    object.__setattr__(module, "archdsl", origin)
    return module


def _deepcopy(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """A copy with hooks and all, as `copy.deepcopy` makes it of any module."""
    new = module.__class__.__new__(module.__class__)
    memo[id(module)] = new
    for name, value in module.__dict__.items():
        new.__dict__[name] = value if name == "archdsl" else copy.deepcopy(value, memo)
    return new


def _itself(graph: Graph) -> Graph:
    return graph
