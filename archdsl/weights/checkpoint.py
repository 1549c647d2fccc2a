"""Checkpoints on disk: safetensors and torch's files, in and out.

The layout of safetensors (github.com/huggingface/safetensors, "Format"): eight bytes with the length of a JSON header,
the header, then the arrays without gaps. It is written here by hand, so that the same arrays give the same bytes and
are never copied.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from archdsl.diagnostics import UsageError, quote
from archdsl.files import FileError, write_atomic
from archdsl.weights.choosing import CHOICE, IN_MEMORY, Note, chosen, split_choice
from archdsl.weights.safetensors_files import BY_NAME, read_safetensors
from archdsl.weights.stored import Arrays, State, Stored, WeightsError, loaded, stored

TORCH_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")
SUFFIXES = (".safetensors", *TORCH_SUFFIXES)


def opened(path: str | os.PathLike[str], note: Note = lambda text: None) -> State:
    """The arrays of a checkpoint by key, in the order of the file, their numbers not read yet.

    `.safetensors` needs no torch; `.pt`, `.pth`, `.bin` and `.ckpt` are read by torch, tensors only
    (`weights_only=True`). Of several sets of weights in a file `FILE#NAME` takes one; else it is the state_dict of the
    file itself or under `state_dict`, `model_state_dict` or `model`, and `note` is told of the others. Raises
    `WeightsError`, and `FileError` if there is no such file.
    """
    file, choice = split_choice(os.fspath(path))
    if not os.path.isfile(file):
        raise FileError(f"{quote(str(file))}: {_lack(file)}")
    try:
        return _opened(file, choice, note)
    except MemoryError as error:
        raise WeightsError(f"{quote(str(file))}: asks for more memory than there is") from error


def _opened(file: Path, choice: str | None, note: Note) -> State:
    if file.suffix == ".safetensors":
        if choice is not None:
            raise WeightsError(f"{quote(str(file))}: holds one set of weights: name it without `{CHOICE}`")
        return read_safetensors(file)
    if file.suffix in TORCH_SUFFIXES:
        from archdsl.weights.torch_files import read_torch

        return chosen(read_torch(file), choice, quote(str(file)), note)
    raise WeightsError(f"{quote(str(file))}: weights are read from {', '.join(SUFFIXES)}")


def is_checkpoint(name: str) -> bool:
    """Whether a name on the command line is a checkpoint's, by its suffix."""
    return split_choice(name)[0].suffix in SUFFIXES


def read(path: str | os.PathLike[str], note: Note = lambda text: None) -> Arrays:
    """The same with all numbers in memory; bfloat16 as the same numbers in float32."""
    return loaded(opened(path, note))


def arrays_of(state: Mapping[str, Any], note: Note = lambda text: None) -> State:
    """The entries of a state_dict by key: arrays, or tensors of torch; of several sets in it the one that `opened`
    would take. Raises `WeightsError` for what holds none."""
    if all(isinstance(value, np.ndarray | Stored) for value in state.values()):
        return {key: stored(value) for key, value in state.items()}
    from archdsl.weights.torch_files import sets_in

    return chosen(sets_in(state), None, IN_MEMORY, note)


def _lack(file: Path) -> str:
    return "is a directory" if os.path.isdir(file) else "is no plain file" if os.path.exists(file) else "no such file"


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
        if array.dtype.name not in BY_NAME:
            raise WeightsError(f"{key}: safetensors has no {array.dtype.name}")
        end = offset + array.nbytes
        header[key] = {
            "dtype": BY_NAME[array.dtype.name],
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
