"""Names by which Python finds generated classes again: here those of the results of nets with several outputs.

Such a result is a named tuple, and its class is nothing but a name with fields. Its `__qualname__` tells them all, as
in `GoogLeNetTrainingOutputs__logits__aux_logits2__aux_logits1`, so that pickles and traces find it in any process,
without the spec. The classes of modules are in `archdsl.generated.NAME_DIGEST`, for as long as somebody holds them.
"""

from __future__ import annotations

from collections import namedtuple
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

_SEPARATOR = "__"
_CODED = "_0"  # begins a name in hexadecimal, whose own underscores would mislead

_made: WeakValueDictionary[str, type[Any]] = WeakValueDictionary()
_lock = Lock()


def outputs(name: str, fields: tuple[str, ...]) -> type[Any]:
    """The class of the named tuples with this name and these fields, the same each time.

    Raises `ValueError` for names that no named tuple can have.
    """
    key = _SEPARATOR.join(map(_coded, (name, *fields)))
    with _lock:
        found = _made.get(key)
        if found is None:
            cls: Any = namedtuple(name, fields, module=__name__)  # type: ignore[misc]
            cls.__qualname__ = key
            cls.__doc__ = f"The results {', '.join(f'`{field}`' for field in fields)} of a net."
            found = _made[key] = cls
    return found


def __getattr__(name: str) -> Any:
    """The class that a `__qualname__` tells."""
    first, *fields = name.split(_SEPARATOR)
    try:
        if first and fields and _SEPARATOR.join(map(_coded, map(_decoded, (first, *fields)))) == name:
            return outputs(_decoded(first), tuple(map(_decoded, fields)))
    except ValueError:
        pass
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _coded(name: str) -> str:
    misleading = _SEPARATOR in f"{name}_" or name.startswith("_")
    return f"{_CODED}{name.encode().hex()}" if misleading else name


def _decoded(part: str) -> str:
    return bytes.fromhex(part.removeprefix(_CODED)).decode() if part.startswith(_CODED) else part
