"""The kept results as a page: `python -m benchmarks.page` writes benchmarks/README.md from benchmarks/results.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WORDS = """\
# Benchmarks

Speed as ratios to a peer, both measured in the same run, in turns: the median of the turns' ratios, with their
quartiles. Lines called "noise" set the peer against itself. Seconds of one machine say little of another; ratios more.

```sh
python -m benchmarks -o benchmarks/results.json     # all lines, ten minutes; --only NAME, --rounds N, --check
python -m benchmarks.page                           # this page from the results
python benchmarks/check_specs.py                    # `archdsl check` of all bundled specs
```
"""


def page(found: dict[str, Any]) -> str:
    """The page for what `python -m benchmarks -o` wrote."""
    machine = found["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    low, high = machine["load"]
    where = f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}"
    lines = [
        WORDS,
        f"Measured on {where},",
        f"{versions}; load {low} at the start, {high} at the end.",
        "",
        "| what | ours | peer | ratio | quartiles | goal |",
        "| --- | ---: | --- | ---: | ---: | --- |",
    ]
    for row in found["results"]:
        first, third = row["quartiles"]
        goal = f"{row['goal']}{'' if row['holds'] else ', missed'}" if row["goal"] else ""
        times = f"{row['ours_seconds']:.3g} s | {row['peer']}: {row['peer_seconds']:.3g} s"
        ratio = f"{row['ratio']:.2f} {row['ratio_name']}"
        lines.append(f"| {row['name']} | {times} | {ratio} | {first:.2f} to {third:.2f} | {goal} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    kept = json.loads((HERE / "results.json").read_text("utf-8"))
    (HERE / "README.md").write_text(page(kept), encoding="utf-8")
