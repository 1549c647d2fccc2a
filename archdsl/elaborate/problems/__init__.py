"""What elaboration can find wrong with a spec: a value for each kind of mistake."""

from archdsl.elaborate.problems import arguments, names, shapes, structure

__all__ = ["arguments", "names", "shapes", "structure"]
