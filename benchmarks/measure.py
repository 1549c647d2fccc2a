"""Two ways to do one thing, timed in turns, so that what else the machine does falls on both."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Work = Callable[[], Any]


@dataclass(frozen=True)
class Goal:
    """What a ratio is held to: `at most` or `at least` a bound, or `equal` to 1 within it."""

    kind: Literal["at most", "at least", "equal"]
    bound: float

    def holds(self, ratio: float) -> bool:
        """Whether a ratio reaches the goal."""
        match self.kind:
            case "at most":
                return ratio <= self.bound
            case "at least":
                return ratio >= self.bound
            case "equal":
                return abs(ratio - 1) <= self.bound

    def __str__(self) -> str:
        sign = {"at most": "<=", "at least": ">=", "equal": "1.00 +-"}[self.kind]
        return f"{sign} {self.bound:g}"


@dataclass(frozen=True)
class Result:
    """One line: medians in seconds, their ratio, its spread over the rounds, and the goal."""

    name: str
    ours: str
    peer: str
    ours_seconds: float
    peer_seconds: float
    ratio: float
    ratio_name: str
    quartiles: tuple[float, float]
    rounds: int
    goal: str | None
    holds: bool | None

    def json(self) -> dict[str, Any]:
        """The line as JSON has it, rounded to what was measured."""
        rounded = {
            key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in asdict(self).items()
        }
        return {**rounded, "quartiles": [round(value, 4) for value in self.quartiles]}


def seconds(work: Work, clock: Callable[[], float] = time.perf_counter) -> float:
    """Wall time of one call; what it made is let go of after the clock stops."""
    gc.collect()
    start = clock()
    made = work()
    taken = clock() - start
    del made
    return taken


def processor(work: Work) -> float:
    """The time that all cores worked for this process, which other work on the machine lengthens less."""
    return seconds(work, time.process_time)


def compare(
    name: str,
    ours: tuple[str, Work],
    peer: tuple[str, Work],
    *,
    goal: Goal | None = None,
    faster: bool = False,
    rounds: int = 9,
    clock: Callable[[Work], float] = seconds,
) -> Result:
    """Both in turns, the first turn of each not counted. The ratio is ours to the peer's time, or with `faster` the
    peer's to ours; of medians, its quartiles those of the ratios of single rounds."""
    for _, work in (ours, peer):
        clock(work)
    times: list[tuple[float, float]] = []
    for number in range(rounds):
        first, second = (ours, peer) if number % 2 else (peer, ours)
        one, two = clock(first[1]), clock(second[1])
        times.append((one, two) if number % 2 else (two, one))
    mine, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    ratios = sorted((b / a if faster else a / b) for a, b in times)
    ratio = theirs / mine if faster else mine / theirs
    low, _, high = statistics.quantiles(ratios, n=4)
    holds = goal.holds(ratio) if goal is not None else None
    shown = "times faster" if faster else "of its time"
    spread = (low, high)
    return Result(
        name, ours[0], peer[0], mine, theirs, ratio, shown, spread, rounds, str(goal) if goal else None, holds
    )
