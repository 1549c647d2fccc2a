"""Random trees of every node: what a spec can say, valid or not."""

from __future__ import annotations

from hypothesis import strategies as st

from archdsl.source import Source, Span
from archdsl.syntax import tree
from archdsl.syntax.build import number

NO = Span(Source(""), 0, 0)
WORDS = ("a", "width", "conv", "relu", "x1", "here", "block", "arch", "_", "Bottle2neck", "importer", "orb", "nota")
idents = st.sampled_from(WORDS).map(lambda name: tree.Ident(NO, name))
distinct = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True).map(
    lambda names: tuple(tree.Ident(NO, name) for name in names)
)
digits = st.sampled_from(["0", "3", "64", "25_557_032", "1e-3", "0.5", "4.09G", "1.5K", "300.8M", "2e3"])
numbers = digits.map(lambda text: tree.Number(NO, number(text), text))
sizes = st.lists(st.one_of(st.integers(0, 300), st.sampled_from(["H", "W", "Len"])), min_size=1, max_size=3).map(
    lambda dims: tree.Size(NO, (3, *dims))
)
plain = st.text(st.characters(codec="ascii", exclude_characters='"', exclude_categories=["Cc"]), min_size=1, max_size=9)
names = st.sampled_from((*WORDS, "in")).map(lambda name: tree.Name(NO, name))


def alternating(parts: list[str | tree.Expr]) -> tuple[str | tree.Expr, ...]:
    """The parts without one text behind another, which would be read as one."""
    kept: list[str | tree.Expr] = []
    for part in parts:
        if not (isinstance(part, str) and kept and isinstance(kept[-1], str)):
            kept.append(part)
    return tuple(kept)


def arguments(inner: st.SearchStrategy[tree.Expr]) -> st.SearchStrategy[tuple[tree.Argument, ...]]:
    """Arguments in their order, no name twice."""
    return st.builds(
        lambda values, named: (
            *(tree.Argument(NO, None, value) for value in values),
            *(tree.Argument(NO, tree.Ident(NO, name), value) for name, value in named.items()),
        ),
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(WORDS), inner, max_size=2),
    )


def composed(inner: st.SearchStrategy[tree.Expr]) -> st.SearchStrategy[tree.Expr]:
    """Every expression that holds others."""
    binary = ["+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", ">", "<=", ">=", "and", "or"]
    optional = st.one_of(st.none(), inner)
    generators = st.lists(st.builds(tree.Generator, st.just(NO), distinct, inner), min_size=1, max_size=2).map(tuple)
    return st.one_of(
        st.lists(inner, max_size=3).map(lambda items: tree.ListOf(NO, tuple(items))),
        st.builds(tree.Comprehension, st.just(NO), inner, generators, optional),
        st.builds(tree.Unary, st.just(NO), st.sampled_from(["-", "not"]), inner),
        st.builds(tree.Binary, st.just(NO), st.sampled_from(binary), inner, inner),
        st.builds(tree.Conditional, st.just(NO), inner, inner, inner),
        st.builds(tree.Attribute, st.just(NO), inner, idents),
        st.builds(tree.Index, st.just(NO), inner, inner),
        st.builds(tree.Slice, st.just(NO), inner, optional, optional),
        st.builds(tree.Call, st.just(NO), inner, arguments(inner)),
    )


quoteless = st.recursive(
    st.one_of(
        names,
        numbers,
        sizes,
        st.booleans().map(lambda value: tree.Bool(NO, value)),
        st.just(tree.Nothing(NO)),
    ),
    composed,
    max_leaves=6,
)


texts = st.lists(st.one_of(plain, quoteless), max_size=3).map(lambda parts: tree.Text(NO, alternating(parts)))


exprs = st.recursive(st.one_of(quoteless, texts), composed, max_leaves=4)
# Statements hold small expressions: the laws of large ones are tried on expressions alone.
small = st.one_of(names, numbers, sizes, texts, composed(st.one_of(names, numbers)))
labels = st.one_of(idents, texts)
placed = st.builds(
    lambda name, given, called: tree.Placed(NO, name, given, called or bool(given)),
    idents,
    arguments(small),
    st.booleans(),
)
layers = st.builds(tree.Layer, st.just(NO), st.one_of(st.none(), labels), placed)
maybe = st.one_of(st.none(), idents)


def lists(inner: st.SearchStrategy[object], least: int = 0) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(inner, min_size=least, max_size=2).map(tuple)


def targets() -> st.SearchStrategy[tuple[tree.Target, ...]]:
    """Targets without a name twice."""
    indexed = st.lists(small, max_size=1).map(tuple)
    one = st.builds(lambda names, index: tuple(tree.Target(NO, name, index) for name in names), distinct, indexed)
    return st.one_of(st.just(()), one)


