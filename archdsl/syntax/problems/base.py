"""The common ground of the problems of a text."""

from __future__ import annotations

from archdsl.diagnostics import Diagnostic, Problem, quote
from archdsl.source import Span


class SyntaxProblem(Problem):
    """A problem of the text, at a place."""

    span: Span

    def say(self, message: str, label: str = "", help: str | None = None, *notes: str) -> Diagnostic:
        """The diagnostic at this place."""
        return Diagnostic(self.code, message, self.span, label, notes, help)

    @property
    def text(self) -> str:
        return quote(self.span.text)
