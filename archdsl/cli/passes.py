"""`archdsl passes`: what rewrites there are."""

from __future__ import annotations

from dataclasses import MISSING
from typing import Any, get_args

from archdsl.cli import console, options

# A bundled spec that each pass rewrites; the others have a small spec of their own, which is shown.
SPECS = {
    "concat-skip": "resnet20_b",
    "deepen": "resnet20",
    "depthwise-separable": "resnet20",
    "drop-dropout": "alexnet",
    "factorize-kernels": "resnet18",
    "fold-batchnorm": "resnet20",
    "grouped-to-multibranch": "resnext50",
    "merge-parallel-convolutions": "googlenet",
    "multibranch-to-grouped": "resnext50_multibranch",
    "pool-head": "alexnet",
    "remove-identities": "mobilenet_v3_small",
    "residualize": "plain20",
    "resnet-b": "resnet50a",
    "resnet-c": "resnet18",
    "resnet-d": "resnet18",
    "squeeze-excite": "resnet20",
}


def passes(
    pass_file: options.PassFile = None,
    as_json: options.Json = False,
) -> None:
    """List the passes: what each does, what it promises, its options, the law behind it and where that is from.

    exact: only rearranges weights, so training goes on as before. exact-eval: the same function in inference.
    redesign: another architecture of the same interface, which needs training.

    Example: archdsl passes
    """
    rows = [_facts(name, kind) for name, kind in options.known_passes(pass_file).items()]
    if as_json:
        console.say_json(ok=True, passes=rows)
        return
    for row in rows:
        console.say(f"{row['name']}  ({row['promise']})\n    {row['summary']}")
        console.say(f"    law: {row['law']}\n    source: {row['source']}")
        settings = ", ".join(f"{name}={default}" for name, default in row["options"].items() if name != "where")
        console.say(f"    options: where=PATH{', ' + settings if settings else ''}\n    example: {row['example']}")
        lines = row["spec"].rstrip().splitlines()
        console.say("".join(f"        {line}".rstrip() + "\n" for line in ["of example.arch:", *lines] if row["spec"]))


def _facts(name: str, kind: Any) -> dict[str, Any]:
    from archdsl.passes.registry import bundled
    from archdsl.passes.registry import options as fields

    shown = {}
    for option, (hint, default) in fields(kind).items():
        words = "|".join(map(str, get_args(hint)))
        value = "" if default is MISSING else str(default).lower() if isinstance(default, bool) else default
        shown[option] = words or value
    spec, text = _example(name, own=name not in bundled())
    return {
        "name": name,
        "promise": kind.promise,
        "summary": kind.summary(),
        "law": kind.law,
        "source": kind.source,
        "options": shown,
        "example": f"archdsl rewrite {spec or 'SPEC'} --pass {name}",
        "spec": text,
    }


def _example(name: str, own: bool) -> tuple[str, str]:
    """A spec that a bundled pass rewrites, and its text if it is no bundled one."""
    from archdsl.passes.examples import EXAMPLES

    if own or name in SPECS:
        return ("" if own else SPECS[name]), ""
    return "example.arch", EXAMPLES[name].text
