"""Tree to Program: values, loops, blocks, names, claims."""

from archdsl.elaborate.archs import Checked, Expression, check, claims_of, elaborate, parameters_of

__all__ = ["Checked", "Expression", "check", "claims_of", "elaborate", "parameters_of"]
