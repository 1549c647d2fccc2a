"""The gallery: every bundled architecture with its facts, as a page. `python -m archdsl.cli.gallery` writes it anew."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from archdsl.cli import catalogue
from archdsl.cli.catalogue import Entry
from archdsl.library import specs_root

HEAD = """# Gallery

{count} architectures in {families} families, each a short file in `specs/`. Parameters and multiply-accumulates (of one
example of the input, in inference) are what the compiler counts; `archdsl check specs` holds every file to the figures
that it states.

Made by `python -m archdsl.cli.gallery`; a test holds this page to the specs.
"""
COLUMNS = "| name | params | MACs | input | year | paper | what it is |\n| --- | ---: | ---: | --- | --- | --- | --- |"
BLOCKS = "Each block is a net of its own, to be drawn, costed and changed: `archdsl render basic_block`."


def page(entries: tuple[Entry, ...]) -> str:
    """The gallery as Markdown."""
    families = [list(group) for _, group in groupby(entries, key=lambda entry: entry.family)]
    named = sum(group[0].family != catalogue.BLOCKS for group in families)
    parts = [HEAD.format(count=len(entries), families=named)]
    parts += ["\n".join(_section(group)) for group in families]
    return "\n".join(parts)


def _section(entries: list[Entry]) -> Iterator[str]:
    family = entries[0].family
    if family == catalogue.BLOCKS:
        yield f"## Teaching blocks\n\n{BLOCKS}\n"
    else:
        file = f"families/{family}.arch"
        yield f"## {family}\n"
        if (specs_root() / file).is_file():
            yield f"{catalogue.documentation(specs_root() / file)} ([source](../specs/{file}))\n"
    yield COLUMNS
    yield from map(_row, entries)
    yield ""


def _row(entry: Entry) -> str:
    paper = f"{entry.authors} {entry.year}"
    if entry.arxiv is not None:
        paper = f"[{paper}](https://arxiv.org/abs/{entry.arxiv})"
    cells = (
        f"[{entry.name}](../specs/{entry.file})",
        f"{entry.params:,}",
        f"{entry.macs:,}",
        entry.input,
        str(entry.year),
        paper,
        entry.about.replace("|", "\\|"),
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Compiles every spec, and writes the page and the list that `archdsl list` reads, in a checkout."""
    from archdsl.files import write

    docs = Path(specs_root()).parent / "docs"
    if not docs.is_dir():
        sys.exit("archdsl: the gallery is written in a checkout, where docs/ stands beside specs/")
    found = catalogue.elaborated()
    write(catalogue.kept_file(), catalogue.kept_text(found).encode())
    write(docs / "gallery.md", page(found).encode())


if __name__ == "__main__":
    main()
