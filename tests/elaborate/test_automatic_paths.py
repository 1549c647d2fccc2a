"""A path that no one wrote makes room for one that is written, so that no layer ever loses its weights to another."""

from __future__ import annotations

from itertools import product

import pytest

from archdsl.diagnostics import CompileError
from archdsl.graph.graph import Graph
from archdsl.graph.verify import verify
from archdsl.targets import onnx_model
from archdsl.targets.torch_module import instantiate
from archdsl.weights import initial
from tests.support.specs import codes, levels, program

# Statements that make a path of their own on four channels, and how many times 20 weights each has.
AUTOMATIC = {
    "add": ("residual { conv(4, 1x1) }", 1),
    "concat": ("branches concat { conv(2, 1x1)\nconv(2, 1x1) }", 1),
    "mean": ("branches mean { conv(4, 1x1)\nskip identity }", 1),
    "mul": ("branches mul { conv(4, 1x1)\nconv(4, 1x1) }", 2),
    "tensor": ("branches mul { conv(4, 1x1)\nfrom tensor([[[2.0]], [[3.0]], [[4.0]], [[5.0]]]) }", 1),
    "input": ("relu", 0),
    "matmul": ("branches matmul { conv(4, 1x1)\nskip identity }", 1),
}
# Where the statements stand, and how often their weights are there.
AROUND = {
    "the arch": ("%s", 1),
    "a level": ("deep { %s }", 1),
    "a dotted label before it": ('"deep.x": conv(4, 1x1)\n%s', 1),
    "a loop": ('repeat 2 as turn { "turn{turn}" { %s } }', 2),
    "a branch": ("branches add { _ { %s }\nskip identity }", 1),
    "a side head": ("aux from here -> side { %s }", 1),
    "a block": ("Part -> Part", 2),
    "shared weights": ("shared part: Part\npart -> part -> part", 1),
    "no level of its own": ("_: Part", 1),
}
LABELS = (
    '"{word}": conv(4, 1x1)',
    '"{word}" {{ conv(4, 1x1) -> relu }}',
    '"{word}.deep": conv(4, 1x1)',
    '"{word}_2": conv(4, 1x1)',
    'param "{word}": ones([4, 1, 1])\nfrom [here, "{word}"] -> mul',
    "shared {word}_2: conv(4, 1x1)\n{word}_2 -> {word}_2",
)
ORDERS = ("{automatic}\n{label}", "{label}\n{automatic}", "{automatic}\n{label}\n{automatic}")


def _specs(around: str) -> list[tuple[str, int]]:
    """Specs that would lose weights if two nodes had one path, and how many weights each has, counted by hand."""
    form, times = AROUND[around]
    found = []
    for (word, (text, convs)), label, order in product(AUTOMATIC.items(), LABELS, ORDERS):
        body = order.format(automatic=text, label=label.format(word=word))
        inner = 20 * (convs * order.count("{automatic}") + 1) - 16 * label.startswith("param")
        block = f"block Part() {{\n{body}\n}}\n" if "Part" in form else ""
        outer = 20 * form.count("conv(")
        spec = f"{block}arch net() {{\ninput 4x6x6\n{form % body if '%s' in form else form}\nconv(3, 1x1)\n}}\n"
        found.append((spec, times * inner + outer + 15))
    return found


@pytest.mark.parametrize("around", AROUND, ids=str)
def test_no_label_takes_the_weights_of_another_layer(around: str) -> None:
    for text, params in _specs(around):
        graph = Graph(program(text))
        verify(graph)
        assert graph.params == params, text
        arrays = initial(graph, 0)
        assert sum(array.size for array in arrays.values()) == params, text


@pytest.mark.parametrize("around", ["the arch", "shared weights"])
def test_every_target_has_all_weights(around: str) -> None:
    for text, params in _specs(around)[::7]:
        graph = Graph(program(text))
        arrays = initial(graph, 0)
        assert sum(tensor.numel() for tensor in instantiate(graph, arrays).state_dict().values()) == params, text
        written = onnx_model.model(graph, arrays).graph.initializer
        assert {tensor.name for tensor in written} >= set(arrays), text


def test_what_is_written_keeps_its_path_whatever_comes_first() -> None:
    text = "arch net() {\ninput 4x6x6\nresidual { a: conv(4, 1x1) }\nresidual { b: conv(4, 1x1) }\n%s\n}\n"
    paths = [node.path for node in program(text % "add: conv(4, 1x1)\nadd_2: conv(4, 1x1)").nodes]
    assert paths == ["input", "a", "add_3", "b", "add_4", "add", "add_2"]
    assert [node.path for node in program(text % "").nodes] == ["input", "a", "add", "b", "add_2"]


@pytest.mark.parametrize(
    "text",
    [
        "input image: 3x8x8\nimage: conv(4, 1x1)",
        "input image: 3x8x8\nparam image: ones([3, 1, 1])\nfrom [here, image] -> mul",
        'input image: 3x8x8\n"image.deep": conv(4, 1x1)',
        "input image: 3x8x8\nimage { conv(4, 1x1) }",
        'input 4x8x8\n"1": conv(4, 1x1)\nconv(4, 1x1)',
    ],
)
def test_a_name_that_is_written_makes_no_room(text: str) -> None:
    assert codes(f"arch net() {{\n{text}\n}}\n")[-1:] in (["E0209"], ["E0203"])


def test_applications_of_shared_weights_keep_to_their_own_paths() -> None:
    """A further application finds the same layers, also behind dotted labels, and no layer twice or of another's."""
    cell = 'block Cell() { "up.a": conv(4, 1x1)\nconv(4, 1x1)\nrepeat in.h // 6 { x: conv(4, 1x1) } }\n'
    net = "arch net() {\n%s\nshared cell: Cell\n%s\n}\n"
    once = program(cell + net % ("input 4x6x6", "cell -> cell"))
    assert levels(once) == ["cell.up.a", "cell.1", "cell.x"]
    twice = net % ("input 4x6x6", "cell -> upsample(2) -> cell")
    assert codes(cell + twice) == ["E0209"]
    taken = net % ("input 4x4x4", 'cell\n"cell.x": conv(4, 1x1)\nupsample(2) -> cell')
    with pytest.raises(CompileError, match="E0209"):
        program(cell + taken)


def test_a_long_text_of_such_names_is_quick() -> None:
    """A merge that steps aside again and again does so in one step for each label."""
    labels = "\n".join(f'"add_{number}": relu' for number in range(2, 3000))
    built = program(f"arch net() {{\ninput 4x6x6\nresidual {{ conv(4, 1x1) }}\nadd: relu\n{labels}\n}}\n")
    assert next(node.path for node in built.nodes if node.op.word == "add") == "add_3000"
