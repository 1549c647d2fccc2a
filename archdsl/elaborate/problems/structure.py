"""Structure, files, claims and budgets."""

from __future__ import annotations

from archdsl.diagnostics import Diagnostic, Problem, did_you_mean, quote
from archdsl.source import Span


class EmptyBranches(Problem):
    """`branches` without a branch."""

    code = "E0501"
    rule = "`branches` of one is that branch, of none an error."
    span: Span

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(self.code, "these branches hold no branch", self.span, "has nothing to merge")


class NoInput(Problem):
    """An arch without an input."""

    code = "E0502"
    rule = "Every arch has at least one input."
    span: Span
    name: str

    def diagnostic(self) -> Diagnostic:
        message = f"`{self.name}` has no input"
        return Diagnostic(self.code, message, self.span, "", help="begin its body with one: input 3x224x224")


class InputAfterLayer(Problem):
    """An input is declared after a layer."""

    code = "E0504"
    rule = "Inputs stand before the first layer; several have names."
    span: Span

    def diagnostic(self) -> Diagnostic:
        message = "inputs stand before the first layer"
        return Diagnostic(self.code, message, self.span, "comes too late", help="move it to the top of the arch")


class UnnamedInputs(Problem):
    """One of several inputs has no name."""

    code = "E0505"
    rule = "`input left: 3x64x64` names one of several inputs."
    span: Span

    def diagnostic(self) -> Diagnostic:
        message = "several inputs need names"
        return Diagnostic(self.code, message, self.span, "has no name", help="name each: input left: 3x64x64")


class WrongSize(Problem):
    """An input's size is not a list of one to four positive whole numbers."""

    code = "E0506"
    rule = "An input is given as channels and at most three sizes, all positive."
    span: Span
    found: str

    def diagnostic(self) -> Diagnostic:
        message = f"{self.found} is no size of an input"
        fix = "write channels and sizes: 3x224x224"
        if self.found == "a whole number":
            fix = f"write channels and sizes, 3x224x224, or for a flat input [{quote(self.span.text)}]"
        return Diagnostic(self.code, message, self.span, "", help=fix)


class UnnamedOutput(Problem):
    """An output is an expression without a name of its own."""

    code = "E0507"
    rule = "`output logits=fc, aux1` names and orders several outputs, once."
    span: Span

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(
            self.code, "this output needs a name", self.span, "has none", help="name it: output logits=..."
        )


class SecondOutput(Problem):
    """A second `output`, or an output's name twice."""

    code = "E0508"
    rule = "An arch has one `output` statement, and each output a name of its own."
    span: Span
    name: str | None = None

    def diagnostic(self) -> Diagnostic:
        if self.name is not None:
            message = f"there is an output `{self.name}` already"
            return Diagnostic(self.code, message, self.span, "has the same name")
        fix = "one statement names them all: output logits=fc, aux1"
        return Diagnostic(self.code, "the outputs are named already", self.span, "names them again", help=fix)


class VariantCycle(Problem):
    """A variant is, through others, a variant of itself; or a `let` needs its own value."""

    code = "E0509"
    rule = "A chain of variants ends in a declaration with a body, and no `let` leads back to itself."
    span: Span
    name: str

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(self.code, f"`{self.name}` leads back to itself", self.span, "goes in a circle")


class WrongVariant(Problem):
    """An arch is a variant of something that is no arch, or a block of something that is no block."""

    code = "E0510"
    rule = "A variant of an arch is an arch; a variant of a block or operation is a block."
    span: Span
    name: str
    needs: str

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(
            self.code, f"`{quote(self.name)}` is no {self.needs}", self.span, f"must be an existing {self.needs}"
        )


class ArchAsLayer(Problem):
    """An arch is placed like a layer."""

    code = "E0511"
    rule = "An arch is a whole net and cannot be placed as a layer."
    span: Span
    name: str

    def diagnostic(self) -> Diagnostic:
        message = f"`{self.name}` is an arch and cannot be placed as a layer"
        return Diagnostic(self.code, message, self.span, "is a whole net", help="make its body a block")


class NoOutput(Problem):
    """An arch ends in a list of values without saying which are its outputs."""

    code = "E0512"
    rule = "Without `output` the last value is the output; a list of values needs names."
    span: Span
    length: int

    def diagnostic(self) -> Diagnostic:
        message = f"the arch ends in a list of {self.length} values"
        return Diagnostic(self.code, message, self.span, "", help="merge them, or name them: output a=..., b=...")


class UnknownFile(Problem):
    """An imported file is neither beside this file nor among the bundled specs."""

    code = "E0601"
    rule = "A file is looked up relative to the importing file, then among the bundled specs."
    span: Span
    path: str
    known: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        message = f'there is no spec "{quote(self.path)}"'
        return Diagnostic(
            self.code,
            message,
            self.span,
            "is neither beside this file nor bundled",
            help=did_you_mean(self.path, self.known),
        )


class OutsideRoots(Problem):
    """An import leaves the folder of the spec and the bundled specs."""

    code = "E0602"
    rule = "An import never leaves the folder of the spec that is built, nor the bundled specs."
    span: Span
    path: str

    def diagnostic(self) -> Diagnostic:
        message = f'"{quote(self.path)}" lies outside of the folder of this spec'
        return Diagnostic(self.code, message, self.span, "is out of bounds", help="copy it beside this spec")


class ImportCycle(Problem):
    """Files import each other in a circle."""

    code = "E0603"
    rule = "Imports have no cycles."
    span: Span
    chain: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        message = "these files import each other"
        return Diagnostic(self.code, message, self.span, "closes the circle", (" -> ".join(map(quote, self.chain)),))


