"""The command line as users meet it: exit codes, streams, pipes and interruptions of the real process."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archdsl.cli.main import run
from tests.support.command import BROKEN, SPECS, TINY, archdsl


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.arch"
    path.write_text(TINY)
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.arch"
    path.write_text(BROKEN)
    return path


def test_a_spec_that_holds_is_0_and_its_result_is_on_stdout(tiny: Path) -> None:
    done = archdsl("check", str(tiny))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tiny}: ok (tiny: 186 params, 4,688 macs)\n"


def test_a_spec_that_is_wrong_is_1_and_its_diagnostics_are_on_stderr(broken: Path) -> None:
    done = archdsl("check", str(broken))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{broken}:3:" in done.stderr
    assert "`strid`" in done.stderr
    assert "`stride`" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments, hint",
    [
        (["chekc", "x.arch"], "'check'"),
        (["check", "--jsno", "x.arch"], "--json"),
        (["check", "no/such.arch"], "no such file"),
        (["check", "resnxt50"], "`resnext50`"),
        (["build", "resnet18"], "--target"),
        (["build", "resnet18", "--target", "onxx"], "`onnx`"),
        (["build", "resnet18", "-o", "x.txt"], ".onnx"),
        (["build", "resnet18", "-o", "x.onnx", "--set", "num_clases=3"], "`num_classes`"),
        (["build", "resnet18", "-o", "x.onnx", "--set", "num_classes=many"], "many"),
        (["build", "resnet18", "-o", "x.onnx", "--set", "num_classes=1.5"], "whole number"),
        (["build", "resnet18", "-o", "x.onnx", "--set", "num_classes"], "NAME=VALUE"),
        (["build", "resnet18", "-o", "x.onnx", "--set", "num_classes=(("], "no value"),
        (["check", "resnet18", "--limit", "nods=3"], "`nodes`"),
        (["check", "resnet18", "--limit", "nodes=-3"], "whole number"),
        (["render", "resnet18", "--depth", "blok"], "`block`"),
        (["render", "resnet18", "-o", "x.onnx"], "no picture"),
        (["summary", "resnet18", "--depth", "blok"], "`block`"),
        (["explain", "E9999"], "E9999"),
        (["build", "resnet18", "resnet34", "-o", "x.onnx"], "folder"),
        (["fmt", "resnet18"], "no such file"),
        (["check", "-", "-"], "read once"),
        (["verify", "-", "-"], "read once"),
        (["build", "resnet18", "-o", "x.onnx", "--seed", "-1"], "--seed"),
        (["build", "resnet18", "-o", "x.onnx", "--weights", "none.safetensors"], "no such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_usage_is_2_with_a_hint_and_writes_nothing(
    arguments: list[str], hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = run(arguments)
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert hint in said.err
    assert list(tmp_path.iterdir()) == []


def test_wrong_usage_is_2_for_the_shell_too() -> None:
    done = archdsl("check", "resnxt50")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1


def test_without_arguments_it_shows_its_help() -> None:
    done = archdsl()
    assert "Compiles neural-network architectures" in done.stdout + done.stderr
    assert done.returncode in (0, 2)


@pytest.mark.parametrize("command", ["check", "build", "render", "fmt", "expand", "summary", "list", "explain"])
def test_the_help_of_each_command_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert f"archdsl {command}" in capsys.readouterr().out.partition("Example")[2]


def test_a_fault_of_ours_is_70_in_one_line_and_a_trace_on_demand() -> None:
    code = (
        "import sys, archdsl.elaborate; archdsl.elaborate.check = None;"
        "from archdsl.cli.main import run; sys.exit(run(['check', 'resnet18']))"
    )
    plain = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert plain.returncode == 70
    assert plain.stderr.count("\n") == 1
    assert "our fault" in plain.stderr
    traced = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ARCHDSL_DEBUG": "1"},
    )
    assert "Traceback" in traced.stderr


def test_a_missing_package_is_3_and_names_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['onnx'] = None; from archdsl.cli.main import run;"
        f"sys.exit(run(['build', 'resnet18', '-o', {str(tmp_path / 'x.onnx')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert "archdsl[onnx]" in done.stderr


def test_a_missing_renderer_is_3(tmp_path: Path) -> None:
    done = archdsl("render", "resnet18", "-o", str(tmp_path / "x.svg"), "--renderer", "dot", ARCHDSL_DOT="no-such-dot")
    assert (done.returncode, done.stdout) == (3, "")
    assert "ARCHDSL_DOT" in done.stderr


def test_an_interruption_is_130_and_quiet() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "archdsl.cli", "check", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # which a shell may have ignored
    )
    time.sleep(2.0)  # it waits for stdin by then
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err


def test_a_closed_pipe_ends_it_quietly() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "archdsl.cli", "summary", "resnet152", "--depth", "layer"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 141


def test_stdin_is_checked_and_named() -> None:
    done = archdsl("check", "-", text=BROKEN)
    assert done.returncode == 1
    assert "<stdin>:3:" in done.stderr


def test_stdin_that_is_no_text_is_a_plain_message() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "archdsl.cli", "check", "-"], input=b"\xff\xfe\x00", capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"UTF-8" in done.stderr
    assert b"Traceback" not in done.stderr


def test_json_of_a_wrong_spec_is_on_stdout_with_a_version(broken: Path, tiny: Path) -> None:
    done = archdsl("check", "--json", str(broken), str(tiny))
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr, report["version"], report["ok"]) == (1, "", 1, False)
    first, second = report["files"]
    assert {item["line"] for item in first["diagnostics"]} == {3, 4}
    assert second["archs"] == [
        {"arch": "tiny", "params": 186, "macs": 4688, "output_shapes": {"output": [10]}},
    ]


def test_colors_are_for_terminals_and_no_color_is_heard(broken: Path) -> None:
    assert "\x1b[" not in archdsl("check", str(broken)).stderr
    assert "\x1b[" in archdsl("check", str(broken), FORCE_COLOR="1").stderr
    assert "\x1b[" not in archdsl("check", str(broken), FORCE_COLOR="1", NO_COLOR="1").stderr


def test_check_imports_nothing_heavy() -> None:
    code = (
        "import sys; from archdsl.cli.main import run; code = run(['check', 'resnext50']);"
        "heavy = {'torch', 'networkx', 'numpy', 'rich', 'onnx', 'graphviz'} & sys.modules.keys();"
        "sys.exit(code or str(heavy) if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_check_takes_a_quarter_of_importing_torch() -> None:
    """At most 0.3 s where `import torch` takes 1.2 s; the best of five each, so that other work counts little."""

    def seconds(*command: str) -> float:
        best = 1e9
        for _ in range(5):
            begin = time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, capture_output=True)
            best = min(best, time.perf_counter() - begin)
        return best

    torch = seconds("-c", "import torch")
    assert seconds("-m", "archdsl.cli", "check", str(SPECS / "resnext50.arch")) < 0.25 * torch


def test_completion_knows_the_commands() -> None:
    done = archdsl(_ARCHDSL_COMPLETE="complete_bash", COMP_WORDS="archdsl s", COMP_CWORD="1")
    assert done.stdout.split() == ["summary"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")
@pytest.mark.parametrize("more", [["--json"], []])
@pytest.mark.parametrize("stream", ["closed", "full"])
def test_a_stdout_that_takes_nothing_is_one_line_on_stderr(stream: str, more: list[str], tiny: Path) -> None:
    command = [sys.executable, "-m", "archdsl.cli", "check", str(tiny), *more]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" >&-', "sh", *command] if stream == "closed" else command,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("archdsl: ")


def test_a_command_without_streams_reads_nothing_and_prints_into_no_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "tiny.arch").write_text(TINY)
    command = [sys.executable, "-m", "archdsl.cli", "build", "tiny.arch", "-o", "tiny.gv"]
    subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command], check=True, cwd=tmp_path)
    assert (tmp_path / "tiny.gv").read_text().startswith("// drawn by archdsl\n")
    command = [sys.executable, "-m", "archdsl.cli", "check", "-"]
    done = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", *command], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "archdsl: -: bad file descriptor\n")


@pytest.mark.parametrize(
    "command",
    [["rewrite", "-", "--pass", "fold-batchnorm"], ["build", "-", "--target", "spec", "-o", "-"], ["expand", "-"]],
)
def test_a_spec_from_stdin_is_read_once_and_is_enough(command: list[str], tiny: Path) -> None:
    piped = archdsl(*command, text=TINY)
    named = archdsl(command[0], str(tiny), *command[2:])
    assert (piped.returncode, piped.stdout) == (0, named.stdout)
