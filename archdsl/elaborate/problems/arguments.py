"""Arguments and expressions: what a layer, a function or an operator does not take."""

from __future__ import annotations

from archdsl.diagnostics import Diagnostic, Problem, did_you_mean, quote
from archdsl.elaborate.problems.shapes import about
from archdsl.source import Span


class UnknownArgument(Problem):
    """A layer is given a keyword argument that it does not have."""

    code = "E0401"
    rule = "An unknown argument is an error, never ignored."
    span: Span
    layer: str
    name: str
    known: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        message = f"`{self.layer}` has no argument `{quote(self.name)}`"
        takes = f"it takes {', '.join(self.known)}" if self.known else "it takes none"
        return Diagnostic(
            self.code, message, self.span, "is unknown", help=did_you_mean(self.name, self.known) or takes
        )


class MissingArgument(Problem):
    """A layer is placed before all of its arguments without a default are bound."""

    code = "E0402"
    rule = "Every argument without a default must be bound before a layer is placed."
    span: Span
    layer: str
    names: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        several = "arguments" if len(self.names) > 1 else "argument"
        names = ", ".join(f"`{name}`" for name in self.names)
        return Diagnostic(self.code, f"`{self.layer}` misses the {several} {names}", self.span, "is incomplete")


class TooManyArguments(Problem):
    """A layer is given more positional arguments than it has parameters that are not yet bound."""

    code = "E0403"
    rule = "Positional arguments fill the first parameters not yet bound."
    span: Span
    layer: str
    open: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        names = ", ".join(f"`{name}`" for name in self.open)
        left = f"what was left to bind: {names}" if self.open else "nothing was left to bind"
        message = f"`{self.layer}` has no parameter left for this argument"
        return Diagnostic(self.code, message, self.span, "is one too many", (left,))


class BoundTwice(Problem):
    """An argument is given that was bound before. Only a chain of variants replaces what was bound."""

    code = "E0404"
    rule = "A later call binds the rest; it rebinds nothing, save in a chain of variants."
    span: Span
    layer: str
    name: str
    first: Span | None

    def diagnostic(self) -> Diagnostic:
        notes = (f"it was bound at {self.first.seen_from(self.span)}",) if self.first else ()
        message = f"`{self.name}` of `{self.layer}` is bound already"
        return Diagnostic(self.code, message, self.span, "binds it again", notes)


class WrongArgument(Problem):
    """An operation does not accept the value of an argument."""

    code = "E0405"
    rule = "Arguments are checked where the layer is placed: kinds, ranges, and what excludes each other."
    span: Span
    layer: str
    message: str
    hint: str | None

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(
            self.code, about(self.layer, quote(self.message)), self.span, "is not accepted", help=self.hint
        )


class WrongOperand(Problem):
    """An operator is given something that it does not compute with."""

    code = "E0406"
    rule = "Arithmetic takes numbers; `+` also joins lists; `and`, `or` and `not` take truth values."
    span: Span
    op: str
    kinds: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        given = " and ".join(self.kinds)
        return Diagnostic(self.code, f"`{self.op}` does not take {given}", self.span, f"is {self.kinds[-1]}")


class NotCallable(Problem):
    """Something is called that takes no arguments."""

    code = "E0407"
    rule = "Functions and layers can be called, nothing else."
    span: Span
    kind: str

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(self.code, f"{self.kind} cannot be called", self.span, f"is {self.kind}")


class Undefined(Problem):
    """An operation of arithmetic has no result: a division by zero, the logarithm of nothing, a number too large."""

    code = "E0408"
    rule = "Numbers are finite, and whole numbers below 2 to the 63rd."
    span: Span
    message: str

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(self.code, self.message, self.span, "has no result")


class OutOfRange(Problem):
    """A list is asked for an item that it does not have."""

    code = "E0409"
    rule = "An index counts from 0, or from the end when negative, and must be there."
    span: Span
    index: int
    length: int

    def diagnostic(self) -> Diagnostic:
        items = f"{self.length} item{'s' if self.length != 1 else ''}"
        return Diagnostic(
            self.code, f"there is no item {self.index}: the list has {items}", self.span, "is out of range"
        )


class WrongKind(Problem):
    """A construct needs a certain kind of value: a truth value, a count, a list, a size."""

    code = "E0410"
    rule = "A condition is a truth value, a count a whole number that is not negative, and a loop runs over a list."
    span: Span
    needs: str
    kind: str

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(self.code, f"{self.needs} is needed here", self.span, f"is {self.kind}")


class FunctionArguments(Problem):
    """A function of the language is called with arguments that it does not take."""

    code = "E0411"
    rule = "A function takes the arguments that the reference lists, no others."
    span: Span
    name: str
    message: str

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(self.code, f"`{self.name}`: {self.message}", self.span)


class UnboundSymbol(Problem):
    """An input size has a symbol, and nothing says what it stands for in this build."""

    code = "E0412"
    rule = "A capital in an input size is a symbol; a build gives it a whole number."
    span: Span
    name: str
    of_input: bool = False

    def diagnostic(self) -> Diagnostic:
        message = f"the size `{self.name}` has no value"
        fix = f"give it one: --set {self.name}=224" if self.of_input else f"bind it: let {self.name} = ..."
        return Diagnostic(self.code, message, self.span, "is open", help=fix)


class WrongParameter(Problem):
    """A parameter is set from outside to another kind of value than the arch takes."""

    code = "E0413"
    rule = "A parameter that is set from outside has the kind of the value that it replaces."
    span: Span | None
    name: str
    needs: str
    kind: str

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(self.code, f"the parameter `{self.name}` takes {self.needs}, not {self.kind}", self.span, "")


class UnknownParameter(Problem):
    """A parameter is set from outside that the arch does not have."""

    code = "E0414"
    rule = "What is set from outside must be a parameter of the arch."
    span: Span | None
    arch: str
    name: str
    known: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        message = f"`{self.arch}` has no parameter `{quote(self.name)}`"
        takes = f"it has {', '.join(self.known)}" if self.known else "it has none"
        fix = did_you_mean(self.name, self.known) or takes
        return Diagnostic(self.code, message, self.span, "is declared here", help=fix)


class WrongCount(Problem):
    """A list is taken apart into more or fewer names than it has items."""

    code = "E0415"
    rule = "A list that is taken apart has as many items as there are names."
    span: Span
    names: int
    found: str

    def diagnostic(self) -> Diagnostic:
        names = f"{self.names} name{'s' if self.names != 1 else ''}"
        return Diagnostic(self.code, f"{names} for {self.found}", self.span, "does not fit")


class UnsetMember(Problem):
    """A family of values is read at indices under which nothing was named."""

    code = "E0416"
    rule = "A family is read by the indices under which its values were named."
    span: Span
    name: str
    known: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        there = f"there are {', '.join(self.known[:8])}" if self.known else "there is none yet"
        return Diagnostic(self.code, f"`{self.name}` has no such member", self.span, "was not named", (there,))


class NotAnInit(Problem):
    """`param` is given something other than an initialiser with the shape of the tensor."""

    code = "E0417"
    rule = "`param` takes an initialiser whose last argument is the shape."
    span: Span
    kind: str

    def diagnostic(self) -> Diagnostic:
        message = f"`param` takes an initialiser, and this is {self.kind}"
        fix = "say how it starts and its shape: zeros([in.c, 1, 1])"
        return Diagnostic(self.code, message, self.span, "is no initialiser", help=fix)
