"""The benchmarks measure what they say: turns, ratios, goals; and they still run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.measure import Goal, compare
from benchmarks.page import page
from tests.support.command import ROOT


def works(log: list[str], *names: str) -> list[tuple[str, Callable[[], None]]]:
    return [(name, lambda name=name: log.append(name)) for name in names]  # type: ignore[misc]


def test_both_are_timed_in_turns_and_the_first_turn_of_each_is_not_counted() -> None:
    log: list[str] = []
    ours, peer = works(log, "ours", "peer")

    def clock(work: Callable[[], None]) -> float:
        work()
        return 1.5

    result = compare("x", ours, peer, rounds=4, clock=clock)
    assert log == ["ours", "peer", "peer", "ours", "ours", "peer", "peer", "ours", "ours", "peer"]
    assert (result.rounds, result.ours_seconds, result.peer_seconds) == (4, 1.5, 1.5)


def test_a_ratio_is_ours_to_the_peers_or_how_many_times_faster_we_are() -> None:
    def clock(work: Callable[[], float]) -> float:
        return work()

    one, four = ("ours", lambda: 1.0), ("peer", lambda: 4.0)
    slower = compare("x", one, four, goal=Goal("at most", 0.2), rounds=3, clock=clock)
    faster = compare("x", one, four, goal=Goal("at least", 4), faster=True, rounds=3, clock=clock)
    assert (slower.ratio, slower.holds) == (0.25, False)
    assert (faster.ratio, faster.holds) == (4.0, True)


@pytest.mark.parametrize(
    "goal, good, bad",
    [(Goal("at most", 1.2), 1.2, 1.21), (Goal("at least", 2), 2.0, 1.9), (Goal("equal", 0.05), 0.96, 1.06)],
)
def test_a_goal_holds_up_to_its_bound(goal: Goal, good: float, bad: float) -> None:
    assert goal.holds(good)
    assert not goal.holds(bad)


def test_a_run_prints_a_table_and_writes_json(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks", "--rounds", "2", "--only", "linear", "-o", str(out)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, check=True)
    assert "text to graph, 10,000 layers against 1,000" in done.stdout
    (line,) = json.loads(out.read_text())["results"]
    assert 0.3 < line["ratio"] < 5  # linear; a square law would be 10


def test_the_page_is_that_of_the_committed_results() -> None:
    """Else run `python -m benchmarks.page`."""
    kept = json.loads((ROOT / "benchmarks/results.json").read_text("utf-8"))
    assert (ROOT / "benchmarks/README.md").read_text("utf-8") == page(kept)


def test_the_committed_results_have_every_line() -> None:
    found = json.loads((ROOT / "benchmarks" / "results.json").read_text())
    assert {"processor", "cores", "versions", "load"} <= found["machine"].keys()
    goals = [line for line in found["results"] if line["goal"]]
    assert len(goals) >= 12
    assert len(found["results"]) > len(goals)
