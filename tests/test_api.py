"""The public names in Python, as a user who has read the README calls them."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import archdsl
from tests.support.command import BROKEN, SPECS, TINY

torch = pytest.importorskip("torch")


def state(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {key: tensor.numpy() for key, tensor in module.state_dict().items()}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return list(one) == list(other) and all(np.array_equal(one[key], other[key]) for key in one)


@pytest.fixture
def tiny() -> archdsl.Source:
    return archdsl.Source(TINY, "tiny.arch")


def test_importing_archdsl_imports_nothing_else() -> None:
    code = "import sys, archdsl; sys.exit(len([name for name in sys.modules if name.startswith('archdsl.')]))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_is_there_and_documented() -> None:
    assert all(getattr(archdsl, name).__doc__ for name in archdsl.__all__)
    assert set(archdsl.__all__) <= set(dir(archdsl))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        archdsl.nothing  # noqa: B018


def test_a_spec_is_a_path_a_bundled_name_or_a_source(tiny: archdsl.Source, tmp_path: Path) -> None:
    path = tmp_path / "tiny.arch"
    path.write_text(TINY)
    graphs = [archdsl.compile(tiny), archdsl.compile(path), archdsl.compile(str(path))]
    assert {graph.params for graph in graphs} == {186}
    assert archdsl.compile("resnext50").params == archdsl.compile(SPECS / "resnext50.arch").params == 25_028_904


def test_a_compiled_graph_has_its_figures(tiny: archdsl.Source) -> None:
    graph = archdsl.compile(tiny, width=16, num_classes=3)
    assert (graph.params, graph.output_shapes) == (16 * 9 + 16 + 32 + 17 * 3, {"output": (3,)})
    assert graph.macs == 16 * 9 * 64 + 48


def test_an_unknown_parameter_is_a_type_error_that_names_it(tiny: archdsl.Source) -> None:
    with pytest.raises(TypeError, match=r"`num_clases`.*`num_classes`"):
        archdsl.compile(tiny, num_clases=3)
    with pytest.raises(TypeError, match="whole number"):
        archdsl.load(tiny, width="wide")


def test_a_wrong_spec_raises_all_its_diagnostics() -> None:
    with pytest.raises(archdsl.CompileError) as caught:
        archdsl.check(archdsl.Source(BROKEN, "broken.arch"))
    assert [diagnostic.span.line for diagnostic in caught.value.diagnostics if diagnostic.span] == [3, 4]
    assert "broken.arch:3:" in str(caught.value)


def test_check_gives_the_graph_of_each_arch(tiny: archdsl.Source) -> None:
    assert [graph.name for graph in archdsl.check(tiny)] == ["tiny"]


def test_an_unknown_name_is_a_usage_error_with_a_suggestion() -> None:
    with pytest.raises(archdsl.UsageError, match="did you mean `resnext50`"):
        archdsl.compile("resnxt50")


def test_load_makes_the_same_weights_as_build(tiny: archdsl.Source, tmp_path: Path) -> None:
    from archdsl.weights import read

    archdsl.build(tiny, "safetensors", tmp_path / "w.safetensors", seed=7)
    loaded, saved = state(archdsl.load(tiny, seed=7)), read(tmp_path / "w.safetensors")
    assert same(loaded, {key: saved[key] for key in loaded})
    assert loaded.keys() == saved.keys()


def test_without_a_seed_torchs_generator_decides(tiny: archdsl.Source) -> None:
    torch.manual_seed(5)
    one, two = state(archdsl.load(tiny)), state(archdsl.load(tiny))
    torch.manual_seed(5)
    again = state(archdsl.load(tiny))
    assert same(one, again)
    assert not same(one, two)


def test_a_module_loads_a_checkpoint_of_either_format_and_arrays(tiny: archdsl.Source, tmp_path: Path) -> None:
    net = archdsl.load(tiny, seed=2)
    torch.save(net.state_dict(), tmp_path / "w.pt")
    archdsl.build(tiny, "safetensors", tmp_path / "w.safetensors", seed=2)
    arrays = state(net)
    for weights in (tmp_path / "w.pt", str(tmp_path / "w.safetensors"), arrays):
        assert same(state(archdsl.load(tiny, weights=weights)), arrays)


def test_a_modules_weights_are_not_the_callers_arrays(tiny: archdsl.Source) -> None:
    arrays = {key: array.copy() for key, array in state(archdsl.load(tiny, seed=2)).items()}
    net = archdsl.load(tiny, weights=arrays)
    with torch.no_grad():
        net.fc.weight.zero_()
    assert arrays["fc.weight"].any()


def test_a_pickled_module_comes_back_with_its_parameters_and_keeps_no_source(tiny: archdsl.Source) -> None:
    net = archdsl.load(tiny, seed=3, width=4).eval()
    data = pickle.dumps(net)
    back = pickle.loads(data)
    image = torch.randn(2, 1, 8, 8)
    assert torch.equal(back(image), net(image))
    assert b"def forward" not in data
    assert TINY.encode() in data


def test_a_pickled_module_needs_no_file(tmp_path: Path) -> None:
    """Its spec and what that imports may be gone when it is read, in another process."""
    (tmp_path / "lib.arch").write_text("block Head(n) {\n    gap -> flatten -> fc: linear(n)\n}\n")
    (tmp_path / "net.arch").write_text(
        'from "lib.arch" import Head\n\narch net() {\n    input 1x8x8\n    top: Head(3)\n}\n'
    )
    net = archdsl.load(tmp_path / "net.arch", seed=1)
    (tmp_path / "net.pickle").write_bytes(pickle.dumps(net))
    (tmp_path / "lib.arch").unlink()
    (tmp_path / "net.arch").unlink()
    file = str(tmp_path / "net.pickle")
    code = f"import pickle; print(pickle.load(open({file!r}, 'rb')).top.fc.weight.shape)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "torch.Size([3, 1])\n"


def test_build_returns_text_or_bytes_or_the_path(tiny: archdsl.Source, tmp_path: Path) -> None:
    assert "class " in str(archdsl.build(tiny, "torch"))
    assert isinstance(archdsl.build(tiny, "onnx"), bytes)
    out = tmp_path / "tiny.onnx"
    assert archdsl.build(tiny, out=out) == out
    assert out.read_bytes() == archdsl.build(tiny, "onnx")
    with pytest.raises(archdsl.UsageError):
        archdsl.build(tiny)


def test_render_draws(tiny: archdsl.Source, tmp_path: Path) -> None:
    assert "<svg" in str(archdsl.render(tiny))
    assert "digraph" in str(archdsl.render(tiny, format="dot", depth="layer"))
    assert archdsl.render(tiny, tmp_path / "x.png") == tmp_path / "x.png"


def test_a_graphs_stable_text_is_a_spec_of_every_target(tiny: archdsl.Source) -> None:
    text = archdsl.Source(str(archdsl.build(tiny, "graph")), "tiny.graph")
    for target in ("onnx", "safetensors", "arch", "graph", "dot"):
        assert archdsl.build(text, target, seed=1) == archdsl.build(tiny, target, seed=1)
    # Only the spec knows how its numbers were written; the net is the same.
    mine, spec = (repr(archdsl.load(source, seed=1)) for source in (text, tiny))
    assert mine == spec
    with pytest.raises(archdsl.UsageError, match="built already"):
        archdsl.compile(text, width=3)


def _endless() -> list[object]:
    found: list[object] = []
    found.append(found)
    return found


def _doubled() -> list[object]:
    found: list[object] = [1]
    for _ in range(50):
        found = [found, found]
    return found


@pytest.mark.parametrize("value", [_endless(), _doubled(), [0] * 200_000], ids=["endless", "doubled", "long"])
def test_lists_from_python_are_bounded_as_those_of_a_spec_are(value: list[object]) -> None:
    spec = archdsl.Source("arch a(sizes=[1]) { input [4]\n repeat len(sizes) { relu } }")
    with pytest.raises(archdsl.UsageError, match="the parameter `sizes` takes lists"):
        archdsl.compile(spec, sizes=value)


@pytest.mark.parametrize("number", [-1, 1.5, True, None, float("nan"), "9"])
def test_a_budget_is_a_whole_number(number: object) -> None:
    with pytest.raises(archdsl.UsageError, match="`nodes` takes a whole number"):
        archdsl.Limits(nodes=number)  # type: ignore[arg-type]


def test_half_characters_are_no_text_and_no_name_of_a_file(tiny: archdsl.Source) -> None:
    with pytest.raises(archdsl.CompileError, match=r"U\+D800"):
        archdsl.check(archdsl.Source(f"# \ud800\n{TINY}"))
    with pytest.raises(archdsl.ArchdslError, match="no file can have this name"):
        archdsl.build(tiny, "dot", "\ud800.gv")
