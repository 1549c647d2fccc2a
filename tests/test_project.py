"""The project itself: what is installed, what is pinned, and what our own source never does."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import ROOT, TINY

PACKAGE = ROOT / "archdsl"
CONSTRAINTS = (ROOT / "constraints.txt").read_text()


def pins() -> dict[str, str]:
    lines = [line for line in CONSTRAINTS.splitlines() if line and not line.startswith("#")]
    return {canonical(name): version for name, version in (line.split("==") for line in lines)}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements() -> Iterator[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    yield from project["dependencies"]
    for extra, needed in project["optional-dependencies"].items():
        if extra != "pdf":  # svglib and reportlab are neither run in CI nor pinned
            yield from needed


def test_every_requirement_is_pinned() -> None:
    named = {canonical(re.split(r"[\[<>=~! ]", item)[0]) for item in requirements()} - {"archdsl"}
    assert named <= pins().keys()


def test_torch_has_a_range_and_a_pin_without_a_build() -> None:
    assert "torch>=2.6,<2.14" in set(requirements())
    assert pins()["torch"] == "2.13.0"
    assert "+" not in CONSTRAINTS
    assert "--" not in CONSTRAINTS


def test_ci_runs_the_same_command_as_a_user() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert re.search(r"^make .*\btest$", script.read_text(), re.MULTILINE)


def test_the_version_is_told_once() -> None:
    import archdsl

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == archdsl.__version__


def test_the_license_is_apaches_in_full() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this checkout, unpacked."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, check=True)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_a_wheel_holds_specs_grammar_types_and_license(wheel: Path) -> None:
    package = wheel / "archdsl"
    assert {path.relative_to(ROOT / "specs") for path in (ROOT / "specs").rglob("*.arch")} == {
        path.relative_to(package / "specs") for path in (package / "specs").rglob("*.arch")
    }
    assert (package / "py.typed").is_file()
    assert (package / "syntax" / "grammar.lark").is_file()
    assert {path.name for path in wheel.rglob("licenses/*")} == {"LICENSE", "NOTICE"}


def test_an_installed_wheel_finds_its_own_specs(wheel: Path, tmp_path: Path) -> None:
    code = "import archdsl; print(archdsl.specs_root(), archdsl.compile('resnext50').params)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(wheel)},
    )
    assert done.stdout.split() == [str(wheel / "archdsl" / "specs"), "25028904"]


# ------------------------------------------------------------------- our source

FORBIDDEN = {"eval", "exec", "__import__"}
EXECUTES = {PACKAGE / "targets" / "torch_classes.py"}  # the one place that runs source, which archdsl generated
RENDERS = {PACKAGE / "targets" / "picture_render.py"}  # the one place that starts a process


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def calls(path: Path) -> Iterator[str]:
    """The dotted names of what a module calls."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_evaluates_text_reads_pickles_or_opens_a_shell(path: Path) -> None:
    for called in calls(path):
        assert called not in FORBIDDEN or path in EXECUTES, called
        assert not called.startswith(("pickle.load", "os.system", "os.popen", "marshal.", "shelve.")), called
        assert not called.startswith("subprocess.") or path in RENDERS, called
    assert "shell=True" not in path.read_text()
    assert "weights_only=False" not in path.read_text()


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_has_a_docstring(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)) or not text.strip()


AUDIT = """
import sys
import archdsl
from archdsl.cli.main import run

run(["build", "resnet18", "--target", "torch", "-o", "warm.py"])  # everything is imported by now
run(["check", "resnet18"])
seen = []

def hook(event, arguments):
    if event in ("open", "os.listdir", "os.scandir", "subprocess.Popen", "os.system", "socket.connect", "import"):
        if event != "import" and isinstance(arguments[0], str):
            seen.append((event, arguments[0]))

sys.addaudithook(hook)
assert run(["check", "tiny.arch"]) == 0
assert run(["build", "tiny.arch", "--target", "torch", "-o", "tiny.py"]) == 0
print("|".join(sorted({f"{event} {path}" for event, path in seen})))
"""


def test_checking_and_emitting_open_the_named_files_alone(tmp_path: Path) -> None:
    (tmp_path / "tiny.arch").write_text(TINY)
    done = subprocess.run(
        [sys.executable, "-c", AUDIT], capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ}
    )
    opened = done.stdout.splitlines()[-1].split("|")
    others = [
        item
        for item in opened
        if not item.endswith(("tiny.arch", "tiny.py", str(tmp_path))) and "/.archdsl-" not in item
    ]
    assert done.returncode == 0
    assert others == []


# --------------------------------------------------------------------- examples


def test_the_example_trains_saves_exports_and_agrees(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    pytest.importorskip("onnxruntime")
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "train.py"), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    share = re.search(r"([\d.]+)% of 397 unseen digits", done.stdout)
    assert share is not None
    assert float(share[1]) > 97.0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"digits.pt", "digits.onnx"}


def test_the_demo_runs_one_spec_in_two_runtimes(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "run.py"), "resnet18", str(tmp_path / "x.onnx")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "largest difference" in done.stdout
