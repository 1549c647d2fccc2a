"""Every name in every place: the net is right in every target, or `check` refuses it with a diagnostic."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import archdsl
from archdsl.compiler import weights_of
from archdsl.diagnostics import CompileError
from archdsl.graph.graph import Graph
from archdsl.graph.text import print_graph, read_graph
from archdsl.graph.verify import verify
from archdsl.source import Source
from archdsl.targets.arch_source import arch_source
from archdsl.targets.arch_text import arch_text
from archdsl.targets.dot import dot_text
from archdsl.targets.onnx_model import write
from archdsl.targets.torch_module import instantiate
from archdsl.targets.torch_source import code
from tests.support.named_nets import PLACES, PLAIN, names, spec
from tests.support.onnx_run import run_onnxruntime

CASES = [(place, name) for place in PLACES for name in names()]
SAMPLE = random.Random(8).sample(CASES, 80)


def graph_of(place: str, name: str) -> Graph:
    return archdsl.compile(Source(spec(place, name), "named.arch"))


def results(graph: Graph, arrays: list[np.ndarray[Any, Any]]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The outputs of the live module in inference and in training, its arrays given in the order of the state_dict."""
    keys = [key for key, _, _ in graph.state()]
    module = instantiate(graph, dict(zip(keys, arrays, strict=True)))
    assert list(module.state_dict()) == keys
    assert not [key for key, value in module.state_dict().items() if not isinstance(value, torch.Tensor)]
    given = [torch.linspace(-1, 1, 2 * 4 * 6 * 6).reshape(2, 4, 6, 6) * (at + 1) for at, _ in enumerate(graph.inputs)]
    found = []
    for training in (False, True):
        torch.manual_seed(0)
        value = module.train(training)(*given)
        found.append(list(value) if isinstance(value, tuple) else [value])
    return found[0], found[1]


def told(place: str, name: str) -> None:
    """Fails where some target of a net with this name in this place is not what it is with a plain name."""
    try:
        graph = graph_of(place, name)
    except CompileError:
        return
    plain = graph_of(place, PLAIN)
    arrays = list(weights_of(plain, None, 0).values())
    verify(graph)
    assert read_graph(print_graph(graph)) == graph
    expected = results(plain, arrays)
    got = results(graph, arrays)
    for mine, theirs in zip(got, expected, strict=True):
        assert len(mine) == len(theirs)
        assert all(map(torch.equal, mine, theirs))
    compile(code(graph).text, "x", "exec")
    keys = [key for key, _, _ in graph.state()]
    data = write(graph, dict(zip(keys, arrays, strict=True)))
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    given = np.linspace(-1, 1, 288, dtype="float32").reshape(2, 4, 6, 6)
    fed = {item.name: given * (at + 1) for at, item in enumerate(model.graph.input)}
    for mine, theirs in zip(run_onnxruntime(data, fed), expected[0], strict=True):
        np.testing.assert_allclose(mine, theirs.detach().numpy(), atol=1e-5)
    assert dot_text(graph).count("{") == dot_text(graph).count("}")
    for text in texts(graph):
        again = archdsl.compile(Source(text, "again.arch"), arch=graph.name)
        assert sorted(key for key, _, _ in again.state()) == sorted(keys)
        assert again.params == graph.params
        assert [output.name for output in again.outputs] == [output.name for output in graph.outputs]


def texts(graph: Graph) -> list[str]:
    shared = len({node.path for node in graph.nodes}) < len(graph.nodes)
    return [arch_source(graph)] if shared else [arch_source(graph), arch_text(graph)]


@pytest.mark.parametrize(("place", "name"), SAMPLE)
def test_a_name_is_right_everywhere_or_refused(place: str, name: str) -> None:
    told(place, name)


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_every_name_is_right_in_a_place_or_refused(place: str) -> None:
    """`pytest tests/security/test_names.py -m slow`: every name in every place, in about ten minutes."""
    for name in names():
        told(place, name)


@pytest.mark.parametrize("place", PLACES)
def test_a_plain_name_is_refused_nowhere(place: str) -> None:
    assert graph_of(place, PLAIN).params
