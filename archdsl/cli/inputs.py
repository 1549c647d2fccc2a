"""What the arguments of a command name: specs, parameters and budgets."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archdsl.diagnostics import CompileError, UsageError, closest, quote
from archdsl.files import STANDARD, FileError, read
from archdsl.limits import DEFAULT, Limits
from archdsl.source import Source

if TYPE_CHECKING:
    from archdsl.compiler import Spec

BIGGEST = 1 << 26  # bytes of stdin; the budget of a spec is far below, that of a graph is not
DEPTHS = ("stage", "block", "layer")


def spec(argument: str) -> Spec:
    """A spec by its path or bundled name, or the text on stdin. Raises `FileError` for text that is no UTF-8."""
    if argument != STANDARD:
        return argument
    try:
        return Source(read(STANDARD, BIGGEST).decode("utf-8-sig"), "<stdin>")
    except UnicodeDecodeError as error:
        raise FileError(f"stdin: not UTF-8 text (byte {error.start:,})") from error


def specs(arguments: Sequence[str]) -> list[str]:
    """The arguments, with each folder replaced by the specs under it, in order of their names."""
    found: list[str] = []
    for argument in arguments:
        if argument != STANDARD and os.path.isdir(argument):
            inside = sorted(_under(argument))
            if not inside:
                raise UsageError(f"{quote(argument)} holds no .arch file")
            found += inside
        else:
            found.append(argument)
    if found.count(STANDARD) > 1:
        raise UsageError("stdin (-) can be read once")
    return found


def _under(folder: str) -> Iterator[str]:
    """The specs under a folder, in links to other folders not looked for. Raises `FileError` for one that is no file,
    which nobody could read to its end."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            if name.endswith(".arch"):
                if os.path.exists(path) and not os.path.isfile(path):
                    raise FileError(f"{quote(path)} is no file")
                yield path


def checkpoint(argument: str | Path | None) -> Path | None:
    """The file that an argument names, without the set of weights that is asked for in it (`t.pth#ema`)."""
    from archdsl.weights.choosing import split_choice

    return None if argument is None else split_choice(str(argument))[0]


def settings(pairs: Sequence[str] | None) -> dict[str, Any]:
    """The arch's parameters of `--set name=value`, as the language reads the values. Raises `UsageError`."""
    found: dict[str, Any] = {}
    for name, text in _pairs(pairs, "--set"):
        found[name] = _value(name, text)
    return found


def limits(pairs: Sequence[str] | None) -> Limits:
    """The budgets, with those of `--limit name=number` in place. Raises `UsageError`."""
    known = [field.name for field in dataclasses.fields(Limits)]
    changed: dict[str, int] = {}
    for name, text in _pairs(pairs, "--limit"):
        if name not in known:
            raise UsageError(
                f"there is no limit `{quote(name)}`{_meant(name, known)}; the limits are {', '.join(known)}"
            )
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise UsageError(f"--limit {name} takes a whole number, not `{quote(text)}`")
        changed[name] = int(text)
    return dataclasses.replace(DEFAULT, **changed)


def depth(word: str) -> str:
    """A depth, if it is one. Raises `UsageError`."""
    if word not in DEPTHS:
        raise UsageError(f"there is no depth `{quote(word)}`{_meant(word, DEPTHS)}; it is one of {', '.join(DEPTHS)}")
    return word


def _pairs(pairs: Sequence[str] | None, option: str) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for pair in pairs or ():
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"{option} takes NAME=VALUE, not `{quote(pair)}`")
        if name in found:
            raise UsageError(f"{option} names `{quote(name)}` twice")
        found[name] = text
    return list(found.items())


def _value(name: str, text: str) -> Any:
    from archdsl.elaborate import Expression
    from archdsl.syntax.parser import parse_value

    try:
        parse_value(text, f"--set {name}")
    except CompileError as error:
        first = error.diagnostics[0]
        raise UsageError(f"--set {name}: `{quote(text)}` is no value: {first.message}") from error
    return Expression(text)


def _meant(name: str, known: Sequence[str]) -> str:
    near = closest(name, known)
    return f", did you mean `{near}`?" if near else ""
