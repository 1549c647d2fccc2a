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
    more: int = 0  # arrays of which the same is true

    def diagnostic(self) -> Diagnostic:
        message = f"`{self.key}` is {self.found} in the checkpoint and {self.expected} in the net"
        return Diagnostic(self.code, message, notes=_others(self.more, "have other shapes too"))


class OtherNumbers(Problem):
    """An array of the checkpoint holds another kind of numbers than the parameter of its name, such as integers for
    float32, or is no plain array of numbers: sparse, quantised, complex, or without numbers."""

    code: ClassVar[str] = "E1004"
    rule: ClassVar[str] = RULE
    key: str
    found: str
    expected: str
    more: int = 0  # arrays of which the same is true

    def diagnostic(self) -> Diagnostic:
        message = f"`{self.key}` is {quote(self.found)} in the checkpoint and {self.expected} in the net"
        return Diagnostic(self.code, message, notes=_others(self.more, "are so too"))


class FewerNumbers(Problem):
    """An array of the checkpoint has a number that is too large for the type of numbers of the net. Numbers that are
    only longer than that type holds are rounded, which is told."""

    code: ClassVar[str] = "E1005"
    rule: ClassVar[str] = RULE
    key: str
    found: str
    expected: str

    def diagnostic(self) -> Diagnostic:
        message = f"`{self.key}` has {self.found} numbers in the checkpoint that are too large for {self.expected}"
        return Diagnostic(self.code, message)


class OtherNet(Problem):
    """The checkpoint and the net have few names in common, or many that differ: it was saved by other code, of the same
    net or another. `archdsl verify SPEC CHECKPOINT` compares the arrays themselves, by order and shape, and with
    `--save-weights FILE` writes them under the net's names if they are the same."""

    code: ClassVar[str] = "E1006"
    rule: ClassVar[str] = RULE
    net: str
    expected: int
    shared: int
    holds: int
    numbers: int
    prefix: str
    without: int
    found: str
    wanted: str
    near: str

    def diagnostic(self) -> Diagnostic:
        message = f"the checkpoint has other names than `{self.net}`: {self.shared} of the net's {self.expected} arrays"
        notes = [f"it holds {self.holds} arrays with {self.numbers:,} numbers"]
        notes += [f"only the checkpoint has {self.found}"] if self.found else []
        notes += [f"only the net has {self.wanted}"] if self.wanted else []
        if self.prefix:
            known = f"; without it {self.without} are the net's" if self.without else ""
            notes.append(f"every name in the checkpoint starts with `{quote(self.prefix)}`{known}")
        notes += [self.near] if self.near else []
        help = "`archdsl verify SPEC CHECKPOINT --save-weights FILE` matches arrays by order and shape, not by name"
        return Diagnostic(self.code, message, notes=tuple(notes), help=help)


def _others(count: int, what: str) -> tuple[str, ...]:
    return (f"{count} more {what}",) if count else ()
