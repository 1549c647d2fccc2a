"""A checkpoint's arrays are a spec's by names, by order, or by an order found again; nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from random import Random

import pytest

from archdsl.compiler import compile
from archdsl.graph import Graph
from archdsl.prove.entries import Fit, Misfit, Sizes, fit, keeps_order
from archdsl.prove.reorder import outputs_meaning
from archdsl.source import Source
from tests.support.shrunk import every_net

ROLES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked", "weight_g", "weight_v")


def sizes(graph: Graph) -> dict[str, tuple[int, ...]]:
    return {key: tensor.sizes for key, _, tensor in graph.state()}


def net(body: str) -> Graph:
    return compile(Source(f"arch net() {{\n input 4x8x8\n {body}\n}}", "net.arch"))


def renamed(keys: Iterable[str], seed: str) -> dict[str, str]:
    """Each key with other names for its levels: one that another library could have, numbers as they are."""
    random = Random(seed)
    words: dict[str, str] = {}

    def other(part: str) -> str:
        found = re.fullmatch(r"(.*?)([0-9]*)", part)
        assert found is not None
        stem, number = found.groups()
        if stem and stem not in words:
            words[stem] = "".join(random.choice("bcdfgklmnprst") + random.choice("aeiou") for _ in range(3)) + (
                "_" * (len(words) % 3 + 1)
            )
        return words.get(stem, "") + number

    names = {}
    for key in keys:
        *levels, leaf = key.split(".")
        names[key] = ".".join([*map(other, levels), leaf if leaf in ROLES else other(leaf)])
    assert len(set(names.values())) == len(names)
    return names


AMBIGUOUS = (
    "bninception",
    "inception_resnet_v1",
    "inception_resnet_v2",
    "inception_v3",
    "inception_v4",
    "basic_block",  # two convolutions of one shape, numbered
    "resnext50_concat",  # branches of one shape, numbered, in the order of their channels
)
FAST = ("resnet18", "vgg16_bn", "efficientnet_b0", "convnext_tiny", "shufflenet_v2_x1_0", "unet_bn", "inception_v3")


def backwards(names: dict[str, str]) -> dict[str, str]:
    """The same with the numbers of each level's names turned around, mere numbers as they are."""
    numbers: dict[tuple[str, str], set[int]] = {}
    for name in names.values():
        levels = name.split(".")[:-1]
        for place, level in enumerate(levels):
            found = re.fullmatch(r"(.*[^0-9])([0-9]+)", level)
            if found:
                numbers.setdefault((".".join(levels[:place]), found[1]), set()).add(int(found[2]))

    def turned(levels: list[str], place: int) -> str:
        found = re.fullmatch(r"(.*[^0-9])([0-9]+)", levels[place])
        if not found:
            return levels[place]
        known = sorted(numbers[".".join(levels[:place]), found[1]])
        return f"{found[1]}{known[-1 - known.index(int(found[2]))]}"

    parts = {key: name.split(".") for key, name in names.items()}
    return {
        key: ".".join([*(turned(levels, place) for place in range(len(levels) - 1)), levels[-1]])
        for key, levels in parts.items()
    }


def check_sorted(spec: str, *, turned: bool = False) -> None:
    graph = compile(spec)
    names = renamed(sizes(graph), spec)
    names = backwards(names) if turned else names
    given = {names[key]: shape for key, shape in sorted(sizes(graph).items(), key=lambda item: names[item[0]])}
    found = fit(graph, given, ordered=False)
    if spec in AMBIGUOUS or (turned and isinstance(found, Misfit)):  # backwards, a net may be refused
        assert isinstance(found, Misfit)
        if turned:
            return
        assert found.ambiguous
        return
    assert isinstance(found, Fit), found.reason
    assert found.how == (
        "name" if names.keys() == set(names.values()) else "restored"
    )  # numbers alone stay as they are
    paths = {key.rpartition(".")[0]: other.rpartition(".")[0] for key, other in found.keys.items()}
    right = {key.rpartition(".")[0]: other.rpartition(".")[0] for key, other in names.items()}
    assert dict(found.keys) == names or outputs_meaning(graph, paths) == outputs_meaning(graph, right)


@pytest.mark.parametrize("spec", FAST)
def test_an_order_lost_to_sorted_names_is_found_again_or_said_to_be_lost(spec: str) -> None:
    check_sorted(spec)


