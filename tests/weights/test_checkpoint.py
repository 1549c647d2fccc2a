"""Checkpoints: written whole and the same each time, read from both formats, and held to the graph."""

from pathlib import Path

import numpy as np
import pytest

from archdsl.diagnostics import CompileError
from archdsl.files import FileError
from archdsl.graph.graph import Graph
from archdsl.ir.builder import Builder
from archdsl.ops import Flatten, GlobalAvgPool
from archdsl.ops.conv import Conv
from archdsl.ops.linear import Linear
from archdsl.ops.norm import BatchNorm
from archdsl.weights import WeightsError, initial, match, read, write

Arrays = dict[str, np.ndarray]


@pytest.fixture
def graph() -> Graph:
    builder = Builder("small")
    value = builder.input(3, 6, 6)
    (value,) = builder.add(Conv(out=5, kernel=(3, 3), bias=False), (value,), "conv1")
    (value,) = builder.add(BatchNorm(), (value,), "bn1")
    (value,) = builder.add(GlobalAvgPool(), (value,), "pool")
    (value,) = builder.add(Flatten(), (value,), "flat")
    (value,) = builder.add(Linear(out=4), (value,), "fc")
    return Graph(builder.program(value))


@pytest.fixture
def arrays(graph: Graph) -> Arrays:
    return initial(graph, 1)


def codes(error: CompileError) -> list[str]:
    return [diagnostic.code for diagnostic in error.diagnostics]


def test_what_is_written_is_read_back(arrays: Arrays, tmp_path: Path) -> None:
    write(tmp_path / "a.safetensors", arrays, {"arch": "small"})
    back = read(tmp_path / "a.safetensors")
    assert back.keys() == arrays.keys()
    assert all(back[key].dtype == arrays[key].dtype and np.array_equal(back[key], arrays[key]) for key in arrays)


def test_the_library_reads_the_metadata_and_scalars(arrays: Arrays, tmp_path: Path) -> None:
    from safetensors import safe_open

    write(tmp_path / "a.safetensors", arrays, {"arch": "small", "digest": "5f0c"})
    with safe_open(str(tmp_path / "a.safetensors"), "np") as file:
        assert file.metadata() == {"arch": "small", "digest": "5f0c"}
        assert file.get_tensor("bn1.num_batches_tracked").shape == ()


def test_every_array_starts_at_a_multiple_of_its_element(tmp_path: Path) -> None:
    import json

    odd = {
        "a": np.zeros(3, np.float32),
        "b": np.zeros((), np.int64),
        "c": np.zeros(3, np.uint8),
        "d": np.ones(2, np.int64),
    }
    write(tmp_path / "a.safetensors", odd, {})
    data = (tmp_path / "a.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert length % 8 == 0
    assert all(entry["data_offsets"][0] % odd[key].itemsize == 0 for key, entry in header.items())
    assert all(np.array_equal(value, odd[key]) for key, value in read(tmp_path / "a.safetensors").items())


def test_the_same_arrays_are_the_same_bytes(arrays: Arrays, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"{name}.safetensors", arrays, {"x": "1", "y": "2", "z": "3"})
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_views_and_empty_arrays_are_written_as_they_read(tmp_path: Path) -> None:
    views = {
        "t": np.arange(12, dtype=np.float32).reshape(3, 4).T,
        "s": np.arange(9)[::2],
        "e": np.zeros((0, 3), np.float32),
    }
    write(tmp_path / "a.safetensors", views, {})
    back = read(tmp_path / "a.safetensors")
    assert all(np.array_equal(back[key], views[key]) and back[key].shape == views[key].shape for key in views)


def test_a_failing_write_leaves_the_old_file(arrays: Arrays, tmp_path: Path) -> None:
    write(tmp_path / "a.safetensors", arrays, {})
    before = (tmp_path / "a.safetensors").read_bytes()
    with pytest.raises(WeightsError, match="complex64"):
        write(tmp_path / "a.safetensors", {"x": np.zeros(3, np.complex64)}, {})
    assert (tmp_path / "a.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt"])
@pytest.mark.parametrize(
    "content", [b"", b"\x08", b"x" * 100, (10**12).to_bytes(8, "little") + b"{}", b"PK\x03\x04junk"]
)
def test_junk_is_a_plain_error(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=name):
        read(tmp_path / name)


