"""What a terminal gets of a file's texts and names: nothing that it would obey."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archdsl.cli.main import run

HOSTILE = "a\x1b[31mred\x07\u202e\u2066\x9b1m\x7fz"
SPEC = "## doc {0}\n# note {0}\narch net() {{\n    input 3x8x8  # {0}\n    conv(4, 1x1)\n    {1}\n}}\n"


def safe(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text)


@pytest.mark.parametrize(
    "arguments",
    [
        "check", "check --json", "summary", "summary --json", "expand", "fmt --diff", "build --target torch -o -",
        "build --target dot -o -", "build --target spec -o -", "build --target graph -o -", "rewrite --pass resnet-d",
        "lint", "verify SELF", "build --target nothing", "build -o x\x1by.py", "list", "render --format dot -o -",
    ],
)  # fmt: skip
@pytest.mark.parametrize("mistake", ["", "    relu(HOSTILE)\n", '    "HOSTILE": relu\n', '    rearrange("HOSTILE")\n'])
def test_nothing_of_a_file_reaches_a_terminal_raw(
    arguments: str, mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    path = tmp_path / f"{HOSTILE}.arch"
    path.write_text(SPEC.format(HOSTILE, mistake.replace("HOSTILE", HOSTILE)))
    command, *rest = arguments.replace("SELF", str(path)).split(" ")
    given = [command, *rest] if command == "list" else [command, str(path), *rest]
    assert run([*given, path.name] if command == "list" else given) in (0, 1, 2)
    out, err = capsys.readouterr()
    assert safe(out)
    assert safe(err)
    if "--json" in rest:
        assert json.loads(out)
