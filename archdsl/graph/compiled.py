"""Compiled graphs, kept within a process: the same spec with the same arguments is compiled once.

A graph is found again by its spec's text and place, the arch, its parameters and the budgets, and only while every file
that was imported for it is still the one that its import means and still says the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from threading import Lock
from typing import Any

from archdsl.elaborate import Expression
from archdsl.elaborate.archs import traced, unpacked
from archdsl.elaborate.modules import Reading
from archdsl.elaborate.packed import Packed
from archdsl.graph.graph import Graph
from archdsl.graph.text import read_graph
from archdsl.limits import DEFAULT, Limits
from archdsl.source import Source

GRAPHS = 64  # that are kept
NODES = 200_000  # of all that are kept
ITEMS = 10_000  # of the parameters of one that is kept
SCALARS = (bool, int, float, str, type(None))

_kept: OrderedDict[Hashable, tuple[Graph, tuple[Reading, ...]]] = OrderedDict()
_lock = Lock()


def compiled(source: Source, arch: str | None, parameters: Mapping[str, Any], limits: Limits = DEFAULT) -> Graph:
    """The graph of one arch of a spec, compiled or found again. Raises `CompileError`, each time anew."""
    try:
        place = source.path.resolve() if source.path is not None else None
        _count(parameters.values())
        key = (source, place, arch, _frozen(dict(parameters)), limits)
    except (TypeError, OSError, RuntimeError):  # a value of the caller's own kind, or a path that cannot be followed
        return Graph(traced(source, arch, parameters, limits)[0])
    found = _found(key)
    if found is None:
        program, readings = traced(source, arch, parameters, limits)
        found = Graph(program)
        _keep(key, found, readings)
    return found


def _count(values: Iterable[Any]) -> None:
    """Raises `TypeError` for values with too many items for a key. A list may hold another one twice, or itself."""
    todo, seen = list(values), 0
    while todo:
        item, seen = todo.pop(), seen + 1
        if seen > ITEMS:
            raise TypeError("too many items")
        if isinstance(item, list | tuple):
            todo += item[:ITEMS]


def forget() -> None:
    """Forgets every kept graph: the next compilation of a spec does all the work again, as in a new process."""
    with _lock:
        _kept.clear()


def again(origin: Packed | str) -> Graph:
    """The graph of a spec that comes as its texts, or of a graph's own text. Raises `CompileError`."""
    return read_graph(origin) if isinstance(origin, str) else Graph(unpacked(origin))


def _frozen(value: Any) -> Hashable:
    """A parameter's value as a key: 1, 1.0 and True are three. Raises `TypeError` for other than plain values."""
    if type(value) in SCALARS:
        return type(value), repr(value)
    if type(value) in (list, tuple):
        return type(value), tuple(_frozen(item) for item in value)
    if type(value) is dict:
        return dict, tuple((_frozen(name), _frozen(item)) for name, item in value.items())
    if type(value) is Expression:
        return Expression, value.text
    raise TypeError(type(value).__name__)


def _found(key: Hashable) -> Graph | None:
    with _lock:
        graph, readings = _kept.get(key, (None, ()))
    if graph is None:
        return None
    current = all(reading.holds() for reading in readings)
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            if not current:
                del _kept[key]
    return graph if current else None


def _keep(key: Hashable, graph: Graph, readings: tuple[Reading, ...]) -> None:
    if len(graph.nodes) > NODES:
        return
    with _lock:
        _kept[key] = graph, readings
        while len(_kept) > GRAPHS or sum(len(kept.nodes) for kept, _ in _kept.values()) > NODES:
            _kept.popitem(last=False)
