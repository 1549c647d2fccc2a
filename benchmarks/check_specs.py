"""How long `archdsl check specs` takes, cold, in a process of its own: the best and the median of a few runs.

Run: python benchmarks/check_specs.py [runs]
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time

from archdsl.library import specs_root

GATE = 10.0  # seconds, on 2 cores


def main() -> None:
    """Prints a line, and ends with 1 if even the best run takes longer than the gate."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    command = [sys.executable, "-m", "archdsl.cli", "check", str(specs_root())]
    seconds, worked = [], []
    for _ in range(runs):
        start, before = time.perf_counter(), _processor()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
        worked.append(_processor() - before)
    count = sum(1 for _ in specs_root().rglob("*.arch"))
    best, median = min(seconds), statistics.median(seconds)
    print(f"archdsl check of {count} files: best {best:.2f} s, median {median:.2f} s of {runs}, at most {GATE:.0f} s")
    print(f"processor time, which other work on the machine lengthens less: best {min(worked):.2f} s")
    sys.exit(best > GATE)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
