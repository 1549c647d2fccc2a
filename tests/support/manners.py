"""What PyTorch users do with modules, as a table: each manner of a module and an input comes to comparable values."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

Manner = Callable[[nn.Module, Tensor], Any]
MANNERS: dict[str, Manner] = {}


def manner(function: Manner) -> Manner:
    """Enters a manner under its name."""
    MANNERS[function.__name__] = function
    return function


def flat(value: Any) -> list[Any]:
    """Tensors, numbers and texts of a nested value, in order."""
    if isinstance(value, dict):
        return [item for key, inner in value.items() for item in (key, *flat(inner))]
    if isinstance(value, list | tuple):
        return [item for inner in value for item in flat(inner)]
    return [value.detach() if isinstance(value, Tensor) else value]


def outcome(run: Manner, module: nn.Module, x: Tensor) -> list[Any]:
    """What a manner comes to: its values, or the kind of error that it ends with."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return flat(run(module, x))
        except Exception as error:
            return [type(error).__name__, str(error).partition("\n")[0].replace(type(module).__name__, "NET")[:60]]


def agree(one: list[Any], other: list[Any]) -> bool:
    """Whether two outcomes are the same, tensors to the bit."""
    return len(one) == len(other) and all(map(_same, one, other))


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.is_quantized or a.is_meta:
            return a.shape == b.shape and a.dtype == b.dtype
        return a.dtype == b.dtype and torch.equal(a.nan_to_num(), b.nan_to_num())
    return bool(type(a) is type(b) and a == b)


def state(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.state_dict())


def first(module: nn.Module, kind: type[nn.Module] | tuple[type[nn.Module], ...]) -> nn.Module:
    """The first part of a kind that has weights."""
    return next(part for part in module.modules() if isinstance(part, kind) and hasattr(part, "weight"))


LAYERS = (nn.Conv2d, nn.Linear)


def last_linear(module: nn.Module) -> str:
    return [name for name, part in module.named_modules() if isinstance(part, nn.Linear)][-1]


def seeded(module: nn.Module, x: Tensor) -> Any:
    torch.manual_seed(1)
    return module(x)


def pickled(module: Any, protocol: int = 4) -> Any:
    return pickle.loads(pickle.dumps(module, protocol))


def saved(value: Any) -> Any:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


# ------------------------------------------------------------- running


@manner
def inference(module: nn.Module, x: Tensor) -> Any:
    return module.eval()(x)


@manner
def training(module: nn.Module, x: Tensor) -> Any:
    optimizer = torch.optim.SGD(module.train().parameters(), 0.1, momentum=0.9)
    for _ in range(2):
        sum(y.sum() for y in flat_outputs(module(x))).backward()
        optimizer.step()
    return state(module), [p.grad for p in module.parameters()]


def flat_outputs(outputs: Any) -> list[Tensor]:
    return [outputs] if isinstance(outputs, Tensor) else list(outputs)


@manner
def names_and_modes(module: nn.Module, x: Tensor) -> Any:
    del x
    names = [name for name, _ in module.named_modules()]
    return names, [name for name, _ in module.named_parameters()], [name for name, _ in module.named_buffers()]


@manner
def hooks_of_all_kinds(module: nn.Module, x: Tensor) -> Any:
    seen: list[Any] = []
    for name, part in module.named_modules():
        if not list(part.children()):
            part.register_forward_pre_hook(lambda _, given, n=name: seen.append((n, given[0].shape)))
            part.register_forward_hook(lambda _, __, out, n=name: seen.append((n, out.shape)))
    handle = module.register_full_backward_hook(lambda _, given, out: seen.append(("back", len(out))))
    sum(y.sum() for y in flat_outputs(module.eval()(x))).backward()  # type: ignore[union-attr]
    handle.remove()
    return seen


@manner
def other_types(module: nn.Module, x: Tensor) -> Any:
    module.eval()
    wide = module.double()(x.double())
    return wide, module.bfloat16()(x.bfloat16()), sorted({str(p.dtype) for p in module.parameters()})


@manner
def channels_last(module: nn.Module, x: Tensor) -> Any:
    return module.eval().to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))  # type: ignore[call-overload]


