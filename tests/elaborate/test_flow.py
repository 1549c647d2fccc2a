"""What flows where: `in`, `here`, branches, residuals, lists, families."""

from __future__ import annotations

import pytest

from archdsl import ops
from archdsl.ir.program import Program
from tests.support.specs import codes, levels, net, program, words


def shape(built: Program, path: str) -> str:
    """The shape of what comes out at a path."""
    return str(next(node.outputs[0] for node in built.nodes if node.path == path))


def test_in_is_what_entered_and_here_what_flows_wherever_they_are_written() -> None:
    built = program("""
block Unit() {
    conv(8, 1x1)
    a: conv(in.c * 10, 1x1)
    scope { b: conv(here.c + in.c, 1x1) }
    repeat 1 { c: conv(in.c + 1, 1x1) }
}
arch net() { input 3x8x8
    conv(5, 1x1) -> u: Unit }
""")
    assert [shape(built, path) for path in ("u.a", "u.scope.b", "u.c")] == ["50x8x8", "55x8x8", "6x8x8"]


def test_every_branch_reads_the_value_before_the_branches() -> None:
    built = net("branches concat { conv(4, 1x1)\nconv(here.c * 2, 1x1)\n{0} }".replace("{0}", "skip identity"))
    assert [built.shapes_in(node)[0].sizes[0] for node in built.nodes if node.op.word == "conv"] == [3, 3]
    assert built.shape(built.outputs[0].value).sizes == (4 + 6 + 3, 16, 16)


def test_loops_and_conditions_give_the_branches_of_the_turns_that_run() -> None:
    built = net("branches concat { repeat 3 as i { if i != 1 { conv(i + 1, 1x1) } }\nrelu }")
    assert built.shape(built.outputs[0].value).sizes[0] == 1 + 3 + 3


def test_branches_of_one_is_that_branch_and_of_one_without_a_merge_a_list_of_one() -> None:
    assert words(net("branches add { conv(4, 1x1) }")) == ["input", "conv"]
    assert words(net("branches { conv(4, 1x1) }\nlet a = here[0]\nfrom a -> relu")) == ["input", "conv", "relu"]


def test_a_residual_is_branches_add_of_its_body_and_its_skip() -> None:
    one = net("residual { conv(3, 1x1) } skip conv(3, 3x3)")
    two = net("branches add { conv(3, 1x1)\nskip conv(3, 3x3) }")
    assert [(n.op, n.inputs, n.skip) for n in one.nodes] == [(n.op, n.inputs, n.skip) for n in two.nodes]


def test_a_skip_may_read_what_the_body_named() -> None:
    built = net("residual { batchnorm -> act: relu -> conv(3, 1x1) } skip { from act -> conv(3, 1x1) }")
    skip = next(node for node in built.nodes if node.skip)
    assert built.nodes[skip.inputs[0].node].path == "act"


def test_a_chain_behind_a_skip_goes_on_from_the_sum() -> None:
    assert words(net("residual { conv(3, 1x1) } skip identity -> relu"))[-2:] == ["add", "relu"]


def test_residual_if_is_just_its_body_where_the_condition_is_false() -> None:
    assert words(net("residual if false { conv(9, 1x1) }")) == ["input", "conv"]
    assert words(net("residual if true { conv(3, 1x1) }")) == ["input", "conv", "add"]


def test_none_in_the_place_of_a_layer_is_no_layer() -> None:
    text = "arch net(act=none) { input 3x8x8\nconv(3, 1x1) -> act -> conv(3, 1x1) }"
    assert words(program(text)) == ["input", "conv", "conv"]


def test_a_family_lives_in_the_block_and_is_read_by_its_indices() -> None:
    built = net("""
    for i in range(2) { repeat 2 as j { conv(i * 2 + j + 1, 1x1) as x[i][j] } }
    from [x[1][0], x[0][1]] -> concat
    """)
    assert built.shape(built.outputs[0].value).sizes[0] == 3 + 2


def test_a_name_of_a_loop_body_holds_to_the_end_of_the_turn() -> None:
    built = net("repeat 2 { conv(3, 1x1) as a\nrelu\nfrom [a, here] -> add }")
    assert words(built) == ["input", *["conv", "relu", "add"] * 2]
    assert codes("arch n() { input 3x8x8\nrepeat 2 { conv(3, 1x1) as a\nfrom a -> relu }\nfrom a }") == ["E0201"]


