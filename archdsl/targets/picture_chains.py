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
    joined = {box: _joined(box, going, coming[box]) for box in plan.boxes}
    heads: dict[Box, Box] = {}
    for box in plan.boxes:
        way = [box]  # boxes need not stand in the order of the flow: shared layers stand where they are declared
        while way[-1] not in heads and (before := joined[way[-1]]) is not None and before not in way:
            way.append(before)
        heads.update(dict.fromkeys(way, heads.get(way[-1], way[-1])))
    return heads


def _joined(box: Box, going: dict[Box, list[Edge]], coming: list[Edge]) -> Box | None:
    """The box before one that is in the same chain."""
    before = coming[0].tail if len(coming) == 1 else None
    if before is None or len(going[before]) != 1 or before.cluster is not box.cluster:
        return None
    return before if {before.kind, box.kind} <= LAYERS and before.skip == box.skip else None


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
            title = [item.title] if item.title and (len(only.rows) > 1 or item.kind == "shared") else []
            times = [f"{TIMES}{item.times}"] if item.times > 1 else []
            only.rows = [*title, *only.rows, *times]
            only.cluster = cluster
            cluster.inside[place] = only
