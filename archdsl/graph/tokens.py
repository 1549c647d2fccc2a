"""The words and literals of a graph's stable text: how they are written, and how they are read back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from archdsl.diagnostics import quote

NESTING = 64
DIGITS = 18

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*\Z")
CONSTANTS: Final = {"none": None, "true": True, "false": False}
_TOKEN = re.compile(
    r"""(?P<space>[ ]+)
    |(?P<text>"(?:[^"\\]|\\.)*")
    |(?P<size>[0-9]+(?:x[0-9]+)+(?![A-Za-z0-9_.]))
    |(?P<number>-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?(?![A-Za-z0-9_.]))
    |(?P<path>@[A-Za-z0-9_.\-]*)
    |(?P<value>%[0-9]+(?:\.[0-9]+)?)
    |(?P<scope>&[0-9]+)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<mark>[()\[\]=,:])""",
    re.VERBOSE,
)


class TextError(Exception):
    """A line that is no graph text; `column` is zero-based."""

    def __init__(self, message: str, column: int, width: int = 1) -> None:
        self.message, self.column, self.width = message, column, width
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    column: int


# -------------------------------------------------------------------- writing


def text(value: str) -> str:
    """A string on one line, with everything outside ASCII escaped."""
    return json.dumps(value)


def name(value: str) -> str:
    """A bare word, or a quoted one where it is no identifier."""
    return value if _NAME.match(value) and value not in CONSTANTS else text(value)


def path(value: str) -> str:
    """`@layer1.0.conv1`, quoted where it holds other characters."""
    return f"@{value}" if _PATH.match(value) or not value else f"@ {text(value)}"


def literal(value: Any) -> str:
    """A value of the language: `3`, `0.1`, `true`, `none`, `"text"`, `3x3`, `[1, [2, 3]]`."""
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return text(value)
        case tuple():
            plain = 1 < len(value) <= 5 and all(type(item) is int and item >= 0 for item in value)
            return "x".join(map(str, value)) if plain else f"[{', '.join(map(literal, value))}]"
    raise TypeError(f"no literal: {value!r}")


# -------------------------------------------------------------------- reading


def tokens(line: str) -> Iterator[Token]:
    """The tokens of one line, with one of the kind `end` behind the last."""
    column = 0
    while column < len(line):
        match = _TOKEN.match(line, column)
        if match is None:
            raise TextError(f"unexpected {line[column]!r}", column)
        assert match.lastgroup is not None
        if match.lastgroup != "space":
            yield Token(match.lastgroup, match.group(), column)
        column = match.end()
    yield Token("end", "the end of the line", column)


class Reader:
    """A cursor over the tokens of one line."""

    def __init__(self, line: str) -> None:
        self._tokens = list(tokens(line))
        self._at = 0

    @property
    def next(self) -> Token:
        return self._tokens[self._at]

    def take(self, kind: str, what: str = "") -> str:
        """The text of the next token, which must be of this kind."""
        token = self.next
        if token.kind != kind:
            raise self.error(f"expected {what or f'a {kind}'}, not {quote(token.text)}")
        self._at += kind != "end"
        return token.text

    def have(self, mark: str) -> bool:
        """True, and one step on, if the next token is this mark or word."""
        if self.next.kind in {"mark", "name"} and self.next.text == mark:
            self._at += 1
            return True
        return False

    def calls(self) -> bool:
        """True if an opening bracket follows the next token."""
        return self._tokens[self._at + 1].text == "(" if self.next.kind != "end" else False

    def need(self, mark: str) -> None:
        if not self.have(mark):
            raise self.error(f"expected `{mark}`, not {quote(self.next.text)}")

    def error(self, message: str) -> TextError:
        return TextError(message, self.next.column, len(self.next.text))

    def string(self) -> str:
        """A quoted string's text."""
        token = self.next
        raw = self.take("text", "a quoted text")
        try:
            value = json.loads(raw)
        except ValueError:
            raise TextError("this is no JSON string", token.column, len(token.text)) from None
        if not str(value).isprintable() and any("\ud800" <= char <= "\udfff" for char in value):
            raise TextError("this text holds half a character", token.column, len(token.text))
        return str(value)

    def word(self) -> str:
        """A name, bare or quoted."""
        return self.string() if self.next.kind == "text" else self.take("name")

    def path(self) -> str:
        bare = self.take("path", "a path")[1:]
        return self.string() if not bare and self.next.kind == "text" else bare

    def index(self, kind: str) -> int:
        """The number of `&3` or of a bare `%3`."""
        token = self.next
        digits = self.take(kind)[1:]
        if not digits.isdigit() or len(digits) > DIGITS:
            raise TextError("this is no index", token.column, len(token.text))
        return int(digits)

    def value(self) -> tuple[int, int]:
        """`%3` or `%3.1`: a node and which of its outputs."""
        token = self.next
        node, _, output = self.take("value")[1:].partition(".")
        if len(node) > DIGITS or len(output) > DIGITS:
            raise TextError("this is no value", token.column, len(token.text))
        return int(node), int(output or 0)

    def number(self) -> int | float:
        token = self.next
        digits = self.take("number")
        if len(digits) > DIGITS + 8:  # a float's repr has 17 digits, a sign, a point and an exponent
            raise TextError("this number has too many digits", token.column, len(digits))
        return float(digits) if "." in digits or "e" in digits else int(digits)

    def size(self) -> tuple[int, ...]:
        token = self.next
        parts = self.take("size", "a size").split("x")
        if len(parts) > NESTING or any(len(part) > DIGITS for part in parts):
            raise TextError("this is no size", token.column, len(token.text))
        return tuple(map(int, parts))

    def literal(self, depth: int = 0) -> Any:
        """A literal as `literal` writes it."""
        if depth > NESTING:
            raise self.error(f"lists nest at most {NESTING} deep")
        match self.next.kind:
            case "text":
                return self.string()
            case "size":
                return self.size()
            case "number":
                return self.number()
            case "name" if self.next.text in CONSTANTS:
                return CONSTANTS[self.take("name")]
        self.need("[")
        items = []
        while not self.have("]"):
            items.append(self.literal(depth + 1))
            if not self.have(","):
                self.need("]")
                break
        return tuple(items)
