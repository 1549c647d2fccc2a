"""Checkpoints from strangers: little is taken for them, nothing of them runs, and what is wrong is one line."""

from __future__ import annotations

import io
import json
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archdsl
from archdsl.cli.main import run
from archdsl.compiler import WeightsWarning
from archdsl.diagnostics import ArchdslError
from archdsl.source import Source
from archdsl.weights import WeightsError, initial, match, opened, read, write
from archdsl.weights.matching import without_prefix

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

NET = Source(
    "arch net() {\n input 3x6x6\n conv(5, 3x3) -> bn: batchnorm -> gap -> flatten -> linear(4)\n}\n", "net.arch"
)
GRAPH = archdsl.compile(NET)
STATE = {key: torch.from_numpy(array) for key, array in initial(GRAPH, 1).items()}
FIRST = next(iter(STATE))


def taken(content: Any, file: Path, **options: Any) -> tuple[dict[str, np.ndarray], list[str]]:
    """What is read from a file of torch.save with this content, and what is told."""
    torch.save(content, file, **options)
    notes: list[str] = []
    return match(GRAPH, opened(file, notes.append), notes.append), notes


def said(file: Path) -> str:
    with pytest.raises(ArchdslError) as caught:
        match(GRAPH, opened(file))
    return str(caught.value)


@pytest.mark.filterwarnings("ignore")  # torch's own, of forms that are to change
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda t: torch.zeros(1).expand(2**33), "8589934592"),
        (lambda t: torch.zeros(1).expand(5, 3, 2**15, 2**15), "5x3x32768x32768"),
        (lambda t: t.to_sparse(), "sparse float32"),
        (lambda t: t.to("meta"), "float32 without numbers"),
        (lambda t: t.to(torch.float8_e4m3fn), "float8_e4m3fn"),
        (lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8), "quantised qint8"),
        (lambda t: t.to(torch.complex64), "complex64"),
        (lambda t: torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]), "nested float32"),
        (lambda t: nn.parameter.UninitializedParameter(), "UninitializedParameter"),
        (lambda t: t.long(), "int64"),
    ],
)
def test_what_is_no_plain_array_of_the_nets_is_named_before_it_is_read(make: Any, kind: str, tmp_path: Path) -> None:
    torch.save({**STATE, FIRST: make(STATE[FIRST])}, tmp_path / "a.pt")
    assert kind in said(tmp_path / "a.pt")


def test_one_number_for_all_is_read_if_the_shape_is_the_nets(tmp_path: Path) -> None:
    found, _ = taken({**STATE, FIRST: torch.full((1,), 0.5).expand(STATE[FIRST].shape)}, tmp_path / "a.pt")
    assert (found[FIRST] == 0.5).all()


def test_arrays_that_share_memory_are_the_nets_own(tmp_path: Path) -> None:
    both = torch.arange(10.0)
    state = {**STATE, "bn.weight": both[:5], "bn.bias": both[:5], "bn.running_mean": both[4:9]}
    found, _ = taken(state, tmp_path / "a.pt")
    found["bn.bias"][:] = -1.0
    assert found["bn.weight"].tolist() == [0, 1, 2, 3, 4]
    assert found["bn.running_mean"].tolist() == [4, 5, 6, 7, 8]


def parts(content: Any) -> dict[str, bytes]:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with zipfile.ZipFile(buffer) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


