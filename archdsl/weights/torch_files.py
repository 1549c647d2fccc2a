"""What weights need of torch, in the one module of this room that imports it: checkpoint files and the random state."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from archdsl.marks import NO_COMMENT, ZIP_END
from archdsl.weights.checkpoint import Arrays, WeightsError

WRAPPERS = ("state_dict", "model_state_dict", "model")


def read_torch(file: Path) -> Arrays:
    """The tensors of a state_dict file as arrays, by key. Raises `WeightsError`."""
    import torch

    try:
        with warnings.catch_warnings():  # of old protocols; what matters is whether tensors come out
            warnings.simplefilter("ignore")
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file makes torch raise anything, from KeyError to struct.error
        first = str(error).strip().partition("\n")[0]
        raise WeightsError(f"{file}: torch reads no plain tensors from it ({first})") from error
    found = _state_dict(content)
    if found is None:
        raise WeightsError(f"{file}: holds no state_dict (a mapping of names to tensors)")
    return {key: array_of(tensor) for key, tensor in found.items()}


def torch_bytes(arrays: Mapping[str, np.ndarray]) -> memoryview:
    """The bytes of a state_dict file that `torch.load(weights_only=True)` reads."""
    import torch

    buffer = io.BytesIO()
    torch.save({key: torch.from_numpy(np.array(array, order="C")) for key, array in arrays.items()}, buffer)
    buffer.seek(-len(NO_COMMENT), os.SEEK_END)
    buffer.write(ZIP_END)
    return buffer.getbuffer()


def draw_seed() -> int:
    """A seed from torch's default generator, so that `torch.manual_seed` fixes it."""
    import torch

    return int(torch.randint(2**63 - 1, (), device="cpu").item())


def _state_dict(content: Any) -> Mapping[str, Any] | None:
    """The mapping of names to tensors in a file's content, perhaps one wrapper deep."""
    import torch

    if not isinstance(content, Mapping):
        return None
    for wrapper in WRAPPERS:
        inner = content.get(wrapper)
        if isinstance(inner, Mapping):
            return _state_dict(inner)
    plain = all(isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items())
    return content if plain and content else None


def array_of(tensor: Any) -> np.ndarray:
    """A tensor's numbers; bfloat16, which numpy lacks, as the same numbers in float32."""
    import torch

    plain = tensor.detach().cpu()
    array: np.ndarray = (plain.float() if plain.dtype == torch.bfloat16 else plain).contiguous().numpy()
    return array
