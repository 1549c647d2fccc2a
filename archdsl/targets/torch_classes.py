"""Graph -> live classes: the generated source executed once, and found again by `pickle`, `inspect` and `torch.fx`.

This is the one place of archdsl that executes code: source that it generated itself from a validated graph.

A pickle holds the real state of every module, and names each class by what its source is generated from: the texts of
the spec and its imports with the arch and its parameters, or of a graph that is not as a spec made it, its own text. It
holds no code, and no name that is looked up anywhere but among the classes of that graph's own source.
"""

from __future__ import annotations

import ast
import copyreg
import linecache
import pickle
import sys
import weakref
from functools import partial
from hashlib import sha256
from threading import RLock
from types import ModuleType
from typing import Any

from torch import nn
from torch.utils import _pytree

from archdsl.elaborate.packed import Packed
from archdsl.elaborate.trace import packed_of
from archdsl.generated import outputs
from archdsl.graph.compiled import again
from archdsl.graph.graph import Graph
from archdsl.graph.text import print_graph
from archdsl.targets.torch_source import Code, code

_KEPT = 64  # sources whose classes are kept though nobody holds them
_MOST_REGISTERED = 4 * _KEPT  # classes of results, before those without a net are taken from torch's list
_HOME = "__archdsl__"  # how a class knows the source that it belongs to
_lock = RLock()


class Classes:
    """The classes of one generated source, with what it comes from: a spec's texts, or the text of a graph."""

    def __init__(self, generated: Code, origin: Packed | str, digest: str) -> None:
        self.origin = origin
        self.module = f"archdsl.generated.{generated.name}_{digest[:12]}"
        self.filename = f"<archdsl {generated.name} {digest[:12]}>"
        tree = ast.parse(generated.text)
        self.behaviour = _behaviour(tree)
        self.namespace: dict[str, Any] = {"__name__": self.module, "__file__": self.filename, _HOME: self}
        self.results: dict[str, type[Any]] = {}
        self._execute(generated.text, tree)
        self.modules: dict[str, type[nn.Module]] = {
            name: value for name, value in self.namespace.items() if self._own(value)
        }
        for cls in self.modules.values():
            setattr(cls, _HOME, self)
            cls.__reduce_ex__ = _reduce  # type: ignore[method-assign, assignment]
        self.net = self.modules[generated.name]

    def _execute(self, text: str, tree: ast.Module) -> None:
        """Runs the source; tracebacks and `inspect` show its lines. The named tuples are those of all processes."""
        window = _Window(self)
        linecache.cache[self.filename] = (len(text), None, text.splitlines(keepends=True), self.filename)
        sys.modules[self.module] = window
        weakref.finalize(self, _forget, self.module, self.filename, window).atexit = False
        for statement in [item for item in tree.body if isinstance(item, ast.ClassDef) and _is_named_tuple(item)]:
            fields = [field.target.id for field in statement.body if isinstance(field, ast.AnnAssign)]  # type: ignore[union-attr]
            self.results[statement.name] = _results(statement.name, tuple(fields))
            tree.body.remove(statement)
        self.namespace.update(self.results)
        # Not with the `__future__` of this file, which would turn annotations into text.
        exec(compile(tree, self.filename, "exec", dont_inherit=True), self.namespace)

    def _own(self, value: object) -> bool:
        return isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == self.module

    def __reduce__(self) -> tuple[Any, ...]:
        return _classes, (self.origin, self.behaviour)

    def __deepcopy__(self, memo: dict[int, Any]) -> Classes:
        return self


class _Window(ModuleType):
    """What stands for the source in `sys.modules`, without keeping its classes alive."""

    def __init__(self, classes: Classes) -> None:
        super().__init__(classes.module, "Classes that archdsl generated from a spec.")
        self.__file__ = classes.filename
        self._classes = weakref.ref(classes)

    def __getattr__(self, name: str) -> Any:
        classes = self.__dict__["_classes"]() if "_classes" in self.__dict__ else None
        if classes is None or name not in classes.namespace:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return classes.namespace[name]


_alive: weakref.WeakValueDictionary[str, Classes] = weakref.WeakValueDictionary()  # by digest of the source
_read: weakref.WeakValueDictionary[str, Classes] = weakref.WeakValueDictionary()  # by digest of the origin
_of_graph: dict[int, tuple[weakref.ref[Graph], Classes]] = {}  # by identity: a graph's hash takes long
_recent: dict[str, Classes] = {}
_registered: set[type[Any]] = set()


