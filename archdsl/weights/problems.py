"""What can be wrong with a checkpoint for a graph."""

from __future__ import annotations

from typing import ClassVar

from archdsl.diagnostics import Diagnostic, Problem, quote

RULE = "Names are weights: the path of a layer is its key in the state_dict, so published checkpoints load strictly."


class MissingWeight(Problem):
    """A parameter or buffer of the net has no array in the checkpoint. Every key of the net must be there: nothing is
    left at its initial value in silence."""

    code: ClassVar[str] = "E1001"
    rule: ClassVar[str] = RULE
    key: str
    sizes: str

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(self.code, f"the checkpoint has no `{self.key}` ({self.sizes})")


class UnexpectedWeight(Problem):
    """The checkpoint has an array that the net has no place for: it belongs to another architecture, or a layer has
    another name in the spec."""

    code: ClassVar[str] = "E1002"
    rule: ClassVar[str] = RULE
    key: str
    sizes: str
    suggestion: str | None

    def diagnostic(self) -> Diagnostic:
        message = f"the net has no `{quote(self.key)}`, which the checkpoint holds ({self.sizes})"
        return Diagnostic(self.code, message, help=self.suggestion)


class OtherShape(Problem):
    """An array of the checkpoint has another shape than the parameter of its name. Often the number of classes differs:
    give the arch the checkpoint's, with `--set num_classes=...`."""

    code: ClassVar[str] = "E1003"
    rule: ClassVar[str] = RULE
    key: str
    found: str
    expected: str

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(self.code, f"`{self.key}` is {self.found} in the checkpoint and {self.expected} in the net")


class OtherNumbers(Problem):
    """An array of the checkpoint holds another kind of numbers than the parameter of its name, such as integers for
    float32."""

    code: ClassVar[str] = "E1004"
    rule: ClassVar[str] = RULE
    key: str
    found: str
    expected: str

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(self.code, f"`{self.key}` is {self.found} in the checkpoint and {self.expected} in the net")


class FewerNumbers(Problem):
    """An array of the checkpoint is float64, which float32 would round. Save it as float32 if that is wanted."""

    code: ClassVar[str] = "E1005"
    rule: ClassVar[str] = RULE
    key: str

    def diagnostic(self) -> Diagnostic:
        message = f"`{self.key}` is float64 in the checkpoint and would be rounded"
        return Diagnostic(self.code, message, help="save the checkpoint in float32")
