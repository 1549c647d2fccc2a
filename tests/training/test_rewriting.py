"""Live modules and their optimizers through passes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import archdsl
from archdsl.diagnostics import UsageError
from archdsl.passes.plan import PlanError
from archdsl.passes.registry import parse
from archdsl.source import Source
from archdsl.training.optimizers import carry_optimizer
from archdsl.training.rewriting import rewrite_module

torch.set_num_threads(1)
SPEC = Source(
    """
arch thrice() {
    input 4x6x6
    branches add {
        repeat 3 as g {
            "twig{g}" {
                conv(2, 1x1, bias=false) -> batchnorm -> relu
                conv(2, 3x3, bias=false) -> batchnorm -> relu
                conv(5, 1x1, bias=false)
            }
        }
    }
    batchnorm -> relu -> gap -> flatten -> linear(3)
}
""",
    "thrice.arch",
)
GROUPED = parse("multibranch-to-grouped")
OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, weight_decay=1e-2, nesterov=True),
    "plain sgd": lambda p: torch.optim.SGD(p, 0.05),
    "adam": lambda p: torch.optim.Adam(p, 1e-2, weight_decay=1e-2, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, 1e-2),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 1e-2, momentum=0.5, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, 1e-2),
    "adamax": lambda p: torch.optim.Adamax(p, 1e-2),
}


def module(seed: int = 0) -> nn.Module:
    made = archdsl.load(SPEC, seed=seed).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.5)
    return made


def train(net: nn.Module, optimizer: torch.optim.Optimizer, steps: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        optimizer.zero_grad()
        x = torch.randn(8, 4, 6, 6, generator=generator, dtype=torch.float64)
        net(x).square().mean().backward()
        optimizer.step()


def near(one: dict[str, Any], two: dict[str, Any]) -> float:
    assert one.keys() == two.keys()
    return max(float(np.abs(np.asarray(one[key]) - np.asarray(two[key])).max()) for key in one)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_training_goes_on_after_the_rewrite_as_if_it_had_always_been(kind: str) -> None:
    """Train, rewrite with the state, train on; or train on without: the weights and the state agree."""
    old = module()
    first = OPTIMIZERS[kind](old.parameters())
    train(old, first, 5, seed=1)
    new, result = rewrite_module(old, [GROUPED])
    assert result.plan.exact
    second = OPTIMIZERS[kind](new.parameters())
    second.load_state_dict(carry_optimizer(first.state_dict(), result.plan))
    for net, optimizer in ((old, first), (new, second)):
        train(net, optimizer, 10, seed=2)
    carried = result.plan.apply({key: tensor.numpy() for key, tensor in old.state_dict().items()})
    assert near({key: tensor.numpy() for key, tensor in new.state_dict().items()}, carried) < 1e-10
    again = carry_optimizer(first.state_dict(), result.plan)["state"]
    now = second.state_dict()["state"]
    assert again.keys() == now.keys()
    for index, facts in now.items():
        assert facts.keys() == again[index].keys()
        for name, value in facts.items():
            if isinstance(value, Tensor):
                assert torch.allclose(value, again[index][name], rtol=0, atol=1e-10)
            else:
                assert value == again[index][name]


def test_without_its_state_training_goes_elsewhere() -> None:
    """The comparison above sees a momentum that is lost."""
    old = module()
    first = OPTIMIZERS["sgd"](old.parameters())
    train(old, first, 5, seed=1)
    new, result = rewrite_module(old, [GROUPED])
    second = OPTIMIZERS["sgd"](new.parameters())
    for net, optimizer in ((old, first), (new, second)):
        train(net, optimizer, 3, seed=2)
    carried = result.plan.apply({key: tensor.numpy() for key, tensor in old.state_dict().items()})
    assert near({key: tensor.numpy() for key, tensor in new.state_dict().items()}, carried) > 1e-4


def test_the_state_runs_backwards_to_the_bit() -> None:
    old = module()
    first = OPTIMIZERS["adam"](old.parameters())
    train(old, first, 3, seed=1)
    new, result = rewrite_module(old, [GROUPED])
    graph = old.archdsl.compile(*old.archdsl.arguments)  # type: ignore[union-attr, operator]
    there = carry_optimizer(first.state_dict(), result.plan)
    back = carry_optimizer(there, result.plan.backwards(graph))
    for index, facts in first.state_dict()["state"].items():
        for name, value in facts.items():
            assert torch.equal(back["state"][index][name], value)
    assert back["param_groups"] == first.state_dict()["param_groups"]
    assert new is not old


def groups(net: nn.Module, *, weights_alone: bool) -> list[dict[str, Any]]:
    """Parameters in two groups: by what they are, or by the branch that they are in."""
    apart: list[list[Tensor]] = [[], []]
    for name, parameter in net.named_parameters():
        apart[parameter.dim() > 1 if weights_alone else name.startswith("twig0")].append(parameter)
    return [{"params": apart[0], "weight_decay": 0.0}, {"params": apart[1], "weight_decay": 0.1}]


def test_groups_are_kept() -> None:
    old = module()
    names = {id(parameter): name for name, parameter in old.named_parameters()}
    made = groups(old, weights_alone=True)
    first = torch.optim.SGD(made, 0.05, momentum=0.9)
    train(old, first, 4, seed=1)
    new, result = rewrite_module(old, [GROUPED])
    second = torch.optim.SGD(groups(new, weights_alone=True), 0.05, momentum=0.9)
    keys = [names[id(parameter)] for group in made for parameter in group["params"]]
    second.load_state_dict(carry_optimizer(first.state_dict(), result.plan, keys))
    for net, optimizer in ((old, first), (new, second)):
        train(net, optimizer, 6, seed=2)
    carried = result.plan.apply({key: tensor.numpy() for key, tensor in old.state_dict().items()})
    assert near({key: tensor.numpy() for key, tensor in new.state_dict().items()}, carried) < 1e-10


def test_parameters_of_different_groups_do_not_become_one() -> None:
    old = module()
    names = {id(parameter): name for name, parameter in old.named_parameters()}
    made = groups(old, weights_alone=False)
    keys = [names[id(parameter)] for group in made for parameter in group["params"]]
    optimizer = torch.optim.SGD(made, 0.05)
    _, result = rewrite_module(old, [GROUPED])
    with pytest.raises(PlanError, match="are in different parameter groups"):
        carry_optimizer(optimizer.state_dict(), result.plan, keys)


def test_named_parameters_need_no_names() -> None:
    old = module()
    reordered = dict(reversed(list(old.named_parameters())))
    first = torch.optim.SGD(list(reordered.items()), 0.05, momentum=0.9)
    train(old, first, 4, seed=1)
    new, result = rewrite_module(old, [GROUPED])
    second = torch.optim.SGD(list(new.named_parameters()), 0.05, momentum=0.9)
    second.load_state_dict(carry_optimizer(first.state_dict(), result.plan))
    for net, optimizer in ((old, first), (new, second)):
        train(net, optimizer, 6, seed=2)
    carried = result.plan.apply({key: tensor.numpy() for key, tensor in old.state_dict().items()})
    assert near({key: tensor.numpy() for key, tensor in new.state_dict().items()}, carried) < 1e-10


def stepped() -> tuple[nn.Module, torch.optim.Optimizer, Any]:
    old = module()
    optimizer = OPTIMIZERS["adam"](old.parameters())
    train(old, optimizer, 2, seed=1)
    return old, optimizer, rewrite_module(old, [GROUPED])[1]


def test_steps_that_differ_are_told() -> None:
    _, optimizer, result = stepped()
    state = copy.deepcopy(optimizer.state_dict())
    state["state"][0]["step"] += 1
    with pytest.raises(PlanError, match="whose `step` differ, and it can have only one"):
        carry_optimizer(state, result.plan)


def test_parameters_that_were_never_stepped_are_told() -> None:
    _, optimizer, result = stepped()
    state = copy.deepcopy(optimizer.state_dict())
    del state["state"][0]
    with pytest.raises(PlanError, match="some were never stepped"):
        carry_optimizer(state, result.plan)


def test_an_optimizer_of_another_module_is_told() -> None:
    _, optimizer, result = stepped()
    state = copy.deepcopy(optimizer.state_dict())
    state["param_groups"][0]["params"].pop()
    with pytest.raises(PlanError, match="the optimizer has 24 parameters, and the module before the rewrite 25"):
        carry_optimizer(state, result.plan)
    with pytest.raises(PlanError, match="the names are not those"):
        carry_optimizer(optimizer.state_dict(), result.plan, ["a"])


def test_only_exact_passes_carry_an_optimizer() -> None:
    old, optimizer, _ = stepped()
    _, result = rewrite_module(old, [parse("fold-batchnorm")])
    with pytest.raises(PlanError, match="only by a plan that rearranges"):
        carry_optimizer(optimizer.state_dict(), result.plan)


def test_a_bfloat16_momentum_moves_bit_by_bit() -> None:
    old = module().bfloat16()
    first = OPTIMIZERS["sgd"](old.parameters())
    for parameter in old.parameters():
        parameter.grad = torch.randn(parameter.shape).bfloat16()
    first.step()
    _, result = rewrite_module(old, [GROUPED])
    state = carry_optimizer(first.state_dict(), result.plan)["state"]
    moved = torch.cat([facts["momentum_buffer"].flatten() for facts in state.values()])
    held = torch.cat([facts["momentum_buffer"].flatten() for facts in first.state_dict()["state"].values()])
    assert moved.dtype == torch.bfloat16
    assert torch.equal(moved.sort().values, held.sort().values)


def test_the_new_module_has_the_type_mode_and_frozen_parameters_of_the_old() -> None:
    old = module().half().eval()
    for name, parameter in old.named_parameters():
        if parameter.dim() > 1:
            parameter.requires_grad_(False)
        assert name
    before = {key: tensor.clone() for key, tensor in old.state_dict().items()}
    new, result = rewrite_module(old, [GROUPED])
    assert not new.training
    assert {tensor.dtype for tensor in new.parameters()} == {torch.float16}
    assert all(parameter.requires_grad == (parameter.dim() == 1) for parameter in new.parameters())
    assert all(torch.equal(before[key], tensor) for key, tensor in old.state_dict().items())
    carried = result.plan.apply({key: tensor.numpy() for key, tensor in before.items()})
    assert all(torch.equal(tensor, torch.from_numpy(carried[key])) for key, tensor in new.state_dict().items())


def test_a_rewritten_module_is_pickled_and_rewritten_again() -> None:
    once, _ = rewrite_module(module(), [GROUPED])
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    again = pickle.loads(pickle.dumps(once))
    assert torch.equal(again.eval()(x), once.eval()(x))
    folded, result = rewrite_module(again, [parse("fold-batchnorm")])
    assert result.rewritten == 3
    assert torch.allclose(folded.eval()(x), once(x), rtol=0, atol=1e-10)


def test_what_is_new_is_drawn_from_the_seed() -> None:
    old = module()
    drawn = [rewrite_module(old, [parse("deepen")], seed=seed)[0].state_dict() for seed in (1, 1, 2)]
    assert drawn[0].keys() == old.state_dict().keys()  # no residual here, so nothing is new
    spec = Source("arch r() {\n input 4x6x6\n residual { conv(4, 3x3) -> batchnorm } -> relu\n}", "r.arch")
    old = archdsl.load(spec, seed=3)
    one, two, other = (rewrite_module(old, [parse("deepen")], seed=seed)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)
    assert all(torch.equal(one[key], tensor) for key, tensor in old.state_dict().items())


def test_other_modules_are_refused() -> None:
    with pytest.raises(UsageError, match="only a module that archdsl made"):
        rewrite_module(nn.Linear(2, 2), [GROUPED])
    changed = module()
    changed.extra = nn.Linear(2, 2)
    with pytest.raises(UsageError, match="was changed since it was made"):
        rewrite_module(changed, [GROUPED])


def frozen_norms() -> nn.Module:
    """The net with the norms of its branches frozen, as when a trained net is tuned further."""
    net = module()
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(not (name.startswith("twig") and parameter.dim() == 1))
    return net


def test_an_optimizer_of_the_parameters_that_are_not_frozen_is_carried() -> None:
    old = frozen_norms()
    first = torch.optim.Adam([p for p in old.parameters() if p.requires_grad], 1e-2)
    train(old, first, 4, seed=1)
    new, result = rewrite_module(old, [GROUPED])
    second = torch.optim.Adam([p for p in new.parameters() if p.requires_grad], 1e-2)
    keys = [name for name, p in old.named_parameters() if p.requires_grad]
    second.load_state_dict(carry_optimizer(first.state_dict(), result.plan, keys))
    for net, optimizer in ((old, first), (new, second)):
        train(net, optimizer, 6, seed=2)
    carried = result.plan.apply({key: tensor.detach().numpy() for key, tensor in old.state_dict().items()})
    assert near({key: tensor.numpy() for key, tensor in new.state_dict().items()}, carried) < 1e-10


def test_an_optimizer_of_some_of_the_parts_of_a_parameter_is_told() -> None:
    old = module()
    keys = [name for name, _ in old.named_parameters() if not name.startswith("twig0")]
    first = torch.optim.SGD([old.get_parameter(key) for key in keys], 0.1)
    _, result = rewrite_module(old, [GROUPED])
    with pytest.raises(PlanError, match="of which the optimizer has only some"):
        carry_optimizer(first.state_dict(), result.plan, keys)


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("Adafactor", lambda net: torch.optim.Adafactor(net.parameters())),
        ("LBFGS", lambda net: torch.optim.LBFGS(net.parameters())),
        ("Muon", lambda net: torch.optim.Muon([p for p in net.parameters() if p.dim() == 2])),
    ],
)
def test_optimizers_that_step_a_weight_as_a_whole_are_refused(
    kind: str, make: Callable[[nn.Module], torch.optim.Optimizer]
) -> None:
    old = module()
    _, result = rewrite_module(old, [GROUPED])
    with pytest.raises(PlanError, match=f"{kind} steps a weight as a whole"):
        carry_optimizer(make(old).state_dict(), result.plan)


def test_frozen_and_trained_parameters_do_not_become_one() -> None:
    old = module()
    for name, parameter in old.named_parameters():
        parameter.requires_grad_(not name.startswith("twig0"))
    with pytest.raises(PlanError, match="made of frozen parameters and of trained ones"):
        rewrite_module(old, [GROUPED])
    folded, _ = rewrite_module(old, [parse("fold-batchnorm")])  # which is for inference
    assert not folded.get_parameter("twig0.0.weight").requires_grad


def test_norms_that_are_in_inference_stay_so_and_mixed_ones_do_not_become_one() -> None:
    """Statistics that are frozen while the rest trains go on being frozen."""
    old = module()
    norms = [(path, part) for path, part in old.named_modules() if isinstance(part, nn.BatchNorm2d)]
    for _, norm in norms:
        norm.eval()
    new, _ = rewrite_module(old, [GROUPED])
    assert new.training
    assert not any(part.training for part in new.modules() if isinstance(part, nn.BatchNorm2d))
    norms[0][1].train()
    with pytest.raises(PlanError, match="some are in training and others are not"):
        rewrite_module(old, [GROUPED])


def test_each_weight_keeps_its_type_of_numbers_and_is_the_new_modules_own() -> None:
    old = module().bfloat16()
    for part in old.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.float()
    new, _ = rewrite_module(old, [GROUPED])
    for path, part in new.named_modules():
        kinds = {parameter.dtype for parameter in part.parameters(recurse=False)}
        assert kinds <= {torch.float32 if isinstance(part, nn.BatchNorm2d) else torch.bfloat16}, path
    held = {tensor.data_ptr() for tensor in old.state_dict().values()}
    assert held.isdisjoint(tensor.data_ptr() for tensor in new.state_dict().values())
    same = module()
    again, _ = rewrite_module(same, [parse("drop-dropout")])
    before = same.get_parameter("7.weight").detach().clone()
    with torch.no_grad():
        for parameter in again.parameters():
            parameter.zero_()
    assert torch.equal(same.get_parameter("7.weight"), before)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, while it compiles
def test_a_module_whose_head_was_replaced_is_refused_and_a_compiled_one_is_seen_through() -> None:
    old = module()
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    new, result = rewrite_module(torch.compile(old), [GROUPED])  # type: ignore[arg-type]
    assert result.rewritten > 0
    assert torch.allclose(new.eval()(x), old.eval()(x), rtol=0, atol=1e-12)
    head = old.get_submodule("7")
    head.weight, head.bias = nn.Parameter(torch.zeros(9, 5)), nn.Parameter(torch.zeros(9))
    with pytest.raises(UsageError, match="was changed since it was made"):
        rewrite_module(old, [GROUPED])
