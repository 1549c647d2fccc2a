"""`archdsl list`: the bundled specs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby

from archdsl.cli import catalogue, console, options
from archdsl.diagnostics import UsageError, did_you_mean, quote

HEADER = ("name", "params", "MACs", "input", "year", "paper")


def listing(name: options.Part = None, as_json: options.Json = False) -> None:
    """List the bundled specs by family: parameters, multiply-accumulates, input, year and paper.

    Example: archdsl list mobilenet
    """
    found = tuple(item for item in catalogue.entries() if not name or name.lower() in f"{item.family}/{item.name}")
    if not found:
        near = did_you_mean(name or "", (word for item in catalogue.entries() for word in (item.family, item.name)))
        more = f"; {near}" if near else ""
        raise UsageError(f"no bundled spec has `{quote(name or '')}` in its name or family{more}")
    if as_json:
        console.say_json(ok=True, specs=[asdict(entry) for entry in found])
    else:
        console.say("\n".join(_lines(found)))


def _lines(found: tuple[catalogue.Entry, ...]) -> Iterator[str]:
    """The table, with the family's name above its members."""
    rows = [
        (
            f"  {entry.name}",
            f"{entry.params:,}",
            f"{entry.macs:,}",
            entry.input,
            str(entry.year),
            f"{entry.authors}, arXiv:{entry.arxiv}" if entry.arxiv else entry.authors,
        )
        for entry in found
    ]
    header, *lines = console.table([HEADER, *rows], right=(1, 2)).splitlines()
    yield header
    numbered = enumerate(found)
    for family, members in groupby(numbered, key=lambda item: item[1].family):
        yield family
        yield from (lines[number] for number, _ in members)
