"""Global average pooling for a fully connected head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops import AdaptiveAvgPool, Flatten, GlobalAvgPool, Linear
from archdsl.passes.common import is_map, is_output, only_reader
from archdsl.passes.edit import Edit
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise


@dataclass(frozen=True)
class PoolHead(Pass):
    """A fully connected head becomes global average pooling and its last linear layer."""

    promise: ClassVar[Promise] = "redesign"
    law: ClassVar[str] = "the mean of each map has no parameters to overfit with"
    source: ClassVar[str] = "Lin et al. 2013, arXiv:1312.4400, section 3.2"

    def rewrite(self, edit: Edit, flatten: Match[Flatten]) -> Keep | None:
        """Replaces everything between the last map and the last linear layer."""
        graph = edit.graph
        before = graph.shape(flatten.node.inputs[0])
        if not is_map(before) or all(size == 1 for size in before.spatial):
            return NOT_A_SITE
        chain, current = [flatten.index], flatten.index
        while not is_output(graph, current):
            reader = only_reader(graph, current)
            if reader is None or graph.nodes[reader].op.takes != "one":
                return Keep("what follows is no chain of layers down to an output")
            chain.append(reader)
            current = reader
        linears = [index for index in chain if isinstance(graph.nodes[index].op, Linear)]
        if not linears:
            return Keep("no linear layer follows")
        last, source = linears[-1], flatten.node.inputs[0]
        if graph.applications[graph.nodes[last].path] > 1:
            return Keep("the weights of the last linear layer are shared")
        if isinstance(graph.nodes[source.node].op, AdaptiveAvgPool) and only_reader(graph, source.node) is not None:
            chain.insert(0, source.node)
            source = graph.nodes[source.node].inputs[0]
        place = flatten.node.path
        pooled = edit.add(GlobalAvgPool(), (source,), at=flatten.index, path=edit.child(flatten.node.scope, "pool"))[0]
        flat = edit.add(Flatten(), (pooled,), at=flatten.index, path=place)[0]
        node = graph.nodes[last]
        head = edit.add(node.op, (flat,), at=last, path=node.path)[0]
        edit.redirect(Match(last, node, node.op).value, head)
        edit.remove(*(index for index in chain if index <= last))
        return None
