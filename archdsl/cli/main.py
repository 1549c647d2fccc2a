"""The entry point: runs a command and turns whatever happens into an exit code.

0 fine; 1 the spec is wrong, or `--check` found something; 2 usage; 3 an optional tool is missing; 70 our own fault;
130 interrupted; 141 the reader of a pipe went away.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

from archdsl.cli import console
from archdsl.diagnostics import ArchdslError, CompileError, UsageError, quote
from archdsl.files import FileError

WRONG, USAGE, MISSING, FAULT, INTERRUPTED, CLOSED_PIPE = 1, 2, 3, 70, 130, 141
EXTRAS = {
    "torch": "torch",
    "onnx": "onnx",
    "onnxruntime": "demo",
    "graphviz_pure": "render",
}


def main() -> None:
    """Runs the command line of this process."""
    gc.set_threshold(
        100_000
    )  # short-lived, and nearly all that it allocates stays: fewer collections, a tenth less time
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """The exit code of a command line; nothing is raised."""
    as_json = "--json" in arguments
    try:
        code = _command(arguments)
        sys.stdout.flush()
        return code
    except (BrokenPipeError, console.ClosedPipe):
        return _closed_pipe()
    except KeyboardInterrupt:
        return INTERRUPTED
    except CompileError as error:
        if as_json:
            console.say_json(ok=False, diagnostics=[diagnostic.json() for diagnostic in error.diagnostics])
        else:
            console.complain(error)
        return WRONG
    except (UsageError, FileError) as error:
        return _failed(str(error), USAGE, as_json)
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            return _fault(error)
        return _failed(f"this needs {error.name}: pip install 'archdsl[{EXTRAS[error.name]}]'", MISSING, as_json)
    except ArchdslError as error:
        return _failed(str(error), _code(error), as_json)
    except OSError as error:  # of a path that no room expected: too long a name, a folder that may not be searched
        name = f"{quote(os.fsdecode(error.filename))}: " if error.filename else ""
        return _failed(f"{name}{error.strerror or error}", USAGE, as_json)
    except Exception as error:
        return _fault(error)


def _command(arguments: Sequence[str]) -> int:
    """The exit code of typer's own run."""
    from archdsl.cli.app import app

    try:
        app(args=list(arguments), prog_name="archdsl")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


def _code(error: ArchdslError) -> int:
    from archdsl.targets.picture_render import MissingTool

    return MISSING if isinstance(error, MissingTool) else WRONG


def _failed(message: str, code: int, as_json: bool) -> int:
    if as_json:
        console.say_json(ok=False, error=message)
    else:
        console.note(message)
    return code


def _fault(error: Exception) -> int:
    """A mistake of archdsl: one line, and the trace where it is asked for."""
    if os.environ.get("ARCHDSL_DEBUG"):
        import traceback

        traceback.print_exception(error)
    console.note(
        f"internal error, which is our fault: {type(error).__name__}: {error} (ARCHDSL_DEBUG=1 shows the trace)"
    )
    return FAULT


def _closed_pipe() -> int:
    """Ends in silence; stdout goes nowhere from now on, so that Python's own last flush is quiet too."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return CLOSED_PIPE
