"""The same spec gives the same bytes: in every target, over runs, hash seeds and working directories. And what a
compilation opens: the named files, and nothing else. (`tests/test_project.py` reads our source for calls that are
forbidden, and watches the command line.)"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import archdsl
from archdsl.files import PART
from archdsl.targets.registry import TARGETS

LIBRARY = 'block Head(n) {\n    gap -> flatten -> "fc": linear(n)\n}\n'
SPEC = """\
from "parts/head.arch" import Head

## A net whose parts could come in any order, if one were not kept.
arch several(width=8) {
    input left: 3x16x16
    input right: 3x16x16
    concat -> conv(width, 3x3) -> batchnorm -> relu
    stage body {
        branches concat {
            "z": conv(width, 1x1)
            "a" { conv(width, 3x3) -> batchnorm -> relu -> conv(width, 3x3) }
            "m" { maxpool(3x3, stride=1, padding=1) -> conv(width, 1x1, groups=2) }
            repeat 3 as i { "path{i}": conv(4, 3x3) }
        }
    }
    aux from body -> side: Head(3)
    param scale: normal(0, 0.1, [here.c, 1, 1])
    from [body, scale] -> mul as scaled
    split(4) as a, b, c, d
    from [d, a, c, b] -> add
    top: Head(5)
    output logits=top, scaled, side
}
"""
WRITER = """
import hashlib, json, sys
import archdsl
found = {}
for target in sys.argv[2:]:
    made = archdsl.build(sys.argv[1], target, seed=3)
    data = made.encode() if isinstance(made, str) else made
    found[target] = [len(data), hashlib.sha256(data).hexdigest()]
    again = archdsl.build(sys.argv[1], target, seed=3)
    assert again == made, target
found["json"] = archdsl.compile(sys.argv[1]).program.digest
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spec with an import, on disk."""
    folder = tmp_path_factory.mktemp("specs")
    (folder / "parts").mkdir()
    (folder / "parts" / "head.arch").write_text(LIBRARY)
    (folder / "several.arch").write_text(SPEC)
    return folder / "several.arch"


def targets() -> list[str]:
    """Every target that needs no tool of the system."""
    return [name for name in TARGETS if name != "pdf"]


@pytest.mark.parametrize("name", ["several", "resnext50"])
def test_every_target_has_the_same_bytes_in_every_process(name: str, spec: Path, tmp_path: Path) -> None:
    """Three hash seeds, three working directories, twice in each process; only the weights' targets draw anything."""
    # ONNX of a bundled net is held to this in test_onnx_model.py: its texts are enough here.
    chosen = targets() if name == "several" else ["torch", "arch", "graph", "dot"]
    lines = set()
    for seed, folder in (("0", tmp_path), ("1", Path.cwd()), ("4294967295", Path("/"))):
        done = subprocess.run(
            [sys.executable, "-c", WRITER, str(spec) if name == "several" else name, *chosen],
            cwd=folder,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        lines.add(done.stdout)
    assert len(lines) == 1
    found = json.loads(lines.pop())
    assert set(found) == {*chosen, "json"}
    assert all(size > 100 for size, _ in (found[target] for target in chosen))


def test_neither_time_nor_place_stands_in_any_text(spec: Path) -> None:
    """No path of this machine, no user, no year of today."""
    for target in ("torch", "arch", "graph", "dot", "svg"):
        text = archdsl.build(spec, target)
        assert isinstance(text, str)
        assert str(spec.parent) not in text
        assert os.path.expanduser("~") not in text or os.path.expanduser("~") == "/"


# ----------------------------------------------------------- what is opened

WATCH = """
import json, sys
import archdsl
from archdsl import Source
target, path, out = sys.argv[1:4]

def work(spec):
    if target == "check":
        archdsl.check(spec)
    elif target == "compile":
        archdsl.compile(spec)
    elif target == "load":
        archdsl.load(spec, seed=1)
    else:
        archdsl.build(spec, target, out, seed=1)

work(path)  # everything that is imported on demand is there now
seen = []
WATCHED = ("open", "os.listdir", "os.scandir", "os.remove", "os.rename", "os.mkdir", "subprocess.Popen", "os.system",
           "os.exec", "os.posix_spawn", "socket.connect", "socket.getaddrinfo", "urllib.Request", "ctypes.dlopen",
           "exec", "pickle.find_class", "import")
watching = False

def hook(event, arguments):
    if watching and event in WATCHED:
        seen.append([event, str(arguments[0])[:200]])

sys.addaudithook(hook)
texts = {}
watching = True
work(path)
watching = False
named, seen = seen, []
if target in ("check", "compile"):
    text = Source("arch tiny() {\\n    input 1x8x8\\n    conv(4, 3x3)\\n}\\n", "tiny.arch")
    watching = True
    work(text)
    watching = False
print(json.dumps([named, seen]))
"""


def watched(target: str, spec: Path, out: Path) -> tuple[list[list[str]], list[list[str]]]:
    """What opens while a target is made of a file, and while a text is checked."""
    done = subprocess.run(
        [sys.executable, "-c", WATCH, target, str(spec), str(out)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    named, text = json.loads(done.stdout.splitlines()[-1])
    return named, text


def unexpected(events: list[list[str]], allowed: set[str]) -> Iterator[list[str]]:
    """Events that no named file explains; archdsl's own modules may be imported, files be written beside their name."""
    for event, argument in events:
        own = event == "import" and argument.split(".")[0] == "archdsl"
        beside = Path(argument).name.startswith(PART[0]) and str(Path(argument).parent) in allowed
        if event == "os.scandir" and argument in allowed:  # for what a killed run left there
            continue
        if event == "open" and argument.isdigit():  # a temporary file's descriptor, opened by name before
            continue
        if not own and not (event in ("open", "os.rename", "os.remove") and (argument in allowed or beside)):
            yield [event, argument]


@pytest.mark.parametrize("target", ["check", "compile", "torch", "onnx", "safetensors", "arch", "graph", "dot"])
def test_a_compilation_opens_the_named_files_alone(target: str, spec: Path, tmp_path: Path) -> None:
    """The spec, what it imports, and the output beside its temporary file; from a text, nothing at all. Nothing is
    executed, unpickled, started or asked of the network."""
    out = tmp_path / "made.out"
    allowed = {str(spec), str(spec.parent / "parts" / "head.arch"), str(out), str(tmp_path)}
    named, text = watched(target, spec, out)
    assert list(unexpected(named, allowed)) == []
    assert ["open", str(spec)] in named
    assert text == []


def test_a_live_module_executes_one_source_and_opens_the_spec_alone(spec: Path, tmp_path: Path) -> None:
    """The one place that executes code: what was generated from this graph, and no more."""
    named, _ = watched("load", spec, tmp_path / "none")
    allowed = {str(spec), str(spec.parent / "parts" / "head.arch")}
    executed = [argument for event, argument in named if event == "exec"]
    assert all("archdsl" in argument for argument in executed)
    assert list(unexpected([item for item in named if item[0] != "exec"], allowed)) == []
