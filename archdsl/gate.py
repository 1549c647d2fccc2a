"""The gate that every text of a file passes before it goes anywhere: the alphabets of the language, text made safe to
print, and text of another language (Python, DOT) as a type of its own, which no mere string is.

`python("self.{} = ", name)` puts gated parts into a template of our own. mypy refuses a part or a result that is no
`Python`; a test refuses a template that is no literal, and a call of `Python` or `Dot` outside this module.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from typing import NewType, TypeVar, cast

Python = NewType("Python", str)
Dot = NewType("Dot", str)
Gated = TypeVar("Gated", Python, Dot)

MODE = "training"  # no level of a path: every module of torch keeps its mode under this name
LONGEST = 64  # characters of a name, or of one level of a path
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_LABEL = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\Z")
# Control characters, line ends, what turns the direction of a text, and half characters.
_CONTROL = "\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_LINE = re.compile(f"[^{_CONTROL}]*\\Z")
_NOT_IN_LINE = re.compile(f"[{_CONTROL}]")


def is_name(text: str, longest: int = LONGEST) -> bool:
    """Whether a text is a name of the language: ASCII letters, digits and `_`, no digit first."""
    return len(text) <= longest and _NAME.match(text) is not None


def is_label(text: str, longest: int = LONGEST) -> bool:
    """Whether a text is a path: levels of ASCII letters, digits, `_` and `-`, with dots between them."""
    return _LABEL.match(text) is not None and max(map(len, text.split("."))) <= longest


def is_line(text: str) -> bool:
    """Whether a text is one line that can be written anywhere: no control character but the tab, no line end, and
    nothing that turns its direction."""
    return _LINE.match(text) is not None


def is_string(text: str) -> bool:
    """Whether a text can stand between the quotes of the language, which has no escapes."""
    return '"' not in text and is_line(text)


def line(text: str) -> str:
    """The text as one that `is_line` takes, with a space for each character that it does not."""
    return _NOT_IN_LINE.sub(" ", text)


def shown(text: str) -> str:
    """Text of several lines made safe to print, each as `plain` makes it."""
    return text if text.isprintable() else "\n".join(map(plain, text.split("\n")))


def plain(text: str) -> str:
    """Text made safe to print on one line: control, bidirectional and half characters as escapes (`\\x1b`)."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def joined(between: str, parts: Iterable[Gated]) -> Gated:
    """Gated parts in a row, with a text of ours between them."""
    return cast("Gated", between.join(parts))


def python(template: str, *parts: Python | int) -> Python:
    """A template of ours with gated parts in its braces."""
    return Python(template.format(*parts))


def identifier(text: str) -> Python:
    """A name in Python. Raises `ValueError` for what is none, and for keywords."""
    if not is_name(text, len(text)) or keyword.iskeyword(text):
        raise ValueError(f"{text!r} is no name in Python")
    return Python(text)


def text_of(value: str) -> Python:
    """A string as Python writes it, in ASCII and in double quotes where that needs no escape."""
    quoted = ascii(value)
    return Python(quoted if '"' in quoted or "\\" in quoted else f'"{quoted[1:-1]}"')


def level(text: str) -> Python:
    """A level of a path, for inside quotes. Raises `ValueError` for other characters than those of a label."""
    if not is_label(text, len(text)) or "." in text:
        raise ValueError(f"{text!r} is no level of a path")
    return Python(text)


def dot(template: str, *parts: Dot | int) -> Dot:
    """A template of ours in DOT with gated parts in its braces."""
    return Dot(template.format(*parts))


def named(text: str) -> Dot:
    """A name in DOT that needs no quotes. Raises `ValueError` for what is none."""
    if not is_name(text):
        raise ValueError(f"{text!r} is no name in DOT")
    return Dot(text)


def quoted(text: str) -> Dot:
    """A DOT string: backslash, quote and entity escaped, line ends as `\\n`, other control characters visible."""
    escaped = shown(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;").replace("\n", "\\n")
    return Dot(f'"{escaped}"')
