"""A pickle holds what a live module is, and finds its classes, and no others, through the graph."""

from __future__ import annotations

import copyreg
import gc
import inspect
import io
import linecache
import pickle
import subprocess
import sys
import traceback
import warnings
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree
from torch.utils.data import DataLoader, Dataset

import archdsl
from archdsl import generated
from archdsl.compiler import source
from archdsl.elaborate import check, modules
from archdsl.elaborate.packed import Packed
from archdsl.graph.text import print_graph
from archdsl.library import bundled
from archdsl.source import Source
from archdsl.targets import torch_classes
from archdsl.targets.torch_module import blank
from archdsl.training.rewriting import rewrite_module
from tests.support.edited import assert_copies, assert_equal_modules, edit, pickled
from tests.support.live_nets import EVERYTHING, LEARNED, SHARED

torch.set_num_threads(1)

BUNDLED = (("resnet18", 64), ("googlenet", 96), ("mobilenet_v3_small", 64), ("densenet121", 64))
SMALL = ((EVERYTHING, 16), (SHARED, 16), (LEARNED, 8))


def images(side: int, seed: int = 0) -> Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(seed))


# ------------------------------------------------------------------------ the law


@pytest.mark.parametrize(
    "spec, side, seed",
    [
        *(pytest.param(*SMALL[seed % 3], seed, id=f"small{seed}") for seed in range(24)),
        *(pytest.param(*BUNDLED[seed], seed, id=str(BUNDLED[seed][0])) for seed in range(2)),
        *(pytest.param(*SMALL[seed % 3], seed, marks=pytest.mark.slow, id=f"{seed}") for seed in range(24, 600)),
        *(pytest.param(*BUNDLED[seed % 4], seed, marks=pytest.mark.slow, id=f"b{seed}") for seed in range(2, 200)),
    ],
)
def test_a_copy_of_an_edited_module_is_that_module(spec: str | Source, side: int, seed: int) -> None:
    torch.manual_seed(seed)
    module = archdsl.load(spec, seed=seed)
    edit(module, Random(seed))
    assert_copies(module, (images(side),))


def test_a_copy_of_a_rewritten_module_is_that_module_and_is_rewritten_again() -> None:
    from archdsl.passes.registry import parse

    once, _ = rewrite_module(archdsl.load(SHARED, seed=0).eval(), [parse("drop-dropout")])
    edit(once, Random(0))
    assert_copies(once, (images(16),))
    folded, result = rewrite_module(
        pickled(rewrite_module(archdsl.load(LEARNED, seed=0).eval(), [parse("drop-dropout")])[0]),
        [parse("fold-batchnorm")],
    )
    assert result.rewritten == 1
    assert isinstance(pickled(folded)(images(8)), Tensor)


def test_some_bundled_nets_run_what_build_writes_and_pickle_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("googlenet", "shufflenet_v2_x1_0", "unet"):
        assert_runs_what_build_writes(name, monkeypatch)


@pytest.mark.slow
def test_all_bundled_nets_run_what_build_writes_and_pickle_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run it with `pytest -m slow tests/targets/test_torch_pickle.py -k all_bundled`."""
    found = [(path, arch) for path in bundled().values() for arch in check(source(path)[0]).programs]
    assert len(found) > 150
    for path, arch in found:
        assert_runs_what_build_writes(path, monkeypatch, arch)


def assert_runs_what_build_writes(spec: str | Path, monkeypatch: pytest.MonkeyPatch, arch: str | None = None) -> None:
    """The live module's source is the text of the target, also where its classes are made again from a pickle alone."""
    home = home_of(blank(archdsl.compile(spec, arch=arch)))
    text = archdsl.build(spec, "torch", arch=arch)
    assert shown(home) == text
    data = pickle.dumps(home)
    with monkeypatch.context() as patch:
        for opened in ("read", "_locate", "_resolved"):
            patch.setattr(modules, opened, no_file)
        for known in ("_alive", "_read", "_recent", "_of_graph"):  # as in another process
            patch.setattr(torch_classes, known, type(getattr(torch_classes, known))())
        again = pickle.loads(data)
        assert again is not home
        assert shown(again) == text
        assert again.modules.keys() == home.modules.keys()
        assert pickle.dumps(again) == data


def shown(home: torch_classes.Classes) -> str:
    """The source as Python shows it for the classes, each of which has its part of it."""
    for cls in home.modules.values():
        assert inspect.getsource(cls) in "".join(linecache.getlines(home.filename))
    return "".join(linecache.getlines(home.filename))


def no_file(*_: Any) -> Any:
    raise AssertionError("a file was looked up")


# ---------------------------------------------------------------- other processes