def test_lists_are_taken_apart_by_as_by_let_and_by_index() -> None:
    apart = net("split(2) as a, b\nfrom [b, a] -> concat", "4x8x8")
    assert [value.output for value in apart.nodes[-1].inputs] == [1, 0]
    text = "block Swap() { let a, b = in\nfrom [b, a] }\narch net() { input 4x8x8\nsplit(2) -> Swap -> concat }"
    assert [value.output for value in program(text).nodes[-1].inputs] == [1, 0]
    index = net("split(4) as x\nfrom [x[3], x[-2]] -> concat", "4x8x8")
    assert [value.output for value in index.nodes[-1].inputs] == [3, 2]


def test_a_value_may_be_an_argument_of_a_block() -> None:
    text = "block Join(other) { from [other, here] -> add }\narch net() { input 3x8x8\nconv(3, 1x1)\nJoin(in) }"
    built = program(text)
    assert [value.node for value in built.nodes[-1].inputs] == [0, 1]


def test_a_label_is_seen_from_inner_levels_of_its_block_only() -> None:
    inner = net("a { b: conv(3, 1x1) -> c { from b -> relu } }")
    assert [value.node for value in inner.nodes[-1].inputs] == [1]
    outer = 'arch net() { input 3x8x8\na { b: conv(3, 1x1) }\nfrom "a.b" -> relu }'
    assert [value.node for value in program(outer).nodes[-1].inputs] == [1]
    dotted = outer.replace('"a.b"', "a.b")
    assert [value.node for value in program(dotted).nodes[-1].inputs] == [1]
    assert codes("arch net() { input 3x8x8\na { b: conv(3, 1x1) -> relu }\nfrom b -> relu }") == ["E0201"]
    blocks = "block U() { from a -> relu }\narch net() { input 3x8x8\na: conv(3, 1x1)\nU }"
    assert codes(blocks) == ["E0201"]


def test_a_variable_comes_before_a_label_of_its_name() -> None:
    built = net("x: conv(3, 1x1)\nrelu as x\nfrom x -> gap")
    assert built.nodes[built.nodes[-1].inputs[0].node].op.word == "relu"


def test_several_inputs_are_a_list_and_have_names() -> None:
    text = "arch net() { input a: 3x8x8\ninput b: 3x8x8\nadd\nfrom [here, b] -> add\noutput sum1=here, b }"
    built = program(text)
    assert [node.path for node in built.nodes[:2]] == ["a", "b"]
    assert [output.name for output in built.outputs] == ["sum1", "b"]
    assert [value.node for value in built.nodes[2].inputs] == [0, 1]


def test_without_output_the_last_value_is_the_output() -> None:
    built = net("conv(3, 1x1) -> relu")
    assert [(output.name, output.value.node) for output in built.outputs] == [("output", 2)]


SHARED = """
arch net() {
    input a: [8]
    input b: [8]
    shared t: linear(4)
    from a -> fc: linear(4)
    from a -> t as x
    from b -> t as y
    from [x, y, fc] -> add
}
"""


def test_two_applications_of_shared_weights_share_their_keys_where_they_are_declared() -> None:
    built = program(SHARED)
    assert levels(built) == ["t", "fc"]
    assert [node.path for node in built.nodes if node.op.word == "linear"] == ["fc", "t", "t"]
    assert built.params == 2 * (8 * 4 + 4)


def test_shared_weights_that_would_have_other_shapes_are_an_error() -> None:
    assert codes(SHARED.replace("b: [8]", "b: [9]")) == ["E0308"]


def test_a_shape_that_shared_weights_reject_is_told_as_any_other() -> None:
    scalar = 'block T() { rearrange("c -> ") -> linear(4) }\narch net() { input [1]\nshared t: T\nt }'
    assert codes(scalar) == codes(scalar.replace("shared t: T\nt", "t: T"))


def test_shared_blocks_enter_the_same_paths_again() -> None:
    text = "block T() { linear(4) -> relu -> linear(4) }\narch net() { input [4]\nshared t: T\nt -> t }"
    built = program(text)
    assert levels(built) == ["t.0", "t.2"]
    assert [node.path for node in built.nodes[1:]] == ["t.0", "t.1", "t.2"] * 2


