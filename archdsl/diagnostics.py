"""What is wrong with a spec, as values: a problem knows its facts and its words, a diagnostic is what a user reads."""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from archdsl.gate import plain, shown
from archdsl.record import Record
from archdsl.source import Span

SHOWN = 50  # diagnostics a run prints; the rest are counted
QUOTED = 120  # characters of file text that a message repeats
SCANNED = 300  # names that are looked at for the one that was meant
COMPARED = 30  # and of these, names that are compared letter by letter


class ArchdslError(Exception):
    """The base of every error that archdsl raises on purpose."""


class UsageError(ArchdslError):
    """A call or command line that asks for something that does not exist (exit code 2)."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: a code, what was found where, how it came to be, and the fix where one is known."""

    code: str
    message: str
    span: Span | None = None
    label: str = ""
    notes: tuple[str, ...] = ()
    help: str | None = None

    def json(self) -> dict[str, Any]:
        """The diagnostic as plain data, lines and columns one-based."""
        place: dict[str, Any] = {}
        if self.span is not None:
            end = self.span.source.position(self.span.end)
            place = {
                "file": self.span.source.name,
                "line": self.span.line,
                "column": self.span.column,
                "end_line": end[0],
                "end_column": end[1],
            }
        return {
            "code": self.code,
            "message": self.message,
            **place,
            "label": self.label,
            "notes": list(self.notes),
            "help": self.help,
        }


class Problem(Record):
    """The facts of one kind of mistake. A subclass is a frozen record that names its code, the sentence of the
    language reference that it enforces, and turns its facts into words. `archdsl explain` prints its docstring."""

    code: ClassVar[str]
    rule: ClassVar[str]
    registry: ClassVar[dict[str, type[Problem]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" not in cls.__dict__:
            return
        other = Problem.registry.get(cls.code)
        assert other is None or other.__qualname__ == cls.__qualname__, f"{cls.code} is taken by {other}"
        Problem.registry[cls.code] = cls

    def diagnostic(self) -> Diagnostic:
        raise NotImplementedError


class CompileError(ArchdslError):
    """A spec that does not hold: all the diagnostics of one run, in the order of the text."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(render_all(self.diagnostics))


def quote(text: str) -> str:
    """File text made safe to print: cut, with control and bidirectional characters escaped."""
    return plain(text if len(text) <= QUOTED else text[: QUOTED - 3] + "...")


def unsuggested(problem: Problem) -> Problem:
    """The same problem without the names that it would look through for one that was meant."""
    return problem.changed(known=()) if "known" in problem.fields else problem


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a typo most likely meant. Of many names only the likeliest are compared in full, so that the
    work is bounded; a name too long for a typo to be told has none."""
    if len(name) > QUOTED:
        return None
    for match in difflib.get_close_matches(name, _likely(name, sorted(set(known))), n=3, cutoff=0.6):
        alike = match[:1].lower() == name[:1].lower()  # a typo seldom hits the first letter
        if alike or difflib.SequenceMatcher(None, match, name).ratio() >= 0.8:
            return match
    return None


def _likely(name: str, known: list[str]) -> list[str]:
    """The names that are worth a comparison in full: those of most letters in common, and a bounded number of them."""
    fit = [item for item in known if len(item) <= 2 * len(name) + 3]
    if len(fit) > SCANNED:
        fit = heapq.nlargest(SCANNED, fit, key=lambda item: _ends_in_common(name, item))
    matcher = difflib.SequenceMatcher(b=name)
    close = []
    for item in fit:
        matcher.set_seq1(item)
        if matcher.real_quick_ratio() >= 0.6 and matcher.quick_ratio() >= 0.6:
            close.append(item)
    return heapq.nlargest(COMPARED, close, key=lambda item: _ends_in_common(name, item))


def _ends_in_common(first: str, second: str) -> int:
    """How many letters two words share at their starts and ends: all but one or two after a typo."""
    prefix = _starts_in_common(first, second)
    return prefix + _starts_in_common(first[prefix:][::-1], second[prefix:][::-1])


def _starts_in_common(first: str, second: str) -> int:
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (one, two) in pairs if one != two), min(len(first), len(second)))


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The help line of a misspelt name, if one is near."""
    match = closest(name, known)
    return f"did you mean `{match}`?" if match else None


def render(diagnostic: Diagnostic, color: bool = False) -> str:
    """The diagnostic as text, its source line underlined."""
    red, blue, bold, end = ("\x1b[1;31m", "\x1b[1;34m", "\x1b[1m", "\x1b[0m") if color else ("", "", "", "")
    lines = [f"{red}error[{diagnostic.code}]{end}{bold}: {shown(diagnostic.message)}{end}"]
    margin = " "
    if diagnostic.span is not None:
        span = diagnostic.span
        number = str(span.line)
        margin = " " * len(number)
        text, first, width = _window(span)
        under = f"{'^' * width} {shown(diagnostic.label)}".rstrip()
        lines += [
            f"{margin}{blue}-->{end} {quote(span.location)}",
            f"{margin} {blue}|{end}",
            f"{blue}{number} |{end} {text}",
            f"{margin} {blue}|{end} {' ' * first}{red}{under}{end}",
        ]
    if diagnostic.notes:
        lines += [f"{margin} {blue}|{end}"] if diagnostic.span is not None else []
        lines += [f"{margin} {blue}={end} {shown(note)}" for note in diagnostic.notes]
    if diagnostic.help:
        lines += [f"{blue}help{end}: {shown(diagnostic.help)}"]
    return "\n".join(lines)


def render_all(diagnostics: tuple[Diagnostic, ...], color: bool = False) -> str:
    """All diagnostics with an empty line between, at most `SHOWN` of them."""
    texts = [render(diagnostic, color) for diagnostic in diagnostics[:SHOWN]]
    if len(diagnostics) > SHOWN:
        texts.append(f"... and {len(diagnostics) - SHOWN} more")
    return "\n\n".join(texts)


def _window(span: Span) -> tuple[str, int, int]:
    """The part of the span's first line that is shown, where the underline starts in it, and how long it is."""
    line = span.source.line(span.line).expandtabs(1)
    start = span.column - 1
    offset = max(0, start - QUOTED // 2) if len(line) > QUOTED else 0
    shown = line[offset : offset + QUOTED]
    safe = "".join(char if char.isprintable() else "\ufffd" for char in shown)
    width = min(span.end - span.start, max(1, len(shown) - (start - offset)))
    return safe, start - offset, max(1, width)
