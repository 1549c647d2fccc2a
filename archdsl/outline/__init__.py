"""Graph to classes with parameters, repeats folded: the one way back to a readable form."""

from archdsl.outline.call import REQUIRED, Argument, Call, Operand, Symbol
from archdsl.outline.classes import outline
from archdsl.outline.expand import expand
from archdsl.outline.model import Common, Forms, Outline

__all__ = ["REQUIRED", "Argument", "Call", "Common", "Forms", "Operand", "Outline", "Symbol", "expand", "outline"]
