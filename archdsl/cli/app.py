"""All commands under one name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from archdsl.cli import console
from archdsl.cli.build import build
from archdsl.cli.check import check
from archdsl.cli.expand import expand
from archdsl.cli.explain import explain
from archdsl.cli.fmt import fmt
from archdsl.cli.lint import lint
from archdsl.cli.listing import listing
from archdsl.cli.passes import passes
from archdsl.cli.render import render
from archdsl.cli.rewrite import rewrite
from archdsl.cli.summary import summary
from archdsl.cli.verify import verify

EPILOG = "Exit codes: 0 fine, 1 the spec is wrong, 2 usage, 3 a tool is missing, 70 our own fault, 130 interrupted."

WrongUsage: type[Exception] = typer.BadParameter.__mro__[2]  # click's `ClickException`, which typer does not name


def _version(wanted: bool) -> None:
    if wanted:
        from archdsl import __version__

        console.say(f"archdsl {__version__}")
        raise typer.Exit()


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Compiles neural-network architectures: one spec to PyTorch, ONNX and a picture."""


def _guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The command, for which a pipe that nobody reads is its own end: typer would take it for a failure (1)."""

    @wraps(command)
    def guarded(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
            sys.stdout.flush()
        except BrokenPipeError as error:
            raise console.ClosedPipe from error

    return guarded


COMMANDS: dict[str, Callable[..., None]] = {
    "check": check,
    "build": build,
    "render": render,
    "fmt": fmt,
    "expand": expand,
    "summary": summary,
    "rewrite": rewrite,
    "verify": verify,
    "lint": lint,
    "passes": passes,
    "list": listing,
    "explain": explain,
}


def application(first: str | None = None) -> typer.Typer:
    """The command line. If its `first` word is a command, that one alone: typer reads every signature that it holds,
    which takes longer than many a command."""
    app = typer.Typer(
        name="archdsl",
        help="Compiles neural-network architectures: one spec to PyTorch, ONNX and a picture.",
        epilog=EPILOG,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name in [first] if first in COMMANDS else COMMANDS:
        app.command(name)(_guarded(COMMANDS[name]))
    return app