def module_class(graph: Graph) -> type[nn.Module]:
    """The class of the net, as its generated source defines it: one class for each source."""
    with _lock:
        known = _of_graph.get(id(graph))
        if known is None or known[0]() is not graph:
            gone = partial(_of_graph.pop, id(graph), None)
            known = _of_graph[id(graph)] = weakref.ref(graph, lambda _: gone()), _generated(graph)
        return known[1].net


def _generated(graph: Graph) -> Classes:
    generated = code(graph)
    digest = sha256(generated.text.encode()).hexdigest()
    found = _alive.get(digest)
    if found is None:
        found = _alive[digest] = Classes(generated, packed_of(graph.program) or print_graph(graph), digest)
    _recent.pop(digest, None)
    _recent[digest] = found
    if len(_recent) > _KEPT:
        del _recent[next(iter(_recent))]
    return found


def _classes(origin: Packed | str, behaviour: str) -> Classes:
    """The classes that a pickle names. Raises `UnpicklingError` if they do not compute what they did when it was made.

    A pickled module brings its own state, so that a class which would read another state must not take it.
    """
    if not isinstance(origin, Packed | str):
        raise pickle.UnpicklingError("the file does not say what the module's source is generated from")
    digest = origin.digest if isinstance(origin, Packed) else sha256(origin.encode()).hexdigest()
    with _lock:
        found = _read.get(digest)
        if found is None:
            found = _read[digest] = _generated(again(origin))
    if found.behaviour != behaviour:
        raise pickle.UnpicklingError(
            "the module was pickled by another version of archdsl, which generated other code for its net; load it "
            "with that version, save its state_dict(), and give that to archdsl.load(..., weights=...)"
        )
    return found


def _module(classes: Classes, name: str) -> nn.Module:
    """A module of one of the generated classes, without state. Raises `UnpicklingError` for any other name."""
    if not isinstance(classes, Classes) or name not in classes.modules:
        raise pickle.UnpicklingError(f"{name!r:.120} is no class of modules that archdsl generated for this net")
    cls = classes.modules[name]
    return cls.__new__(cls)


def _reduce(module: nn.Module, protocol: Any) -> str | tuple[Any, ...]:
    """What pickle and `copy` make of a module: what they make of any, with its class found by the graph."""
    ordinary = object.__reduce_ex__(module, max(2, protocol))
    cls = type(module)
    if _HOME not in vars(cls) or ordinary[:2] != (copyreg.__newobj__, (cls,)):  # type: ignore[attr-defined]
        return ordinary  # a class that somebody derived, which is found where it was defined
    return _module, (getattr(cls, _HOME), cls.__name__), *ordinary[2:]


def _results(name: str, fields: tuple[str, ...]) -> type[Any]:
    """The class of a net's results, which `torch.export.save` can name too, as long as there is such a net."""
    cls = outputs(name, fields)
    if cls not in _registered:
        if len(_registered) >= _MOST_REGISTERED:
            used = {result for classes in _alive.values() for result in classes.results.values()}
            for unused in _registered - used:
                _pytree._deregister_pytree_node(unused)
            _registered.intersection_update(used)
        _pytree._register_namedtuple(cls, serialized_type_name=f"{cls.__module__}.{cls.__qualname__}")
        _registered.add(cls)
    return cls


def _is_named_tuple(statement: ast.ClassDef) -> bool:
    return [ast.unparse(base) for base in statement.bases] == ["NamedTuple"]


def _behaviour(tree: ast.Module) -> str:
    """A digest of everything but how modules are made and shown: two sources that agree can share their states."""
    lines = []
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef):
            lines.append(f"class {statement.name}({', '.join(map(ast.unparse, statement.bases))})")
        inside = statement.body if isinstance(statement, ast.ClassDef) else [statement]
        lines += [_without_docstring(item) for item in inside if isinstance(item, ast.FunctionDef)]
    return sha256("\n".join(lines).encode()).hexdigest()


def _without_docstring(function: ast.FunctionDef) -> str:
    if function.name in ("__init__", "extra_repr"):
        return ""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return f"{function.name}({ast.unparse(function.args)}): " + "; ".join(map(ast.unparse, body))


def _forget(module: str, filename: str, window: ModuleType) -> None:
    """Takes a source's traces away when the last of its classes is gone."""
    if sys.modules.get(module) is window:
        del sys.modules[module]
        linecache.cache.pop(filename, None)
