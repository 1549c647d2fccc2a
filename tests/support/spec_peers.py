"""Bundled specs and the nets of other libraries that they are: a table, and how one is held against the other.

A row says how the peer is built and which image both see. A peer is built without initial values unless its
distributions are the question.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

import archdsl
from archdsl.graph.graph import Graph
from archdsl.targets.torch_module import module_class
from tests.support.peers import torchvision_models
from tests.support.twins import State, assert_same_bits, gradients, random_state

Layout = list[tuple[str, tuple[int, ...], torch.dtype]]


@dataclass(frozen=True)
class Peer:
    """A spec (a bundled name, with parameters) and the constructor of the net that it is in another library.

    `side` is the image's, as small as the net can train on. `options` are the constructor's.
    """

    spec: str
    build: Callable[..., nn.Module]
    side: int = 64
    options: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.spec

    def graph(self) -> Graph:
        """Our graph."""
        return archdsl.compile(self.spec, **self.parameters)

    def ours(self, seed: int = 0) -> nn.Module:
        """Our live module, with its own initial values."""
        return archdsl.load(self.spec, seed=seed, **self.parameters)

    def bare_ours(self) -> nn.Module:
        """Our module without memory for its numbers."""
        with torch.device("meta"):
            return module_class(self.graph())()

    def theirs(self) -> nn.Module:
        """The other library's net, with its own initial values."""
        return self.build(**self.options)

    def bare(self, device: str = "cpu") -> nn.Module:
        """The other library's net without initial values."""
        with torch.device("meta"), _plain_widths():
            module = self.build(**self.options)
        return module if device == "meta" else module.to_empty(device=device)


def torchvision_peer(spec: str, side: int = 64, *, name: str = "", **parameters: Any) -> Peer:
    """A peer in torchvision, of the spec's name unless it has another there."""
    options: dict[str, Any] = {"weights": None}
    if spec in ("googlenet", "inception_v3"):
        options["init_weights"] = True  # its default, which warns unless it is said
    return Peer(spec, getattr(torchvision_models(), name or spec), side, options, parameters)


@cache
def timm() -> Any:
    """timm, which imports torchvision."""
    torchvision_models()
    import timm as library

    return library


def timm_peer(spec: str, name: str, side: int = 64, **parameters: Any) -> Peer:
    """A peer in timm."""
    return Peer(spec, lambda: timm().create_model(name), side, {}, parameters)


@contextmanager
def _plain_widths() -> Iterator[None]:
    """Lets torchvision compute RegNet's widths, which it does with tensors, on the CPU where the net itself is not."""
    params = torchvision_models().regnet.BlockParams
    made = params.__dict__["from_init_params"]

    def on_cpu(cls: type, *args: Any, **options: Any) -> Any:
        with torch.device("cpu"):
            return made.__func__(cls, *args, **options)

    params.from_init_params = classmethod(on_cpu)
    try:
        yield
    finally:
        params.from_init_params = made


def layout(module: nn.Module) -> Layout:
    """Every entry of the state_dict in order: key, sizes and type."""
    return [(key, tuple(value.shape), value.dtype) for key, value in module.state_dict().items()]


def bare_layout(graph: Graph) -> Layout:
    """The layout of the module that a graph becomes, without memory for it."""
    with torch.device("meta"):
        return layout(module_class(graph)())


def put(module: nn.Module, state: Mapping[str, Tensor], dtype: torch.dtype, training: bool) -> nn.Module:
    """The module in this type and mode, every entry a copy of the state's of the same key (strictly), no gradients."""
    module.to(dtype).train(training).zero_grad(set_to_none=True)
    given = module.state_dict()  # with what the module notes beside it, as a version
    assert given.keys() == state.keys()
    for key in given:
        given[key] = state[key]
    module.load_state_dict(given, strict=True)
    return module


def results(module: nn.Module, image: Tensor) -> dict[str, Tensor]:
    """What a module returns, by name: `output` if it is one tensor, the tuple's own names if there are several."""
    torch.manual_seed(2)  # dropped elements and branches are the same in both
    given = module(image)
    return {"output": given} if isinstance(given, Tensor) else given._asdict()


