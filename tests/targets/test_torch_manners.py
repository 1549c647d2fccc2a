"""What PyTorch users do with modules comes to the same with a live module as with an ordinary one: the same source in a
file of its own, and torchvision's net where there is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import archdsl
from archdsl.source import Source
from tests.support.live_nets import EVERYTHING, LEARNED, SHARED, as_file, net_class
from tests.support.manners import MANNERS, agree, outcome
from tests.support.peers import torchvision_model
from tests.support.twins import random_state

torch.set_num_threads(1)

# An ordinary named tuple has no name that `torch.export.save` knows; ours have one.
ONLY_OURS = {"exported_in_training", "exported"}
# Manners that show class names, the source, or how parts are divided, in which torchvision's net is another.
OF_ITS_OWN = {
    "names_and_modes",
    "hooks_of_all_kinds",
    "constructed_again",
    "derived_class",
    "every_part",
    "parts_traced_by_fx",
    "sources",
    "signatures",
    "scripted",
}
TORCHVISION: dict[str, Any] = {
    "resnet18": {},
    "googlenet": {"init_weights": False, "transform_input": False},
}

_files: dict[Any, type[nn.Module]] = {}
Ordinary = Callable[[str | Source], type[nn.Module]]


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Ordinary:
    """The class of a spec's net in a file of its own."""
    folder: Path = tmp_path_factory.mktemp("ordinary")

    def found(spec: str | Source) -> type[nn.Module]:
        if spec not in _files:
            _files[spec] = net_class(as_file(spec, folder))
        return _files[spec]

    return found


def filled(module: nn.Module) -> nn.Module:
    module.load_state_dict(random_state(module))
    return module


def failed(found: list[Any]) -> bool:
    return len(found) == 2 and str(found[0]).endswith("Error")


@pytest.mark.parametrize("name", MANNERS)
@pytest.mark.parametrize(
    "spec, side",
    [
        pytest.param(EVERYTHING, 16, id="everything"),
        *(
            pytest.param(spec, side, id=str(getattr(spec, "name", spec)), marks=pytest.mark.slow)
            for spec, side in ((SHARED, 16), (LEARNED, 8), ("resnet18", 64), ("googlenet", 96))
        ),
    ],
)
def test_a_live_module_is_an_ordinary_module(spec: str | Source, side: int, name: str, ordinary: Ordinary) -> None:
    x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    ours = outcome(MANNERS[name], filled(archdsl.load(spec, seed=0)), x.clone())
    theirs = outcome(MANNERS[name], filled(ordinary(spec)()), x.clone())
    assert agree(ours, theirs) or (name in ONLY_OURS and failed(theirs) and not failed(ours))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MANNERS if name not in OF_ITS_OWN])
@pytest.mark.parametrize("spec", TORCHVISION)
def test_a_live_module_is_as_torchvisions(spec: str, name: str) -> None:
    x = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    ours = outcome(MANNERS[name], filled(archdsl.load(spec, seed=0)), x.clone())
    theirs = outcome(MANNERS[name], filled(torchvision_model(spec, **TORCHVISION[spec])), x.clone())
    assert agree(ours, theirs) or (name in ONLY_OURS and failed(theirs) and not failed(ours))
