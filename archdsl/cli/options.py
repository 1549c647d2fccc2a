"""The options that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Specs = Annotated[list[str], typer.Argument(metavar="SPEC", help="Spec files, bundled names, folders, or - for stdin.")]
Spec = Annotated[str, typer.Argument(metavar="SPEC", help="A spec file, a bundled name, or - for stdin.")]
Arch = Annotated[str | None, typer.Option("--arch", metavar="NAME", help="The arch to build, if the file has several.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the arch, as the language writes it. Repeatable."),
]
Limit = Annotated[
    list[str] | None,
    typer.Option("--limit", metavar="NAME=NUMBER", help="Raise a budget, such as nodes=2000000. Repeatable."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Out = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="The file to write, or - for stdout.", allow_dash=True),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite a file that archdsl did not write.")]
Weights = Annotated[
    Path | None, typer.Option("--weights", metavar="FILE", help="Weights: safetensors or a state_dict (.pt, .pth).")
]
Seed = Annotated[int, typer.Option("--seed", metavar="NUMBER", min=0, help="Fixes the initial weights.")]
Depth = Annotated[str, typer.Option("--depth", metavar="DEPTH", help="stage, block or layer.")]
