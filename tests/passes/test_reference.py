"""docs/passes.md, its pictures and docs/how-to-write-a-pass.md say what the classes are and do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archdsl.compiler import compile
from archdsl.passes import driver
from archdsl.passes.examples import EXAMPLES
from archdsl.passes.reference import comment, example, reference
from archdsl.passes.registry import bundled, from_file, options
from archdsl.prove.prover import prove
from archdsl.source import Source
from archdsl.targets.pass_pictures import pictures

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_current() -> None:
    """Else run `python -m archdsl.passes.reference > docs/passes.md`."""
    assert (DOCS / "passes.md").read_text("utf-8") == reference()


def test_the_pictures_are_current() -> None:
    """Else run `python -m archdsl.targets.pass_pictures docs/pictures/passes`."""
    folder = DOCS / "pictures" / "passes"
    made = dict(pictures())
    assert made.keys() == {path.name for path in folder.iterdir()}
    assert made == {name: (folder / name).read_text("utf-8") for name in made}


@pytest.mark.parametrize("word", EXAMPLES)
def test_an_example_shows_its_pass(word: str) -> None:
    _, result = example(word)
    assert result.rewritten > 0
    assert f"pictures/passes/{word}-after.svg" in reference()


def test_every_pass_has_its_section_and_every_option_its_meaning() -> None:
    assert set(EXAMPLES) == set(bundled())
    page = reference()
    assert re.findall(r"^### (.*)$", page, re.MULTILINE) == sorted(
        bundled(), key=lambda word: (["exact", "exact-eval", "redesign"].index(bundled()[word].promise), word)
    )
    for kind in bundled().values():
        for name in options(kind):
            assert name == "where" or comment(kind, name)


def blocks(language: str) -> list[str]:
    page = (DOCS / "how-to-write-a-pass.md").read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


NET = """
arch net() {
    input 3x8x8
    a: conv(4, 3x3) -> scale(0.5) -> relu
    b: conv(4, 3x3, bias=false) -> scale(20) -> relu
    c: conv(4, 3x3, reparam=weight_norm) -> scale(2)
}
"""


def test_the_pass_of_the_walk_through_does_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is loaded, and the program below it runs, as they stand on the page."""
    source, program = blocks("python")
    (tmp_path / "my_passes.py").write_text(source)
    (tmp_path / "net.arch").write_text(NET)
    found = from_file(tmp_path / "my_passes.py")
    assert list(found) == ["scale-into-convolution"]
    names = {kind.__name__: kind for kind in found.values()}
    exec(program.replace('"net.arch"', repr(str(tmp_path / "net.arch"))), dict(names))
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("1 proved (exact-eval): outputs ")
    assert told[1].startswith("rewritten ('a', ")
    assert [line.partition(") ")[2] for line in told[2:]] == [
        "the factor is above 10",
        "the weight is normalised by weight norm",
    ]


def test_its_promise_is_no_more_than_holds(tmp_path: Path) -> None:
    """Held to `exact`, the same pass fails."""
    (tmp_path / "my_passes.py").write_text(blocks("python")[0])
    rewrite = from_file(tmp_path / "my_passes.py")["scale-into-convolution"]()
    graph = compile(Source(NET, "net.arch"))
    result = driver.run(graph, rewrite)
    assert result.rewritten == 2
    assert prove(graph, result.graph, result.plan, "exact-eval").holds
    assert not prove(graph, result.graph, result.plan, "exact").holds
