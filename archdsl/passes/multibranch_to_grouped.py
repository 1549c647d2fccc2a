"""Parallel branches of one form become one grouped branch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.passes.merge_parallel_convolutions import MergeParallelConvolutions
from archdsl.passes.regroup_split import RegroupSplit
from archdsl.passes.remove_identities import RemoveIdentities
from archdsl.passes.rule import Pipeline, Promise
from archdsl.passes.sum_of_convolutions import SumOfConvolutions


@dataclass(frozen=True)
class MultibranchToGrouped(Pipeline):
    """ResNeXt's branches (its figure 3a and 3b) become a grouped convolution (figure 3c)."""

    promise: ClassVar[Promise] = "exact"
    law: ClassVar[str] = "three laws in turn: merge-parallel-convolutions, regroup-split, sum-of-convolutions"
    source: ClassVar[str] = "Xie et al. 2016, arXiv:1611.05431, figure 3 and section 3.4"

    def passes(self) -> tuple[MergeParallelConvolutions, RegroupSplit, SumOfConvolutions, RemoveIdentities]:
        """The laws, run in turn until none finds a site."""
        where = self.where
        return (
            MergeParallelConvolutions(where=where),
            RegroupSplit(where=where),
            SumOfConvolutions(where=where),
            RemoveIdentities(where=where),
        )
