"""Tree to Program: values, loops, blocks, names, claims."""

from archdsl.elaborate.archs import Checked, check, claims_of, elaborate, parameters_of
from archdsl.elaborate.modules import files_of
from archdsl.elaborate.packed import Expression

__all__ = ["Checked", "Expression", "check", "claims_of", "elaborate", "files_of", "parameters_of"]
