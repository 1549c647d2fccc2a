"""Specs as Python modules: `import archdsl.importer`, then `from specs import resnext50`.

    import archdsl.importer
    from specs import resnext50

    net = resnext50(num_classes=10, seed=1)  # archdsl.load("resnext50", ...)
    graph = resnext50.graph(num_classes=10)  # archdsl.compile("resnext50", ...)

The module `specs` holds the specs of a folder `specs/` in the working directory or on
`sys.path` (`specs/mine.arch` is `specs.mine`), then the bundled ones. A folder of that name that is a Python package
of its own is left alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from archdsl.diagnostics import UsageError

if TYPE_CHECKING:
    import torch

    from archdsl.graph.graph import Graph

PACKAGE = "specs"


class Architecture:
    """An arch that can be called: each call makes a module with fresh weights, or with a checkpoint's."""

    def __init__(self, name: str, spec: str) -> None:
        self.__name__ = self.__qualname__ = name
        self.spec = spec
        self.__doc__ = f"The arch `{name}` of {spec}; keywords are its parameters, and `weights`, `seed`."

    def __call__(self, *, weights: Any = None, seed: int | None = None, **params: Any) -> torch.nn.Module:
        """The live module; see `archdsl.load`."""
        from archdsl.compiler import load

        return load(self.spec, weights=weights, seed=seed, **params)

    def graph(self, **params: Any) -> Graph:
        """The compiled graph; see `archdsl.compile`."""
        from archdsl.compiler import compile

        return compile(self.spec, **params)

    def __repr__(self) -> str:
        return f"<arch {self.__name__} of {self.spec}>"


class SpecsFinder(MetaPathFinder, Loader):
    """Finds the package `specs`, whose attributes are architectures."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != PACKAGE:
            return None
        ordinary = PathFinder.find_spec(fullname)
        if ordinary is not None and ordinary.origin is not None:  # someone's own package of this name
            return None
        return ModuleSpec(PACKAGE, self, is_package=False)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return Specs(PACKAGE, "The specs that archdsl knows, each as a callable architecture.")

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: architectures are found when they are asked for."""


class Specs(ModuleType):
    """The module `specs`: an attribute for each spec, compiled when it is first asked for."""

    def __getattr__(self, name: str) -> Architecture:
        if name.startswith("__"):
            raise AttributeError(name)
        architecture = _architecture(name)
        setattr(self, name, architecture)
        return architecture

    def __dir__(self) -> list[str]:
        from archdsl.bundled import bundled

        own = [path.stem for folder in _folders() for path in folder.glob("*.arch")]
        return sorted({*super().__dir__(), *bundled(), *own})


def _architecture(name: str) -> Architecture:
    """The architecture of a name, proven to compile. Raises `AttributeError` for no such spec, `CompileError` for a
    bad one."""
    from archdsl.bundled import find
    from archdsl.compiler import check

    own = next((path for folder in _folders() if os.path.isfile(path := folder / f"{name}.arch")), None)
    if own is not None:
        check(own)
        return Architecture(name, str(own))
    try:
        check(find(name).path)
    except UsageError as error:
        raise AttributeError(f"specs has no `{name}`: {error}") from None
    return Architecture(name, name)


def _folders() -> list[Path]:
    """Folders `specs/` that Python would look into, the working directory first, each once."""
    places = [Path(entry or ".") / PACKAGE for entry in ["", *sys.path]]
    return list(dict.fromkeys(place.resolve() for place in places if place.is_dir()))


def install() -> None:
    """Makes `import specs` find the specs, once."""
    if not any(isinstance(finder, SpecsFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, SpecsFinder())


install()
