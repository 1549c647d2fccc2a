"""Safetensors files, read without mapping them: a file that is cut meanwhile is an error, not the end of the process.

The header says what the arrays are; it is held to the format (github.com/huggingface/safetensors, "Format") before
anything else is read: a JSON object, arrays one after the other without gaps or overlaps, up to the end of the file.
"""

from __future__ import annotations

import json
import os
import weakref
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from archdsl.diagnostics import quote
from archdsl.files import FileError
from archdsl.weights.stored import State, Stored, WeightsError

BIGGEST_HEADER = 1 << 24  # bytes: 100,000 arrays, and little memory once it is read
DIMENSIONS = 64  # of one array: numpy has no more
WIDTHS = {
    "F64": ("float64", 8),
    "F32": ("float32", 4),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "I64": ("int64", 8),
    "I32": ("int32", 4),
    "I16": ("int16", 2),
    "I8": ("int8", 1),
    "U64": ("uint64", 8),
    "U32": ("uint32", 4),
    "U16": ("uint16", 2),
    "U8": ("uint8", 1),
    "BOOL": ("bool", 1),
    "F8_E4M3": ("float8_e4m3fn", 1),
    "F8_E5M2": ("float8_e5m2", 1),
    "F8_E4M3FNUZ": ("float8_e4m3fnuz", 1),
    "F8_E5M2FNUZ": ("float8_e5m2fnuz", 1),
    "F8_E8M0": ("float8_e8m0fnu", 1),
}
BY_NAME = {name: code for code, (name, _) in WIDTHS.items()}
WITHOUT_NUMPY = "float8"


class _Wrong(Exception):  # noqa: N818 - a reason on its way to the file's name
    """What is wrong with a header."""


def read_safetensors(file: Path) -> State:
    """The arrays of a file by key, in the order of its header, none of them read yet. Raises `WeightsError`, and
    `FileError` for a file that cannot be opened."""
    shown = quote(str(file))
    try:
        handle = open(file, "rb", buffering=0)  # noqa: SIM115 - closed with the last array
    except OSError as error:
        raise FileError(f"{shown}: {(error.strerror or 'cannot be read').lower()}") from error
    try:
        size = os.fstat(handle.fileno()).st_size
        header, start = _header(handle, size)
        places = [(key, *_entry(key, entry)) for key, entry in header.items() if key != "__metadata__"]
        _hold_places([(begin, end) for _, _, _, begin, end in places], size - start)
    except (_Wrong, OSError) as error:
        handle.close()
        raise WeightsError(f"{shown}: not readable as safetensors ({error})") from None
    source = _Open(handle, shown)
    return {
        key: Stored(shape, WIDTHS[code][0], lambda c=code, s=shape, b=begin: source.array(c, s, start + b))  # type: ignore[misc]
        for key, code, shape, begin, _ in places
    }


class _Open:
    """An open file, closed with the last array that may be read from it."""

    def __init__(self, handle: Any, shown: str) -> None:
        self.handle, self.shown = handle, shown
        weakref.finalize(self, handle.close)

    def array(self, code: str, shape: tuple[int, ...], place: int) -> np.ndarray:
        """The numbers of one array; bfloat16, which numpy lacks, as the same numbers in float32."""
        name, _ = WIDTHS[code]
        if name.startswith(WITHOUT_NUMPY):
            raise WeightsError(f"{self.shown}: holds {name}, which is not read")
        wide = name == "bfloat16"
        array = np.empty(shape, np.dtype("uint16" if wide else name).newbyteorder("<"))
        try:
            self.handle.seek(place)
            whole = _fill(self.handle, array.reshape(-1).view(np.uint8).data)
        except OSError as error:
            raise WeightsError(f"{self.shown}: cannot be read ({error.strerror})") from None
        if not whole:
            raise WeightsError(f"{self.shown}: became shorter while it was read")
        if wide:
            return (array.astype(np.uint32) << 16).view(np.float32)
        return array.astype(array.dtype.newbyteorder("="), copy=False)


def _fill(handle: Any, view: memoryview) -> bool:
    """Whether the file has as many bytes as the buffer, which holds them then."""
    while view.nbytes:
        count = handle.readinto(view)
        if not count:
            return False
        view = view[count:]
    return True


def _header(handle: Any, size: int) -> tuple[dict[str, Any], int]:
    """The header's object, and where the arrays begin."""
    first = bytearray(8)
    if not _fill(handle, memoryview(first)):
        raise _Wrong("the file is too short")
    length = int.from_bytes(first, "little")
    if length > min(size - 8, BIGGEST_HEADER):
        raise _Wrong(f"its header would have {length:,} bytes")
    text = bytearray(length)
    if not _fill(handle, memoryview(text)):
        raise _Wrong("the file became shorter while it was read")
    try:
        header = json.loads(text.decode(), object_pairs_hook=_unique, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise _Wrong("its header is no JSON in UTF-8") from error
    if not isinstance(header, dict):
        raise _Wrong("its header is no JSON object")
    return header, 8 + length


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Wrong(f"its header has the key `{quote(twice)}` twice")
    return found


def _no_number(word: str) -> Any:
    raise ValueError(word)


def _entry(key: str, entry: Any) -> tuple[str, tuple[int, ...], int, int]:
    """The type, the sizes and the place of an array, each held to the others."""
    shown = quote(key)
    if not isinstance(entry, dict):
        raise _Wrong(f"`{shown}` is no object")
    code = entry.get("dtype")
    shape, place = _whole(entry.get("shape")), _whole(entry.get("data_offsets"))
    if not isinstance(code, str) or code not in WIDTHS:
        raise _Wrong(f"`{shown}` holds an unknown type of numbers, `{quote(str(code)[:40])}`")
    if shape is None or len(shape) > DIMENSIONS or prod(filter(None, shape)) >= 2**60:
        raise _Wrong(f"`{shown}` has no sizes")
    if place is None or len(place) != 2:
        raise _Wrong(f"`{shown}` has no place")
    begin, end = place
    if prod(shape) * WIDTHS[code][1] != end - begin:
        raise _Wrong(f"`{shown}` has a place of another length than its sizes say")
    return code, shape, begin, end


def _whole(values: Any) -> tuple[int, ...] | None:
    """A list of whole numbers from 0 on, or nothing for anything else."""
    if not isinstance(values, list) or not all(type(value) is int and 0 <= value < 2**63 for value in values):
        return None
    return tuple(values)


def _hold_places(places: list[tuple[int, int]], size: int) -> None:
    """Raises `_Wrong` unless the arrays stand one after the other and fill the file."""
    at = 0
    for begin, end in sorted(places):
        if begin != at:
            raise _Wrong(f"its arrays {'overlap' if begin < at else 'leave a gap'} at byte {min(begin, at):,}")
        at = end
    if at != size:
        raise _Wrong(f"its arrays have {at:,} bytes, and the file has {size:,} for them")
