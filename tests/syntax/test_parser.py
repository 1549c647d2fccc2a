"""What the parser makes of a text, and that its table is that of the grammar."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from archdsl.diagnostics import CompileError
from archdsl.limits import Limits
from archdsl.source import Source
from archdsl.syntax import generate, tree
from archdsl.syntax.lexer import SOFT, WORDS
from archdsl.syntax.parser import parse, parse_expression, parse_value

SPECS = sorted((Path(__file__).parents[2] / "specs").rglob("*.arch"))


def test_the_committed_table_is_that_of_the_grammar() -> None:
    assert generate.TABLE.read_text(encoding="utf-8") == generate.table()


def test_the_grammar_has_no_conflict(caplog: pytest.LogCaptureFixture) -> None:
    from lark import Lark, logger

    caplog.set_level(logging.DEBUG, logger=logger.name)
    logger.propagate, before = True, logger.propagate
    Lark(generate.GRAMMAR.read_text(encoding="utf-8"), parser="lalr", start=generate.STARTS, debug=True)
    logger.propagate = before
    assert not [record for record in caplog.records if "conflict" in record.getMessage().lower()]


def test_the_words_are_those_of_the_grammar() -> None:
    from archdsl.syntax.tables import tables

    kinds = {kind for row in tables().actions for kind in row if kind.isalpha() and kind.islower()}
    assert kinds == WORDS | SOFT


def test_lark_itself_reads_the_specs_by_the_grammar() -> None:
    from lark import Lark

    lark = Lark(generate.GRAMMAR.read_text(encoding="utf-8"), parser="lalr", start=generate.STARTS)
    for path in SPECS:
        assert lark.parse(path.read_text(encoding="utf-8"), start="start").children, path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("25_557_032", 25_557_032),
        ("4.09G", 4_090_000_000),
        ("1.5K", 1500),
        ("300.8M", 300_800_000),
        ("0.0005K", 0.5),
        ("1e-3", 0.001),
        ("2.0", 2.0),
    ],
)
def test_a_number_has_its_exact_value(text: str, value: float) -> None:
    number = parse_value(text)
    assert isinstance(number, tree.Number)
    assert (number.value, type(number.value), number.digits) == (value, type(value), text)


def test_a_template_has_spans_in_its_file() -> None:
    source = Source('block Unit(i) {\n    "a{{{i + 1}}}": relu\n}\n')
    block = parse(source).declarations[0]
    assert isinstance(block, tree.Block)
    chain = block.body.statements[0]
    assert isinstance(chain, tree.Chain)
    layer = chain.links[0]
    assert isinstance(layer, tree.Layer)
    assert isinstance(layer.label, tree.Text)
    before, value, after = layer.label.parts
    assert (before, after) == ("a{", "}")
    assert isinstance(value, tree.Binary)
    assert value.span.text == "i + 1"


def test_block_arch_and_import_are_names_in_bodies_and_expressions() -> None:
    parse(Source("arch net(block, arch, import) {\n    block { arch: block(import) }\n    block\n}\n"))
    assert parse_value("block") == parse_expression(Source("block"))


def test_a_doc_belongs_to_what_it_stands_above() -> None:
    file = parse(Source("## File.\n\n## One\n##  two.\nblock A() {}\n## far\n\nblock B() {}\n"))
    assert file.doc == "File."
    assert [getattr(declaration, "doc", None) for declaration in file.declarations] == ["One\n two.", ""]


def test_a_file_s_doc_may_stand_above_its_defaults() -> None:
    assert parse(Source("## File.\ndefaults conv(bias=false)\n")).doc == "File."
    assert parse(Source("## Block.\nblock A() {}\n")).doc == ""


def test_a_line_goes_on_with_an_arrow_an_operator_or_inside_brackets() -> None:
    one = "block A(a) {\n    conv(3, 1 if a else 2) -> relu\n    let b = a + 1\n    if a { relu } else { gelu }\n}\n"
    other = (
        "block A(a) {\n    conv(\n        3, 1\n        if a\n        else 2\n    )\n        -> relu\n"
        "    let b = a\n        + 1\n    if a { relu }\n    else { gelu }\n}\n"
    )
    assert parse(Source(one)) == parse(Source(other))


def test_a_text_is_checked_whole() -> None:
    with pytest.raises(CompileError) as caught:
        parse(Source("block A() {\n    conv(3 3)\n    relu relu\n}\n\narch net() {\n    skip relu\n    let x =\n}\n"))
    assert [diagnostic.span.line for diagnostic in caught.value.diagnostics if diagnostic.span] == [2, 3, 7, 8]


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(source=10), "E0130"),
        (Limits(tokens=3), "E0131"),
        (Limits(nesting=1), "E0132"),
        (Limits(identifier=2), "E0105"),
        (Limits(digits=1), "E0106"),
    ],
)
def test_a_caller_sets_the_budgets(limits: Limits, code: str) -> None:
    with pytest.raises(CompileError) as caught:
        parse(Source("block Unit() {\n    conv(64, [3, 3])\n}\n"), limits)
    assert caught.value.diagnostics[0].code == code


@pytest.mark.parametrize("text", ["(" * 100_000, "-" * 100_000 + "1", "not " * 50_000, "[" * 9 + "1 if " * 40_000])
def test_deep_texts_end_in_a_diagnostic(text: str) -> None:
    with pytest.raises(CompileError):
        parse_expression(Source(text))


def test_parsing_imports_no_lark_and_no_torch() -> None:
    code = "import sys, archdsl.syntax.parser; print([m for m in ('lark', 'torch', 'networkx') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
