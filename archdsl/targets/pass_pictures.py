"""The pictures of docs/passes.md: `python -m archdsl.targets.pass_pictures docs/pictures/passes`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from archdsl.passes.examples import EXAMPLES
from archdsl.passes.reference import example
from archdsl.targets.dot import picture


def pictures() -> Iterator[tuple[str, str]]:
    """The name of each file and its SVG: every pass's example, layer by layer, before it and after it."""
    for word in EXAMPLES:
        graph, result = example(word)
        for when, shown in (("before", graph), ("after", result.graph)):
            svg = picture(shown, depth="layer", renderer="pure")
            assert isinstance(svg, str)
            yield f"{word}-{when}.svg", svg


def main(folder: Path) -> None:
    """Writes all pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in pictures():
        (folder / name).write_text(svg, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
