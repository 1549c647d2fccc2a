"""Random edits of a live module, as users make them, and the law that a copy of an edited module is that module.

net = archdsl.load("resnet18", seed=0)
told = edit(net, Random(7))     # what was done, in words
assert_copies(net, inputs)      # pickled == copied == the edited module: outputs, state, attributes
"""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from random import Random
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

Edit = Callable[[nn.Module, Random], str | None]
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
NUMBERS = {"eps": 0.01, "momentum": 0.3, "p": 0.4, "negative_slope": 0.3, "alpha": 0.7}  # attributes, and other values


def edit(module: nn.Module, random: Random, count: int = 6, *, tame: bool = False) -> list[str]:
    """Does some edits, and says which; those that the module has no place for are left out.

    A `tame` one leaves gradients and memory formats as they are: PyTorch 2.13 dies in the backward of a group norm over
    a channels_last value that needs no gradient.
    """
    edits = [made for made in EDITS if not tame or made not in (_retyped, _frozen)]
    chosen = [random.choice(edits) for _ in range(count)]
    return [told for made in chosen if (told := made(module, random)) is not None]


def _place(module: nn.Module, random: Random, fits: Callable[[nn.Module], bool]) -> str | None:
    """The path of one of the parts that fit, below the module itself."""
    paths = [path for path, part in module.named_modules() if path and fits(part)]
    return random.choice(paths) if paths else None


def _part(module: nn.Module, path: str) -> nn.Module:
    """The part at a path, whatever it is called (`get_submodule` finds none that is called as a method is)."""
    return dict(module.named_modules())[path]


def _put(module: nn.Module, path: str, new: nn.Module) -> None:
    """Puts another part at a path."""
    above, _, name = path.rpartition(".")
    _part(module, above)._modules[name] = new


def _layer_replaced(module: nn.Module, random: Random) -> str | None:
    """A linear layer or convolution by a new one of the same sizes, or of other kinds of numbers and with a bias."""
    path = _place(module, random, lambda part: type(part) in (nn.Linear, nn.Conv2d))
    if path is None:
        return None
    old = _part(module, path)
    if isinstance(old, nn.Linear):
        new: nn.Module = nn.Linear(old.in_features, old.out_features, bias=random.random() < 0.5)
    else:
        assert isinstance(old, nn.Conv2d)
        new = nn.Conv2d(
            old.in_channels, old.out_channels, old.kernel_size, old.stride, old.padding, old.dilation, old.groups
        )  # type: ignore[arg-type]
    _put(module, path, new)
    return f"{path}: replaced"


def _layer_left_out(module: nn.Module, random: Random) -> str | None:
    path = _place(module, random, lambda part: isinstance(part, (nn.Dropout, *NORMS)))
    if path is None:
        return None
    _put(module, path, nn.Identity())
    return f"{path}: left out"


def _layer_added(module: nn.Module, random: Random) -> str | None:
    path = _place(module, random, lambda part: isinstance(part, nn.Sequential))
    if path is None:
        return None
    _part(module, path).append(nn.Sequential(nn.Identity(), nn.Dropout(0.2)))  # type: ignore[operator]
    return f"{path}: a layer added"


def _number_changed(module: nn.Module, random: Random) -> str | None:
    name = random.choice(list(NUMBERS))
    path = _place(module, random, lambda part: isinstance(getattr(part, name, None), float))
    if path is None:
        return None
    setattr(_part(module, path), name, NUMBERS[name])
    return f"{path}: {name} changed"


def _norms_changed(module: nn.Module, random: Random) -> str | None:
    """Every norm below a part counts each batch for itself, or averages over all."""
    path = _place(module, random, lambda part: any(isinstance(inner, NORMS) for inner in part.modules()))
    if path is None:
        return None
    for part in _part(module, path).modules():
        if isinstance(part, NORMS):
            part.track_running_stats, part.running_mean, part.running_var = False, None, None
    return f"{path}: norms without statistics"


def _norms_converted(module: nn.Module, random: Random) -> str | None:
    path = _place(module, random, lambda part: isinstance(part, nn.BatchNorm2d))
    if path is None:
        return None
    # No group norm: torch 2.13 crashes in its backward pass after a frozen layer in the format `channels_last`.
    channels = _part(module, path).num_features
    _put(module, path, nn.InstanceNorm2d(channels, affine=True))  # type: ignore[arg-type]
    return f"{path}: an instance norm"


def _frozen(module: nn.Module, random: Random) -> str | None:
    path = _place(module, random, lambda part: next(part.parameters(), None) is not None)
    if path is None:
        return None
    _part(module, path).requires_grad_(False).eval()
    return f"{path}: frozen"


def _in_training(module: nn.Module, random: Random) -> str | None:
    path = _place(module, random, lambda part: True)
    if path is None:
        return None
    _part(module, path).train(random.random() < 0.5)
    return f"{path}: another mode"


def _tied(module: nn.Module, random: Random) -> str | None:
    """Two layers of one shape share their weight from now on."""
    found: dict[Any, list[nn.Module]] = {}
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d) and "weight" in part._parameters:
            found.setdefault((type(part), part.weight.shape), []).append(part)
    pairs = [parts for parts in found.values() if len(parts) > 1]
    if not pairs:
        return None
    one, other = random.sample(random.choice(pairs), 2)
    one.weight = other.weight
    return "two layers tied"


