"""The formatter: a text's tokens and comments, with the spaces, indentation and line ends that the style asks for.

It keeps the author's lines and aligned columns, and changes what has one way: spaces, indentation, empty lines, bodies
over several lines, and lines that are too long. It moves tokens and never makes any, so the tree stays the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

from archdsl.limits import DEFAULT
from archdsl.source import Source
from archdsl.syntax.layout import CLOSER, CLOSERS, GOES_ON, lay_out
from archdsl.syntax.lexer import Token, lex
from archdsl.syntax.parser import parse

WIDTH = 120
INDENT = 4
ROUNDS = 50  # long lines are broken once a round; nesting bounds how often one line can be
VALUES = frozenset(["NAME", "NUMBER", "SIZE", "STRING", ")", "]", "true", "false", "none", "value"])


@dataclass(frozen=True, slots=True)
class Piece:
    """A token or comment: the normal space before it, whether a line starts with it, and how it stood in the text."""

    kind: str
    text: str
    space: int
    breaks: bool
    empty: bool  # an empty line before it
    column: int  # where it stood
    partner: int  # the other bracket's index, or -1


def format_source(source: Source) -> str:
    """The text in its one style; formatting it again changes nothing. Raises `CompileError` if it does not parse."""
    parse(source)
    text = source.text
    for aligned in (True, True, True, False, False):
        after = layout_text(text, aligned)
        if after == text:
            return after
        text = after
    return text


def layout_text(text: str, aligned: bool) -> str:
    """A text that parses, laid out once; without `aligned` columns are not kept."""
    pieces = _settle_bodies(_pieces(Source(text)))
    kept = _kept_columns(pieces) if aligned else {}
    for _ in range(ROUNDS):
        lines = _lines(pieces)
        breaks = {index for line in lines for index in _split(pieces, line, kept)}
        if not breaks:
            break
        pieces = [replace(piece, breaks=True) if index in breaks else piece for index, piece in enumerate(pieces)]
    return _write(pieces, lines, kept)


# --------------------------------------------------------------------------------- pieces


def _pieces(source: Source) -> list[Piece]:
    """Tokens and comments in the order of the text, each with its normal space."""
    lexed = lex(source, DEFAULT)
    tokens = [token for token in lay_out(source, lexed.tokens, DEFAULT).tokens if token.kind not in ("NL", "END")]
    comments = [Token("comment", comment.text, comment.span.start, comment.span.end) for comment in lexed.comments]
    items = sorted([*tokens, *comments], key=lambda token: token.start)
    pieces: list[Piece] = []
    spacing = _Spacing()
    open_at: list[int] = []
    end = 0
    for index, token in enumerate(items):
        between = source.text[end : token.start].count("\n") if index else 1
        partner = -1
        if token.kind in CLOSERS:
            partner = open_at.pop()
            pieces[partner] = replace(pieces[partner], partner=index)
        elif token.kind in CLOSER:
            open_at.append(index)
        column = source.position(token.start)[1]
        space = spacing.before(token, bool(between))
        pieces.append(Piece(token.kind, token.text, space, between > 0, bool(index) and between > 1, column, partner))
        end = token.end
    return pieces


class _Spacing:
    """The spaces between neighbours, from what came before."""

    def __init__(self) -> None:
        self.before_kind = ""
        self.open: list[str] = []
        self.statement = ""  # the first word of the statement
        self.fors = 0

    def before(self, token: Token, starts_line: bool) -> int:
        """The spaces before a token that follows those seen so far."""
        kind, last = token.kind, self.before_kind
        if kind == "comment":
            return 2
        in_body = not self.open or self.open[-1] == "{"
        if in_body and (not last or last == "{" or (starts_line and kind not in GOES_ON)):
            self.statement = kind
        space = self._space(kind, last)
        self._remember(kind, last)
        return space

    def _space(self, kind: str, last: str) -> int:
        if kind in (",", ")", "]", ".", ":") or last in ("(", "[", ".", "unary"):
            return 0
        if kind in ("(", "[") and last in VALUES:
            return 0
        if kind == "}" and last == "{":
            return 0
        if "=" in (kind, last):
            return int(self._spaced_binding())
        if last == ":" and self.open and self.open[-1] == "[":
            return 0
        return 1

    def _spaced_binding(self) -> bool:
        """Whether `=` stands in `let x = 3` and not in `f(x=3)` or `output x=y`."""
        return not (self.open and self.open[-1] != "{") and self.statement != "output"

    def _remember(self, kind: str, last: str) -> None:
        if kind in CLOSER:
            self.open.append(kind)
        elif kind in CLOSERS:
            self.open.pop()
        self.fors += kind == "for"
        if kind == "in":
            self.fors, kind = (self.fors - 1, "in") if self.fors else (0, "value")
        elif kind == "-" and last not in VALUES:
            kind = "unary"
        self.before_kind = kind


def _settle_bodies(pieces: list[Piece]) -> list[Piece]:
    """Line ends after `{` and before `}` where a body is on several lines; no empty lines at the edges of brackets."""
    out = list(pieces)
    for index, piece in enumerate(pieces):
        if piece.kind == "{" and any(inner.breaks for inner in pieces[index + 1 : piece.partner + 1]):
            if out[index + 1].kind != "comment":
                out[index + 1] = replace(out[index + 1], breaks=True)
            out[piece.partner] = replace(out[piece.partner], breaks=True)
        if piece.empty and (piece.kind in CLOSERS or (index and pieces[index - 1].kind in CLOSER)):
            out[index] = replace(out[index], empty=False)
    return out


# ---------------------------------------------------------------------------------- lines


@dataclass(frozen=True, slots=True)
class Line:
    """The pieces `start` to `stop` (exclusive), indented; `inside` a bracket of an earlier line, or not."""

    start: int
    stop: int
    indent: int
    inside: bool


def _lines(pieces: list[Piece]) -> list[Line]:
    """Where the lines are, and how far each is indented: four for the brackets of an earlier line, four to go on."""
    if not pieces:
        return []
    starts = [index for index, piece in enumerate(pieces) if piece.breaks]
    lines: list[Line] = []
    outer: list[tuple[str, int]] = []  # open brackets, each with the indentation of its line
    statement = 0  # indentation of the statement that a line may go on with
    for start, stop in zip(starts, [*starts[1:], len(pieces)], strict=True):
        kind = pieces[start].kind
        inner = outer[-1][1] + INDENT if outer else 0
        if kind in CLOSERS:
            indent = outer[-1][1]
        elif kind in GOES_ON and (not outer or outer[-1][0] == "{"):
            indent = statement + (0 if kind == "else" else INDENT)
        else:
            indent = inner
        if (not outer or outer[-1][0] == "{") and kind not in GOES_ON and kind != "comment":
            statement = indent
        around = outer[:-1] if kind in CLOSERS else outer
        lines.append(Line(start, stop, indent, bool(around) and around[-1][0] != "{"))
        for piece in pieces[start:stop]:
            if piece.kind in CLOSER:
                outer.append((piece.kind, indent))
            elif piece.kind in CLOSERS:
                closed = outer.pop()
                if closed[0] == "{":
                    statement = closed[1]
    return lines


def _text(pieces: list[Piece], line: Line, kept: dict[int, int]) -> str:
    parts = [" " * line.indent, pieces[line.start].text]
    for index in range(line.start + 1, line.stop):
        parts += [" " * kept.get(index, pieces[index].space), pieces[index].text]
    return "".join(parts)


def _write(pieces: list[Piece], lines: list[Line], kept: dict[int, int]) -> str:
    rows: list[str] = []
    for line in lines:
        if pieces[line.start].empty and rows:
            rows.append("")
        rows.append(_text(pieces, line, kept))
    return "\n".join(rows) + "\n" if rows else ""


# -------------------------------------------------------------------------------- columns


def _kept_columns(pieces: list[Piece]) -> dict[int, int]:
    """The wider spaces to keep: those before a piece that a neighbouring line has in the same column."""
    kept: dict[int, int] = {}
    rows = [(line.start, line.stop) for line in _lines(pieces)]
    for number, (start, stop) in enumerate(rows):
        neighbours = [rows[other] for other in (number - 1, number + 1) if 0 <= other < len(rows)]
        for index in range(start + 1, stop):
            width = pieces[index].column - pieces[index - 1].column - len(pieces[index - 1].text)
            if width > pieces[index].space and any(
                _same_column(pieces, index, other + index - start)
                for other, end in neighbours
                if other + index - start < end
            ):
                kept[index] = width
    return kept


def _same_column(pieces: list[Piece], one: int, other: int) -> bool:
    """Whether two pieces start or end in the same column."""
    first, second = pieces[one], pieces[other]
    if pieces[one - 1].kind != pieces[other - 1].kind:
        return False
    if first.kind == "comment" or second.kind == "comment":
        return first.kind == second.kind and first.column == second.column
    return first.column == second.column or first.column + len(first.text) == second.column + len(second.text)


# ----------------------------------------------------------------------------- long lines


def _split(pieces: list[Piece], line: Line, kept: dict[int, int]) -> list[int]:
    """The pieces that have to start a line so that this one is short enough, none if it is or cannot be."""
    code = range(line.start, line.stop - (pieces[line.stop - 1].kind == "comment"))
    width, ends = line.indent, []
    for index in code:
        width += (kept.get(index, pieces[index].space) if index > line.start else 0) + len(pieces[index].text)
        ends.append(width)
    if width <= WIDTH or not ends:
        return []
    return (
        _split_body(pieces, code)
        or _split_chain(pieces, code, ends, line.indent)
        or _split_bracket(pieces, code, ends, line)
    )


def _split_body(pieces: list[Piece], code: range) -> list[int]:
    """The first body that stands whole on the line goes to lines of its own."""
    for index in code:
        partner = pieces[index].partner
        if pieces[index].kind == "{" and index + 1 < partner < code.stop:
            return [index + 1, partner]
    return []


def _split_chain(pieces: list[Piece], code: range, ends: list[int], indent: int) -> list[int]:
    """The last arrows, or else the last `and` or `or`, outside of brackets before which all fits."""
    for marks in (("->",), ("and", "or", "else"), ("+", "-")):
        level, places = 0, []
        for index in code:
            kind = pieces[index].kind
            if level <= 0 and kind in marks and index > code.start:
                places.append(index)
            level += (kind in "([") - (kind in ")]")
        if breaks := _fill(pieces, places, code, ends, indent + INDENT):
            return breaks
    return []


def _fill(pieces: list[Piece], places: list[int], code: range, ends: list[int], indent: int) -> list[int]:
    """Of the places where a line may end, those where it has to; the lines behind the first have this indentation."""
    breaks: list[int] = []
    shift, last = 0, None
    for place in [*places, code.stop]:
        if ends[place - 1 - code.start] + shift > WIDTH and last is not None:
            breaks.append(last)
            shift = indent - ends[last - 1 - code.start] - pieces[last].space
        last = place
    return breaks


def _split_bracket(pieces: list[Piece], code: range, ends: list[int], line: Line) -> list[int]:
    """The longest bracket on the line goes to lines of its own; a line that is inside of one ends behind a comma, one
    that is not before a comma, where it goes on."""
    pairs = [
        (pieces[index].partner, index)
        for index in code
        if pieces[index].kind in ("(", "[") and index + 1 < pieces[index].partner < code.stop
    ]
    level, commas = 0, []
    for index in code:
        kind = pieces[index].kind
        level += (kind in "([") - (kind in ")]")
        if level <= 0 and kind == "," and code.start < index and index + 1 < code.stop:
            commas.append(index + line.inside)
    if line.inside and (breaks := _fill(pieces, commas, code, ends, line.indent)):
        return breaks
    names = [] if line.inside else _fill(pieces, commas, code, ends, line.indent + INDENT)
    if pairs:
        widths = {pair: ends[pair[0] - code.start] - ends[pair[1] - code.start] for pair in pairs}
        close, opener = max(pairs, key=lambda pair: (widths[pair], -pair[1]))
        if not names or widths[close, opener] > WIDTH // 3:
            return [opener + 1, close]
    return names