SCRIPT = """\
import pickle, torch
torch.set_num_threads(1)
assert not torch.load("net.pt", weights_only=False, map_location="meta").training
found = torch.load("all.pt", weights_only=False)
x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
for name, (net, expected) in found.items():
    given = net(x)
    given = [given] if isinstance(given, torch.Tensor) else list(given)
    assert all(torch.equal(a, b) for a, b in zip(given, expected, strict=True)), name
outputs = pickle.load(open("outputs.pickle", "rb"))
print(type(outputs).__name__, type(outputs).__module__, list(outputs._asdict()))
import inspect
print(inspect.getsource(type(found["net"][0])).startswith("class Everything"))
"""


def test_another_process_needs_no_spec_and_no_import_before(tmp_path: Path) -> None:
    """Nets, parts, what is made of parts, traces and outputs are read where nothing of archdsl was imported before, and
    the spec says other things by now."""
    spec = tmp_path / "everything.arch"
    spec.write_text(EVERYTHING.text)
    net = archdsl.load(spec, seed=1).eval()
    net.get_submodule("fc").eps = 3  # type: ignore[assignment]
    edited = archdsl.load(spec, seed=1).eval()
    edited.set_submodule("fc", nn.Linear(16, 7))
    x = images(16)
    modules = {
        "net": net,
        "edited": edited,
        "first": nn.Sequential(*list(net.children())[:2]),
        "inside": nn.Sequential(nn.Identity(), edited),
        "traced": torch.fx.symbolic_trace(net),
    }
    torch.save(net, tmp_path / "net.pt")
    torch.save(
        {name: (module, [y.detach() for y in as_list(module(x))]) for name, module in modules.items()},
        tmp_path / "all.pt",
    )
    (tmp_path / "outputs.pickle").write_bytes(pickle.dumps(net.train()(x)))
    spec.write_text("arch everything() {\n    input 3x16x16\n    relu\n}\n")
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout == ("EverythingTrainingOutputs archdsl.generated ['logits', 'features', 'side']\nTrue\n")


def as_list(value: Any) -> list[Tensor]:
    return [value] if isinstance(value, Tensor) else list(value)


FAMILY = """\
from "parts/unit.arch" import Unit, Plain
from "parts/wide.arch" import WIDE
block Second = Plain(more=2)
arch family(n, unit=Unit, rate=0.5) {
    input 3x16x16
    first: unit(n // 2)
    for i in range(2) {
        "layer{i}": unit(n // 2)
    }
    conv(WIDE, 1x1) -> adaptive_avgpool(1x1) -> flatten -> dropout(rate) -> linear(7)
}
"""
UNIT = """\
from "wide.arch" import WIDE
block Unit(out) {
    conv(out, 3x3, padding=1, bias=false) -> batchnorm -> relu
}
block Plain(out, more=0) {
    conv(out + more + WIDE - WIDE, 3x3, padding=1) -> tanh
}
"""