def _buffer_added(module: nn.Module, random: Random) -> str | None:
    path = _place(module, random, lambda part: not hasattr(part, "seen")) or ""
    _part(module, path).register_buffer("seen", torch.rand(3), persistent=random.random() < 0.5)
    return f"{path}: a buffer"


def _attribute_added(module: nn.Module, random: Random) -> str | None:
    path = _place(module, random, lambda part: True) or ""
    _part(module, path).note = {"by": "user", "at": [1, 2.5, None], "with": torch.rand(2)}  # type: ignore[assignment]
    return f"{path}: an attribute"


def double(module: nn.Module, inputs: Any, output: Any) -> Any:
    """A hook that a pickle can name."""
    del module, inputs
    return output * 2 if isinstance(output, Tensor) else output


def _hooked(module: nn.Module, random: Random) -> str | None:
    path = _place(module, random, lambda part: not list(part.children()))
    if path is None:
        return None
    _part(module, path).register_forward_hook(double)
    return f"{path}: a hook"


def _pruned(module: nn.Module, random: Random) -> str | None:
    """A frozen layer loses half of its weights (`copy.deepcopy` takes no pruned layer that is trained)."""
    path = _place(
        module,
        random,
        lambda part: isinstance(part, nn.Linear | nn.Conv2d) and "weight" in part._parameters,
    )
    if path is None:
        return None
    layer = _part(module, path).requires_grad_(False)
    layer.weight.data = layer.weight.data.contiguous()  # type: ignore[operator, union-attr]
    with torch.no_grad():
        prune.l1_unstructured(layer, "weight", 0.5)  # type: ignore[no-untyped-call]
    layer.weight = layer.weight.detach()  # type: ignore[operator]
    layer.requires_grad_(False)
    return f"{path}: pruned"


def _retyped(module: nn.Module, random: Random) -> str | None:
    del random
    if any(tensor.dim() > 4 for tensor in module.state_dict().values()):  # torch has another format for those
        return None
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return "channels last"


def _stepped(module: nn.Module, random: Random) -> str | None:
    del random
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.01 * torch.rand_like(parameter))
            parameter.grad = torch.rand_like(parameter) if parameter.requires_grad else None
    return "a step of training"


EDITS: tuple[Edit, ...] = (
    _layer_replaced,
    _layer_left_out,
    _layer_added,
    _number_changed,
    _norms_changed,
    _norms_converted,
    _frozen,
    _in_training,
    _tied,
    _buffer_added,
    _attribute_added,
    _hooked,
    _pruned,
    _retyped,
    _stepped,
)


def pickled(module: nn.Module) -> nn.Module:
    """A module through `pickle`."""
    made: nn.Module = pickle.loads(pickle.dumps(module))
    return made


def saved(module: nn.Module) -> nn.Module:
    """A module through `torch.save`."""
    buffer = io.BytesIO()
    torch.save(module, buffer)
    buffer.seek(0)
    made: nn.Module = torch.load(buffer, weights_only=False)
    return made


def assert_copies(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """The law: a module that was pickled, saved or copied is the module, in everything, and is its own."""
    expected = outcome(module, inputs)
    for copied in (pickled, saved, copy.deepcopy):
        other = copied(module)
        assert_equal_modules(module, other)
        assert all(torch.equal(a, b) for a, b in zip(expected, outcome(other, inputs), strict=True))
        assert not {id(p) for p in module.parameters()} & {id(p) for p in other.parameters()}


def outcome(module: nn.Module, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """The outputs, and after them the buffers and gradients of a step; the module is left as it was."""
    module = copy.deepcopy(module)
    torch.manual_seed(0)
    outputs = module(*inputs)
    found = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    total = sum(output.sum() for output in found)
    if isinstance(total, Tensor) and total.requires_grad:
        total.backward()  # type: ignore[no-untyped-call]
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    return [*(output.detach() for output in found), *module.buffers(), *gradients]


def assert_equal_modules(one: nn.Module, other: nn.Module) -> None:
    """Two modules are equal in classes, attributes, tensors, ties and modes."""
    ours, theirs = dict(one.named_modules(remove_duplicate=False)), dict(other.named_modules(remove_duplicate=False))
    assert list(ours) == list(theirs)
    assert list(one.state_dict()) == list(other.state_dict())
    for path in ours:
        assert type(ours[path]) is type(theirs[path]), path
        assert list(vars(ours[path])) == list(vars(theirs[path])), path
        assert _alike(vars(ours[path]), vars(theirs[path])), path
    assert _ties(one) == _ties(other)


def _ties(module: nn.Module) -> list[int]:
    """Which tensor stands at each place, counted in the order in which they are met."""
    tables = [table for part in module.modules() for table in (part._parameters, part._buffers)]
    met: dict[int, int] = {}
    return [met.setdefault(id(tensor), len(met)) for table in tables for tensor in table.values() if tensor is not None]


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        same = type(one) is type(other) and one.dtype == other.dtype and one.stride() == other.stride()
        return same and one.requires_grad == other.requires_grad and torch.equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, nn.Module) or type(one).__module__.startswith(("archdsl.", "torch.nn.utils.prune")):
        return type(one) is type(other)  # parts are compared by themselves
    return bool(type(one) is type(other) and one == other)
