"""Every optimizer of torch and timm: its state is carried and steps on as if nothing had happened, or refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

import archdsl
from archdsl.passes.plan import Plan, PlanError
from archdsl.passes.registry import parse
from archdsl.source import Source
from archdsl.training.optimizers import carry_optimizer
from archdsl.training.rewriting import rewrite_module
from tests.support.spec_peers import timm

torch.set_num_threads(1)
SPEC = Source(
    """
arch twice() {
    input 4x6x6
    branches add {
        repeat 3 as g { "twig{g}" { conv(2, 1x1) -> batchnorm -> relu -> conv(2, 3x3) -> batchnorm -> conv(5, 1x1) } }
    }
    gap -> flatten -> linear(3)
}
""",
    "twice.arch",
)
Make = Callable[[list[nn.Parameter]], Optimizer]
TORCH: dict[str, Make] = {
    "Adadelta": lambda p: torch.optim.Adadelta(p, weight_decay=0.1),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.2),
    "Adam": lambda p: torch.optim.Adam(p, weight_decay=0.1, amsgrad=True, maximize=True),
    "Adam decoupled": lambda p: torch.optim.Adam(p, torch.tensor(0.01), foreach=False),
    "AdamW": lambda p: torch.optim.AdamW(p, amsgrad=True, foreach=True),
    "Adamax": lambda p: torch.optim.Adamax(p, weight_decay=0.1),
    "ASGD": lambda p: torch.optim.ASGD(p, 0.1, t0=2, weight_decay=0.1),
    "NAdam": lambda p: torch.optim.NAdam(p, weight_decay=0.1, decoupled_weight_decay=True),
    "RAdam": lambda p: torch.optim.RAdam(p, weight_decay=0.1),
    "RMSprop": lambda p: torch.optim.RMSprop(p, momentum=0.5, centered=True, weight_decay=0.1),
    "Rprop": lambda p: torch.optim.Rprop(p),
    "SGD": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, dampening=0.1, weight_decay=0.1),
    "SGD plain": lambda p: torch.optim.SGD(p, 0.1),
}
REFUSED: dict[str, Make] = {
    "Adafactor": lambda p: torch.optim.Adafactor(p),
    "LBFGS": lambda p: torch.optim.LBFGS(p),
    "Muon": lambda p: torch.optim.Muon([q for q in p if q.dim() == 2]),
    "SparseAdam": lambda p: torch.optim.SparseAdam(p),
}


@cache
def rewritten() -> tuple[nn.Module, nn.Module, Plan]:
    """The net, what becomes of it, and how its weights are joined."""
    old = archdsl.load(SPEC, seed=0).double()
    new, result = rewrite_module(old, [parse("multibranch-to-grouped")])
    assert result.plan.exact
    return old, new, result.plan


class Rates:
    """A net before and after a rewrite, and gradients that are the same ones for both."""

    def __init__(self) -> None:
        old, new, self.plan = rewritten()
        self.old, self.new = copy.deepcopy(old), copy.deepcopy(new)
        self.generator = np.random.default_rng(0)

    def moved(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the plan makes of numbers at the old parameters, at the new ones."""
        state = {key: np.zeros(tensor.shape) for key, tensor in self.old.state_dict().items()}
        state |= {key: value.detach().numpy() for key, value in values.items()}
        found = self.plan.apply(state)
        return {key: torch.from_numpy(np.array(found[key])) for key, _ in self.new.named_parameters()}

    def step(self, optimizer: Optimizer, other: Optimizer | None = None) -> None:
        """One step of each with the same gradients."""
        grads = {k: torch.from_numpy(self.generator.normal(size=p.shape)) for k, p in self.old.named_parameters()}
        after = self.moved(grads)
        for net, given in ((self.old, grads), (self.new, after)):
            for key, parameter in net.named_parameters():
                parameter.grad = given[key]
        for each in (optimizer, other):
            if each is not None:
                each.step()

    def apart(self) -> float:
        """How far the nets are from being one."""
        expected = self.moved(dict(self.old.named_parameters()))
        found = dict(self.new.named_parameters())
        return max(float((found[key].detach() - value).abs().max()) for key, value in expected.items())


