"""Numbers of one type as those of another, with a tally of what that changed, so that it is told."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from archdsl.diagnostics import CompileError, quote
from archdsl.weights.choosing import Note
from archdsl.weights.problems import FewerNumbers
from archdsl.weights.stored import Stored

FRACTIONS = ("float16", "bfloat16", "float32", "float64")
WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")  # that int64 holds
NAMED = 3  # arrays that a note names


def fits(given: str, wanted: str) -> bool:
    """Whether numbers of a type may become those of another: fractions of any width fractions, and whole ones int64."""
    return given == wanted or (given in FRACTIONS and wanted in FRACTIONS) or (given in WHOLE and wanted == "int64")


@dataclass(slots=True)
class Tally:
    """What became of a checkpoint's numbers: arrays by their type in it, the rounded ones, and those not finite."""

    widened: dict[tuple[str, str], int] = field(default_factory=dict)
    rounded: dict[tuple[str, str], int] = field(default_factory=dict)
    endless: list[str] = field(default_factory=list)

    def taken(self, key: str, given: Stored, wanted: str) -> np.ndarray:
        """The numbers of an array in the type that is wanted. Raises `WeightsError`, and `CompileError` where a number
        is too large for it."""
        array = given.load()
        finite = array.dtype.kind != "f" or _finite(array)
        if not finite:
            self.endless.append(key)
        if given.dtype == wanted:
            return array
        with np.errstate(over="ignore"):
            found = array.astype(wanted)
        if finite and found.dtype.kind == "f" and not _finite(found):
            raise CompileError([FewerNumbers(key, given.dtype, wanted).diagnostic()])
        same = np.array_equal(found.astype(array.dtype), array, equal_nan=found.dtype.kind == "f")
        kept = self.widened if same else self.rounded
        kept[given.dtype, wanted] = kept.get((given.dtype, wanted), 0) + 1
        return found

    def tell(self, note: Note) -> None:
        """Says what there is to say, a line for each kind."""
        for (given, wanted), count in self.widened.items():
            note(f"{_arrays(count)} {given} in the checkpoint; the same numbers are kept in {wanted}")
        for (given, wanted), count in self.rounded.items():
            note(f"{_arrays(count)} {given} in the checkpoint and rounded to {wanted}, which loses digits")
        if self.endless:
            named = ", ".join(f"`{quote(key)}`" for key in self.endless[:NAMED])
            more = f" and {len(self.endless) - NAMED} more" if len(self.endless) > NAMED else ""
            held = "holds" if len(self.endless) == 1 else "hold"
            note(f"numbers that are not finite (NaN or infinity): {named}{more} {held} some")


def _finite(array: np.ndarray) -> bool:
    """Whether all numbers are finite; their sum tells it fast where they are."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())


def _arrays(count: int) -> str:
    return f"{count} array is" if count == 1 else f"{count} arrays are"
