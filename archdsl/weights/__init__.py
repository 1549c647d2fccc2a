"""Named arrays by path: initial values from a seed, checkpoints in and out, and whether they fit a graph."""

from archdsl.weights.checkpoint import WeightsError, arrays_of, read, save, write
from archdsl.weights.drawing import initial
from archdsl.weights.matching import match

__all__ = ["WeightsError", "arrays_of", "initial", "match", "read", "save", "write"]