def pack(file: Path, content: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, part in content.items():
            archive.writestr(name, part)
    return file


def test_a_compressed_archive_and_a_hash_without_end_are_refused_before_torch_sees_them(tmp_path: Path) -> None:
    file = tmp_path / "a.pt"
    assert "compressed" in said(pack(file, {**parts(STATE), "archive/data/0": b"\0" * 10**7}, zipfile.ZIP_DEFLATED))
    key = b"\x80\x02})" + b"2\x86" * 60 + b"K\x01s."  # {(((), ()), ((), ())) …: 1}
    assert "tuples" in said(pack(file, {**parts(STATE), "archive/data.pkl": key}))
    both = {"x/DATA.PKL": key, "y/data.pkl": parts(STATE)["archive/data.pkl"]}  # torch compares names without case
    assert "none of torch.save" in said(pack(file, both))
    large = b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R."
    assert "builtins.bytearray" in said(pack(file, {**parts(STATE), "archive/data.pkl": large}))


def test_numbers_that_a_file_lacks_are_missed(tmp_path: Path) -> None:
    """Torch leaves whatever was in memory in a storage that the old form declares and does not bring."""
    file = tmp_path / "a.pt"
    torch.save({"a": torch.ones(3), "b": torch.ones(3)}, file, _use_new_zipfile_serialization=False)
    data = file.read_bytes()
    assert read(file)["b"].tolist() == [1, 1, 1]
    storages = torch.load(file, weights_only=True)
    assert set(storages) == {"a", "b"}
    start = data.rindex(b"\x80\x02]")  # the keys of the storages
    keys = data[start : data.index(b".", start) + 1]
    import pickle

    names = pickle.loads(keys)
    file.write_bytes(data[:start] + pickle.dumps(names[:1], 2) + data[start + len(keys) :])
    assert "lacks the numbers" in said(file)


def test_a_file_that_becomes_shorter_is_an_error_and_not_the_end(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    write(file, {key: tensor.numpy() for key, tensor in STATE.items()}, {})
    state = opened(file)
    file.write_bytes(file.read_bytes()[:900])
    with pytest.raises(WeightsError, match="became shorter"):
        match(GRAPH, state)


HEADER: dict[str, Any] = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
TWO = {"a": HEADER["a"], "b": {"dtype": "U8", "shape": [8], "data_offsets": [4, 12]}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"[]", "no JSON object"),
        (b"\xff{}", "no JSON in UTF-8"),
        (b"[" * 100_000, "no JSON"),
        (b'{"a":1,"a":2}', "twice"),
        (json.dumps({"a": 3}).encode(), "no object"),
        (json.dumps(TWO).encode(), "overlap"),
        (json.dumps({"a": {**HEADER["a"], "data_offsets": [4, 12]}}).encode(), "gap"),
        (json.dumps({"a": {**HEADER["a"], "data_offsets": [0, 4]}}).encode(), "another length"),
        (json.dumps({"a": {**HEADER["a"], "shape": [2**40, 2**40]}}).encode(), "no sizes"),
        (json.dumps({"a": {**HEADER["a"], "shape": [-2]}}).encode(), "no sizes"),
        (json.dumps({"a": {**HEADER["a"], "dtype": "F3\x1b[31m2"}}).encode(), "unknown type"),
        (json.dumps({"\x1b[31m\n": 3}).encode(), "no object"),
        (json.dumps({}).encode(), "8 for them"),
    ],
)
def test_a_header_is_held_to_the_format(text: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    file.write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * 8)
    found = said(file)
    assert says in found
    assert found.isprintable()


