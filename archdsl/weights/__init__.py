"""Named arrays by path: initial values from a seed, checkpoints in and out, and whether they fit a graph."""

from archdsl.weights.checkpoint import arrays_of, opened, read, save, write
from archdsl.weights.drawing import initial
from archdsl.weights.matching import match
from archdsl.weights.stored import WeightsError

__all__ = ["WeightsError", "arrays_of", "initial", "match", "opened", "read", "save", "write"]
