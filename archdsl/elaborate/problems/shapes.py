"""Shapes and flow: what does not fit together."""

from __future__ import annotations

from archdsl.diagnostics import Diagnostic, Problem
from archdsl.shapes import Shape
from archdsl.source import Span


def about(layer: str, message: str) -> str:
    """The message of an operation, with its name in front where it does not hold it."""
    return message if f"`{layer}`" in message else f"`{layer}`: {message}"


class ShapeRejected(Problem):
    """An operation does not accept the shape of what flows into it."""

    code = "E0301"
    rule = "Shapes are inferred and checked at every layer."
    span: Span
    layer: str
    message: str
    shapes: tuple[str, ...]
    origins: tuple[str, ...]
    hint: str | None

    def diagnostic(self) -> Diagnostic:
        reads = f"reads {', '.join(self.shapes)}" if self.shapes else ""
        origins = tuple(f"it reads {origin}" for origin in self.origins)
        return Diagnostic(self.code, about(self.layer, self.message), self.span, reads, origins, self.hint)


class ResidualShapes(Problem):
    """The body of a residual and its shortcut end in different shapes, so they cannot be added."""

    code = "E0302"
    rule = "The two sides of a residual have the same shape; nothing is broadcast."
    span: Span
    skip: str
    origins: tuple[str, str]
    hint: str | None

    def diagnostic(self) -> Diagnostic:
        message = "the two sides of a residual have different shapes"
        notes = (f"the body ends in {self.origins[0]}", f"the skip carries {self.origins[1]}")
        return Diagnostic(self.code, message, self.span, f"carries {self.skip}", notes, self.hint)


class BranchShapes(Problem):
    """The branches of a merge end in shapes that the merge does not join."""

    code = "E0303"
    rule = "`add` and `concat` never broadcast; `mul` lets a gate of size 1 stretch."
    span: Span
    merge: str
    message: str
    branches: tuple[str, ...]
    hint: str | None

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(
            self.code, about(self.merge, self.message), self.span, "does not join them", self.branches, self.hint
        )


class ListForOne(Problem):
    """A list of values reaches an operation that takes one."""

    code = "E0304"
    rule = "Merges take a list; every other operation takes one value."
    span: Span
    layer: str
    length: int

    def diagnostic(self) -> Diagnostic:
        message = f"`{self.layer}` takes one value, and a list of {self.length} flows here"
        return Diagnostic(self.code, message, self.span, "reads a list", help="merge the list first: concat, add, mul")


class OneForList(Problem):
    """A single value reaches a merge."""

    code = "E0305"
    rule = "A merge takes a list of values."
    span: Span
    layer: str

    def diagnostic(self) -> Diagnostic:
        message = f"`{self.layer}` merges a list, and one value flows here"
        fix = f"give it a list: from [a, b] -> {self.layer}"
        return Diagnostic(self.code, message, self.span, "reads one value", help=fix)


class NothingFlows(Problem):
    """A layer, `here` or `in` stands where no value flows: before an arch's input, or outside of a body."""

    code = "E0306"
    rule = "An arch names its `input` before its first layer."
    span: Span
    of_file: bool = False

    def diagnostic(self) -> Diagnostic:
        if self.of_file:
            message = f"`{self.span.text}` stands outside of a body"
            return Diagnostic(self.code, message, self.span, "reads nothing", help="bind it in the block or arch")
        fix = "begin the arch with its input: input 3x224x224"
        return Diagnostic(self.code, "no value flows here yet", self.span, "reads nothing", help=fix)


class UnsummedDrop(Problem):
    """Stochastic depth drops a whole branch: without a sum after it, nothing would be left of the example."""

    code = "E0307"
    rule = "A `stochastic_depth` that no sum follows is an error."
    span: Span

    def diagnostic(self) -> Diagnostic:
        message = "no sum follows this stochastic depth"
        fix = "put it at the end of a residual's body, in the same condition as the residual"
        return Diagnostic(self.code, message, self.span, "drops all there is", help=fix)


class SharedShapes(Problem):
    """Shared weights are applied to a value for which their parameters would have other shapes."""

    code = "E0308"
    rule = "Shared weights are applied to values for which they have the same shapes."
    span: Span
    path: str
    first: str
    now: str

    def diagnostic(self) -> Diagnostic:
        message = f"the shared weights at `{self.path}` do not fit here"
        return Diagnostic(self.code, message, self.span, f"reads {self.now}", (f"they were made for {self.first}",))


class TrainingOnly(Problem):
    """What is computed in training only is read where inference needs it."""

    code = "E0309"
    rule = "`aux` is computed and returned in training only."
    span: Span
    outputs: bool = False

    def diagnostic(self) -> Diagnostic:
        if self.outputs:
            message = "all of these outputs exist in training only"
            return Diagnostic(self.code, message, self.span, "leaves inference none", help="name the main output too")
        message = "this value exists in training only"
        fix = "read it in another `aux`, or make it an `output`"
        return Diagnostic(self.code, message, self.span, "is read in inference too", help=fix)


def projection(ends: Shape, carries: Shape) -> str:
    """The shortcut that makes one shape the other, where a strided 1x1 convolution does."""
    if ends.rank == carries.rank == 3:
        stride = max(1, -(-carries.sizes[1] // ends.sizes[1]))
        if all(-(-size // stride) == wanted for size, wanted in zip(carries.spatial, ends.spatial, strict=True)):
            strided = f", stride={stride}" if stride > 1 else ""
            return f"project the skip:  skip downsample {{ conv({ends.sizes[0]}, 1x1{strided}) -> batchnorm }}"
    return "make the two sides the same shape"
