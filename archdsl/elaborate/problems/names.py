"""Names: unknown, bound twice, never read."""

from __future__ import annotations

import re

from archdsl.diagnostics import Diagnostic, Problem, did_you_mean, quote
from archdsl.gate import MODE
from archdsl.source import Span

FOREIGN = re.compile(r"_?([123]d)?$")  # `Conv2d`, `BatchNorm2d`: the dimension that other libraries write


class UnknownName(Problem):
    """A name is read that nothing defines where it stands: no variable, no label, no block and no operation has it."""

    code = "E0201"
    rule = "A name that nothing defines is an error."
    span: Span
    name: str
    known: tuple[str, ...]
    elsewhere: bool = False

    def diagnostic(self) -> Diagnostic:
        message = f"nothing here is named `{quote(self.name)}`"
        fix = did_you_mean(self.name, self.known)
        if self.elsewhere:
            fix = "a layer of another block has this label; blocks do not see it, so pass the value as an argument"
        return Diagnostic(self.code, message, self.span, "is unknown", help=fix)


class UnknownLayer(Problem):
    """A layer is placed whose name is neither an operation, nor a block of this file, nor one that it imports."""

    code = "E0202"
    rule = "A layer is an operation, a block, or a name bound to one."
    span: Span
    name: str
    known: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        message = f"there is no operation or block named `{quote(self.name)}`"
        folded = FOREIGN.sub("", self.name.lower())
        near = f"did you mean `{folded}`?" if folded in self.known else did_you_mean(self.name, self.known)
        fix = near or "declare a block of this name, or import it"
        return Diagnostic(self.code, message, self.span, "is unknown", help=fix)


class AlreadyBound(Problem):
    """A name is bound a second time, or a name of the file is bound again inside a block."""

    code = "E0203"
    rule = "Each name is bound once and shadows nothing."
    span: Span
    name: str
    first: Span | None

    def diagnostic(self) -> Diagnostic:
        notes = (f"it was bound at {self.first.seen_from(self.span)}",) if self.first else ()
        message = f"`{self.name}` is bound already"
        return Diagnostic(self.code, message, self.span, "is bound again", notes, "give one of the two another name")


class TakenName(Problem):
    """A name of the language (an operation, an initialiser or a function) is bound to something else."""

    code = "E0204"
    rule = "No variable, parameter or block has the name of an operation, an initialiser or a function, nor `here`."
    span: Span
    name: str
    kind: str

    def diagnostic(self) -> Diagnostic:
        message = f"`{self.name}` is the name of {self.kind}"
        return Diagnostic(self.code, message, self.span, "cannot be bound", help=f"call it `my_{self.name}`, say")


class UnreadName(Problem):
    """A name is bound and never read. Most often its reader has a typo, or an argument was forgotten."""

    code = "E0205"
    rule = "A name that nothing reads in any use of its block is an error."
    span: Span
    name: str
    kind: str

    def diagnostic(self) -> Diagnostic:
        message = f"nothing reads the {self.kind} `{self.name}`"
        fix = "remove it"
        if self.kind != "import":
            fix += f", or call it `_{self.name}` if it must be there"
        return Diagnostic(self.code, message, self.span, "is never read", help=fix)


class UnreadLayer(Problem):
    """A layer is computed and nothing reads what comes out of it, in any use of its block."""

    code = "E0206"
    rule = "A layer that nothing reads in any use of its block is an error."
    span: Span
    path: str

    def diagnostic(self) -> Diagnostic:
        message = f"nothing reads the result of {self.path}"
        fix = "remove it, read it with `from`, make it an `output`, or name it `as _unread` if it must be there"
        return Diagnostic(self.code, message, self.span, "goes nowhere", help=fix)


class NotALayer(Problem):
    """Something that is no layer stands in the place of one."""

    code = "E0207"
    rule = "Only a layer or `none` can stand in the place of a layer."
    span: Span
    name: str
    kind: str

    def diagnostic(self) -> Diagnostic:
        message = f"`{quote(self.name)}` is {self.kind}, not a layer"
        return Diagnostic(self.code, message, self.span, "cannot be placed")


class NotAFlow(Problem):
    """`from`, `output` or a merge is given something that does not flow: a number, say, or a layer not yet placed."""

    code = "E0208"
    rule = "`from` takes a value, or a list of values."
    span: Span
    kind: str
    template: bool = False

    def diagnostic(self) -> Diagnostic:
        message = f"a value that flows is needed here, and this is {self.kind}"
        fix = "name the value with a label or with `as`, and read that"
        if self.template:
            fix = "a path is written out; name the values `as x[i]`, and read `x[i]`"
        return Diagnostic(self.code, message, self.span, f"is {self.kind}", help=fix)