def test_bfloat16_is_the_same_numbers_in_both_forms(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    state = {key: value.bfloat16() if value.is_floating_point() else value for key, value in STATE.items()}
    save_file(state, tmp_path / "a.safetensors")
    notes: list[str] = []
    one = match(GRAPH, opened(tmp_path / "a.safetensors"), notes.append)
    two, told = taken(state, tmp_path / "a.pt")
    assert notes == told == ["8 arrays are bfloat16 in the checkpoint; the same numbers are kept in float32"]
    assert all(np.array_equal(one[key], two[key]) and np.array_equal(one[key], state[key].float()) for key in one)


def test_a_prefix_of_5000_levels_and_dictionaries_that_hold_themselves_come_to_an_end(tmp_path: Path) -> None:
    many = "module." * 5000
    assert list(without_prefix({f"{many}a": 1, f"module.{many}b": 2})) == ["a", "module.b"]
    assert taken({f"{many}{key}": value for key, value in STATE.items()}, tmp_path / "a.pt")[0].keys() == STATE.keys()
    loop: dict[str, Any] = {"model": OrderedDict(STATE), "list": []}
    loop["self"] = loop
    loop["list"].append(loop["list"])
    assert taken(loop, tmp_path / "a.pt")[0].keys() == STATE.keys()
    deep: Any = {"model": STATE}
    for _ in range(300):
        deep = {"a": deep, "b": deep}
    torch.save(deep, tmp_path / "a.pt")
    assert "no state_dict" in said(tmp_path / "a.pt")


def test_python_objects_are_named_and_nothing_of_torchs_advice_is_repeated(tmp_path: Path) -> None:
    import argparse

    torch.save({"model": STATE, "args": argparse.Namespace(lr=1)}, tmp_path / "a.pt")
    found = said(tmp_path / "a.pt")
    assert "`argparse.Namespace`" in found
    assert "weights_only" not in found
    assert found.isprintable()


def test_of_several_sets_one_is_taken_aloud_and_each_can_be_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "train.pth"
    mean = {f"module.{key}": value + 1 for key, value in STATE.items()}
    content = {
        "epoch": 3,
        "model": STATE,
        "model_ema": {"n_averaged": torch.tensor(5), **mean},
        "best": {"net": {**STATE}},
    }
    content["optimizer"] = torch.optim.Adam(nn.Linear(2, 2).parameters()).state_dict()
    found, notes = taken(content, file)
    assert torch.equal(torch.from_numpy(found[FIRST]), STATE[FIRST])
    assert len(notes) == 1
    assert "holds 3 sets of weights; `model` is taken and not `model_ema`, `best/net`" in notes[0]
    assert "train.pth#model_ema takes that" in notes[0]
    averaged = match(GRAPH, opened(f"{file}#model_ema", notes.append), notes.append)
    assert torch.equal(torch.from_numpy(averaged[FIRST]), STATE[FIRST] + 1)
    assert any("n_averaged" in note for note in notes)
    assert list(match(GRAPH, opened(f"{file}#best/net"))) == list(STATE)
    with pytest.raises(WeightsError, match="holds no weights `mode`; it has `model`, `model_ema`, `best/net`"):
        opened(f"{file}#mode")
    with pytest.warns(WeightsWarning, match="3 sets of weights"):
        archdsl.load(NET, weights=file)
    torch.save({"encoder": STATE, "decoder": {**STATE}}, file)
    assert "holds 2 sets of weights, `encoder`, `decoder`: train.pth#encoder takes the first" in said(file)
    file.rename(tmp_path / "a#b.pth")
    assert len(opened(f"{tmp_path / 'a#b.pth'}#encoder")) == len(STATE)


@pytest.mark.parametrize("target", ["torch", "svg", "graph", "onnx", "safetensors"])
def test_weights_that_are_named_are_held_to_the_net_for_every_target(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.arch").write_text(NET.text)
    line = ["build", "net.arch", "--target", target, "-o", "out", "--weights"]
    assert run([*line, "missing.pt"]) == 2
    torch.save({"x": torch.zeros(2)}, "other.pt")
    assert run([*line, "other.pt"]) == 1
    assert not Path("out").exists()
    torch.save(STATE, "ours.pt")
    assert run([*line, "ours.pt"]) == 0
    assert ("compared with the net's" in capsys.readouterr().err) == (target in ("torch", "svg", "graph"))


def test_what_names_no_file_that_can_be_read_is_one_line(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.pt")
    for name in ("a\0b.pt", "x" * 300 + ".pt", "\udc80.pt", "\x1b[31m.pt", "pipe.pt", ".", "a.pt#b#c"):
        with pytest.raises(ArchdslError) as caught:
            opened(tmp_path / name if "\0" not in name else name)
        assert str(caught.value).isprintable()


def test_many_names_and_large_pickles_cost_little(tmp_path: Path) -> None:
    import time

    from archdsl.prove.entries import Misfit, fit

    start = time.process_time()
    shapes = {f"c{n}.weight": (5, 3, 3, 3) for n in range(20_000)}
    assert isinstance(fit(GRAPH, shapes, ordered=None), Misfit)
    with pytest.raises(ArchdslError, match="20000 arrays"):
        match(GRAPH, {key: np.zeros(1) for key in shapes})
    bottom = b"\x80\x02" + b"N" * 300_000 + b"(1" * 50_000 + b"."
    assert "damaged" in said(pack(tmp_path / "a.pt", {**parts(STATE), "archive/data.pkl": bottom}))
    assert time.process_time() - start < 5.0
