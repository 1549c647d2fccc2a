"""Names in generated Python: ASCII, no keyword or builtin, nothing that `nn.Module` or the file itself has."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable

from archdsl.targets.torch_definitions import DEFINITIONS

# What the generated source itself names.
RESERVED = frozenset({"torch", "nn", "F", "Tensor", "NamedTuple", "functools", "math", "self"}) | DEFINITIONS.keys()
SPELLINGS = {
    "resnet": "ResNet",
    "resnext": "ResNeXt",
    "densenet": "DenseNet",
    "googlenet": "GoogLeNet",
    "mobilenet": "MobileNet",
    "shufflenet": "ShuffleNet",
    "efficientnet": "EfficientNet",
    "squeezenet": "SqueezeNet",
    "alexnet": "AlexNet",
    "regnet": "RegNet",
    "convnext": "ConvNeXt",
    "vgg": "VGG",
    "unet": "UNet",
}


MODULE_ATTRIBUTES = frozenset(
    [
        "T_destination",
        "_apply",
        "_backward_hooks",
        "_backward_pre_hooks",
        "_buffers",
        "_call_impl",
        "_compiled_call_impl",
        "_forward_hooks",
        "_forward_hooks_always_called",
        "_forward_hooks_with_kwargs",
        "_forward_pre_hooks",
        "_forward_pre_hooks_with_kwargs",
        "_get_backward_hooks",
        "_get_backward_pre_hooks",
        "_get_name",
        "_is_full_backward_hook",
        "_load_from_state_dict",
        "_load_state_dict_post_hooks",
        "_load_state_dict_pre_hooks",
        "_maybe_warn_non_full_backward_hook",
        "_modules",
        "_named_members",
        "_non_persistent_buffers_set",
        "_parameters",
        "_register_load_state_dict_pre_hook",
        "_register_state_dict_hook",
        "_replicate_for_data_parallel",
        "_save_to_state_dict",
        "_slow_forward",
        "_state_dict_hooks",
        "_state_dict_pre_hooks",
        "_version",
        "_wrapped_call_impl",
        "add_module",
        "apply",
        "bfloat16",
        "buffers",
        "call_super_init",
        "children",
        "compile",
        "cpu",
        "cuda",
        "double",
        "dump_patches",
        "eval",
        "extra_repr",
        "float",
        "forward",
        "get_buffer",
        "get_extra_state",
        "get_parameter",
        "get_submodule",
        "half",
        "ipu",
        "load_state_dict",
        "modules",
        "mtia",
        "named_buffers",
        "named_children",
        "named_modules",
        "named_parameters",
        "parameters",
        "register_backward_hook",
        "register_buffer",
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "register_full_backward_pre_hook",
        "register_load_state_dict_post_hook",
        "register_load_state_dict_pre_hook",
        "register_module",
        "register_parameter",
        "register_state_dict_post_hook",
        "register_state_dict_pre_hook",
        "requires_grad_",
        "set_extra_state",
        "set_submodule",
        "share_memory",
        "state_dict",
        "to",
        "to_empty",
        "train",
        "training",
        "type",
        "xpu",
        "zero_grad",
    ]
)
OURS = frozenset(["archdsl"])  # what the live module keeps of its spec
CONTAINER_ATTRIBUTES = MODULE_ATTRIBUTES | frozenset(["clear", "items", "keys", "pop", "update", "values"])


def hidden(name: str) -> bool:
    """Whether a module has an attribute of this name already, behind which a child would hide."""
    return name in MODULE_ATTRIBUTES or name in OURS or name.startswith("__")


def hidden_in_container(name: str) -> bool:
    """The same for `nn.ModuleDict`."""
    return name in CONTAINER_ATTRIBUTES or hidden(name)


def plain(name: str) -> bool:
    """Whether a name is an ASCII identifier and no keyword."""
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name)


def attribute(name: str) -> bool:
    """Whether a module can have a child as `self.name`."""
    return plain(name) and not hidden(name) and not name.startswith("__")


def argument(name: str) -> bool:
    """Whether a child of this name can be an argument of a class that keeps it as `self.name`."""
    return attribute(name) and variable(name) == name


def variable(name: str) -> str:
    """The name for a variable or an argument, nearest to one given."""
    name = re.sub(r"\W|[^\x00-\x7f]", "_", name) or "x"
    if name[0].isdigit():
        name = f"x{name}"
    if name.startswith("__"):
        name = f"x{name}"  # Python writes these otherwise inside a class
    free = plain(name) and name not in RESERVED and not hasattr(builtins, name)
    return name if free else f"{name}_"


def fields(names: Iterable[str]) -> list[str]:
    """The names for the fields of a NamedTuple, nearest to those given and no two alike; none begins with `_`."""
    found: list[str] = []
    for name in names:
        wish = variable(name.lstrip("_") + "_" * (len(name) - len(name.lstrip("_"))) if name.strip("_") else f"x{name}")
        while wish in found or wish.startswith("_"):
            wish = f"{wish.lstrip('_')}_"
        found.append(wish)
    return found


def class_name(name: str) -> str:
    """`resnext50_32x4d` as `ResNeXt50_32x4d`, `basic_block` as `BasicBlock`."""
    words = [word for word in re.split(r"[^0-9A-Za-z]+", name) if word]
    spelled = ""
    for word in words:
        glue = "_" if spelled and (spelled[-1].isdigit() and word[0].isdigit()) else ""
        spelled += glue + _spelled(word)
    if not spelled or spelled[0].isdigit():
        spelled = f"Net{spelled}"
    return spelled if spelled not in RESERVED and not hasattr(builtins, spelled) and plain(spelled) else f"{spelled}_"


def _spelled(word: str) -> str:
    head = re.match(r"[A-Za-z]*", word)
    letters = head.group() if head else ""
    known = SPELLINGS.get(letters.lower()) if letters.islower() else None
    return (known or letters[:1].upper() + letters[1:]) + word[len(letters) :]