@manner
def autocast(module: nn.Module, x: Tensor) -> Any:
    with torch.autocast("cpu", torch.bfloat16):
        return module.eval()(x)


@manner
def checkpointed(module: nn.Module, x: Tensor) -> Any:
    from torch.utils.checkpoint import checkpoint

    y = checkpoint(module.eval(), x.requires_grad_(), use_reentrant=False)
    sum(part.sum() for part in flat_outputs(y)).backward()  # type: ignore[union-attr]
    return y, x.grad


@manner
def functional_call(module: nn.Module, x: Tensor) -> Any:
    values = {name: value * 0.5 for name, value in module.named_parameters()}
    return torch.func.functional_call(module.eval(), values, (x,))


@manner
def functional_gradients(module: nn.Module, x: Tensor) -> Any:
    module.eval()
    values = {name: value.detach() for name, value in module.named_parameters()}

    def loss(values: dict[str, Tensor]) -> Tensor:
        return sum((y**2).mean() for y in flat_outputs(torch.func.functional_call(module, values, (x,))))  # type: ignore[return-value]

    return torch.func.grad(loss)(values)


@manner
def ensembles(module: nn.Module, x: Tensor) -> Any:
    pair = [module.eval(), copy.deepcopy(module)]
    values, buffers = torch.func.stack_module_state(pair)
    base = copy.deepcopy(module).to("meta")
    call = torch.vmap(lambda p, b: torch.func.functional_call(base, (p, b), (x,)), randomness="same")
    return [y.shape for y in flat_outputs(call(values, buffers))]


@manner
def per_example_gradients(module: nn.Module, x: Tensor) -> Any:
    module.eval()
    values = {name: value.detach() for name, value in module.named_parameters()}

    def loss(values: dict[str, Tensor], one: Tensor) -> Tensor:
        outputs = torch.func.functional_call(module, values, (one.unsqueeze(0),))
        return sum(y.sum() for y in flat_outputs(outputs))  # type: ignore[return-value]

    found = torch.vmap(torch.func.grad(loss), in_dims=(None, 0), randomness="same")(values, x)
    return [value.shape for value in found.values()]


@manner
def replicas(module: nn.Module, x: Tensor) -> Any:
    replica = module.eval()._replicate_for_data_parallel()  # type: ignore[no-untyped-call]
    return type(replica) is type(module), nn.DataParallel(module)(x)


@manner
def flops(module: nn.Module, x: Tensor) -> Any:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        module.eval()(x)
    return counter.get_total_flops()


# ------------------------------------------------------------- state


@manner
def state_with_hooks(module: nn.Module, x: Tensor) -> Any:
    seen: list[Any] = []
    module.register_state_dict_pre_hook(lambda _, prefix, keep: seen.append((prefix, keep)))
    module.register_state_dict_post_hook(lambda _, found, prefix, local: found.update(extra=torch.ones(1)))
    module.register_load_state_dict_pre_hook(lambda _, found, *__: found.pop("extra", None) and None)
    module.register_load_state_dict_post_hook(lambda _, keys: seen.append(list(keys.unexpected_keys)))
    found = module.state_dict(prefix="net.")
    back = {key.removeprefix("net."): value for key, value in found.items()}
    return seen, list(found), str(module.load_state_dict(back)), seen, module.eval()(x)


@manner
def assigned_state(module: nn.Module, x: Tensor) -> Any:
    given = {key: value.clone() * 0.5 if value.is_floating_point() else value for key, value in state(module).items()}
    with torch.device("meta"):
        empty = copy.deepcopy(module).to("meta")
    told = str(empty.load_state_dict(given, assign=True))
    own = all(value.data_ptr() == given[key].data_ptr() for key, value in state(empty).items())
    kept = {key for key, value in empty.named_buffers() if value.is_meta}
    return told, own, sorted(kept), empty.eval()(x) if not kept else None


@manner
def emptied(module: nn.Module, x: Tensor) -> Any:
    given = {key: value.clone() for key, value in state(module).items()}
    meta = copy.deepcopy(module).to("meta")
    outputs = [y.shape for y in flat_outputs(meta.eval()(x.to("meta")))]
    full = meta.to_empty(device="cpu")
    return outputs, str(full.load_state_dict(given)), full.state_dict()