@pytest.mark.slow
@pytest.mark.parametrize("spec", [name for name in every_net() if name not in FAST])
@pytest.mark.parametrize("turned", [False, True])
def test_no_bundled_net_is_matched_wrongly(spec: str, turned: bool) -> None:
    check_sorted(spec, turned=turned)


@pytest.mark.parametrize("spec", ["resnet18", "googlenet", "inception_v4", "resnext50_multibranch"])
def test_in_its_own_order_every_net_is_matched_whatever_its_names_are(spec: str) -> None:
    graph = compile(spec)
    names = renamed(sizes(graph), spec)
    found = fit(graph, {names[key]: shape for key, shape in sizes(graph).items()}, ordered=True)
    assert isinstance(found, Fit)
    assert (found.how, dict(found.keys)) == ("order", names)


def test_names_count_where_all_are_the_specs_own() -> None:
    """In whatever order they stand."""
    graph = compile("resnet18")
    shuffled = list(sizes(graph).items())
    Random(0).shuffle(shuffled)
    for ordered in (True, False):
        found = fit(graph, dict(shuffled), ordered=ordered)
        assert isinstance(found, Fit)
        assert found.how == "name"
        assert all(key == other for key, other in found.keys.items())


def test_another_shape_under_the_same_name_is_told() -> None:
    graph = compile("resnet18")
    found = fit(graph, {**sizes(graph), "fc.weight": (10, 512)}, ordered=True)
    assert isinstance(found, Misfit)
    assert found.expected == "fc.weight"
    assert "1000x512" in found.reason
    assert "10x512" in found.reason


PAIR = "residual { one: conv(4, 3x3, bias=false) -> relu -> two: conv(4, 3x3, bias=false) }"


@pytest.mark.parametrize(
    "body,same",
    [
        (PAIR, False),
        ("branches add {\n one: conv(4, 3x3, bias=false)\n two: conv(4, 3x3, bias=false)\n }", True),
        ("branches mul {\n one: conv(4, 3x3, bias=false)\n two: conv(4, 3x3, bias=false)\n }", True),
        ("branches concat {\n one: conv(4, 3x3, bias=false)\n two: conv(4, 3x3, bias=false)\n }", False),
        ("branches add {\n one: conv(4, 3x3, bias=false)\n two: conv(4, 3x3, bias=false) -> relu\n }", False),
    ],
)
def test_only_places_that_compute_the_same_may_be_exchanged(body: str, same: bool) -> None:
    given: Sizes = {"a.weight": (4, 4, 3, 3), "z.weight": (4, 4, 3, 3)}
    found = fit(net(body), given, ordered=False)
    assert isinstance(found, Fit) == same
    assert same or (isinstance(found, Misfit) and found.ambiguous)
    kept = fit(net(body), given, ordered=True)
    assert isinstance(kept, Fit)
    assert dict(kept.keys) == {"one.weight": "a.weight", "two.weight": "z.weight"}


def test_blocks_alike_settle_each_others_order() -> None:
    """In the first block a shortcut could be the last convolution; in the second, where shapes differ, it cannot."""
    block = """
        block Block(width) {
            residual {
                a: conv(width, 1x1, bias=false) -> relu
                b: conv(8, 1x1, bias=false)
            } skip {
                s: conv(8, 1x1, bias=false)
            }
        }
        arch net() {
            input 4x8x8
            x: Block(4)
            %s
        }
        """
    first, graph = (compile(Source(block % more, "net.arch")) for more in ("", "y: Block(6)"))
    names = {"a": "u", "b": "v", "s": "t"}
    given = {f"{key[0]}.{names[key[2]]}.weight": shape for key, shape in sizes(graph).items()}
    alone = fit(first, {k: v for k, v in sorted(given.items()) if k[0] == "x"}, ordered=False)
    assert isinstance(alone, Misfit)
    assert alone.ambiguous
    both = fit(graph, dict(sorted(given.items())), ordered=False)
    assert isinstance(both, Fit)
    assert both.keys["x.b.weight"] == "x.v.weight"


