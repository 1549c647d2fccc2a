"""The entry point: runs a command and turns whatever happens into an exit code.

0 fine; 1 the spec is wrong, or `--check` found something; 2 usage; 3 an optional tool is missing; 70 our own fault;
130 interrupted; 141 the reader of a pipe went away.
"""

from __future__ import annotations

import contextlib
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
    _open_streams()
    gc.set_threshold(
        100_000
    )  # short-lived, and nearly all that it allocates stays: fewer collections, a tenth less time
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """The exit code of a command line; nothing is raised."""
    try:
        return _run(arguments)
    except BrokenPipeError:
        return _closed_pipe()
    except OSError as error:  # of telling what went wrong
        return _no_stdout(error)


def _run(arguments: Sequence[str]) -> int:
    """The same, unless what is wrong cannot be told: raises `OSError` of stdout or stderr."""
    given = list(arguments)
    as_json = "--json" in given[: given.index("--") if "--" in given else None]
    try:
        code = _command(given, as_json)
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
        sys.stdout.flush()  # fails where the error is of stdout itself
        name = f"{quote(os.fsdecode(error.filename))}: " if error.filename else ""
        return _failed(f"{name}{error.strerror or error}", USAGE, as_json)
    except Exception as error:
        return _fault(error)


def _command(arguments: list[str], as_json: bool) -> int:
    """The exit code of typer's own run. What it says of a wrong command line is a `UsageError` where JSON is asked
    for, else its own text on stderr."""
    from archdsl.cli.app import WrongUsage, application

    try:
        end = application(next(iter(arguments), None))(args=arguments, prog_name="archdsl", standalone_mode=not as_json)
    except WrongUsage as error:
        raise UsageError(error.format_message()) from error  # type: ignore[attr-defined]
    except SystemExit as stop:
        end = stop.code
    return end if isinstance(end, int) else 0


def _code(error: ArchdslError) -> int:
    from archdsl.targets.picture_render import MissingTool

    return MISSING if isinstance(error, MissingTool) else WRONG


def _failed(message: str, code: int, as_json: bool) -> int:
    if as_json:
        console.say_json(ok=False, error=message)
    else:
        console.note(message)
    return code


def _no_stdout(error: OSError) -> int:
    """What cannot be written on stdout is said on stderr, without JSON, and Python's own last flush is quiet."""
    _to_nowhere()
    with contextlib.suppress(OSError):
        console.note(f"stdout: {error.strerror or error}")
    return USAGE


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
    _to_nowhere()
    return CLOSED_PIPE


def _to_nowhere() -> None:
    """What is on its way to stdout is dropped."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _open_streams() -> None:
    """Streams that the caller has closed are refused when they are used (stderr is not heard), and no file that we open
    gets their number, so that nothing is printed into it."""
    for number, (name, flags) in enumerate((("stdin", os.O_WRONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))):
        if getattr(sys, name) is not None:
            continue
        handle = os.open(os.devnull, flags)
        os.dup2(handle, number)
        if handle != number:
            os.close(handle)
        setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))
