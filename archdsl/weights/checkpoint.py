"""Checkpoints on disk: safetensors and torch's files, in and out.

The layout of safetensors (github.com/huggingface/safetensors, "Format"): eight bytes with the length of a JSON header,
the header, then the arrays without gaps. It is written here by hand, so that the same arrays give the same bytes and
are never copied; it is read by the library.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from archdsl.diagnostics import ArchdslError, UsageError
from archdsl.files import FileError, write_atomic

DTYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}
TORCH_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")
Arrays = dict[str, np.ndarray]


class WeightsError(ArchdslError):
    """A checkpoint that cannot be read or written; the message names the file and says why."""


def read(path: str | os.PathLike[str]) -> Arrays:
    """The arrays of a checkpoint by key, in the order of the file.

    `.safetensors` is read with numpy alone; `.pt`, `.pth`, `.bin` and `.ckpt` by torch, tensors only
    (`weights_only=True`), where a state_dict that lies under the key `state_dict`, `model_state_dict` or `model` is
    found. Raises `WeightsError`, and
    `FileError` if there is no such file.
    """
    file = Path(path)
    if not file.is_file():
        raise FileError(f"{file}: {'is a directory' if file.is_dir() else 'no such file'}")
    if file.suffix == ".safetensors":
        return _read_safetensors(file)
    if file.suffix in TORCH_SUFFIXES:
        from archdsl.weights.torch_files import read_torch

        return read_torch(file)
    raise WeightsError(f"{file}: weights are read from .safetensors and {', '.join(TORCH_SUFFIXES)}")


def arrays_of(state: Mapping[str, Any]) -> Arrays:
    """The entries of a state_dict by key: tensors of torch as arrays, arrays as they are."""
    if all(isinstance(value, np.ndarray) for value in state.values()):
        return dict(state)
    from archdsl.weights.torch_files import array_of

    return {key: value if isinstance(value, np.ndarray) else array_of(value) for key, value in state.items()}


def _read_safetensors(file: Path) -> Arrays:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(file))
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{file}: not readable as safetensors ({error})") from error
    except (KeyError, TypeError, AttributeError) as error:  # a dtype that numpy lacks, such as bfloat16
        raise WeightsError(f"{file}: holds a type of numbers that numpy lacks ({error}); save it as float32") from error


def write(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """A safetensors file with these arrays and metadata: whole or not at all, the same bytes for the same contents."""
    write_atomic(path, chunks(arrays, metadata))


def save(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """A checkpoint in the form that its suffix names; only safetensors holds the metadata. Raises `UsageError`."""
    suffix = saved_as(path)
    if suffix == ".safetensors":
        write(path, arrays, metadata)
        return
    from archdsl.weights.torch_files import torch_bytes

    write_atomic(path, torch_bytes(arrays))


def saved_as(path: str | os.PathLike[str]) -> str:
    """The suffix of a checkpoint to be written. Raises `UsageError` for one that names no form of weights."""
    suffix = Path(path).suffix
    if suffix != ".safetensors" and suffix not in TORCH_SUFFIXES:
        raise UsageError(f"{path}: weights are written as .safetensors or {', '.join(TORCH_SUFFIXES)}")
    return suffix


def chunks(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """The bytes of a safetensors file, piece by piece."""
    # Wide elements first, so that each array starts at a multiple of its element's size.
    ordered = sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize)
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for key, array in ordered:
        if array.dtype.name not in DTYPES:
            raise WeightsError(f"{key}: safetensors has no {array.dtype.name}")
        end = offset + array.nbytes
        header[key] = {
            "dtype": DTYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little")
    yield text
    for _, array in ordered:
        if array.nbytes:
            plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            yield plain.reshape(-1).view(np.uint8).data