@manner
def wrong_state(module: nn.Module, x: Tensor) -> Any:
    del x
    given = state(module)
    key = next(iter(given))
    told = module.load_state_dict({k: v for k, v in given.items() if k != key} | {"b": torch.ones(1)}, strict=False)
    return told.missing_keys, told.unexpected_keys, module.load_state_dict({})


@manner
def shared_memory(module: nn.Module, x: Tensor) -> Any:
    module.share_memory()
    return all(value.is_shared() for value in state(module).values()), module.eval()(x)


@manner
def averaged(module: nn.Module, x: Tensor) -> Any:
    average = torch.optim.swa_utils.AveragedModel(module, use_buffers=True)
    with torch.no_grad():
        for _ in range(2):
            for parameter in module.parameters():
                parameter.mul_(0.5)
            average.update_parameters(module)
    return average.eval()(x), pickled(average).eval()(x), copy.deepcopy(average)(x)


@manner
def constructed_again(module: nn.Module, x: Tensor) -> Any:
    torch.manual_seed(3)
    other = type(module)()
    other.load_state_dict(module.state_dict())
    return other.eval()(x)


@manner
def derived_class(module: nn.Module, x: Tensor) -> Any:
    class Mine(type(module)):  # type: ignore[misc]
        def forward(self, x: Tensor) -> Any:
            return super().forward(x), "mine"

    mine = Mine()
    mine.load_state_dict(module.state_dict())
    return mine.eval()(x), copy.deepcopy(mine)(x)


# ------------------------------------------------------------- copies


@manner
def pickles_of_all_protocols(module: nn.Module, x: Tensor) -> Any:
    module.eval()
    return [pickled(module, protocol)(x) for protocol in range(2, 6)]


@manner
def saved_whole(module: nn.Module, x: Tensor) -> Any:
    return saved(module.eval())(x)


@manner
def saved_whole_in_the_old_form(module: nn.Module, x: Tensor) -> Any:
    buffer = io.BytesIO()
    torch.save(module.eval(), buffer, _use_new_zipfile_serialization=False)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)(x)


@manner
def saved_whole_and_read_as_weights(module: nn.Module, x: Tensor) -> Any:
    del x
    buffer = io.BytesIO()
    torch.save(module, buffer)
    buffer.seek(0)
    try:
        torch.load(buffer, weights_only=True)
    except pickle.UnpicklingError as error:
        return "Weights only load failed" in str(error)


@manner
def cloudpickled(module: nn.Module, x: Tensor) -> Any:
    import cloudpickle

    return pickle.loads(cloudpickle.dumps(module.eval()))(x)


@manner
def shallow_copy(module: nn.Module, x: Tensor) -> Any:
    other = copy.copy(module.eval())
    same = all(a is b for a, b in zip(module.parameters(), other.parameters(), strict=True))
    return same, other._parameters is module._parameters, other(x)


@manner
def pickled_with_optimizer(module: nn.Module, x: Tensor) -> Any:
    optimizer = torch.optim.Adam(module.parameters(), 0.01)
    sum(y.sum() for y in flat_outputs(module.train()(x))).backward()  # type: ignore[union-attr]
    optimizer.step()
    other, steps = pickled((module, optimizer))
    own = list(map(id, other.parameters())) == [id(p) for group in steps.param_groups for p in group["params"]]
    for net, step in ((module, optimizer), (other, steps)):
        step.zero_grad()
        torch.manual_seed(4)
        sum(y.sum() for y in flat_outputs(net(x))).backward()  # type: ignore[union-attr]
        step.step()
    same = all(torch.equal(a, b) for a, b in zip(module.parameters(), other.parameters(), strict=True))
    return own, same, state(other)


@manner
def inside_another_module(module: nn.Module, x: Tensor) -> Any:
    outer = nn.Sequential(nn.Identity(), module).eval()
    return pickled(outer)(x), copy.deepcopy(outer)(x), nn.ModuleDict({"a": pickled(module)})["a"](x)


