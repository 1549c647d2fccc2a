"""What holds for every bundled spec."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from archdsl.library import specs_root

CHECK = """
import sys
from archdsl.cli.main import run
code = run(["check", sys.argv[1], "--json", "--jobs", "1"])
heavy = {"torch", "onnx", "networkx", "numpy"} & sys.modules.keys()
print(f"{code} {sorted(heavy)}", file=sys.stderr)
"""
FILES = sorted(specs_root().rglob("*.arch"))
WITHOUT_STAGES = ("inception_naive",)  # a module
MEMBERS = [path for path in FILES if path.parent == specs_root()]


def seconds_of_children() -> float:
    """Processor time of ended processes, whatever else the machine does."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_every_spec_holds_within_ten_seconds_of_two_cores_and_checking_needs_no_torch() -> None:
    """One process checks all of them: syntax, names, shapes, every `expect` and `require`."""
    before = seconds_of_children()
    done = subprocess.run([sys.executable, "-c", CHECK, str(specs_root())], capture_output=True, text=True, check=True)
    assert seconds_of_children() - before < 2 * 10
    assert done.stderr.splitlines()[-1] == "0 []"
    report = json.loads(done.stdout)
    assert report["ok"]
    assert len(report["files"]) == len(FILES)
    assert len({arch["arch"] for file in report["files"] for arch in file["archs"]}) > len(MEMBERS)


@pytest.mark.parametrize("file", MEMBERS, ids=lambda file: file.stem)
def test_a_member_says_what_it_is_and_what_it_expects(file: Path) -> None:
    """Documentation first; parameters and multiply-accumulates exact; a depth; shapes."""
    text = file.read_text("utf-8")
    assert text.startswith("## ")
    for claim in ("expect params == ", "expect macs == ", "expect depth == "):
        assert text.count(claim) == 1
    assert ".shape == " in text or file.stem in WITHOUT_STAGES


def test_shared_files_stay_within_a_screen_and_variants_within_a_few_lines() -> None:
    """A family with all its blocks takes at most 120 lines; a member less than 15 (second names aside), a block 20."""
    lines = {file: len(file.read_text("utf-8").partition("\n## torchvision's name")[0].splitlines()) for file in FILES}
    assert [file.name for file in FILES if lines[file] > 120] == []
    assert [file.name for file in MEMBERS if lines[file] >= 15] == []
    assert [file.name for file in FILES if file.parent.name == "blocks" and lines[file] > 20] == []