def goes_on(make: Make, *, whole: bool) -> None:
    """Steps, the state carried, and steps again; `whole` gives the optimizer itself, else its state alone."""
    rates = Rates()
    first = make(list(rates.old.parameters()))
    for _ in range(3):
        rates.step(first)
    state = carry_optimizer(first if whole else first.state_dict(), rates.plan)
    with torch.no_grad():
        for key, value in rates.moved(dict(rates.old.named_parameters())).items():
            rates.new.get_parameter(key).copy_(value)
    second = make(list(rates.new.parameters()))
    second.load_state_dict(state)
    first.load_state_dict(first.state_dict())  # which gives some numbers of a state (`mu_product`) the weights' type
    for _ in range(7):
        rates.step(first, second)
    assert rates.apart() <= 1e-14


@pytest.mark.parametrize("kind", TORCH)
def test_what_torch_steps_by_the_number_goes_on(kind: str) -> None:
    goes_on(TORCH[kind], whole=False)
    goes_on(TORCH[kind], whole=True)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_torch_steps_as_a_whole_or_sparsely_is_refused(kind: str) -> None:
    rates = Rates()
    made = REFUSED[kind](list(rates.old.parameters()))
    for given in (made, made.state_dict()):
        with pytest.raises(PlanError, match=r"as a whole|is not known"):
            carry_optimizer(given, rates.plan)


def test_every_optimizer_of_torch_is_in_one_of_the_lists() -> None:
    kinds = {name for name, kind in vars(torch.optim).items() if isinstance(kind, type)} - {"Optimizer"}
    assert kinds == {name.split()[0] for name in (*TORCH, *REFUSED)}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of libraries that would make some faster
def test_every_optimizer_of_timm_goes_on_or_is_refused() -> None:
    timm()
    from timm.optim import create_optimizer_v2, list_optimizers

    carried, refused = set(), set()
    for name in list_optimizers():

        def make(parameters: list[nn.Parameter], name: str = name) -> Any:
            return create_optimizer_v2(parameters, name, lr=1e-2, weight_decay=0.1)

        try:
            made = make(list(Rates().old.parameters()))
        except (AssertionError, ImportError, RuntimeError, ValueError):  # needs a library that is not here
            continue
        try:
            carry_optimizer(made, Rates().plan)
        except PlanError:
            refused.add(name)
            continue
        goes_on(make, whole=True)
        carried.add(name)
    assert not carried & refused
    assert {name for name in refused if name.startswith("c")} >= {
        "cadamw",
        "clion",
        "csgdw",
        "cadan",
        "cadopt",
        "cnadamw",
    }
    assert refused >= {"kron", "lamb", "lars", "muon", "adafactor", "adamp", "sgdp", "mars", "novograd", "adahessian"}
    assert carried >= {
        "adamwlegacy",
        "lion",
        "adan",
        "adopt",
        "laprop",
        "madgrad",
        "nadamw",
        "rmsproptf",
        "sgdw",
        "adabelief",
    }


class Clipped(torch.optim.SGD):
    """Anybody's own: nothing is known of its steps."""


@pytest.mark.parametrize(
    "given",
    [
        lambda p: Clipped(p, 0.1),
        lambda p: Clipped(p, 0.1).state_dict() | {"param_groups": [{"params": [0], "lr": 0.1, "trust": 1}]},
        lambda p: {},
        lambda p: {"state": [], "param_groups": 3},
        lambda p: torch.optim.SGD(p, 0.1).state_dict() | {"param_groups": [{"params": [0]}]},
    ],
)
def test_what_is_not_known_is_refused_in_words(given: Callable[[Any], Any]) -> None:
    rates = Rates()
    with pytest.raises(PlanError):
        carry_optimizer(given(list(rates.old.parameters())), rates.plan)


def test_what_schedulers_write_into_groups_does_no_harm() -> None:
    rates = Rates()
    made = torch.optim.SGD(rates.old.parameters(), 0.1, momentum=0.9)
    torch.optim.lr_scheduler.OneCycleLR(made, 0.3, total_steps=10)
    assert carry_optimizer(made.state_dict(), rates.plan)["param_groups"][0]["max_lr"] == 0.3
