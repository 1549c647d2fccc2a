"""Characters, words, brackets and statements that do not stand where they do."""

from __future__ import annotations

from typing import ClassVar

from archdsl.diagnostics import Diagnostic, quote
from archdsl.source import Span
from archdsl.syntax.problems.base import SyntaxProblem

# ------------------------------------------------------------------ characters and words

REPLACED = {
    "'": 'strings stand in double quotes: "same"',
    "`": 'strings stand in double quotes: "same"',
    ";": "a statement ends at the end of its line",
    "!": "`!=` compares, `not` negates",
    "&": "write `and`",
    "|": "write `or`",
    "^": "a power is `2 ** i`",
    "\u00d7": "a size is written with the letter x: `3x3`",
    "\u2192": "an arrow is written `->`",
    "\u2212": "a minus is written `-`",
    "\u201c": 'strings stand in straight double quotes: "same"',
    "\u201d": 'strings stand in straight double quotes: "same"',
    "\ufeff": "save the file as UTF-8 without a byte order mark",
}


class BadCharacter(SyntaxProblem):
    """A character stands in the text that no word, number, string or mark of the language has. Comments and strings
    may hold any character."""

    code: ClassVar[str] = "E0101"
    rule: ClassVar[str] = "Outside strings and comments a spec is written in ASCII letters, digits and marks."

    def diagnostic(self) -> Diagnostic:
        char = self.span.text
        shown = quote(char) if char.isprintable() and char.isascii() else f"U+{ord(char):04X}"
        return self.say(f"the character `{shown}` has no meaning here", help=REPLACED.get(char))


class OpenString(SyntaxProblem):
    """A string starts with `"` and its line ends before the closing `"`."""

    code: ClassVar[str] = "E0102"
    rule: ClassVar[str] = 'A string starts and ends with `"` on one line and holds no `"`.'

    def diagnostic(self) -> Diagnostic:
        return self.say("this string does not end on its line", 'no closing `"`', 'close it:  "..."')


class RunTogether(SyntaxProblem):
    """Two words or numbers touch, such as `25abc` or `a orb`, and so are neither the one nor the other."""

    left: str
    right: str
    code: ClassVar[str] = "E0103"
    rule: ClassVar[str] = "Between two words or numbers stands a space or a mark."

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"`{quote(self.left)}` and `{quote(self.right)}` run together",
            help=f"put a space or a mark between them:  {quote(self.left)} {quote(self.right)}",
        )


class ForeignName(SyntaxProblem):
    """A name holds letters outside ASCII. Names become names of weights and of Python, where letters that look alike
    would fall together."""

    code: ClassVar[str] = "E0104"
    rule: ClassVar[str] = "A name is made of ASCII letters, digits and `_`, and does not start with a digit."

    def diagnostic(self) -> Diagnostic:
        foreign = "".join(dict.fromkeys(char for char in self.span.text if not char.isascii()))
        return self.say(f"the name `{self.text}` has letters outside ASCII", f"`{quote(foreign)}`")


class LongName(SyntaxProblem):
    """A name is longer than the budget allows."""

    limit: int
    code: ClassVar[str] = "E0105"
    rule: ClassVar[str] = "A name has at most 64 characters."

    def diagnostic(self) -> Diagnostic:
        length = self.span.end - self.span.start
        return self.say(f"this name has {length} characters; the limit is {self.limit}")


class LongNumber(SyntaxProblem):
    """A number has more digits than the budget allows."""

    limit: int
    code: ClassVar[str] = "E0106"
    rule: ClassVar[str] = "A number has at most 18 digits."

    def diagnostic(self) -> Diagnostic:
        digits = sum(map(str.isdigit, self.span.text))
        return self.say(f"this number has {digits} digits; the limit is {self.limit}")


class InfiniteNumber(SyntaxProblem):
    """A number is too large to be held."""

    code: ClassVar[str] = "E0107"
    rule: ClassVar[str] = "A number is finite."

    def diagnostic(self) -> Diagnostic:
        return self.say(f"`{self.text}` is too large for a number", help="the largest is about 1.8e308")


# ------------------------------------------------------------------------------ brackets


class OpenBracket(SyntaxProblem):
    """A `{`, `(` or `[` is never closed. The place shown is the bracket itself; for a `{` it is the one that the
    indentation points to."""

    noticed: Span | None
    code: ClassVar[str] = "E0108"
    rule: ClassVar[str] = "Every `{`, `(` and `[` is closed by its own `}`, `)` or `]`."

    def diagnostic(self) -> Diagnostic:
        opener = self.span.text
        closer = {"(": ")", "[": "]", "{": "}"}[opener]
        where = f"`{quote(self.noticed.text)}` at {self.noticed.place}" if self.noticed else "the end of the text"
        return self.say(f"this `{opener}` is not closed", f"no `{closer}` before {where}", f"add `{closer}`")