def test_a_file_that_is_not_there_and_an_unknown_suffix_are_plain_errors(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        read(tmp_path / "none.pt")
    (tmp_path / "a.npz").touch()
    with pytest.raises(WeightsError, match=r"\.safetensors"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_torchs_files_are_read_also_one_wrapper_deep(wrapper: str | None, arrays: Arrays, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    state = {key: torch.from_numpy(array.copy()) for key, array in arrays.items()}
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, tmp_path / "a.pth")
    back = read(tmp_path / "a.pth")
    assert all(np.array_equal(back[key], arrays[key]) for key in arrays)


def test_bfloat16_is_read_as_the_same_numbers(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    numbers = torch.tensor([1.5, -2.25, 3e38], dtype=torch.bfloat16)
    torch.save({"x": numbers}, tmp_path / "a.pt")
    assert read(tmp_path / "a.pt")["x"].tolist() == numbers.tolist()


def test_a_pickle_that_would_run_code_does_not(tmp_path: Path) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "evil",))  # type: ignore[return-value]

    (tmp_path / "a.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(WeightsError):
        read(tmp_path / "a.pt")
    assert not (tmp_path / "evil").exists()


def test_arrays_that_fit_come_back_in_the_order_of_the_graph(graph: Graph, arrays: Arrays) -> None:
    backwards = dict(reversed(arrays.items()))
    assert list(match(graph, backwards)) == list(arrays)


def test_what_is_missing_and_what_is_unexpected_is_listed_with_the_name_that_was_meant(
    graph: Graph, arrays: Arrays
) -> None:
    arrays["conv_1.weight"] = arrays.pop("conv1.weight")
    with pytest.raises(CompileError) as caught:
        match(graph, arrays)
    assert codes(caught.value) == ["E1001", "E1002"]
    assert caught.value.diagnostics[1].help == "did you mean `conv1.weight`?"


def test_another_shape_shows_both(graph: Graph, arrays: Arrays) -> None:
    arrays["fc.weight"] = arrays["fc.weight"][:2]
    with pytest.raises(CompileError, match=r"`fc\.weight` is 2x5 in the checkpoint and 4x5 in the net") as caught:
        match(graph, arrays)
    assert codes(caught.value) == ["E1003"]


def test_numbers_of_another_kind_are_refused_once_for_all(graph: Graph, arrays: Arrays) -> None:
    whole = {key: array.astype(np.int64) for key, array in arrays.items()}
    with pytest.raises(CompileError) as caught:
        match(graph, whole)
    assert codes(caught.value) == ["E1004"]
    assert caught.value.diagnostics[0].notes == (f"{len(arrays) - 2} more are so too",)


def test_numbers_of_another_width_are_converted_and_told(graph: Graph, arrays: Arrays) -> None:
    notes: list[str] = []
    wide = {key: array.astype(np.float64) if array.dtype.kind == "f" else array for key, array in arrays.items()}
    matched = match(graph, wide, notes.append)
    assert all(
        matched[key].dtype == array.dtype and np.array_equal(matched[key], array) for key, array in arrays.items()
    )
    assert notes == ["7 arrays are float64 in the checkpoint; the same numbers are kept in float32"]
    wide["fc.bias"] = wide["fc.bias"] + 1e-12
    notes.clear()
    match(graph, wide, notes.append)
    assert notes[1] == "1 array is float64 in the checkpoint and rounded to float32, which loses digits"
    wide["fc.bias"] = wide["fc.bias"] + 1e300
    with pytest.raises(CompileError) as caught:
        match(graph, wide)
    assert codes(caught.value) == ["E1005"]


def test_numbers_that_are_not_finite_are_told(graph: Graph, arrays: Arrays) -> None:
    notes: list[str] = []
    arrays["fc.weight"][1, 2], arrays["bn1.bias"][0] = np.nan, np.inf
    match(graph, arrays, notes.append)
    assert notes == ["numbers that are not finite (NaN or infinity): `bn1.bias`, `fc.weight` hold some"]


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_a_wrappers_prefix_is_dropped_with_a_note(prefix: str, graph: Graph, arrays: Arrays) -> None:
    notes: list[str] = []
    matched = match(graph, {prefix + key: array for key, array in arrays.items()}, notes.append)
    assert list(matched) == list(arrays)
    assert "dropped" in notes[0]


def test_a_checkpoint_without_counters_begins_them_at_0_with_a_note(graph: Graph, arrays: Arrays) -> None:
    notes: list[str] = []
    del arrays["bn1.num_batches_tracked"]
    assert match(graph, arrays, notes.append)["bn1.num_batches_tracked"] == 0
    assert "num_batches_tracked" in notes[0]


def test_half_precision_keeps_its_numbers_with_a_note(graph: Graph, arrays: Arrays) -> None:
    notes: list[str] = []
    arrays["fc.weight"] = arrays["fc.weight"].astype(np.float16)
    matched = match(graph, arrays, notes.append)
    assert matched["fc.weight"].dtype == np.float32
    assert np.array_equal(matched["fc.weight"], arrays["fc.weight"].astype(np.float32))
    assert len(notes) == 1


@pytest.mark.parametrize("names", [[], ["model.conv1.weight", "model.bn1.weight", "model.x"], ["\x1b[31m" * 2000]])
def test_a_foreign_checkpoint_is_summed_up_within_ten_lines(names: list[str], graph: Graph) -> None:
    with pytest.raises(CompileError) as caught:
        match(graph, {name: np.zeros((5, 3), np.float32) for name in names})
    text = str(caught.value)
    assert codes(caught.value) == ["E1006"]
    assert len(text.splitlines()) <= 10
    assert "archdsl verify" in text
    assert text.isprintable() or all(line.isprintable() for line in text.splitlines())
    assert ("`model.`; without it 2 are the net's" in text) == (len(names) == 3)


def test_a_checkpoint_of_another_net_answers_at_once(graph: Graph) -> None:
    """A thousand unknown keys: a suggestion for each would compare each with each."""
    import time

    begin = time.perf_counter()
    with pytest.raises(CompileError):
        match(graph, {f"blocks.{index}.attention.weight": np.zeros(1, np.float32) for index in range(5000)})
    assert time.perf_counter() - begin < 5.0
