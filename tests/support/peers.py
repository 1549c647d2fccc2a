"""Other libraries' nets, to compare with. The one place of the tests that imports torchvision."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

# torchvision looks for these operators of its compiled part when it is imported; nothing here calls them. The libraries
# are kept, since an operator lives as long as its library object.
_LIBRARY = torch.library.Library("torchvision", "DEF")
_NAMES = ("nms(Tensor dets, Tensor scores, float threshold) -> Tensor", "qnms(Tensor dets) -> Tensor")


@cache
def torchvision_models() -> Any:
    """`torchvision.models`, importable without its compiled operators."""
    for schema in _NAMES:
        name = schema.partition("(")[0]
        if not hasattr(torch.ops.torchvision, name):
            _LIBRARY.define(schema)
    import torchvision.models

    return torchvision.models


def torchvision_model(name: str, **options: Any) -> torch.nn.Module:
    """A torchvision classifier without published weights."""
    module: torch.nn.Module = getattr(torchvision_models(), name)(weights=None, **options)
    return module
