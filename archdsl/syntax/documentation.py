"""`##` lines: what they document."""

from __future__ import annotations

from archdsl.gate import line
from archdsl.syntax import tree

_HEADED = (tree.Block, tree.BlockVariant, tree.Arch, tree.ArchVariant)


def documented(file: tree.File, comments: tuple[tree.Comment, ...]) -> tree.File:
    """The file with the `##` lines above its blocks and archs as their `doc`, and the first ones as its own."""
    lines = {c.span.line: c.text for c in comments if c.alone and c.text.startswith("##")}
    if not lines:
        return file
    heads = {declaration.span.line for declaration in file.declarations if isinstance(declaration, _HEADED)}
    declarations = tuple(
        declaration.changed(doc=_text(lines, declaration.span.line - 1))
        if isinstance(declaration, _HEADED)
        else declaration
        for declaration in file.declarations
    )
    return file.changed(declarations=declarations, doc=_own(file, lines, heads))  # type: ignore[no-any-return]


def _own(file: tree.File, lines: dict[int, str], heads: set[int]) -> str:
    """The first `##` text, unless it stands directly above a block or arch or behind a declaration."""
    last = min(lines)
    while last + 1 in lines:
        last += 1
    if last + 1 in heads or any(declaration.span.line < last for declaration in file.declarations):
        return ""
    return _text(lines, last)


def _text(lines: dict[int, str], last: int) -> str:
    """The `##` lines that end with line `last`, without their marks."""
    first = last
    while first in lines:
        first -= 1
    return "\n".join(line(lines[number][2:].removeprefix(" ")) for number in range(first + 1, last + 1))
