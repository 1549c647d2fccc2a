"""Runs the lines and prints a table; `-o` writes it as JSON too.

python -m benchmarks [--rounds 9] [--only fresh --only onnx] [-o benchmarks/results.json] [--check]
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import torch

from benchmarks import machine
from benchmarks.lines import LINES, ON_ONE_CORE
from benchmarks.measure import Result


def main() -> int:
    """0, or with `--check` 1 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="turns of each side (default 9)")
    parser.add_argument("--only", action="append", choices=LINES, help="these lines alone; repeatable")
    parser.add_argument("-o", "--output", type=Path, help="the file for the results as JSON")
    parser.add_argument("--check", action="store_true", help="end with 1 where a goal is missed")
    given = parser.parse_args()
    facts, before = machine.facts(), machine.load()
    print(f"{facts['processor']}, {facts['cores']} cores, load {before}; torch {facts['versions']['torch']}\n")
    print(header())
    results = list(run(given.only or list(LINES), given.rounds))
    after = machine.load()
    print(f"\nload at the end: {after}")
    if given.output:
        text = {"machine": {**facts, "load": [before, after]}, "results": [result.json() for result in results]}
        given.output.write_text(json.dumps(text, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return int(given.check and any(result.holds is False for result in results))


def run(names: list[str], rounds: int) -> list[Result]:
    """The results of these lines, each printed as it comes."""
    found: list[Result] = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        threads = torch.get_num_threads()
        for name in names:
            torch.set_num_threads(1 if name in ON_ONE_CORE else threads)
            lines = LINES[name](Path(folder), rounds)
            while True:
                with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # the exporter talks
                    result = next(lines, None)
                if result is None:
                    break
                print(row(result), flush=True)
                found.append(result)
    return found


def header() -> str:
    """The head of the table."""
    names = f"{'':50} {'ours':>10} {'peer':>10} {'ratio':>7}  {'quartiles':>13}  {'goal':>9}"
    return f"{names}\n{'-' * len(names)}"


def row(result: Result) -> str:
    """One line of the table, in seconds."""
    low, high = result.quartiles
    verdict = {None: "", True: "ok", False: "MISSED"}[result.holds]
    figures = f"{result.ours_seconds:10.4g} {result.peer_seconds:10.4g} {result.ratio:7.2f}  {low:6.2f}-{high:6.2f}"
    return f"{result.name:50} {figures}  {result.goal or '':>9}  {verdict}"


if __name__ == "__main__":
    sys.exit(main())