def standing_alone(source: str, name: str) -> type[nn.Module]:
    """The class of that name that generated source declares, run beside nothing but torch and the standard library."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert all(name.partition(".")[0] in ("torch", *sys.stdlib_module_names) for name in names)
    found: dict[str, Any] = {"__name__": "standing_alone"}
    exec(compile(source, "<standing alone>", "exec", dont_inherit=True), found)
    made: type[nn.Module] = found[name]
    return made


def image_of(side: int, batch: int, dtype: torch.dtype = torch.float32, channels: int = 3) -> Tensor:
    """A random batch."""
    return torch.randn(batch, channels, side, side, generator=torch.Generator().manual_seed(1), dtype=dtype)


def assert_same_inference(peer: Peer, ours: nn.Module, theirs: nn.Module, dtype: torch.dtype) -> None:
    """In inference both give the same bits for random weights and statistics."""
    state = random_state(theirs)
    image = image_of(peer.side, 2, dtype)
    with torch.no_grad():
        one, other = (results(put(module, state, dtype, training=False), image) for module in (ours, theirs))
    assert_same_bits(one, other)


def assert_same_step(peer: Peer, ours: nn.Module, theirs: nn.Module, dtype: torch.dtype, batch: int = 2) -> None:
    """A training step gives the same bits: every output (side heads too), every gradient, every buffer."""
    state = random_state(theirs)
    image = image_of(peer.side, batch, dtype)
    found: list[tuple[State, State, State]] = []
    for module in (put(ours, state, dtype, training=True), put(theirs, state, dtype, training=True)):
        given = results(module, image)
        weights = torch.Generator().manual_seed(3)
        loss = sum((value * torch.randn(value.shape, generator=weights, dtype=dtype)).sum() for value in given.values())
        loss.backward()  # type: ignore[union-attr, no-untyped-call]
        buffers = dict(module.named_buffers())
        found.append(({key: value.detach() for key, value in given.items()}, gradients(module), buffers))
    for one, other in zip(*found, strict=True):
        assert_same_bits(one, other)
    moved = [key for key, value in found[0][2].items() if not torch.equal(value, state[key].to(value.dtype))]
    assert len(moved) == len(found[0][2])  # every buffer took part in the step


def paired_by_shape(ours: nn.Module, theirs: nn.Module) -> State:
    """A state for theirs as a state of ours: names are ignored, entries go by order within each shape.

    Raises `AssertionError` where the two have not the same shapes as often.
    """
    places: dict[tuple[int, ...], list[str]] = {}
    for key, value in ours.state_dict().items():
        places.setdefault(_squeezed(value), []).append(key)
    state: State = {}
    own = ours.state_dict()
    for key, value in theirs.state_dict().items():
        free = places.get(_squeezed(value))
        assert free, f"there is no place for {key} {tuple(value.shape)}"
        name = free.pop(0)
        state[name] = value.reshape(own[name].shape)
    assert not any(places.values()), f"nothing for {[names for names in places.values() if names][:3]}"
    return {key: state[key] for key in own}


def _squeezed(value: Tensor) -> tuple[int, ...]:
    """The first size and the product of the others, if that is not 1: a convolution over a whole map may be a linear
    map, and numbers by channel may have axes for space."""
    return (value.shape[0], value[0].numel()) if value.dim() and value[0].numel() > 1 else tuple(value.shape[:1])


def same_distribution(ours: Tensor, theirs: Tensor) -> str | None:
    """Why two tensors are not draws of one distribution: mean, spread, bounds or form differ by more than chance."""
    one, other = ours.detach().double().flatten(), theirs.detach().double().flatten()
    count, spread = one.numel(), float(other.std()) if other.numel() > 1 else 0.0
    if count < 2 or spread == 0.0 or float(one.std()) == 0.0:
        return None if torch.equal(one, other) else "one of them is constant, or they are other constants"
    if abs(float(one.mean() - other.mean())) > 6 * spread * (2 / count) ** 0.5:
        return f"means {float(one.mean()):.4g} and {float(other.mean()):.4g}"
    if abs(float(one.std()) / spread - 1) > 6 / count**0.5:
        return f"standard deviations {float(one.std()):.4g} and {spread:.4g}"
    if count < 2000:
        return None
    forms = [float(((value - value.mean()) / value.std()).pow(4).mean()) for value in (one, other)]
    if abs(forms[0] - forms[1]) > 6 * (2 * 24 / count) ** 0.5:
        return f"fourth moments {forms[0]:.3f} and {forms[1]:.3f}"
    if forms[1] < 2 and abs(float(one.abs().max() / other.abs().max()) - 1) > 0.02:  # a uniform's bounds
        return f"bounds {float(one.abs().max()):.4g} and {float(other.abs().max()):.4g}"
    return None
