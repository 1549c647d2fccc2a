"""A bottleneck whose narrow end is linear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.analysis.places import NARROW, narrowed
from archdsl.ops import Relu, Relu6
from archdsl.passes.common import is_shared
from archdsl.passes.edit import Edit
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise


@dataclass(frozen=True)
class LinearBottleneck(Pass):
    """The ReLU goes that activates the narrow end of a bottleneck whose middle is depthwise."""

    promise: ClassVar[Promise] = "redesign"
    law: ClassVar[str] = "a ReLU takes content away, which many channels still have elsewhere, and few have not"
    source: ClassVar[str] = "Sandler et al. 2018, arXiv:1801.04381, section 3.2"

    times: int = NARROW  # how many times more channels than the end the middle must have

    def rewrite(self, edit: Edit, act: Match[Relu | Relu6]) -> Keep | None:
        """Takes the activation out; all weights stay."""
        graph = edit.graph
        found = narrowed(graph, act.index)
        if found is None:
            return NOT_A_SITE
        _, wide, narrow = found
        if narrow * self.times > wide:
            return Keep(f"{narrow} of {wide} channels are no narrow end")
        if is_shared(graph, act):
            return Keep("the activation is applied in several places")
        edit.redirect(act.value, act.node.inputs[0])
        edit.remove(act.index)
        return None