def test_arrays_of_one_layer_go_by_their_torch_names() -> None:
    """A norm's arrays have one shape; their order in the file does not matter, their names do."""
    graph = net("n: batchnorm")
    given = {f"m.{name}": (4,) for name in ("running_var", "bias", "weight", "running_mean")}
    for ordered in (True, False):
        found = fit(graph, given, ordered=ordered)
        assert isinstance(found, Fit)
        assert found.keys["n.running_var"] == "m.running_var"
        assert found.fresh == ("n.num_batches_tracked",)


def test_foreign_names_of_arrays_are_matched_in_order_alone() -> None:
    graph = net("n: batchnorm")
    given = {f"m.{name}": (4,) for name in ("gamma", "beta", "moving_mean", "moving_variance")}
    found = fit(graph, given, ordered=True)
    assert isinstance(found, Fit)
    assert found.keys["n.bias"] == "m.beta"
    assert isinstance(fit(graph, dict(sorted(given.items())), ordered=False), Misfit)


def test_a_net_without_arrays_fits_an_empty_checkpoint_alone() -> None:
    assert isinstance(fit(net("relu"), {}, ordered=True), Fit)
    for ordered in (True, False):
        assert isinstance(fit(net("relu"), {"a.weight": (1,)}, ordered=ordered), Misfit)
        assert isinstance(fit(net("c: conv(4, 1x1)"), {}, ordered=ordered), Misfit)


def test_numbered_stages_may_run_either_way_and_norms_run_with_their_layers() -> None:
    """A decoder has `up2` before `up1`: where both ways fit, neither is taken, and where one does, it is."""
    same = net("down1: conv(4, 3x3) -> down2: conv(4, 3x3) -> up2: conv(4, 3x3) -> up1: conv(4, 3x3)")
    given = dict(sorted((f"x{key}", shape) for key, shape in sizes(same).items()))
    found = fit(same, given, ordered=keeps_order("a.safetensors", given))
    assert isinstance(found, Misfit)
    assert found.ambiguous
    other = net("up2: conv(6, 3x3) -> bn2: batchnorm -> up1: conv(6, 3x3) -> bn1: batchnorm -> up0: conv(2, 3x3)")
    given = dict(sorted((f"x{key}", shape) for key, shape in sizes(other).items()))
    found = fit(other, given, ordered=keeps_order("a.safetensors", given))
    assert isinstance(found, Fit)
    assert all(there == f"x{key}" for key, there in found.keys.items())


def test_the_order_of_a_file_counts_only_where_it_can_be_that_of_modules() -> None:
    names = ["c.weight", "c.bias", "b.weight", "b.bias"]
    assert keeps_order("a.pth", names) is True
    assert keeps_order("a.safetensors", sorted(names)) is False
    assert keeps_order("a.pth", sorted(names)) is None
    assert keeps_order("a.pth", ["c.weight", "b.weight", "c.bias", "b.bias"]) is False
    assert keeps_order("a.pth", ["b." * 4000 + "weight", "a.weight"]) is False
    body = net("one: conv(4, 1x1) -> two: conv(4, 1x1) -> three: conv(4, 1x1) -> four: conv(6, 1x1)")
    shapes = sizes(body)
    swapped = {key: shapes[key] for name in ("two", "one", "three") for key in (f"{name}.weight", f"{name}.bias")}
    found = fit(body, {**swapped, "last.weight": (6, 4, 1, 1), "last.bias": (6,)}, ordered=True)
    assert isinstance(found, Fit)  # two of four layers have the spec's names: they count for no more than the order
    kept = {key: shape for key, shape in shapes.items() if not key.startswith("four")}
    turned = dict(sorted(kept.items(), key=lambda item: ("three", "two", "one").index(item[0].partition(".")[0])))
    assert isinstance(fit(body, {**turned, "last.weight": (6, 4, 1, 1), "last.bias": (6,)}, ordered=True), Fit)


def test_a_norms_arrays_are_known_by_their_names_elsewhere() -> None:
    body = net("conv(4, 1x1) -> batchnorm")
    given = {
        "c.kernel": (4, 4, 1, 1),
        "c.bias": (4,),
        **{f"n.{name}": (4,) for name in ("beta", "gamma", "moving_mean", "moving_variance")},
    }
    found = fit(body, given, ordered=True)
    assert isinstance(found, Fit)
    assert [found.keys[key] for key in sizes(body) if "1." in key and "num" not in key] == [
        "n.gamma",
        "n.beta",
        "n.moving_mean",
        "n.moving_variance",
    ]
