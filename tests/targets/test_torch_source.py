"""The generated source is good Python: formatted, lint-clean, typed, short, standalone, the same every time."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archdsl.graph.graph import Graph
from archdsl.graph.verify import IllegalGraph
from archdsl.ops import Conv, Relu
from archdsl.targets.torch_source import source
from tests.support import nets
from tests.support.nets import Net
from tests.support.random_nets import random_net

FAMILY = ("resnet18", "resnet50", "resnext50", "wide_resnet50_2", "resnext50_multibranch")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the family's sources and those of random nets."""
    folder = tmp_path_factory.mktemp("generated")
    for name in FAMILY:
        (folder / f"{name}.py").write_text(source(getattr(nets, name)()))
    for seed in range(60):
        (folder / f"random{seed}.py").write_text(source(random_net(seed)))
    return folder


def test_ruff_would_format_nothing(sources: Path) -> None:
    result = run("ruff", "format", "--isolated", "--diff", str(sources))
    assert result.returncode == 0, result.stdout[:3000]


def test_ruff_finds_nothing(sources: Path) -> None:
    result = run("ruff", "check", "--isolated", "--extend-select", "I", str(sources))
    assert result.returncode == 0, result.stdout[:3000]


def test_mypy_finds_nothing_in_the_family(sources: Path) -> None:
    files = [str(sources / f"{name}.py") for name in FAMILY]
    result = run("mypy", "--strict", "--config-file=", "--cache-dir", str(sources / "cache"), *files)
    assert result.returncode == 0, result.stdout[:3000]


@pytest.mark.parametrize("name", FAMILY)
def test_a_member_takes_at_most_120_lines_and_imports_torch_alone(name: str) -> None:
    text = source(getattr(nets, name)())
    assert len(text.splitlines()) <= 120
    tree = ast.parse(text)
    modules = {item.module for item in ast.walk(tree) if isinstance(item, ast.ImportFrom)}
    modules |= {alias.name for item in ast.walk(tree) if isinstance(item, ast.Import) for alias in item.names}
    assert {str(module).partition(".")[0] for module in modules} <= {"torch", "functools", "typing"}


def test_source_is_the_same_every_time_and_says_where_it_comes_from() -> None:
    text = source(nets.resnet50())
    assert text == source(nets.resnet50())
    assert "`resnet50.arch`" in text.splitlines()[0]


def test_a_documentation_text_cannot_leave_its_docstring() -> None:
    net = Net.start("net", 3, 8, 8)
    net.then(Conv(out=3, kernel=1), 0, "conv")
    doc = 'Ends """ here\nimport os  # \\" \\N{BULLET} \u200d evil'
    tree = ast.parse(source(net.graph(doc=doc)))
    imported = {alias.name for item in ast.walk(tree) if isinstance(item, ast.Import) for alias in item.names}
    assert "os" not in imported
    (cls,) = (item for item in tree.body if isinstance(item, ast.ClassDef))
    assert "evil" in (ast.get_docstring(cls) or "")


def test_a_child_named_training_is_refused_with_its_path() -> None:
    net = Net.start("net", 3, 8, 8)
    net.then(Conv(out=3, kernel=1), 0, "training")
    with pytest.raises(IllegalGraph, match="`training` is no path"):
        source(net.graph())


def chain(layers: int) -> Graph:
    """Many different layers in a row, which nothing folds."""
    net = Net.start("net", 1, 4, 4)
    for at in range(layers // 2):
        net.then(Conv(out=1 + at % 7, kernel=1), 0, f"conv{at}")
        net.then(Relu(), 0)
    return net.graph()


def test_time_is_linear_in_the_layers() -> None:
    times = []
    for layers in (1_000, 10_000):
        graph = chain(layers)
        start = time.perf_counter()
        source(graph)
        times.append(time.perf_counter() - start)
    assert times[1] < 30 * times[0] + 0.5


def test_every_attribute_of_a_module_is_known() -> None:
    from torch import nn

    from archdsl.targets.torch_names import hidden, hidden_in_container

    assert all(map(hidden, {*dir(nn.Module), *vars(nn.Module())}))
    assert all(map(hidden_in_container, {*dir(nn.ModuleDict), *vars(nn.ModuleDict())}))
