"""The options that several commands share, each declared once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archdsl.diagnostics import UsageError, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from archdsl.passes.rule import Pass

Specs = Annotated[list[str], typer.Argument(metavar="SPEC", help="Spec files, bundled names, folders, or - for stdin.")]
Spec = Annotated[str, typer.Argument(metavar="SPEC", help="A spec file, a bundled name, or - for stdin.")]
Part = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only specs with this in their name or family.")]
Arch = Annotated[str | None, typer.Option("--arch", metavar="NAME", help="The arch to build, if the file has several.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the arch, as the language writes it. Repeatable."),
]
Limit = Annotated[
    list[str] | None,
    typer.Option("--limit", metavar="NAME=NUMBER", help="Raise a budget, such as nodes=2000000. Repeatable."),
]
Jobs = Annotated[
    int | None,
    typer.Option("-j", "--jobs", metavar="NUMBER", min=1, help="Processes; where specs are many, one a core."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def _out(text: str) -> Path:
    """Where a result goes. Raises `UsageError` for a folder that is not there (a `Path` forgets the last slash)."""
    if text.endswith(("/", os.sep)) and not os.path.isdir(text):
        raise UsageError(f"{quote(text)}: there is no such folder")
    return Path(text)


Out = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="The file to write, or - for stdout.", parser=_out),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite a file that archdsl did not write.")]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="FILE[#KEY]",
        help="Weights: safetensors or a state_dict (.pt, .pth). #KEY takes one of several in a file: t.pth#model_ema.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", metavar="NUMBER", min=0, help="Fixes the initial weights.")]
Depth = Annotated[str, typer.Option("--depth", metavar="DEPTH", help="stage, block or layer.")]
Passes = Annotated[
    list[str] | None,
    typer.Option("--pass", metavar="PASS", help="A pass, with options: resnet-d,where=layer2. Repeatable, in order."),
]
PassFile = Annotated[
    Path | None,
    typer.Option("--pass-file", metavar="FILE", help="A Python file with passes of your own. Its code runs."),
]
Left = Annotated[str, typer.Argument(metavar="A", help="A spec, or a checkpoint (FILE or FILE#KEY).")]
Right = Annotated[str, typer.Argument(metavar="B", help="A spec, or a checkpoint (FILE or FILE#KEY).")]


def known_passes(pass_file: Path | None) -> Mapping[str, type[Pass]]:
    """The bundled passes, and those of a file of one's own."""
    from archdsl.passes.registry import bundled, from_file

    return {**bundled(), **(from_file(pass_file) if pass_file is not None else {})}


def chosen_passes(texts: list[str] | None, pass_file: Path | None) -> list[Pass]:
    """The passes of `--pass`, in order, with their options. Raises `UsageError`."""
    from archdsl.passes.registry import parse

    known = known_passes(pass_file) if texts else {}
    return [parse(text, known) for text in texts or ()]
