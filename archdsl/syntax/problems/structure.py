"""Templates, skips, figures, names and budgets."""

from __future__ import annotations

from typing import ClassVar

from archdsl.diagnostics import Diagnostic, quote
from archdsl.source import Span
from archdsl.syntax.problems.base import SyntaxProblem

# ----------------------------------------------------------------------------- templates


class OpenTemplate(SyntaxProblem):
    """A `{` in a string starts an expression that the string does not close."""

    code: ClassVar[str] = "E0119"
    rule: ClassVar[str] = "In a string `{...}` holds an expression, and `{{` and `}}` are braces."

    def diagnostic(self) -> Diagnostic:
        return self.say("this `{` in a string is not closed", help="close it with `}`; a brace as such is `{{`")


class TemplateBrace(SyntaxProblem):
    """A `}` in a string closes nothing."""

    code: ClassVar[str] = "E0120"
    rule: ClassVar[str] = "In a string a single `}` ends an expression."

    def diagnostic(self) -> Diagnostic:
        return self.say("this `}` in a string closes nothing", help="a brace as such is `}}`")


class EmptyTemplate(SyntaxProblem):
    """The braces in a string hold no expression."""

    code: ClassVar[str] = "E0121"
    rule: ClassVar[str] = "The braces of a template hold one expression."

    def diagnostic(self) -> Diagnostic:
        return self.say("these braces hold no expression", help='name a value, as in "layer{i}"')


# --------------------------------------------------------------------------------- places


class SkipOutside(SyntaxProblem):
    """`skip` marks a shortcut where there is no sum or merge that it could be a side of."""

    code: ClassVar[str] = "E0122"
    rule: ClassVar[str] = "`skip` stands on the line of a residual's `}`, or starts a branch in `branches`."

    def diagnostic(self) -> Diagnostic:
        return self.say(
            "`skip` outside of a residual or branches",
            "nothing is added or merged here",
            "write  residual { ... } skip S   or   branches add { skip S ... }",
        )


class SkipLine(SyntaxProblem):
    """A residual's `skip` starts a line of its own, where it would be a branch."""

    closing: Span
    code: ClassVar[str] = "E0123"
    rule: ClassVar[str] = "A residual's `skip` stands on the line of its `}`."

    def diagnostic(self) -> Diagnostic:
        return self.say(
            "a residual's `skip` stands on the line of its `}`",
            help=f"move it up, behind the `}}` at {self.closing.place}:  }} skip ...",
        )


class SkipChain(SyntaxProblem):
    """A chain follows `skip`, which takes one layer, a scope or a body."""

    code: ClassVar[str] = "E0124"
    rule: ClassVar[str] = "`skip` takes one layer, a scope or a body."

    def diagnostic(self) -> Diagnostic:
        return self.say("`skip` takes one layer, not a chain", help="put the chain in a body:  skip { a -> b }")


class MisplacedFigure(SyntaxProblem):
    """An `input`, `output` or `expect` stands in a block or scope. They say things about a whole network."""

    word: str
    code: ClassVar[str] = "E0125"
    rule: ClassVar[str] = "`input`, `output` and `expect` stand in the body of an arch, or in an `if` directly in it."

    def diagnostic(self) -> Diagnostic:
        return self.say(f"`{self.word}` belongs directly in an arch", help="move it to the body of the arch")


class LateDefaults(SyntaxProblem):
    """`defaults` at the level of the file stands behind a block or arch, which it would not reach."""

    first: Span
    code: ClassVar[str] = "E0126"
    rule: ClassVar[str] = "At the level of the file `defaults` stands before the first block and arch."

    def diagnostic(self) -> Diagnostic:
        return self.say(
            "`defaults` stands behind a declaration",
            help=f"move it before line {self.first.line}, or into the body that it is for",
        )


class DuplicateName(SyntaxProblem):
    """Two declarations of a file, parameters of a declaration or names of a statement are the same."""

    kind: str
    first: Span
    code: ClassVar[str] = "E0127"
    rule: ClassVar[str] = "A name is declared once in a file, and once in a list of parameters or names."

    def diagnostic(self) -> Diagnostic:
        return self.say(f"the {self.kind} `{self.text}` is there already, at {self.first.place}", help="rename one")


class DuplicateArgument(SyntaxProblem):
    """An argument is given twice in one call."""

    first: Span
    code: ClassVar[str] = "E0128"
    rule: ClassVar[str] = "A call gives each argument once."

    def diagnostic(self) -> Diagnostic:
        return self.say(f"`{self.text}` is given twice", f"first at {self.first.place}", "remove one")


class LatePositional(SyntaxProblem):
    """An argument without a name follows one with a name."""

    keyword: Span
    code: ClassVar[str] = "E0129"
    rule: ClassVar[str] = "In a call arguments without a name come before those with one."

    def diagnostic(self) -> Diagnostic:
        return self.say(
            "an argument without a name follows one with a name",
            f"`{quote(self.keyword.text)}` at {self.keyword.place} has one",
            "move it to the front, or name it",
        )


# -------------------------------------------------------------------------------- budgets


class BigSource(SyntaxProblem):
    """A text is larger than the budget allows. It is not read further."""

    size: int
    limit: int
    code: ClassVar[str] = "E0130"
    rule: ClassVar[str] = "A file has at most 1 MiB."

    def diagnostic(self) -> Diagnostic:
        return self.say(f"this text has {self.size} bytes; the limit is {self.limit}")


class ManyTokens(SyntaxProblem):
    """A text holds more words, numbers and marks than the budget allows."""

    limit: int
    code: ClassVar[str] = "E0131"
    rule: ClassVar[str] = "A file has at most 200,000 words, numbers, strings and marks."

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"this text has more than {self.limit} words and marks",
            "the limit is here",
            "fold rows with `repeat` or `for`",
        )


class DeepNesting(SyntaxProblem):
    """Brackets or bodies stand in one another more deeply than the budget allows."""

    limit: int
    code: ClassVar[str] = "E0132"
    rule: ClassVar[str] = "Brackets and bodies nest at most 64 deep."

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"brackets nest deeper than {self.limit} here", help="name an inner part as a block or with `let`"
        )


class DeepExpression(SyntaxProblem):
    """An expression has more operators in one another, or an `if` more `else if`, than the budget allows."""

    limit: int
    code: ClassVar[str] = "E0133"
    rule: ClassVar[str] = "An expression is at most 64 operators deep, and an `if` has at most 63 `else if`."

    def diagnostic(self) -> Diagnostic:
        return self.say(f"more than {self.limit} operators stand in one another here", help="name a part with `let`")