class StrayBracket(SyntaxProblem):
    """A closing bracket stands where no bracket is open."""

    code: ClassVar[str] = "E0109"
    rule: ClassVar[str] = "A `}`, `)` or `]` closes a bracket that is open."

    def diagnostic(self) -> Diagnostic:
        opener = {")": "(", "]": "[", "}": "{"}[self.span.text]
        return self.say(f"this `{self.text}` closes nothing", f"no `{opener}` is open here", "remove it")


class WrongBracket(SyntaxProblem):
    """A bracket is closed by one of another kind."""

    opener: Span
    code: ClassVar[str] = "E0110"
    rule: ClassVar[str] = "A `(` is closed by `)`, a `[` by `]`, a `{` by `}`."

    def diagnostic(self) -> Diagnostic:
        closer = {"(": ")", "[": "]", "{": "}"}[self.opener.text]
        message = f"`{self.text}` cannot close the `{self.opener.text}` at {self.opener.place}"
        return self.say(message, help=f"write `{closer}`")


# --------------------------------------------------------------------------------- order


class UnexpectedToken(SyntaxProblem):
    """Something stands where the grammar has no place for it. The message says what could stand there."""

    found: str
    expected: str
    hint: str | None = None
    code: ClassVar[str] = "E0111"
    rule: ClassVar[str] = "A spec is made of the declarations and statements of this page, in their forms."

    def diagnostic(self) -> Diagnostic:
        return self.say(f"unexpected {quote(self.found)}", f"here could stand {self.expected}", self.hint)


class ReservedName(SyntaxProblem):
    """A word of the language is used as a name: of a label, a parameter, a variable or an output."""

    label: bool
    code: ClassVar[str] = "E0112"
    rule: ClassVar[str] = "Reserved words are labels only in quotes, and never parameters, variables or output names."

    def diagnostic(self) -> Diagnostic:
        fix = f'as a label it stands in quotes:  "{self.text}"' if self.label else "choose another name"
        return self.say(f"`{self.text}` is a word of the language and cannot be a name", help=fix)


class MisspeltWord(SyntaxProblem):
    """A word is close to one of the language that could stand in its place."""

    meant: str
    code: ClassVar[str] = "E0113"
    rule: ClassVar[str] = "A statement that is not a layer, a scope or a chain starts with a word of the language."

    def diagnostic(self) -> Diagnostic:
        return self.say(f"`{self.text}` is no word of the language here", help=f"did you mean `{self.meant}`?")


class WrongMark(SyntaxProblem):
    """A mark stands in the place of another one: `=` where values are compared, `==` or `:` where a name is bound."""

    meant: str
    why: str
    code: ClassVar[str] = "E0114"
    rule: ClassVar[str] = "`=` binds a name or an argument, `==` compares, and `:` follows a label."

    def diagnostic(self) -> Diagnostic:
        return self.say(f"`{self.text}` where `{self.meant}` belongs", self.why, f"write `{self.meant}`")


class Unbound(SyntaxProblem):
    """A name is given a value without `let`."""

    code: ClassVar[str] = "E0115"
    rule: ClassVar[str] = "`let` binds a name, once."

    def diagnostic(self) -> Diagnostic:
        return self.say(f"`{self.text}` is bound without `let`", help=f"let {self.text} = ...")


class StatementOutside(SyntaxProblem):
    """A layer or another statement stands at the level of the file, where only declarations do."""

    code: ClassVar[str] = "E0116"
    rule: ClassVar[str] = (
        "A file holds imports, `let`, `defaults`, blocks and archs; all other statements stand in a body."
    )

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"`{self.text}` stands outside of any block or arch",
            "a declaration is expected: `block`, `arch`, `let`, `defaults` or `from ... import`",
            "move it into the `{ }` of a block or arch",
        )


class DeclarationInside(SyntaxProblem):
    """A block, arch or import is declared inside a body."""

    code: ClassVar[str] = "E0117"
    rule: ClassVar[str] = "Blocks, archs and imports are declared at the level of the file."

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"`{self.text}` is declared inside a body", "declarations stand at the level of the file", "move it there"
        )


class MissingParameters(SyntaxProblem):
    """A block or arch is declared without its list of parameters."""

    code: ClassVar[str] = "E0118"
    rule: ClassVar[str] = "A block or arch with a body has a list of parameters, empty or not: `block Stem() { ... }`."

    def diagnostic(self) -> Diagnostic:
        return self.say(f"`{self.text}` has no list of parameters", help=f"write `{self.text}()`")
