"""Damaged and hostile checkpoints from a seed: bytes flipped and cut, headers and pickles edited, odd contents."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import pickletools
import random
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from archdsl.weights.checkpoint import chunks
from archdsl.weights.stored import Arrays

torch.set_num_threads(1)
NUMBERS = [0, 1, 2, 7, 255, 256, 65535, 2**31 - 1, 2**31, 2**32, 2**40, 2**53, 2**63 - 1, 2**63, 2**64, -1, -(2**31)]
ODD = [
    None,
    True,
    1.5,
    "",
    "x",
    [],
    {},
    [[]],
    [-1],
    ["1"],
    [2**40, 2**40],
    "F32",
    "float32",
    "F8_E4M3",
    {"a": {"b": []}},
]


def mutation(arrays: Arrays, seed: int) -> tuple[str, bytes]:
    """The name and the bytes of one checkpoint."""
    draw = random.Random(seed)
    make = draw.choice(
        [
            _safetensors_bytes,
            _safetensors_header,
            _archive_bytes,
            _archive_parts,
            _archive_pickle,
            _archive_pickle,
            _content,
            _content,
            _legacy,
            _stranger,
        ]
    )
    return make(draw, arrays)


def _tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(array.copy()) for key, array in arrays.items()}


def _saved(content: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def _hurt(draw: random.Random, data: bytes, near: int | None = None) -> bytes:
    """Some bytes flipped, cut out, put in, doubled or cut off, near the start if it is said."""
    found = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 5, 20])):
        if not found:
            break
        place = draw.randrange(min(near or len(found), len(found)))
        length = draw.choice([1, 1, 2, 8, 64])
        match draw.randrange(6):
            case 0 | 1:
                found[place] ^= 1 << draw.randrange(8)
            case 2:
                found[place] = draw.choice([0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)])
            case 3:
                del found[place : place + length]
            case 4:
                found[place:place] = draw.randbytes(length) if draw.random() < 0.5 else found[place : place + length]
            case 5 if draw.random() < 0.3:
                del found[place:]
            case _:
                other = draw.randrange(len(found))
                found[place : place + length] = found[other : other + length]
    return bytes(found)


def _safetensors_bytes(draw: random.Random, arrays: Arrays) -> tuple[str, bytes]:
    return "a.safetensors", _hurt(draw, b"".join(chunks(arrays, {"format": "pt"})), draw.choice([8, 600, None]))


def _safetensors_header(draw: random.Random, arrays: Arrays) -> tuple[str, bytes]:
    data = b"".join(chunks(arrays, {}))
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    for _ in range(draw.choice([1, 1, 2, 4])):
        key = draw.choice(list(header) or ["x"])
        entry = header.get(key)
        match draw.randrange(9):
            case 0 if isinstance(entry, dict) and entry:
                entry[draw.choice(list(entry))] = draw.choice(ODD + NUMBERS)
            case 1 if isinstance(entry, dict) and entry.get("shape"):
                entry["shape"] = [draw.choice(NUMBERS) for _ in range(draw.choice([0, 1, 4, 70]))]
            case 2 if isinstance(entry, dict):
                entry["dtype"] = draw.choice(
                    ["F64", "F16", "BF16", "I64", "U8", "BOOL", "F8_E5M2", "C64", "F4", "\x1b[31m"]
                )
            case 3 if isinstance(entry, dict):
                entry["data_offsets"] = [
                    draw.choice([*NUMBERS, *range(0, 999, 37)]) for _ in range(draw.choice([1, 2, 2, 3]))
                ]
            case 4:
                header[draw.choice(["\x1b[31m", "\n", "module." * 5000, "a" * 9999, "..", "", "\u202e"])] = draw.choice(
                    [entry, *ODD]
                )
            case 5:
                header[f"module.{key}"] = header.pop(key, {})
            case 6:
                header["__metadata__"] = draw.choice(ODD)
            case 7:
                header[draw.choice(list(header) or ["y"])] = entry
            case _:
                header.pop(key, None)
    text = json.dumps(draw.choice([header, header, header, list(header), 1]), ensure_ascii=draw.random() < 0.5).encode()
    if draw.random() < 0.1:
        text = draw.choice(
            [b"[" * 100_000, b'{"a":' * 50_000, text[:-1] + b',"a":1,"a":2}', text + b"NaN", b"\xff" + text]
        )
    size = draw.choice([len(text), len(text), len(text), draw.choice(NUMBERS) % 2**64])
    return "a.safetensors", size.to_bytes(8, "little") + text + data[8 + length :]


def _parts(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


def _packed(parts: Mapping[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _archive_bytes(draw: random.Random, arrays: Arrays) -> tuple[str, bytes]:
    data = _saved(_tensors(arrays))
    near = draw.choice([64, 1500, None])
    if draw.random() < 0.3:  # the directory at the end
        tail = draw.choice([22, 98, 700])
        return "a.pth", data[:-tail] + _hurt(draw, data[-tail:])
    return "a.pth", _hurt(draw, data, near)


def _archive_parts(draw: random.Random, arrays: Arrays) -> tuple[str, bytes]:
    parts = _parts(_saved(_tensors(arrays)))
    for _ in range(draw.choice([1, 1, 2])):
        name = draw.choice(list(parts))
        match draw.randrange(8):
            case 0:
                del parts[name]
            case 1:
                parts[name] = _hurt(draw, parts[name])
            case 2:
                parts[name] = draw.choice([b"", b"\0" * 3_000_000, parts[name] * 2])
            case 3:
                parts[
                    draw.choice(["archive/code/x.py", "archive/constants.pkl", "x/data.pkl", "../../x", "a" * 60_000])
                ] = b"x"
            case 4:
                parts[draw.choice(list(parts))] = parts[name]
            case 5:
                return "a.pth", _packed({**parts, name: b"\0" * draw.choice([10, 10**7])}, zipfile.ZIP_DEFLATED)
            case 6:
                parts["archive/byteorder"] = draw.choice([b"big", b"", b"middle", b"\xff"])
            case _:
                parts = {
                    name.replace("archive", draw.choice(["", "b", "archive/archive"])): part
                    for name, part in parts.items()
                }
        if not parts:
            break
    return "a.pth", _packed(parts)


def _archive_pickle(draw: random.Random, arrays: Arrays) -> tuple[str, bytes]:
    parts = _parts(_saved(_tensors(arrays)))
    name = next(name for name in parts if name.endswith("data.pkl"))
    edit = draw.choice([_hurt, _opcodes, _opcodes])
    return "a.pth", _packed({**parts, name: edit(draw, parts[name])})


def _opcodes(draw: random.Random, data: bytes) -> bytes:
    """A pickle with opcodes left out, doubled, changed in their numbers and texts, or put in."""
    starts = [place for _, _, place in pickletools.genops(data)]
    ops = [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]
    for _ in range(draw.choice([1, 1, 2, 6])):
        place = draw.randrange(len(ops))
        match draw.randrange(7):
            case 0:
                ops[place] = b""
            case 1:
                ops[place] = ops[place] * draw.choice([2, 3, 1000])
            case 2 | 3:
                numbers = [at for at, op in enumerate(ops) if op[:1] in (b"K", b"M", b"J")]
                ops[draw.choice(numbers)] = pickle.dumps(draw.choice([*NUMBERS, True, None, 1.5, "x", ()]), 2)[2:-1]
            case 4:
                names = [at for at, op in enumerate(ops) if op[:1] == b"c"]
                ops[draw.choice(names)] = b"c" + draw.choice(GLOBALS) + b"\n"
            case 5:
                ops.insert(place, draw.choice(WORDS))
            case _:
                other = draw.randrange(len(ops))
                ops[place], ops[other] = ops[other], ops[place]
    return b"".join(ops)


GLOBALS = [
    *(b"torch\n" + name + b"Storage" for name in (b"Double", b"Half", b"BFloat16", b"Byte", b"QInt8", b"ComplexFloat")),
    *(b"builtins\n" + name for name in (b"bytearray", b"eval", b"set", b"complex", b"getattr")),
    *(
        b"torch._utils\n_rebuild_" + name
        for name in (b"tensor", b"tensor_v3", b"parameter", b"qtensor", b"sparse_tensor")
    ),
    *(b"torch._utils\n_rebuild_" + name for name in (b"meta_tensor_no_storage", b"nested_tensor", b"wrapper_subclass")),
    b"torch._tensor\n_rebuild_from_type_v2",
    b"collections\nCounter",
    b"collections\nOrderedDict",
    b"os\nsystem",
    b"argparse\nNamespace",
    b"torch\nFloatTensor",
    b"torch\nSize",
    b"torch\nfloat8_e4m3fn",
    b"torch.serialization\n_get_layout",
    b"\x1b[31m\n\x1b[0m",
]
WORDS = [
    *(bytes([code]) for code in b"(.02RQabdegijlopqrstu}])\x81\x82\x85\x86\x87\x88\x89\x8a\x8f\x93\x95N"),
    b"h\x00",
    b"2\x86" * 60,
    b"\x85" * 5000,
    b"]" + b"2a" * 3,
    b"(" * 5000,
    b"K\x01\x85R",
    b"X\xff\xff\xff\x7f",
    b"\x8b\xff\xff\xff\x7f",
]


def _content(draw: random.Random, arrays: Arrays) -> tuple[str, bytes]:
    """A file of torch.save that is whole, and holds what no net is made of."""
    state: dict[Any, Any] = dict(_tensors(arrays))
    for _ in range(draw.choice([1, 1, 3])):
        key = draw.choice([*state])
        match draw.randrange(6):
            case 0 | 1 | 2:
                if _plain(state[key]):
                    with contextlib.suppress(RuntimeError):  # what torch does not have of some type
                        state[key] = _weird(draw, state[key])
            case 3:
                state[draw.choice([*ODD_KEYS, key])] = draw.choice([state[key], *ODD, 7, b"x"])
            case 4:
                prefix = draw.choice(["module.", "_orig_mod.", "model."]) * draw.choice([1, 2, 5000])
                state = {f"{prefix}{key}": value for key, value in state.items()}
            case _:
                state = {
                    draw.choice(["state_dict", "model", "ema", "a/b", "", "\x1b[31m"]): state,
                    "epoch": draw.choice(ODD),
                }
    content: Any = state
    match draw.randrange(8):
        case 0:
            state["self"] = {"state_dict": state, "list": [state]}
        case 1:
            for _ in range(draw.choice([3, 400, 900])):
                content = draw.choice([{"model": content}, [content], {"a": content, "model": content}])
        case 2:
            shared: Any = {"x": torch.zeros(1)}
            for _ in range(40):
                shared = {"a": shared, "b": shared}
            content = {"model": state, "more": shared}
        case 3:
            return "a.pt", _doubled_key(draw.choice([20, 60, 900]))
        case 4:
            content = [state] * 3
        case _:
            pass
    try:
        return draw.choice(["a.pt", "a.pth", "a.bin", "a.ckpt"]), _saved(content)
    except Exception:  # some of this torch does not write
        return "a.pt", _saved(_tensors(arrays))


ODD_KEYS = [0, 1.5, None, (1, 2), "", "\x1b[2J", "\n", "module.", "a" * 9999, ".", "n_averaged", "\u202e", "_metadata"]


def _doubled_key(levels: int) -> bytes:
    """A dictionary whose key is a tuple of itself twice, so many levels deep: its hash would never end."""
    parts = _parts(_saved({"a": torch.zeros(1)}))
    name = next(name for name in parts if name.endswith("data.pkl"))
    return _packed({**parts, name: b"\x80\x02})" + b"2\x86" * levels + b"K\x01s."})


def _plain(value: Any) -> bool:
    whole = type(value) is torch.Tensor and not value.is_nested and not value.is_meta and not value.is_quantized
    return whole and value.layout == torch.strided


def _weird(draw: random.Random, tensor: torch.Tensor) -> Any:
    float_ = tensor.float()
    match draw.randrange(16):
        case 0:
            return float_.to_sparse()
        case 1:
            return torch.empty(draw.choice([(3,), (2**40,), tuple(tensor.shape)]), device="meta")
        case 2:
            return float_.to(draw.choice([torch.float8_e4m3fn, torch.float8_e5m2]))
        case 3:
            return torch.quantize_per_tensor(float_, 0.1, 0, torch.qint8)
        case 4:
            return float_.to(draw.choice([torch.complex64, torch.complex128]))
        case 5:
            return torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])
        case 6:
            return torch.zeros(1).expand(draw.choice([(2**33,), (2**20, 2**20), tuple(tensor.shape) or (5,)]))
        case 7:
            return tensor.to(draw.choice([torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.bool]))
        case 8:
            return torch.full_like(float_, draw.choice([float("nan"), float("inf"), 1e38]))
        case 9:
            return torch.nn.Parameter(float_)
        case 10:
            return torch.as_strided(torch.zeros(100), (3, 4), draw.choice([(1, 1), (0, 0), (7, 2)]), draw.randrange(50))
        case 11:
            return torch.zeros(draw.choice([(0,), (0, 2**40), (1,) * 64]))
        case 12:
            return (
                torch.zeros(3, dtype=torch.complex64).conj()
                if draw.random() < 0.5
                else torch.zeros(3, dtype=torch.complex64).imag
            )
        case 13:
            return float_.to_sparse_csr() if float_.dim() == 2 else float_.to_sparse()
        case 14:
            return torch.nn.parameter.UninitializedParameter()
        case _:
            return tensor.flip(0) if tensor.dim() else tensor.reshape(1)


def _legacy(draw: random.Random, arrays: Arrays) -> tuple[str, bytes]:
    data = _saved(_tensors(arrays), _use_new_zipfile_serialization=False)
    if draw.random() < 0.2:
        return "a.pt", data[: draw.randrange(len(data))]
    return "a.pt", _hurt(draw, data, draw.choice([200, 1500, None, None]))


def _stranger(draw: random.Random, arrays: Arrays) -> tuple[str, bytes]:
    """A file that is something else by its content."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"), io.BytesIO())
    found = draw.choice(
        [
            b"",
            draw.randbytes(draw.choice([1, 7, 8, 100, 5000])),
            tar.getvalue(),
            pickle.dumps({"a": [1] * 1000}, draw.randrange(6)),
            struct.pack("<Q", draw.choice([2, 2**20, 2**63])) + b"{}",
            b"\x80\x02" + b"]" * 100_000 + b".",
            b"\x80\x02" + b"(" * 100_000 + b".",
            b"I" + b"9" * 100_000 + b"\n.",
            b"PK\x05\x06" + b"\0" * 18,
            _saved(draw.choice([*ODD, torch.zeros(3), [torch.zeros(3)]])),
        ]
    )
    return draw.choice(["a.pt", "a.safetensors", "a.pth"]), found
