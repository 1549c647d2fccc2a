"""Terms as Python writes them, with no more parentheses than it needs."""

from __future__ import annotations

from archdsl.outline.terms import Apply, Const, Named, Term, Var
from archdsl.targets.torch_text import Brackets, Doc, Marked, Spread, flat, literal

# How tightly each operator binds, as Python's grammar has it.
BINDING = {
    "if": 0,
    "or": 1,
    "and": 2,
    "not": 3,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 4),
    "+": 5,
    "-": 5,
    **dict.fromkeys(("*", "/", "//", "%"), 6),
    "neg": 7,
    "**": 8,
}
ATOM = 9
SPELLING = {"ceil": "math.ceil", "floor": "math.floor", "log": "math.log", "divisible": "make_divisible"}
OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def term_text(term: Term) -> str:
    """`width * 4`, `stride if first else 1`, `make_divisible(32 * width)`, on one line."""
    return flat(term_doc(term))


def term_doc(term: Term) -> Doc:
    """The same as a document, which opens where a line is too long."""
    return _doc(term)[0]


def _doc(term: Term) -> tuple[Doc, int]:
    match term:
        case Const():
            text = literal(term.value)
            return text, BINDING["neg"] if text.startswith("-") else ATOM
        case Var():
            return str(term.key), ATOM
        case Named():
            return term.name, ATOM
        case Apply(op="list"):
            one = len(term.parts) == 1
            return (f"({term_text(term.parts[0])},)" if one else Brackets("", tuple(map(term_doc, term.parts)))), ATOM
        case Apply(op="item", parts=(items, index)):
            return f"{flat(_within(items, ATOM))}[{term_text(index)}]", ATOM
        case Apply(op="if", parts=(then, condition, otherwise)):
            sides = Marked("if ", _within(condition, 1)), Marked("else ", _within(otherwise, 0))
            return Spread((_within(then, 1), *sides)), BINDING["if"]
        case Apply(op="not" | "neg"):
            binding = BINDING[term.op]
            power = isinstance(term.parts[0], Apply) and term.parts[0].op == "**"  # as the formatter writes it
            return Marked(
                "not " if term.op == "not" else "-", _within(term.parts[0], ATOM if power else binding)
            ), binding
        case Apply() if term.op in BINDING:
            return _infix(term.op, *term.parts), BINDING[term.op]
        case Apply():
            return Brackets(SPELLING.get(term.op, term.op), tuple(map(term_doc, term.parts))), ATOM


def _infix(op: str, left: Term, right: Term) -> Doc:
    binding = BINDING[op]
    if op in ("==", "!=") and (_is_plain(left) or _is_plain(right)):
        side, plain = (left, right) if _is_plain(right) else (right, left)
        return Spread((_within(side, 5), Marked("is " if op == "==" else "is not ", term_doc(plain))))
    if op == "**":
        return _power(left, right)
    first, second = _within(left, binding + (binding == 4)), _within(right, binding + 1)
    parts = first.parts if isinstance(first, Spread) and _doc(left)[1] == binding else (first,)
    return Spread((*parts, Marked(f"{op} ", second)))


def _power(left: Term, right: Term) -> Doc:
    """A power of names and numbers stands without spaces, as the formatter writes it."""
    first, second = _within(left, BINDING["**"] + 1), _within(right, BINDING["neg"])
    if all(_is_simple(side) for side in (left, right)):
        return f"{flat(first)}**{flat(second)}"
    return Spread((first, Marked("** ", second)))


def _is_simple(term: Term) -> bool:
    if isinstance(term, Apply) and term.op == "neg":
        return _is_simple(term.parts[0])
    return isinstance(term, Var | Named) or (isinstance(term, Const) and isinstance(term.value, int | float))


def _is_plain(term: Term) -> bool:
    return isinstance(term, Const) and (term.value is None or isinstance(term.value, bool))


def _within(term: Term, binding: int) -> Doc:
    doc, own = _doc(term)
    return doc if own >= binding else Brackets("", (doc,), loose=True)


def denied(term: Term) -> Term:
    """The opposite of a condition."""
    match term:
        case Apply(op="==" | "!=" | "<" | "<=" | ">" | ">="):
            return Apply(OPPOSITE[term.op], term.parts)
        case Apply(op="and" | "or"):
            return Apply("or" if term.op == "and" else "and", tuple(map(denied, term.parts)))
        case Apply(op="not"):
            return term.parts[0]
        case Named():
            return (
                denied(term.term)
                if isinstance(term.term, Apply) and term.term.op in OPPOSITE
                else Apply("not", (term,))
            )
        case _:
            return Apply("not", (term,))
