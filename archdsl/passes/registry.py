"""Every pass by its name, and passes with options as the command line writes them."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from hashlib import sha256
from math import isfinite, nan
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from archdsl.diagnostics import UsageError, did_you_mean
from archdsl.passes.rule import Pass, Pipeline, Promise, hints_of, pattern


@cache
def bundled() -> Mapping[str, type[Pass]]:
    """The passes of this package, by name: each file in it that holds one."""
    import archdsl.passes as package

    found: dict[str, type[Pass]] = {}
    for module in pkgutil.iter_modules(package.__path__):
        for kind in _in_module(importlib.import_module(f"{package.__name__}.{module.name}")):
            found[kind.word()] = kind
    return dict(sorted(found.items()))


def from_file(path: Path) -> Mapping[str, type[Pass]]:
    """The passes that a user's Python file defines. Its code runs: name files that you trust. Raises `UsageError`."""
    digest = sha256(str(path.resolve()).encode()).hexdigest()[:12]  # files of one name are modules of their own
    spec = importlib.util.spec_from_file_location(f"archdsl_user_pass_{digest}_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UsageError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses and annotations that are text look their names up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[spec.name]
        raise UsageError(f"{path} failed while it was loaded: {type(error).__name__}: {error}") from error
    found = {kind.word(): kind for kind in _in_module(module)}
    if not found:
        raise UsageError(f"{path} defines no pass: a frozen dataclass that extends archdsl.passes.rule.Pass")
    for kind in found.values():
        _complete(path, kind)
    taken = next((word for word in found if word in bundled()), None)
    if taken is not None:
        raise UsageError(f"{path}: {found[taken].__name__} has the name of the bundled pass `{taken}`: give it another")
    return found


def _complete(path: Path, kind: type[Pass]) -> None:
    """Returns for a pass that says what it promises and what it looks for. Raises `UsageError`."""
    lacking = [name for name in ("promise", "law", "source") if not isinstance(getattr(kind, name, None), str)]
    if lacking:
        raise UsageError(f"{path}: {kind.__name__} does not say its {', '.join(lacking)}")
    if kind.promise not in get_args(Promise):
        raise UsageError(
            f"{path}: {kind.__name__} promises {kind.promise!r}, not one of {', '.join(get_args(Promise))}"
        )
    if issubclass(kind, Pipeline):
        return
    try:
        many = [element.many for element in pattern(kind)]  # type: ignore[arg-type]
        options(kind)
    except NameError as error:
        raise UsageError(
            f"{path}: `{error.name}` in {kind.__name__} is not known when the pass runs: its patterns and options are "
            "read from the annotations, so import it outside of `if TYPE_CHECKING`"
        ) from error
    except Exception as error:
        raise UsageError(f"{path}: the arguments of {kind.__name__}.rewrite are no pattern: {error}") from error
    if not many or (any(many) and many not in ([True], [True, False], [False, True])):
        raise UsageError(
            f"{path}: the arguments of {kind.__name__}.rewrite are no pattern: behind `edit` there is a chain of "
            "matches, or one tuple of matches, alone or beside one match"
        )
    for name, (hint, _) in options(kind).items():
        if hint not in (str, int, float, bool) and get_origin(hint) is not Literal:
            raise UsageError(f"{path}: the option `{name}` of {kind.__name__} is no str, int, float, bool or Literal")


def _in_module(module: Any) -> Iterator[type[Pass]]:
    for value in vars(module).values():
        own = isinstance(value, type) and issubclass(value, Pass) and value.__module__ == module.__name__
        if own and value not in (Pass, Pipeline):
            yield value


def options(kind: type[Pass]) -> dict[str, tuple[Any, Any]]:
    """The options of a pass: the type and the default of each."""
    hints = hints_of(kind, [field.name for field in fields(kind)])
    return {field.name: (hints[field.name], field.default) for field in fields(kind)}


def parse(text: str, known: Mapping[str, type[Pass]] | None = None) -> Pass:
    """A pass with its options from `resnet-c,width=24,where=stem`. Raises `UsageError` for what does not exist."""
    known = bundled() if known is None else known
    word, *settings = (part.strip() for part in text.split(","))
    if word not in known:
        hint = did_you_mean(word, known) or "`archdsl passes` lists them"
        raise UsageError(f"there is no pass `{word}`: {hint}")
    kind = known[word]
    values: dict[str, Any] = {}
    for setting in settings:
        name, value = _setting(kind, setting)
        if name in values:
            raise UsageError(f"`{kind.word()}` has its option `{name}` twice")
        values[name] = value
    return kind(**values)


def _setting(kind: type[Pass], setting: str) -> tuple[str, Any]:
    name, equals, text = setting.partition("=")
    name = name.strip().replace("-", "_")
    takes = options(kind)
    if name in takes and not equals:
        raise UsageError(f"the option `{name}` of `{kind.word()}` has no value: write `{name}=...`")
    if name not in takes:
        hint = did_you_mean(name, takes) or f"it has {', '.join(takes)}"
        raise UsageError(f"`{kind.word()}` has no option `{name}`: {hint}")
    return name, _value(kind, name, takes[name][0], text.strip())


def _value(kind: type[Pass], name: str, hint: Any, text: str) -> Any:
    if get_origin(hint) is Literal:
        if text in get_args(hint):
            return text
        raise UsageError(f"`{name}` of `{kind.word()}` is one of {', '.join(get_args(hint))}, not `{text}`")
    if hint is bool:
        if text in ("true", "false"):
            return text == "true"
        raise UsageError(f"`{name}` of `{kind.word()}` is true or false, not `{text}`")
    if hint is float:
        try:
            number = float(text)
        except ValueError:
            number = nan
        if isfinite(number):
            return number
        raise UsageError(f"`{name}` of `{kind.word()}` is a number, not `{text}`")
    if hint is int:
        if text.isdecimal() and 0 < int(text) < 2**31:
            return int(text)
        raise UsageError(f"`{name}` of `{kind.word()}` is a positive whole number, not `{text}`")
    return text