def statements(inner: st.SearchStrategy[tree.Statement]) -> st.SearchStrategy[tree.Statement]:
    """Every statement that holds others."""
    bodies = st.lists(inner, max_size=3).map(lambda found: tree.Body(NO, tuple(found)))
    merged = st.one_of(st.none(), placed)
    targets_of = st.one_of(
        layers,
        st.builds(tree.Scope, st.just(NO), labels, bodies),
        st.builds(tree.Scope, st.just(NO), st.none(), bodies),
    )
    links = st.one_of(
        layers,
        st.builds(tree.From, st.just(NO), small),
        st.builds(tree.Scope, st.just(NO), labels, bodies),
        st.builds(tree.Role, st.just(NO), st.sampled_from(["stem", "stage", "head"]), targets_of),
        st.builds(tree.Branches, st.just(NO), merged, bodies),
        st.builds(tree.Residual, st.just(NO), st.one_of(st.none(), small), bodies, st.one_of(st.none(), targets_of)),
    )
    chains = st.builds(tree.Chain, st.just(NO), lists(links, 1), targets())
    skip = st.builds(tree.Role, st.just(NO), st.just("skip"), targets_of).map(lambda role: tree.Chain(NO, (role,)))
    sides = st.lists(st.one_of(inner, skip), max_size=2).map(lambda found: tree.Body(NO, tuple(found)))
    ifs = st.builds(tree.If, st.just(NO), small, bodies, st.one_of(st.none(), bodies))
    return st.one_of(
        chains,
        st.builds(tree.Branches, st.just(NO), merged, sides).map(lambda link: tree.Chain(NO, (link,))),
        st.builds(tree.Aux, st.just(NO), chains),
        st.builds(tree.If, st.just(NO), small, bodies, st.one_of(st.none(), bodies, ifs)),
        st.builds(tree.Repeat, st.just(NO), small, maybe, bodies),
        st.builds(tree.For, st.just(NO), distinct, small, maybe, bodies),
    )


lets = st.builds(tree.Let, st.just(NO), distinct, small)
defaults = st.builds(tree.Defaults, st.just(NO), lists(placed, 1))
requires = st.builds(tree.Require, st.just(NO), small, st.one_of(st.none(), texts))
simple = st.one_of(
    layers.map(lambda layer: tree.Chain(NO, (layer,))),
    lets,
    defaults,
    requires,
    st.builds(tree.Param, st.just(NO), labels, placed),
    st.builds(tree.Shared, st.just(NO), labels, placed),
)
expects = st.builds(tree.Expect, st.just(NO), small, st.one_of(st.none(), small))
claims: st.SearchStrategy[tree.Expect | tree.Require] = st.one_of(expects, requires)
nested = st.recursive(simple, statements, max_leaves=4)
items = st.builds(tree.OutputItem, st.just(NO), maybe, small)
direct = st.one_of(
    nested,
    expects,
    st.builds(tree.Input, st.just(NO), maybe, small),
    st.builds(tree.Output, st.just(NO), lists(items, 1)),
)
docs = st.lists(st.sampled_from(["", "One line.", "  indented", "# marked", "a `b`"]), max_size=2).map("\n".join)


def body(inner: st.SearchStrategy[tree.Statement]) -> st.SearchStrategy[tree.Body]:
    return st.lists(inner, max_size=4).map(lambda found: tree.Body(NO, tuple(found)))


parameters = st.builds(
    lambda names, values: tuple(tree.Parameter(NO, name, value) for name, value in zip(names, values, strict=False)),
    distinct,
    st.lists(st.one_of(st.none(), small), max_size=3),
)


@st.composite
def files(draw: st.DrawFn) -> tree.File:
    """A file whose declarations have different names."""
    name = iter([tree.Ident(NO, f"name{index}") for index in range(9)])
    kinds = draw(st.lists(st.sampled_from(["block", "arch", "block =", "arch =", "let"]), max_size=3))
    found: list[tree.Declaration] = list(draw(st.lists(defaults, max_size=1)))
    found += [tree.Import(NO, draw(plain.map(lambda text: tree.Text(NO, (text,)))), (next(name),))] * draw(
        st.integers(0, 1)
    )
    for kind in kinds:
        match kind:
            case "block":
                found.append(tree.Block(NO, next(name), draw(parameters), draw(body(nested)), draw(docs)))
            case "arch":
                found.append(tree.Arch(NO, next(name), draw(parameters), draw(body(direct)), draw(docs)))
            case "block =":
                found.append(tree.BlockVariant(NO, next(name), draw(placed), draw(docs)))
            case "arch =":
                found.append(tree.ArchVariant(NO, next(name), draw(placed), draw(lists(claims)), draw(docs)))
            case _:
                found.append(tree.Let(NO, (next(name),), draw(small)))
    return tree.File(NO, tuple(found), draw(docs))
