"""How long a bundled spec is as it was written by hand, with the blocks of its family that it uses, and no others."""

from __future__ import annotations

import re
from pathlib import Path

from archdsl.library import specs_root
from archdsl.source import Source
from archdsl.syntax import tree
from archdsl.syntax.parser import parse
from archdsl.syntax.printer import print_tree
from archdsl.targets.arch_source_parts import HERE

_NAME = re.compile(r"[A-Za-z_]\w*")


def tokens(text: str) -> int:
    """The length of a spec without comments and claims, in letters that are no space."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith(("#", "expect"))]
    return sum(len("".join(line.split())) for line in lines)


def by_hand(name: str) -> str:
    """A bundled spec as one file: what its arch is made of, and the defaults and variables of those files."""
    first = next(specs_root().rglob(f"{name}.arch"))
    found: dict[str, tree.Declaration] = {}
    common: list[tree.Declaration] = []
    _gather(first, found, common, set())
    needed, todo = set[str](), [name]
    while todo:
        word = todo.pop()
        if word in found and word not in needed:
            needed.add(word)
            todo += _NAME.findall(print_tree(tree.File(HERE, (found[word],))))
    return print_tree(tree.File(HERE, (*common, *(each for word, each in found.items() if word in needed))))


def _gather(path: Path, found: dict[str, tree.Declaration], common: list[tree.Declaration], seen: set[Path]) -> None:
    """The declarations of a file and of all that it imports, by name; those without a name that are not there yet."""
    path = path.resolve()
    if path in seen:
        return
    seen.add(path)
    for each in parse(Source(path.read_text("utf-8"), str(path), path)).declarations:
        match each:
            case tree.Import():
                (start,) = each.path.parts
                near = path.parent / str(start)
                _gather(near if near.exists() else specs_root() / str(start), found, common, seen)
            case tree.Block() | tree.Arch() | tree.ArchVariant() | tree.BlockVariant():
                found[each.name.name] = each
            case _ if each not in common:
                common.append(each)
