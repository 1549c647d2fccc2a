"""Chains of layers as one box each: what a picture does at the depth of blocks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from archdsl.targets.picture_plan import TIMES, Box, Cluster, Edge, Plan
from archdsl.targets.picture_words import QUIET

LAYERS = frozenset({"conv", "linear", "pool", "norm", "activation", "other"})


def condense(plan: Plan) -> Plan:
    """The plan with every chain of layers in one frame as one box that tells its convolutions, pools and linear maps,
    and without frames that hold nothing but one box."""
    heads = _heads(plan)
    chains: dict[Box, list[Box]] = defaultdict(list)
    for box in plan.boxes:
        chains[heads[box]].append(box)
    for head, chain in chains.items():
        loud = [box for box in chain if box.kind not in QUIET]
        head.rows = [row for box in loud or chain for row in box.rows]
        head.kind = next((box.kind for box in loud if box.kind in {"conv", "linear"}), (loud or chain)[0].kind)
    _keep(plan.root, set(chains))
    _unframe(plan.root)
    rows = [tuple(heads[box] for box in row) for row in plan.rows]
    return Plan(plan.root, list(chains), _edges(plan.edges, heads), rows)


def _heads(plan: Plan) -> dict[Box, Box]:
    """For each box the one that its chain begins with."""
    going: dict[Box, list[Edge]] = defaultdict(list)
    coming: dict[Box, list[Edge]] = defaultdict(list)
    for edge in plan.edges:
        going[edge.tail].append(edge)
        coming[edge.head].append(edge)
    heads: dict[Box, Box] = {}
    for box in plan.boxes:
        before = coming[box][0].tail if len(coming[box]) == 1 else None
        joins = (
            before is not None
            and len(going[before]) == 1
            and before.cluster is box.cluster
            and {before.kind, box.kind} <= LAYERS
            and before.skip == box.skip
        )
        heads[box] = heads[before] if joins and before is not None else box
    return heads


def _edges(edges: list[Edge], heads: dict[Box, Box]) -> list[Edge]:
    """The edges between chains. A shape is told where it is not what came into the chain."""
    kept = [replace(edge, tail=heads[edge.tail], head=heads[edge.head]) for edge in edges]
    return [edge for edge in kept if edge.tail is not edge.head]


def _keep(cluster: Cluster, boxes: set[Box]) -> None:
    cluster.inside = [item for item in cluster.inside if isinstance(item, Cluster) or item in boxes]
    for item in cluster.inside:
        if isinstance(item, Cluster):
            _keep(item, boxes)


def _unframe(cluster: Cluster) -> None:
    """Replaces frames around one box by the box, its title on top where it says more than one row."""
    for place, item in enumerate(cluster.inside):
        if not isinstance(item, Cluster):
            continue
        _unframe(item)
        if len(item.inside) != 1 or item.kind not in {"block", "level", "iteration", "skip", "shared"}:
            continue
        (only,) = item.inside
        if isinstance(only, Box) and only.kind in LAYERS:
            title = [item.title] if item.title and len(only.rows) > 1 else []
            times = [f"{TIMES}{item.times}"] if item.times > 1 else []
            only.rows = [*title, *only.rows, *times]
            only.cluster = cluster
            cluster.inside[place] = only
