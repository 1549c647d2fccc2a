"""The driver: where a pass runs, how it ends, and what stops one that does wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from archdsl.compiler import compile
from archdsl.diagnostics import UsageError
from archdsl.graph import Graph
from archdsl.ops import Conv, Linear, Relu, Silu
from archdsl.passes import driver
from archdsl.passes.driver import BrokenPass
from archdsl.passes.edit import Edit
from archdsl.passes.registry import bundled, from_file, options, parse
from archdsl.passes.resnet_c import ResnetC
from archdsl.passes.rule import Keep, Match, Pass, Promise
from archdsl.source import Source

TEXT = """
block Unit(width) { c: conv(width, 3x3) -> n: batchnorm -> relu }
arch net() {
    input 4x8x8
    stem { first: Unit(4) }
    stage "body" { repeat 2 { Unit(4) } }
    head { conv(2, 1x1) -> last: batchnorm -> relu -> identity }
}
"""


def net(text: str = TEXT) -> Graph:
    return compile(Source(text, "net.arch"), arch="net")


@dataclass(frozen=True)
class Mine(Pass):
    """A pass of a test."""

    promise: ClassVar[Promise] = "redesign"
    law: ClassVar[str] = "none"
    source: ClassVar[str] = "this file"


@dataclass(frozen=True)
class Activate(Mine):
    """Every ReLU becomes a SiLU."""

    def rewrite(self, edit: Edit, relu: Match[Relu]) -> Keep | None:
        edit.change(relu.index, Silu())
        return None


@pytest.mark.parametrize("where,count", [("", 4), ("first", 1), ("body", 2), ("body.1", 1), ("Unit", 3), ("head", 1),
                                         ("stem", 1), ("stage", 2), ("bod", 0), ("nowhere", 0)])  # fmt: skip
def test_a_pass_runs_where_it_is_told(where: str, count: int) -> None:
    """Below a path, in a block, under a role; a part of a name is none."""
    assert driver.run(net(), Activate(where=where)).rewritten == count
    assert driver.run(net(), parse(f"fold-batchnorm,where={where}")).rewritten == count


def test_the_trace_tells_every_site_in_order() -> None:
    result = driver.run(net(), parse("fold-batchnorm"))
    assert [site.paths for site in result.trace] == [
        ("first.c", "first.n"),
        ("body.0.c", "body.0.n"),
        ("body.1.c", "body.1.n"),
        ("2", "last"),
    ]
    assert {(site.name, site.outcome, site.reason) for site in result.trace} == {("fold-batchnorm", "rewritten", "")}


def test_a_pipeline_shows_each_step_to_its_check() -> None:
    seen: list[tuple[str, int, int]] = []

    def check(rewrite: Pass, before: Graph, result: driver.Result) -> None:
        seen.append((rewrite.word(), len(before.nodes), len(result.graph.nodes)))

    result = driver.pipeline(net(), [parse("remove-identities"), parse("fold-batchnorm")], check)
    assert seen == [("remove-identities", 14, 13), ("fold-batchnorm", 13, 9)]
    assert result.rewritten == 5


@dataclass(frozen=True)
class Endless(Mine):
    """Each ReLU becomes a SiLU and each SiLU a ReLU."""

    def rewrite(self, edit: Edit, act: Match[Relu | Silu]) -> Keep | None:
        edit.change(act.index, Silu() if isinstance(act.op, Relu) else Relu())
        return None


@dataclass(frozen=True)
class Growing(Mine):
    """A ReLU behind every ReLU."""

    def rewrite(self, edit: Edit, relu: Match[Relu]) -> Keep | None:
        path = edit.child(relu.node.scope, "more")
        edit.insert_after(relu.value, edit.add(Relu(), (relu.value,), at=relu.index, path=path)[0])
        return None


@dataclass(frozen=True)
class Widening(Mine):
    """A convolution gets a channel more, and what reads it is not asked."""

    def rewrite(self, edit: Edit, conv: Match[Conv]) -> Keep | None:
        edit.change(conv.index, conv.op.model_copy(update={"out": conv.op.out + 1}))
        return None


@dataclass(frozen=True)
class Misplaced(Mine):
    """A node whose path is not below its scope."""

    def rewrite(self, edit: Edit, relu: Match[Relu]) -> Keep | None:
        new = edit.add(Silu(), relu.node.inputs, at=relu.index, path="elsewhere", scope=len(edit.graph.scopes) - 3)
        edit.redirect(relu.value, new[0])
        edit.remove(relu.index)
        return None


@dataclass(frozen=True)
class Torn(Mine):
    """A node is taken out that is still read."""

    def rewrite(self, edit: Edit, conv: Match[Conv]) -> Keep | None:
        edit.remove(conv.index)
        return None


@dataclass(frozen=True)
class Circle(Mine):
    """Two nodes that read one another."""

    def rewrite(self, edit: Edit, relu: Match[Relu]) -> Keep | None:
        first = edit.add(Silu(), (relu.value,), at=relu.index, path=edit.child(relu.node.scope, "a"))
        edit.redirect(relu.node.inputs[0], first[0])
        return None


@dataclass(frozen=True)
class Unfitting(Mine):
    """An operation that its input does not fit."""

    def rewrite(self, edit: Edit, relu: Match[Relu]) -> Keep | None:
        edit.change(relu.index, Linear(out=2))
        return None


@dataclass(frozen=True)
class Raising(Mine):
    """A mistake of its author."""

    def rewrite(self, edit: Edit, relu: Match[Relu]) -> Keep | None:
        raise ZeroDivisionError("by zero")


BROKEN = (
    (Raising(), "raising failed at first.2: ZeroDivisionError: by zero"),
    (Endless(), "endless does not come to an end"),
    (Growing(), "growing does not come to an end"),
    (Widening(), "widening changes what the net takes or returns"),
    (Misplaced(), r"the graph is illegal after misplaced: (?s:.)*is no path below"),
    (Torn(), "torn makes an edit that does not fit: first.c was taken out, and is still read"),
    (Circle(), "circle makes an edit that does not fit: the edit makes a cycle"),
    (Unfitting(), "unfitting makes an edit that does not fit: `linear` maps the last axis"),
)


@pytest.mark.parametrize("rewrite,message", BROKEN, ids=[rewrite.word() for rewrite, _ in BROKEN])
def test_a_pass_that_does_wrong_is_stopped_and_named(rewrite: Pass, message: str) -> None:
    text = TEXT if not isinstance(rewrite, Widening) else TEXT.replace(" -> last: batchnorm -> relu -> identity", "")
    with pytest.raises(BrokenPass, match=message):
        driver.run(net(text), rewrite, fuel=60)


def test_fuel_is_for_rewrites_not_for_sites_that_are_kept() -> None:
    assert driver.run(net(), Activate(), fuel=4).rewritten == 4
    with pytest.raises(BrokenPass, match="activate does not come to an end"):
        driver.run(net(), Activate(), fuel=3)


def test_a_long_chain_of_dead_code_goes_in_time_that_grows_with_it() -> None:
    """One sweep: a round for each node would not end here."""
    from archdsl.ir.builder import Builder

    b = Builder("net")
    x = y = b.input(4)
    for index in range(5_000):
        y = b.add(Relu(), (y,), f"dead{index}")[0]
    graph = Graph(b.program(b.add(Silu(), (x,), "live")[0]))
    result = driver.run(graph, parse("dead-code"))
    assert len(result.graph.nodes) == 2


def test_order_and_names_of_what_is_kept_stay() -> None:
    graph = net()
    result = driver.run(graph, parse("fold-batchnorm"))
    folded = [node.path for node in graph.nodes if not node.path.endswith(("n", "last"))]
    assert [node.path for node in result.graph.nodes] == folded
    assert result.graph.scopes == graph.scopes


# ------------------------------------------------------------------ registry


def test_passes_are_found_by_name_and_described() -> None:
    for word, kind in bundled().items():
        assert word == kind.word()
        assert kind.summary().endswith(".")
        assert kind.law
        assert kind.source
        assert kind.promise in ("exact", "exact-eval", "redesign")


def test_options_are_parsed_by_their_types() -> None:
    assert parse("resnet-c") == ResnetC()
    assert parse(" resnet-c , width = 24, where=stem") == ResnetC(width=24, where="stem")
    assert options(ResnetC) == {"where": (str, ""), "width": (int, 32)}


@pytest.mark.parametrize(
    "text,message",
    [
        ("resnet-e", "there is no pass `resnet-e`: did you mean `resnet-d`"),
        ("zzz", "there is no pass `zzz`: `archdsl passes` lists them"),
        ("resnet-c,widht=3", "`resnet-c` has no option `widht`: did you mean `width`"),
        ("resnet-c,width", "the option `width` of `resnet-c` has no value"),
        ("resnet-c,width=wide", "`width` of `resnet-c` is a positive whole number, not `wide`"),
        ("resnet-c,width=0", "`width` of `resnet-c` is a positive whole number, not `0`"),
        ("sum-of-convolutions,biases=yes", "`biases` of `sum-of-convolutions` is true or false, not `yes`"),
        ("factorize-kernels,form=cube", "`form` of `factorize-kernels` is one of stack, asymmetric, not `cube`"),
    ],
)
def test_a_wrong_pass_or_option_is_told(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(text)


def test_a_file_of_passes(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\nfrom archdsl.passes.rule import Pass, Match\nfrom archdsl.ops import Relu\n"
        "@dataclass(frozen=True)\nclass ToTanh(Pass):\n    'R.'\n    promise = 'redesign'\n    law = 'l'\n"
        "    source = 's'\n"
        "    def rewrite(self, edit, relu: Match[Relu]):\n"
        "        from archdsl.ops import Tanh\n        edit.change(relu.index, Tanh())\n"
    )
    found = from_file(tmp_path / "mine.py")
    assert list(found) == ["to-tanh"]
    result = driver.run(net(), parse("to-tanh,where=head", {**bundled(), **found}))
    assert result.rewritten == 1


PASS = (
    "from dataclasses import dataclass\nfrom archdsl.passes.rule import Pass\n"
    "@dataclass(frozen=True)\nclass Half(Pass):\n    promise = 'much'\n    def rewrite(self, edit, x): pass\n"
)


OWN = """
from dataclasses import dataclass

