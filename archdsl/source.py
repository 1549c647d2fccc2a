"""Texts and places in them: the only coordinates that the compiler knows."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A spec's text with the name that diagnostics show; `path` is where its imports are looked up from."""

    text: str
    name: str = "<text>"
    path: Path | None = None

    @cached_property
    def line_starts(self) -> tuple[int, ...]:
        """Offset of each line's first character."""
        # Not `splitlines`: it ends lines at form feeds, separators and lone carriage returns too.
        return (0, *(match.end() for match in re.finditer("\n", self.text)))

    def __hash__(self) -> int:
        return hash((self.name, len(self.text)))

    def position(self, offset: int) -> tuple[int, int]:
        """One-based line and column of an offset."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a one-based line, without its end."""
        start = self.line_starts[number - 1]
        end = self.text.find("\n", start)
        return (self.text[start:] if end < 0 else self.text[start:end]).rstrip("\r")


@dataclass(frozen=True, slots=True)
class Span:
    """The characters `start` to `end` (exclusive) of a source."""

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def location(self) -> str:
        """`file:line:column`, as editors read it."""
        line, column = self.source.position(self.start)
        return f"{self.source.name}:{line}:{column}"

    @property
    def place(self) -> str:
        """`line:column`, for a note inside a diagnostic of the same file."""
        line, column = self.source.position(self.start)
        return f"{line}:{column}"

    def seen_from(self, reader: Span | None) -> str:
        """The place in a note of a diagnostic at `reader`: with the file's name where it is another file."""
        return self.place if reader is not None and reader.source is self.source else self.location

    def to(self, other: Span) -> Span:
        """From the start of this span to the end of the other."""
        return Span(self.source, self.start, max(self.end, other.end))