class PathTaken(Problem):
    """Two layers have the same full path, so their weights would have the same key in the state_dict."""

    code = "E0209"
    rule = "The same full path twice is an error."
    span: Span
    path: str
    first: Span | None

    def diagnostic(self) -> Diagnostic:
        notes = (f"the first one is at {self.first.seen_from(self.span)}",) if self.first else ()
        message = f"the path `{self.path}` is taken"
        fix = 'label it otherwise; in a loop, with its index: "name{i}"'
        return Diagnostic(self.code, message, self.span, "would have the same keys", notes, fix)


class UnknownPath(Problem):
    """A quoted path is read that no layer has, as seen from here."""

    code = "E0210"
    rule = "A value is read by its label or dotted path, as seen from here."
    span: Span
    path: str
    known: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        message = f"no layer has the path `{quote(self.path)}`, as seen from here"
        return Diagnostic(self.code, message, self.span, "is unknown", help=did_you_mean(self.path, self.known))


class BadLabel(Problem):
    """A label is empty, or holds something other than letters, digits, `_`, `-` and dots between them."""

    code = "E0211"
    rule = "A label's levels are made of letters, digits, `_` and `-`, at most 64 each, with dots between them."
    span: Span
    label: str
    limit: int | None = None

    def diagnostic(self) -> Diagnostic:
        message = f'"{quote(self.label)}" cannot be a path'
        if self.limit is not None:
            return Diagnostic(self.code, message, self.span, f"has a level of more than {self.limit} characters")
        fix = "use letters, digits, `_` and `-`, with dots between levels"
        return Diagnostic(self.code, message, self.span, "is no label", help=fix)


class ModeLabel(Problem):
    """A level of a path is `training`, which is where every module of torch keeps its mode."""

    code = "E0218"
    rule = "No level of a label is `training`: torch keeps the mode of a module there."
    span: Span
    label: str

    def diagnostic(self) -> Diagnostic:
        message = f"torch keeps the mode of a module under `{MODE}`, and `{quote(self.label)}` would stand in its place"
        return Diagnostic(self.code, message, self.span, "is taken by torch", help="call it `train_path`, say")


class RecursiveBlock(Problem):
    """A block is entered while it is being entered, directly or through the blocks that it takes."""

    code = "E0212"
    rule = "A block that is being entered cannot be entered again."
    span: Span
    name: str
    chain: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        notes = ("the way here: " + " -> ".join((*self.chain, self.name)),)
        message = f"`{self.name}` contains itself"
        return Diagnostic(self.code, message, self.span, "enters it again", notes)


class UnknownAttribute(Problem):
    """A value is asked for something that it does not have."""

    code = "E0213"
    rule = "`.c .h .w .l .d .shape .hw` ask sizes of any value."
    span: Span
    name: str
    kind: str
    known: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        message = f"{self.kind} has no `.{quote(self.name)}`"
        fix = did_you_mean(self.name, self.known) or (f"it has {', '.join(self.known)}" if self.known else None)
        return Diagnostic(self.code, message, self.span, "is unknown", help=fix)


class MetricName(Problem):
    """In a claim, `params`, `macs`, `depth` and `shape` are figures of the net; a variable has that name too."""

    code = "E0214"
    rule = "A variable named like a metric is an error in `expect` and `require`."
    span: Span
    name: str

    def diagnostic(self) -> Diagnostic:
        message = f"`{self.name}` is a figure of the net here, and a variable has that name too"
        return Diagnostic(self.code, message, self.span, "could mean both", help="give the variable another name")


class EarlyFigure(Problem):
    """A figure of the net is read while the net is being built."""

    code = "E0216"
    rule = "`params`, `macs` and `depth` are figures of the finished net, and stand in `expect` and `require` only."
    span: Span
    name: str

    def diagnostic(self) -> Diagnostic:
        message = f"`{self.name}` is known when the net is finished"
        fix = "state it with `expect` or `require`"
        return Diagnostic(self.code, message, self.span, "is read too early", help=fix)


class IdleDefaults(Problem):
    """`defaults` binds arguments where the name is written nowhere: what another block places is not reached."""

    code = "E0217"
    rule = "`defaults` binds where the name is written, and a name that is written nowhere in its reach is an error."
    span: Span
    name: str

    def diagnostic(self) -> Diagnostic:
        message = f"no `{self.name}` is written where these defaults hold"
        fix = f"move them beside the block that places `{self.name}`, or to the level of the file"
        return Diagnostic(self.code, message, self.span, "binds nothing", help=fix)


class SharedLabel(Problem):
    """Shared weights have their path already; applying them cannot give them another."""

    code = "E0215"
    rule = "`shared` declares weights once; applying them takes no label."
    span: Span
    name: str

    def diagnostic(self) -> Diagnostic:
        message = f"the weights of `{self.name}` have their path already"
        return Diagnostic(self.code, message, self.span, "is a second name", help="name the result with `as` instead")
