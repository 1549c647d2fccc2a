"""Dropout does nothing in inference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops import Dropout, DropoutChannels, StochasticDepth
from archdsl.passes.edit import Edit
from archdsl.passes.rule import Keep, Match, Pass, Promise


@dataclass(frozen=True)
class DropDropout(Pass):
    """Dropout and stochastic depth are taken out."""

    promise: ClassVar[Promise] = "exact-eval"
    law: ClassVar[str] = "dropout scales in training, so that in inference it is the identity"
    source: ClassVar[str] = "Srivastava et al. 2014, JMLR 15; Huang et al. 2016, arXiv:1603.09382"

    def rewrite(self, edit: Edit, dropout: Match[Dropout | DropoutChannels | StochasticDepth]) -> Keep | None:
        """Lets its readers read what it reads."""
        if dropout.node.training:
            return Keep("it is computed in training only, where it draws")
        edit.redirect(dropout.value, dropout.node.inputs[0])
        edit.remove(dropout.index)
        return None