def test_a_side_head_runs_right_after_what_it_reads_and_keeps_its_place_in_the_state_dict() -> None:
    built = net("""
    low: conv(4, 1x1)
    conv(5, 1x1)
    aux from low -> side: conv(6, 1x1)
    last: conv(7, 1x1)
    """)
    assert [node.path for node in built.nodes] == ["input", "low", "side", "1", "last"]
    assert levels(built) == ["low", "1", "side", "last"]
    assert [(output.name, output.training) for output in built.outputs] == [("output", False), ("side", True)]


def test_a_side_head_leaves_the_current_value_alone_and_its_macs_out() -> None:
    plain = net("low: conv(4, 1x1) -> relu")
    sided = net("low: conv(4, 1x1)\naux from low -> side: conv(6, 1x1)\nrelu")
    assert sided.nodes[sided.outputs[0].value.node].op.word == "relu"
    text = "arch net() {{ input 3x8x8\nlow: conv(4, 1x1)\n{}relu\nexpect macs == 768 }}"
    assert program(text.format("")).state
    assert program(text.format("aux from low -> side: conv(6, 1x1)\n")).params == 16 + 30
    assert words(plain) == ["input", "conv", "relu"]


LITERAL = """
let file = tensor([[[2]], [[3]], [[5]]])
block By(k) { from [in, k] -> mul }
arch net() {{
    input 3x8x8
    {}
}}
"""


@pytest.mark.parametrize(
    "body",
    [
        "from [here, tensor([[[2]], [[3]], [[5]]])] -> mul",
        "from [here, file] -> mul",
        "By(file)",
        "By(tensor([[[2]], [[3]], [[5]]]))",
        "let k = [[[2]], [[3]], [[5]]]\nBy(k=tensor(k))",
        "branches mul {\nidentity\ntensor([[[2]], [[3]], [[5]]])\n}",
        "k: tensor([[[2]], [[3]], [[5]]])\nfrom [in, k] -> mul",
        "tensor([[[2]], [[3]], [[5]]]) as k\nfrom [in, k] -> mul",
        "from tensor([[[2]], [[3]], [[5]]]) as k\nfrom [in, k] -> mul",
        "from [in, [file]][0] as x\nfrom [x, [[file]][0][0]] -> mul",
    ],
)
def test_a_literal_is_read_wherever_values_are(body: str) -> None:
    text = LITERAL.replace("{ from", "{{ from").replace("mul }", "mul }}").format(body)
    built = program(text)
    (given,) = (node for node in built.nodes if node.op.word == "tensor")
    assert given.op == ops.TensorLiteral(values=(((2.0,),), ((3.0,),), ((5.0,),)))
    assert str(given.outputs[0]) == "3x1x1"
    assert [node.op.word for node in built.nodes if node.op.word not in ("tensor", "identity")] == ["input", "mul"]
    assert built.params == 0


def test_a_literal_takes_no_position() -> None:
    built = program("arch net() {\ninput [2]\ntensor([1, 2]) as k\nfrom in -> linear(2)\nfrom [here, k] -> mul\n}")
    assert levels(built) == ["0"]


@pytest.mark.parametrize(
    "text, code",
    [
        ("from tensor([])", "E0405"),
        ("from tensor([[1], [2, 3]])", "E0405"),
        ("from tensor([[1], 2])", "E0405"),
        ("from tensor(2)", "E0405"),
        ("from tensor([1e39])", "E0405"),
        ("from tensor", "E0402"),
        ("from [here, relu] -> add", "E0208"),
        ("from [here, tensor([1])] -> mul", "E0303"),
        ("gather([3])", "E0301"),
        ("gather([-1])", "E0405"),
    ],
)
def test_a_literal_that_is_none_is_told(text: str, code: str) -> None:
    assert codes("arch net() {\ninput 3x8x8\n" + text + "\n}") == [code]


def test_a_layer_that_nothing_reads_may_say_so() -> None:
    text = "arch net() {{\ninput 3x8x8\nconv(4, 1x1){}\nfrom in -> relu\n}}"
    assert codes(text.format("")) == ["E0206"]
    assert codes(text.format(" as spare")) == ["E0206", "E0205"]
    assert levels(program(text.format(" as _spare"))) == ["0"]
