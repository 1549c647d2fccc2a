"""The reference of passes, made from their classes: `python -m archdsl.passes.reference > docs/passes.md`."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal, get_args, get_origin

from archdsl.elaborate import elaborate
from archdsl.graph import Graph
from archdsl.passes.driver import Result, run
from archdsl.passes.examples import EXAMPLES
from archdsl.passes.registry import bundled, options, parse
from archdsl.passes.rule import Pass
from archdsl.source import Source

_OPENING = """\
# Passes

Made by `python -m archdsl.passes.reference`, the pictures by `python -m archdsl.targets.pass_pictures`; tests hold this
page and the pictures to the classes in `archdsl/passes/`.

A pass rewrites a net at every site that its law speaks of, and carries the weights:
`archdsl rewrite SPEC --pass NAME,option=value`. The spec that it prints checks and is the rewritten net, with the
same results in training and in inference. It keeps each parameter of the arch from which numbers follow in a way that
is found again (setting it is rewriting the spec with that value), each `require` and `expect` that is still true, and
the comments of blocks whose own bodies no pass changed; what it leaves out is told with the reason.

Passes run in the order in which they are named. Every pass has the option `where`: it then rewrites only below a
path, in a block, or under a role of that name (`where=layer1`). `--explain` tells of every site that it was
rewritten, or kept and why; `--verify` proves the promise at several sizes of the inputs and with small and large
values, and says at which. A site whose law holds at the declared size alone is kept. How to write a pass of one's
own: [how-to-write-a-pass.md](how-to-write-a-pass.md).
"""

PROMISES: dict[str, tuple[str, str]] = {
    "exact": (
        "Exact",
        "The weights are only moved: every trained number is used once. Function, gradients, buffers and the steps of "
        "any elementwise optimizer stay, so that training goes on as if nothing had happened, and there is a way back.",
    ),
    "exact-eval": (
        "Exact in inference",
        "The same function in inference. Training would go on differently, since weights were multiplied or summed.",
    ),
    "redesign": (
        "Redesigns",
        "Another architecture with the same inputs and outputs, which needs training. Weights that keep their shape "
        "are carried; what is new is drawn from its initial distribution, and listed.",
    ),
}
SHOWN = 6  # lines of a plan


def reference() -> str:
    """The whole page as Markdown."""
    lines = [_OPENING]
    for promise, (title, text) in PROMISES.items():
        lines += [f"## {title}\n", f"{text}\n"]
        lines += [_section(word, kind) for word, kind in bundled().items() if kind.promise == promise]
    return "\n".join(lines)


@cache
def example(word: str) -> tuple[Graph, Result]:
    """The example of a pass before it, and what the pass makes of it."""
    shown = EXAMPLES[word]
    graph = Graph(elaborate(Source(shown.text, f"{word}.arch"), "example", {}))
    return graph, run(graph, parse(f"{word},{shown.options}" if shown.options else word))


def _section(word: str, kind: type[Pass]) -> str:
    shown, (_, result) = EXAMPLES[word], example(word)
    command = f"{word},{shown.options}" if shown.options else word
    lines = [f"### {word}\n", f"{kind.summary()}\n", f"*Law.* {_code(kind.law)}\n", f"*Source.* {kind.source}.\n"]
    lines += _options(kind)
    lines += [f"```\n{shown.text.rstrip()}\n```\n", f"`archdsl rewrite example.arch --pass {command}`\n"]
    lines += [f"| before | after |\n| --- | --- |\n| {_image(word, 'before')} | {_image(word, 'after')} |\n"]
    lines += _plan(result)
    return "\n".join(lines)


def _image(word: str, when: str) -> str:
    return f"![{word}, {when}](pictures/passes/{word}-{when}.svg)"


def _code(law: str) -> str:
    return law.replace("*", r"\*").replace("_", r"\_")


def _options(kind: type[Pass]) -> Iterator[str]:
    rows = [
        f"| `{name}` | {_kind(hint)} | {_value(default)} | {comment(kind, name)} |"
        for name, (hint, default) in options(kind).items()
        if name != "where"
    ]
    if rows:
        yield "\n".join(["| option | takes | default | meaning |", "| --- | --- | --- | --- |", *rows]) + "\n"


def comment(kind: type[Pass], name: str) -> str:
    """The comment behind a field in the source of a pass, which says what the option does."""
    found = re.search(rf"^    {name}: .*?  # (.*)$", inspect.getsource(kind), re.MULTILINE)
    return found.group(1) if found else ""


def _kind(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(hint))
    return {int: "a whole number", bool: "true or false", str: "a name"}[hint]


def _value(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def _plan(result: Result) -> Iterator[str]:
    lines = result.plan.text().splitlines()
    more = [f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    if lines:
        yield "The weights of the result:\n"
        yield "\n".join(["```", *lines[:SHOWN], *more, "```"]) + "\n"
    if result.plan.dropped:
        yield f"Left behind: {', '.join(f'`{key}`' for key in result.plan.dropped)}.\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