@manner
def every_part(module: nn.Module, x: Tensor) -> Any:
    del x
    return [[list(pickled(part).state_dict()), len(state(copy.deepcopy(part)))] for part in module.modules()]


@manner
def pickled_outputs(module: nn.Module, x: Tensor) -> Any:
    with torch.no_grad():
        outputs = module.train()(x)
        other = [pickled(outputs, protocol) for protocol in range(2, 6)]
        return other, saved(outputs), copy.deepcopy(outputs), {type(o) is type(outputs) for o in other} == {True}


@manner
def outputs_as_trees(module: nn.Module, x: Tensor) -> Any:
    from torch.utils import _pytree

    with torch.no_grad():
        outputs = module.train()(x)
    leaves, spec = _pytree.tree_flatten(outputs)
    again = _pytree.tree_unflatten(leaves, pickled(spec))
    return leaves, type(again) is type(outputs), spec.num_leaves


# ------------------------------------------------------------- edits by torch's own tools


@manner
def pruned(module: nn.Module, x: Tensor) -> Any:
    layer = first(module, LAYERS)
    prune.l1_unstructured(layer, "weight", 0.5)  # type: ignore[no-untyped-call]
    other = pickled(module.eval())
    prune.remove(layer, "weight")  # type: ignore[no-untyped-call]
    return module(x), other(x), list(other.state_dict())


@manner
def globally_pruned(module: nn.Module, x: Tensor) -> Any:
    layers = [(part, "weight") for part in module.modules() if isinstance(part, LAYERS)]
    prune.global_unstructured(layers, prune.L1Unstructured, amount=0.3)  # type: ignore[no-untyped-call]
    return pickled(module.eval())(x), module(x)


@manner
def copied_while_pruned(module: nn.Module, x: Tensor) -> Any:
    prune.l1_unstructured(first(module, LAYERS), "weight", 0.5)  # type: ignore[no-untyped-call]
    return copy.deepcopy(module.eval())(x)


@manner
def parametrized(module: nn.Module, x: Tensor) -> Any:
    layer = first(module, LAYERS)
    parametrizations.weight_norm(layer)
    parametrizations.spectral_norm(module.get_submodule(last_linear(module)))
    other = copy.deepcopy(module.eval())
    return other(x), list(other.state_dict()), parametrize.is_parametrized(layer)


@manner
def parametrized_and_pickled(module: nn.Module, x: Tensor) -> Any:
    parametrizations.weight_norm(first(module, LAYERS))
    return pickled(module)


@manner
def parametrized_then_removed(module: nn.Module, x: Tensor) -> Any:
    layer = first(module, LAYERS)
    parametrizations.weight_norm(layer)
    parametrize.remove_parametrizations(layer, "weight")
    return pickled(module.eval())(x)


@manner
def weight_norm_by_hooks(module: nn.Module, x: Tensor) -> Any:
    nn.utils.weight_norm(first(module, LAYERS))
    other = pickled(module.eval())
    return other(x), list(other.state_dict())


@manner
def spectral_norm_by_hooks(module: nn.Module, x: Tensor) -> Any:
    nn.utils.spectral_norm(first(module, LAYERS))
    return pickled(module.eval())(x)


@manner
def synchronised_norms(module: nn.Module, x: Tensor) -> Any:
    other = pickled(nn.SyncBatchNorm.convert_sync_batchnorm(module)).eval()
    return [type(part).__name__ for part in other.modules() if "Norm" in type(part).__name__], other(x)


@manner
def quantized_dynamically(module: nn.Module, x: Tensor) -> Any:
    other = torch.ao.quantization.quantize_dynamic(module.eval(), {nn.Linear})
    return other(x), pickled(other)(x), copy.deepcopy(other)(x)


@manner
def quantized_by_hand(module: nn.Module, x: Tensor) -> Any:
    wrapped = torch.ao.quantization.QuantWrapper(module.eval())
    wrapped.qconfig = torch.ao.quantization.get_default_qconfig("fbgemm")  # type: ignore[assignment]
    prepared = torch.ao.quantization.prepare(wrapped)
    prepared(x)
    made = torch.ao.quantization.convert(prepared)
    return list(made.state_dict()), list(pickled(made.module.state_dict())), made(x)


