"""Damaged and hostile checkpoints: each is read or refused in one line, within two seconds and 512 MB."""

from __future__ import annotations

import os
import resource
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")

import archdsl
from archdsl.diagnostics import ArchdslError
from archdsl.graph.graph import Graph
from archdsl.prove.entries import Misfit, fit, keeps_order
from archdsl.source import Source
from archdsl.weights import initial, match, opened
from tests.support.mutations import mutation

COUNT = int(os.environ.get("ARCHDSL_MUTATIONS", "300"))
BATCH = 20
SECONDS, MEMORY = 2.0, 512 << 20
NET = "arch net() {\n input 3x6x6\n conv(5, 3x3) -> bn: batchnorm -> gap -> flatten -> linear(4)\n}\n"


def outcome(graph: Graph, file: Path) -> str:
    """What became of a checkpoint, or the mistake of ours that it showed."""
    notes: list[str] = []
    try:
        state = opened(file, notes.append)
        found = fit(graph, {key: item.shape for key, item in state.items()}, ordered=keeps_order(file.name, state))
        reason = found.reason if isinstance(found, Misfit) else ""
        match(graph, state, notes.append)
    except ArchdslError as error:
        reason = str(error)
        if len(reason.splitlines()) > 10:
            return "MISTAKE: more than ten lines"
    except BaseException as error:
        return f"MISTAKE: {type(error).__name__}: {error}"
    shown = "\n".join([reason, *notes])
    if not all(line.isprintable() and len(line) < 2000 for line in shown.split("\n")):
        return f"MISTAKE: {shown[:200]!r}"
    return "refused" if reason else "read"


def batch(graph: Graph, folder: Path, seeds: range) -> Iterator[tuple[int, str]]:
    """The outcome of some seeds, each file made and read by a process that may take no more than a spec's budget."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            arrays = initial(graph, 0)
            files = [(seed, *mutation(arrays, seed)) for seed in seeds]
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)
            for seed, name, data in files:
                file = folder / f"{seed}_{name}"
                file.write_bytes(data)
                start = time.process_time()
                resource.setrlimit(resource.RLIMIT_CPU, (int(start) + 20, -1))
                said = outcome(graph, file)
                spent = time.process_time() - start
                if spent > SECONDS:
                    said = f"MISTAKE: {spent:.1f} s"
                os.write(tell, f"{seed} {said[:300]!r}\n".encode())
                if not said.startswith("MISTAKE"):
                    file.unlink()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(tell)
    with open(told, encoding="utf-8") as lines:
        found = dict(line.rstrip("\n").split(" ", 1) for line in lines)
    _, status = os.waitpid(child, 0)
    for seed in seeds:
        yield seed, found.get(str(seed), f"MISTAKE: the process ended ({status})")


def outcomes(folder: Path, seeds: range) -> dict[int, str]:
    """The outcome of each seed."""
    graph = archdsl.compile(Source(NET, "net.arch"))
    opened_once = folder / "warm.pt"
    opened_once.write_bytes(mutation(initial(graph, 0), 6)[1])
    outcome(graph, opened_once)  # everything is imported by now
    found: dict[int, str] = {}
    for start in range(seeds.start, seeds.stop, BATCH):
        found.update(batch(graph, folder, range(start, min(start + BATCH, seeds.stop))))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_damaged_checkpoints_are_read_or_refused_within_bounds(tmp_path: Path) -> None:
    found = outcomes(tmp_path, range(COUNT))
    assert [(seed, said) for seed, said in found.items() if "MISTAKE" in said] == []
    assert {said.strip("'") for said in found.values()} == {"read", "refused"}