from archdsl.ops import Relu, Scale
from archdsl.passes.rule import Match, Pass


@dataclass(frozen=True)
class Own(Pass):
    promise, law, source = "redesign", "l", "s"
    {fields}

    def rewrite(self, edit{arguments}):
        edit.change(a.index, Scale(factor=self.by))
        return "done" if self.by == 2.0 else None
"""


def test_an_option_may_be_a_number(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN.format(fields="by: float = 0.5", arguments=", a: Match[Relu]"))
    found = from_file(tmp_path / "mine.py")
    assert parse("own", found) == found["own"]()
    assert parse("own,by=-2.5e-1", found) == found["own"](by=-0.25)  # type: ignore[call-arg]
    for wrong in ("one", "nan", "inf", ""):
        with pytest.raises(UsageError, match="`by` of `own` is a number"):
            parse(f"own,by={wrong}", found)
    with pytest.raises(BrokenPass, match="it returns a str, and not `None` or `Keep`"):
        driver.run(net(), parse("own,by=2", found))


@pytest.mark.parametrize(
    "text,message",
    [
        (None, "is no Python file"),
        ("x = 1", "defines no pass"),
        ("1 / 0", "failed while it was loaded: ZeroDivisionError: division by zero"),
        (PASS, "Half does not say its law, source"),
        (PASS + "    law = source = 's'\n", "Half promises 'much', not one of exact, exact-eval, redesign"),
        (PASS.replace("much", "exact") + "    law = source = 's'\n", r"the arguments of Half.rewrite are no pattern"),
        ("def f(:", "failed while it was loaded: SyntaxError"),
        (OWN.format(fields="", arguments=""), "behind `edit` there is a chain of matches"),
        (OWN.format(fields="", arguments=", a: tuple[Match[Relu], ...], b: tuple[Match[Relu], ...]"), "one tuple of"),
        (OWN.format(fields="", arguments=", a: Match[Relu], b: tuple[Match[Relu], ...], c: Match[Relu]"), "beside one"),
        (OWN.format(fields="n: int | None = None", arguments=", a: Match[Relu]"), "the option `n` of Own is no str"),
        (OWN.replace("Own", "ResnetC").format(fields="", arguments=", a: Match[Relu]"), "bundled pass `resnet-c`"),
    ],
)
def test_a_file_without_passes_is_told(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UsageError, match=message):
        from_file(tmp_path / "mine.py")


def test_literals_are_options_too() -> None:
    hints: dict[str, tuple[Any, Any]] = options(bundled()["factorize-kernels"])
    assert hints["form"] == (Literal["stack", "asymmetric"], "stack")
