"""Which optimizers treat each number of a weight on its own, so that their state can be joined and cut as weights are.

They are known by class, and under the options with which that holds: an update that is scaled by a norm, a mean or a
matrix of the whole weight is another one after a rewrite. What is not in the list is refused. A `state_dict()` does not
name its class; it is taken for one of torch's own if it has exactly the settings of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer

from archdsl.diagnostics import quote
from archdsl.passes.plan import PlanError

SWITCHES = frozenset({"foreach", "maximize", "differentiable", "capturable"})
NEWER = frozenset({"fused", "decoupled_weight_decay"})  # settings that some releases of torch lack
ADAM = frozenset({"lr", "betas", "eps", "weight_decay"}) | SWITCHES
TORCH: Mapping[str, frozenset[str]] = {
    "torch.optim.adadelta.Adadelta": SWITCHES | {"lr", "rho", "eps", "weight_decay"},
    "torch.optim.adagrad.Adagrad": (SWITCHES - {"capturable"})
    | {"lr", "lr_decay", "eps", "weight_decay", "initial_accumulator_value"},
    "torch.optim.adam.Adam": ADAM | {"amsgrad"},
    "torch.optim.adamw.AdamW": ADAM | {"amsgrad"},
    "torch.optim.adamax.Adamax": ADAM,
    "torch.optim.asgd.ASGD": SWITCHES | {"lr", "lambd", "alpha", "t0", "weight_decay"},
    "torch.optim.nadam.NAdam": ADAM | {"momentum_decay"},
    "torch.optim.radam.RAdam": ADAM,
    "torch.optim.rmsprop.RMSprop": SWITCHES | {"lr", "momentum", "alpha", "eps", "centered", "weight_decay"},
    "torch.optim.rprop.Rprop": SWITCHES | {"lr", "etas", "step_sizes"},
    "torch.optim.sgd.SGD": (SWITCHES - {"capturable"}) | {"lr", "momentum", "dampening", "weight_decay", "nesterov"},
}
TIMM: Mapping[str, Mapping[str, Any]] = {  # each with the options that it must have
    "timm.optim.adabelief.AdaBelief": {},
    "timm.optim.adamw.AdamWLegacy": {"caution": False, "clipping_threshold": None},
    "timm.optim.adan.Adan": {"caution": False},
    "timm.optim.adopt.Adopt": {"caution": False},
    "timm.optim.laprop.LaProp": {"caution": False},
    "timm.optim.lion.Lion": {"caution": False},
    "timm.optim.madgrad.MADGRAD": {},
    "timm.optim.nadam.NAdamLegacy": {},
    "timm.optim.nadamw.NAdamW": {"caution": False, "clipping_threshold": None},
    "timm.optim.radam.RAdamLegacy": {},
    "timm.optim.rmsprop_tf.RMSpropTF": {"caution": False},
    "timm.optim.sgdw.SGDW": {"caution": False},
}
SCHEDULED = frozenset(  # what schedulers, and code that makes groups, write into them
    {"initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum", "swa_lr", "lr_scale", "name", "group_name"}
)
WHOLE: Mapping[str, str] = {  # settings that tell of optimizers of whole weights, for states without a class
    "ns_steps": "Muon",
    "beta2_decay": "Adafactor",
    "decay_rate": "Adafactor",
    "tolerance_change": "LBFGS",
    "preconditioner_update_probability": "Kron",
    "max_grad_norm": "LAMB",
    "trust_coeff": "LARS",
    "wd_ratio": "a projecting optimizer (AdamP, SGDP)",
    "mars_type": "Mars",
    "hessian_power": "Adahessian",
    "caution": "a cautious optimizer",
}
ELEMENTS = frozenset(  # states with a number for each of the weight's
    {"momentum_buffer", "exp_avg", "exp_avg_sq", "max_exp_avg_sq", "exp_inf", "square_avg", "acc_delta", "grad_avg"}
    | {"sum", "ax", "prev", "step_size", "exp_avg_var", "max_exp_avg_var", "exp_avg_diff", "neg_pre_grad"}
    | {"grad_sum_sq", "s", "x0"}
)
NUMBERS = frozenset({"step", "eta", "mu", "mu_product", "m_schedule", "exp_avg_lr_1", "exp_avg_lr_2"})


def hold_optimizer(optimizer: Optimizer) -> None:
    """Raises `PlanError` for an optimizer that is not known to treat each number on its own."""
    name = f"{type(optimizer).__module__}.{type(optimizer).__qualname__}"
    if name in TORCH:
        return
    if name not in TIMM:
        raise _whole(quote(name)) if _is_whole(optimizer) else PlanError(f"`{quote(name)}` {_UNKNOWN}")
    for group in optimizer.param_groups:
        for option, value in TIMM[name].items():
            if group.get(option, value) != value:
                raise _whole(f"`{quote(name)}` with {option}={group[option]!r}")


def hold_state(state: Mapping[str, Any]) -> None:
    """The same for an optimizer's state alone, known by its settings."""
    if not isinstance(state.get("state"), Mapping) or not isinstance(state.get("param_groups"), list):
        raise PlanError("this is no optimizer's state_dict (`state` and `param_groups`)")
    for group in state["param_groups"]:
        settings = group.keys() - SCHEDULED - {"params", "param_names"}
        if any(known <= settings <= known | NEWER for known in TORCH.values()):
            continue
        whole = next((kind for mark, kind in WHOLE.items() if group.get(mark)), None)
        if whole is not None:
            raise _whole(whole)
        raise PlanError(f"an optimizer with the settings {', '.join(map(str, sorted(settings, key=str)))} {_UNKNOWN}")


_UNKNOWN = (
    "is not known to treat each number of a weight on its own, and its state is not carried: give the optimizer itself "
    "in place of its state, if it is one of timm's that does, or let it begin anew"
)


def _is_whole(optimizer: Optimizer) -> bool:
    return any(mark in group for group in optimizer.param_groups for mark in WHOLE if mark != "caution")


def _whole(what: str) -> PlanError:
    return PlanError(f"{what} steps a weight as a whole: joined or cut, it would take other steps")
