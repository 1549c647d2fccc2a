"""What weights need of torch, in the one module of this room that imports it: checkpoint files and the random state."""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from archdsl.diagnostics import quote
from archdsl.files import FileError
from archdsl.marks import NO_COMMENT, ZIP_END
from archdsl.weights.archives import ArchiveFault, inspect
from archdsl.weights.choosing import Set, sets_of
from archdsl.weights.stored import Stored, WeightsError

OBJECT = re.compile(r"GLOBAL ([\w.]+)")  # how torch names what it does not make


def read_torch(file: Path) -> list[Set]:
    """The sets of tensors by name in a file of torch.save, none of their numbers looked at. Raises `WeightsError`, and
    `FileError` for a file that cannot be opened."""
    shown = quote(str(file))
    try:
        with open(file, "rb") as handle:
            content = _content(handle)
    except ArchiveFault as fault:
        raise WeightsError(f"{shown}: {fault}") from None
    except OSError as error:
        raise FileError(f"{shown}: {(error.strerror or 'cannot be read').lower()}") from error
    return sets_in(content)


def sets_in(content: Any) -> list[Set]:
    """The sets of tensors by name in what torch.load gives, or a program holds."""
    import torch

    return sets_of(content, lambda value: isinstance(value, torch.Tensor | np.ndarray), stored_tensor)


def _content(handle: BinaryIO) -> Any:
    """What torch.load makes of a file, each storage with as many bytes as the file has for it. Raises `ArchiveFault`;
    the reasons are said in our own words, since torch's advise to run what the file asks for."""
    import torch

    archive = inspect(handle, os.fstat(handle.fileno()).st_size)
    storages: list[tuple[Any, int]] = []

    def placed(storage: Any, location: str) -> Any:
        storages.append((storage, storage.nbytes()))
        return storage

    try:
        with warnings.catch_warnings():  # of old protocols; what matters is whether tensors come out
            warnings.simplefilter("ignore")
            content = torch.load(handle, map_location=placed, weights_only=True)
    except MemoryError as error:
        raise ArchiveFault("asks for more memory than it has numbers") from error
    except OSError:
        raise
    except Exception as error:  # a broken file makes torch raise anything, from KeyError to struct.error
        raise ArchiveFault(_reason(error)) from error
    if sum(count for _, count in storages) > archive.room or any(item.nbytes() != count for item, count in storages):
        raise ArchiveFault("has tensors that are larger than the numbers in it")
    if archive.storages is not None and archive.storages != len(storages):
        raise ArchiveFault("lacks the numbers of some tensors")
    return content


def _reason(error: Exception) -> str:
    found = OBJECT.search(str(error))
    if found:
        return (
            f"holds a Python object, `{quote(found[1])}`, and nothing but tensors is read from a file: "
            "save its state_dict alone"
        )
    return f"is no file of torch.save, or damaged ({type(error).__name__})"


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


def stored_tensor(key: str, tensor: Any) -> Stored:
    """A tensor as an array whose numbers are not looked at yet; what is no plain array is called so in its type."""
    if isinstance(tensor, np.ndarray):
        return Stored(tensor.shape, tensor.dtype.name, lambda: tensor)
    kind = _kind(tensor)
    return Stored(() if kind.startswith("nested") else tuple(tensor.shape), kind, lambda: _array(key, tensor))


def _kind(tensor: Any) -> str:
    """The type of a tensor's numbers, after what makes it other than a plain array of them."""
    import torch

    name = str(tensor.dtype).removeprefix("torch.")
    if tensor.is_nested:
        return f"nested {name}"
    if tensor.is_quantized:
        return f"quantised {name}"
    if tensor.layout != torch.strided:
        return f"sparse {name}"
    if tensor.is_meta or torch.nn.parameter.is_lazy(tensor) or hasattr(type(tensor), "__tensor_flatten__"):
        return f"{name} without numbers"
    return name


def _array(key: str, tensor: Any) -> np.ndarray:
    """A tensor's numbers; bfloat16, which numpy lacks, as the same numbers in float32."""
    import torch

    try:
        plain = tensor.detach().cpu().resolve_neg().resolve_conj()
        array: np.ndarray = (plain.float() if plain.dtype == torch.bfloat16 else plain).contiguous().numpy()
    except (RuntimeError, TypeError) as error:
        raise WeightsError(f"`{quote(key)}` holds {_kind(tensor)}, which is not read") from error
    return array