@manner
def quantized_by_tracing(module: nn.Module, x: Tensor) -> Any:
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    prepared = prepare_fx(module.eval(), get_default_qconfig_mapping("fbgemm"), (x,))
    prepared(x)
    return convert_fx(prepared)(x)


@manner
def head_replaced(module: nn.Module, x: Tensor) -> Any:
    name = last_linear(module)
    torch.manual_seed(5)
    module.set_submodule(name, nn.Linear(module.get_submodule(name).in_features, 7))  # type: ignore[arg-type]
    return saved(module.eval())(x), pickled(module)(x), copy.deepcopy(module)(x)


# ------------------------------------------------------------- tracing


@manner
def traced_by_fx(module: nn.Module, x: Tensor) -> Any:
    traced = torch.fx.symbolic_trace(module.eval())
    return traced(x), pickled(traced)(x), copy.deepcopy(traced)(x), saved(traced)(x)


@manner
def traced_by_fx_in_training(module: nn.Module, x: Tensor) -> Any:
    traced = torch.fx.symbolic_trace(module.train())
    other = pickled(traced)
    return seeded(traced, x), seeded(other, x)


@manner
def fused(module: nn.Module, x: Tensor) -> Any:
    from torch.fx.experimental import optimization

    return optimization.fuse(module.eval())(x)


@manner
def parts_traced_by_fx(module: nn.Module, x: Tensor) -> Any:
    del x
    return [pickled(torch.fx.symbolic_trace(part)).code.count("\n") for part in module.eval().children()]


@manner
def traced_by_jit(module: nn.Module, x: Tensor) -> Any:
    traced = torch.jit.trace(module.eval(), x)  # type: ignore[no-untyped-call]
    buffer = io.BytesIO()
    torch.jit.save(traced, buffer)  # type: ignore[no-untyped-call]
    buffer.seek(0)
    return traced(x), torch.jit.load(buffer)(x)  # type: ignore[no-untyped-call]


@manner
def traced_by_jit_in_training(module: nn.Module, x: Tensor) -> Any:
    traced = torch.jit.trace(module.train(), x, check_trace=False)  # type: ignore[no-untyped-call]
    return [y.shape for y in flat_outputs(traced(x))]


@manner
def exported(module: nn.Module, x: Tensor) -> Any:
    program = torch.export.export(module.eval(), (x,))
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    return program.module()(x), torch.export.load(buffer).module()(x)


@manner
def exported_in_training(module: nn.Module, x: Tensor) -> Any:
    program = torch.export.export(module.train(), (x,))
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    made = torch.export.load(buffer).module()
    return seeded(made, x)


@manner
def compiled(module: nn.Module, x: Tensor) -> Any:
    made = torch.compile(module.eval(), backend="eager", fullgraph=True)
    nested = torch.compile(nn.Sequential(nn.Identity(), module).eval(), backend="eager", fullgraph=True)
    return made(x), nested(x)


@manner
def compiled_in_training(module: nn.Module, x: Tensor) -> Any:
    made = torch.compile(module.train(), backend="eager", fullgraph=True)
    return [y.shape for y in flat_outputs(made(x))]


@manner
def scripted(module: nn.Module, x: Tensor) -> Any:
    return torch.jit.script(module.eval())(x)


@manner
def features_extracted(module: nn.Module, x: Tensor) -> Any:
    from tests.support.peers import torchvision_models

    torchvision_models()
    from torchvision.models import feature_extraction

    names = feature_extraction.get_graph_node_names(module.eval())[1]
    made = feature_extraction.create_feature_extractor(module, [names[len(names) // 2]])
    return list(made(x).values())


# ------------------------------------------------------------- looking at it


@manner
def sources(module: nn.Module, x: Tensor) -> Any:
    del x
    return [inspect.getsource(type(part)) for part in module.modules()], inspect.getsource(module.forward)


@manner
def signatures(module: nn.Module, x: Tensor) -> Any:
    del x
    import typing

    hints = typing.get_type_hints(module.forward)
    return str(inspect.signature(module.forward)).count("Tensor"), hints["x"] is Tensor, str(module)