@pytest.mark.parametrize("given", [{"n": 8}, {"n": 12, "unit": archdsl.Expression("Second"), "rate": 0.25}])
def test_another_process_needs_none_of_the_files(tmp_path: Path, given: dict[str, Any]) -> None:
    (tmp_path / "parts").mkdir()
    family, unit, wide = (tmp_path / name for name in ("family.arch", "parts/unit.arch", "parts/wide.arch"))
    family.write_text(FAMILY)
    unit.write_text(UNIT)
    wide.write_text("let WIDE = 24\n")
    net = archdsl.load(family, seed=0, **given).eval()
    text = archdsl.build(family, "torch", **given)
    assert shown(home_of(net)) == text
    found = {"net": net, "part": net.get_submodule("first"), "text": text, "y": net(images(16)).detach()}
    torch.save(found, tmp_path / "all.pt")
    assert str(tmp_path).encode() not in pickle.dumps(home_of(net))
    wide.write_text("let WIDE = 25\n")
    unit.unlink()
    done = subprocess.run([sys.executable, "-c", GONE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout == "same\n"


GONE = """\
import linecache, pickle, torch
torch.set_num_threads(1)
found = torch.load("all.pt", weights_only=False)
net = found["net"]
x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
assert torch.equal(net(x), found["y"])
home = type(net).__archdsl__
assert "".join(linecache.getlines(home.filename)) == found["text"]
assert type(found["part"]) is type(net.first)
from archdsl.targets.torch_source import source
assert source(net.archdsl.compile(*net.archdsl.arguments)) == found["text"]
assert pickle.dumps(pickle.loads(pickle.dumps(home))) == pickle.dumps(home)
print("same")
"""


class Nets(Dataset[Any]):
    """Examples that hold nets, their parts, and outputs."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net.eval()

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        with torch.no_grad():
            outputs = self.net(images(16, index))
        return self.net, next(self.net.children()), outputs


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_a_workers_nets_and_outputs_come_back(start: str) -> None:
    nets = Nets(archdsl.load(EVERYTHING, seed=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks in programs with threads
        loader = DataLoader(nets, batch_size=None, num_workers=1, multiprocessing_context=start, timeout=60)
        for index, (net, part, outputs) in enumerate(loader):
            assert_equal_modules(net, nets.net)
            assert type(part) is type(next(nets.net.children()))
            with torch.no_grad():
                expected = nets.net(images(16, index))
            assert type(outputs) is type(expected)
            assert all(torch.equal(a, b) for a, b in zip(outputs, expected, strict=True))


# --------------------------------------------------------------- what is looked up


def home_of(module: nn.Module) -> torch_classes.Classes:
    found: torch_classes.Classes = vars(type(module))["__archdsl__"]
    return found


@pytest.mark.parametrize("name", ["nn", "Tensor", "__builtins__", "EverythingOutputs", "exec", "Missing", "nn.Linear"])
def test_only_generated_classes_of_modules_are_found(name: str) -> None:
    home = home_of(archdsl.load(EVERYTHING, seed=0))
    with pytest.raises(pickle.UnpicklingError, match="no class of modules"):
        torch_classes._module(home, name)
    with pytest.raises(pickle.UnpicklingError, match="no class of modules"):
        torch_classes._module(sys.modules["builtins"], name)  # type: ignore[arg-type]


def test_a_graph_that_now_computes_otherwise_is_refused() -> None:
    home = home_of(archdsl.load(EVERYTHING, seed=0))
    for origin in (home.origin, print_graph(archdsl.compile(EVERYTHING))):
        with pytest.raises(pickle.UnpicklingError, match="another version"):
            torch_classes._classes(origin, "0" * 64)
    with pytest.raises(archdsl.ArchdslError):
        torch_classes._classes("archdsl-graph 1\narch x\n%0 = exec()", home.behaviour)
    assert isinstance(home.origin, Packed)
    for files in ((("", "", "arch x() { exec }", ()),), (("", "", 'import x from "a"\n', (("a", 0),)),)):
        with pytest.raises(archdsl.ArchdslError):
            torch_classes._classes(replace(home.origin, files=files), home.behaviour)
    for wrong in ((), (("", "", "", ((0, 0),)),), (("", "", b"", ()),), [["", "", "", ()]], None):
        with pytest.raises(ValueError, match="no texts of a spec"):
            Packed(wrong, "x", ())  # type: ignore[arg-type]


def test_what_computes_tells_two_sources_apart_and_what_is_only_shown_does_not() -> None:
    def behaviour(text: str) -> str:
        home = home_of(archdsl.load(Source(text, "net.arch"), seed=0))
        return home.behaviour

    text = "## A doc.\narch net(n=4) {\n    input 3x8x8\n    conv(n, 3x3) -> relu\n}\n"
    same = [
        text.replace("A doc", "Another"),
        text.replace("n=4", "n=5"),
        text.replace("n=4", "m=4").replace("(n,", "(m,"),
    ]
    assert {behaviour(other) for other in same} == {behaviour(text)}
    assert behaviour(text.replace("relu", "sigmoid")) != behaviour(text)
    assert behaviour(text.replace("relu", "relu -> last: relu")) != behaviour(text)


def test_a_pickle_of_the_last_version_is_still_read() -> None:
    data = (Path(__file__).parents[1] / "data" / "module_0_1_0.pickle").read_bytes()
    module = pickle.loads(data)
    assert not module.training
    assert not module.get_parameter("fc.bias").requires_grad
    assert module(torch.ones(1, 1, 4, 4)).shape == (1, 2)
    assert_copies(module, (torch.ones(2, 1, 4, 4),))


def test_a_class_that_a_user_derives_is_the_users() -> None:
    class Mine(type(archdsl.load(SHARED, seed=0))):  # type: ignore[misc]
        pass

    made = Mine().__reduce_ex__(4)
    assert made[:2] == (copyreg.__newobj__, (Mine,))  # type: ignore[attr-defined]


# --------------------------------------------------------------- named outputs


@pytest.mark.parametrize(
    "name, fields",
    [("Net", ("a",)), ("Net", ("a_b", "c__d", "e_")), ("N_", ("x", "y")), ("Net", ("z" * 200, "b1"))],
)
def test_a_class_of_outputs_is_found_by_its_name(name: str, fields: tuple[str, ...]) -> None:
    cls = generated.outputs(name, fields)
    assert cls.__qualname__.isidentifier()
    generated._made.clear()
    again = getattr(generated, cls.__qualname__)
    assert (again.__name__, again._fields) == (name, fields)
    assert pickle.loads(pickle.dumps(again, 2)) is again is generated.outputs(name, fields)
    generated._made.clear()


@pytest.mark.parametrize(
    "name", ["Net", "Net__", "__path__", "__file", "A___0", "A___0zz", "A__b c", "A__class", "A___061", "A__a__a"]
)
def test_no_other_name_is_a_class_of_outputs(name: str) -> None:
    assert not hasattr(generated, name)


def test_two_nets_of_one_name_with_other_outputs_have_other_classes_of_them() -> None:
    text = "arch net() {\n    input 3x4x4\n    relu as a\n    sigmoid as b\n    output x=a, y=b\n}\n"
    one = archdsl.load(Source(text, "net.arch"), seed=0)(images(4))
    same = archdsl.load(Source(text.replace("sigmoid", "tanh"), "net.arch"), seed=0)(images(4))
    other = archdsl.load(Source(text.replace("y=b", "z=b"), "net.arch"), seed=0)(images(4))
    assert type(one) is type(same) is not type(other)
    assert _pytree.tree_structure(one) == _pytree.tree_structure(same) != _pytree.tree_structure(other)
    assert [pickled(outputs)._fields for outputs in (one, other)] == [("x", "y"), ("x", "z")]  # type: ignore[arg-type]


# --------------------------------------------------- many specs in one process


def numbered(at: int) -> Source:
    """A spec whose names are those of others, and whose results have names of their own."""
    text = f"block Cell() {{\n    conv({at + 1}, 1x1)\n}}\n"
    body = f"    input 1x4x4\n    a: Cell -> relu as y\n    output y, z{at}=a\n"
    return Source(f"{text}arch net() {{\n{body}}}\n", "net.arch")


@pytest.mark.parametrize("count", [150, pytest.param(1_000, marks=pytest.mark.slow)])
def test_classes_of_one_name_do_not_meet_and_do_not_pile_up(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each class shows its own source and pickles as itself, however many were made since; what nobody holds goes."""
    monkeypatch.setattr(torch_classes, "_MOST_REGISTERED", 100)
    first = archdsl.load(numbered(0), seed=0)
    for at in range(1, count):
        archdsl.load(numbered(at), seed=0)
    assert next(pickled(first).parameters()).shape == (1, 1, 1, 1)
    assert type(pickled(first)) is type(first) is type(archdsl.load(numbered(0), seed=0))
    outputs = first(torch.ones(1, 1, 4, 4))
    assert outputs._fields == ("y", "z0")
    assert _pytree.treespec_loads(_pytree.treespec_dumps(_pytree.tree_structure(outputs))).num_leaves == 2
    gc.collect()
    archdsl.load(numbered(count), seed=0)
    assert len(torch_classes._registered) <= 100
    gc.collect()
    assert len(generated._made) <= 100
    held = [name for name in sys.modules if name.startswith("archdsl.generated.Net_")]
    assert len(held) <= 100
    assert len([name for name in linecache.cache if name.startswith("<archdsl Net ")]) == len(held)


def test_a_spec_that_was_changed_gives_other_classes_and_old_modules_keep_theirs(tmp_path: Path) -> None:
    path = tmp_path / "net.arch"
    path.write_text(numbered(0).text.replace("relu", "tanh"))
    old = archdsl.load(path, seed=0)
    path.write_text(numbered(0).text.replace("relu", "sigmoid"))
    new = archdsl.load(path, seed=0)
    assert "tanh" in inspect.getsource(type(pickled(old)))
    assert "sigmoid" in inspect.getsource(type(pickled(new)))
    x = torch.ones(1, 1, 4, 4)
    assert torch.equal(pickled(old)(x).y, old(x).y)
    assert not torch.equal(pickled(new)(x).y, pickled(old)(x).y)


def test_a_traceback_of_a_module_that_was_pickled_shows_its_line() -> None:
    net = pickled(archdsl.load(EVERYTHING, seed=0))
    with pytest.raises(RuntimeError) as caught:
        net(torch.zeros(1, 5, 4, 4))
    assert "self.entry(x)" in "".join(traceback.format_exception(caught.value))


def test_annotations_are_types_and_not_texts() -> None:
    """The source is compiled without the `__future__` of the compiler's own files."""
    module = archdsl.load(SHARED, seed=0)
    assert type(module).forward.__annotations__ == {"x": Tensor, "return": Tensor}
    data = io.BytesIO()
    torch.save(torch.fx.symbolic_trace(module), data)
    data.seek(0)
    assert isinstance(torch.load(data, weights_only=False), torch.fx.GraphModule)