class NotExported(Problem):
    """A file is asked for a name that it does not declare."""

    code = "E0604"
    rule = "An import names what the other file declares: its blocks, archs and `let`s."
    span: Span
    name: str
    file: str
    known: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        message = f"{quote(self.file)} declares no `{quote(self.name)}`"
        return Diagnostic(self.code, message, self.span, "is not there", help=did_you_mean(self.name, self.known))


class Unreadable(Problem):
    """A file cannot be read as text in UTF-8."""

    code = "E0605"
    rule = "A spec is a text file in UTF-8."
    span: Span | None
    path: str
    reason: str

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(self.code, f"{quote(self.path)} cannot be read: {self.reason}", self.span, "")


class NoArch(Problem):
    """The file has no arch of the asked name, or several and none is meant."""

    code = "E0606"
    rule = (
        "A file builds the arch that is asked for, else the one of the file's name, "
        "else its only arch without required parameters."
    )
    file: str
    asked: str | None
    known: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        if self.asked is not None:
            message = f"{quote(self.file)} has no arch `{quote(self.asked)}`"
            listed = f"it has {', '.join(self.known)}" if self.known else "it has none"
            return Diagnostic(self.code, message, help=did_you_mean(self.asked, self.known) or listed)
        if not self.known:
            return Diagnostic(self.code, f"{quote(self.file)} has no arch to build")
        return Diagnostic(
            self.code, f"{quote(self.file)} has several archs", help=f"choose one with --arch: {', '.join(self.known)}"
        )


class ExpectFails(Problem):
    """A figure of the net is not the one that the spec states."""

    code = "E0701"
    rule = "`expect` states a figure of the declaration with its own arguments; `check` fails when it does not hold."
    span: Span
    found: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(self.code, "this does not hold", self.span, "is expected", self.found)


class RequireFails(Problem):
    """A requirement of a block or arch is not met by its arguments."""

    code = "E0702"
    rule = "`require` holds in every build."
    span: Span
    message: str | None
    found: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        text = quote(self.message) if self.message else "a requirement is not met"
        return Diagnostic(self.code, text, self.span, "is required", self.found)


class NotAFigure(Problem):
    """`~=` compares with a number that is written out, since its last digit says how near is near."""

    code = "E0703"
    rule = "`~=` holds within half a unit of the last digit that is written."
    span: Span

    def diagnostic(self) -> Diagnostic:
        message = "`~=` needs a number written out"
        return Diagnostic(self.code, message, self.span, "has no last digit", help="write the figure: 4.09G")


class NotAClaim(Problem):
    """`expect` or `require` is given something that is neither true nor false."""

    code = "E0704"
    rule = "`expect` and `require` take a comparison."
    span: Span
    kind: str
    near: bool = False

    def diagnostic(self) -> Diagnostic:
        if self.near:
            return Diagnostic(
                self.code, "`~=` compares numbers", self.span, f"is {self.kind}", help="compare with `==`"
            )
        fix = f"compare it: {quote(self.span.text)} == ..."
        return Diagnostic(self.code, "a comparison is needed here", self.span, f"is {self.kind}", help=fix)


def _raised(budget: str, limit: int) -> str:
    """How a caller who means it allows ten times as much."""
    return f"if you mean it, raise the budget: --limit {budget}={10 * limit}, or limits=Limits({budget}={10 * limit:_})"


class TooManyNodes(Problem):
    """A spec would expand to more nodes than the budget allows. It is counted before anything is built."""

    code = "E0801"
    rule = "A net has at most 1,000,000 nodes."
    span: Span
    count: int
    limit: int

    def diagnostic(self) -> Diagnostic:
        found = f"{self.count:,}" if self.count < 10**15 else f"about 10^{len(str(self.count)) - 1}"
        message = f"this expands to at least {found} nodes, and {self.limit:,} are allowed"
        return Diagnostic(self.code, message, self.span, "is too much", help=_raised("nodes", self.limit))


class TooManySteps(Problem):
    """A spec asks for more turns, list items or characters than the budget allows."""

    code = "E0802"
    rule = "Loops, lists and strings are bounded, and counted before they are made."
    span: Span
    what: str
    limit: int
    budget: str = "list_items"

    def diagnostic(self) -> Diagnostic:
        most = f"at most {self.limit:,}{' steps' if self.budget == 'steps' else ''}"
        fix = _raised(self.budget, self.limit)
        return Diagnostic(self.code, f"{self.what}: {most} are allowed", self.span, "is too much", help=fix)


class TensorTooLarge(Problem):
    """A value or a weight has more elements than the budget allows."""

    code = "E0803"
    rule = "A tensor has at most 2 to the 31st elements, and a net at most 2 to the 33rd parameters."
    span: Span
    what: str
    count: int
    limit: int
    unit: str = "elements"

    def diagnostic(self) -> Diagnostic:
        message = f"{self.what} would have {self.count:,} {self.unit}, and {self.limit:,} are allowed"
        return Diagnostic(self.code, message, self.span, "is too large")


class TooDeep(Problem):
    """Blocks, bodies, levels of a path, imports, lists or layers are in one another more deeply than the budget
    allows."""

    code = "E0804"
    rule = "Blocks and imports nest at most 64 deep."
    span: Span
    limit: int
    what: str = "calls"

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(self.code, f"{self.what} nest more than {self.limit} deep here", self.span, "is too deep")
