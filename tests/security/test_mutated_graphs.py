"""Mutated graph texts: each is a graph that every target can be made of, or diagnostics; in little time and memory."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
from pathlib import Path

import pytest

import archdsl
from archdsl.diagnostics import CompileError, UsageError
from archdsl.graph.graph import Graph
from archdsl.graph.text import print_graph, read_graph
from archdsl.targets.dot import dot_text
from archdsl.targets.torch_source import source
from tests.support.mutated_graphs import mutated
from tests.support.small_nets import resnet

SECONDS, MEMORY = 2, 512 << 20
SAMPLE, ALL = 400, 10_000
BUNDLED = ("resnet20", "mobilenet_v3_small", "googlenet", "unet")


def texts() -> list[str]:
    """The texts that are mutated: nets of each kind, with blocks, side heads, shared weights and learned tensors."""
    graphs = [resnet("bottleneck", (1, 1)), *(archdsl.compile(name) for name in BUNDLED)]
    return [print_graph(graph) for graph in graphs]


def told(text: str) -> None:
    """Reads a text, and makes the targets of what it is a graph of. Raises whatever is no diagnostic."""
    try:
        graph: Graph = read_graph(text)
    except CompileError as error:
        str(error)
        return
    for emit in (print_graph, source, dot_text):
        with contextlib.suppress(CompileError, UsageError):
            emit(graph)
    assert read_graph(print_graph(graph)) == graph


def _bounded(given: list[str], seeds: range, folder: str) -> None:
    """Runs seeds under limits of memory and of processor time for each; the file of a seed that breaks them stays."""
    resource.setrlimit(resource.RLIMIT_AS, (_used() + MEMORY, resource.RLIM_INFINITY))
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    for seed in seeds:
        path = Path(folder) / str(seed)
        path.write_text("died: out of time or memory")
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        try:
            told(mutated(given[seed % len(given)], seed))
        except BaseException as error:
            path.write_text(f"{type(error).__name__}: {error}"[:500])
        else:
            path.unlink()


def _used() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def broken(seeds: range, folder: Path) -> dict[int, str]:
    """The seeds whose texts raise something else, or take too much, each in words. A process that dies is replaced."""
    given = texts()
    context = multiprocessing.get_context("fork")
    found: dict[int, str] = {}
    while seeds:
        worker = context.Process(target=_bounded, args=(given, seeds, str(folder)))
        worker.start()
        worker.join()
        left = sorted(int(path.name) for path in folder.iterdir())
        found |= {seed: (folder / str(seed)).read_text() for seed in left}
        for seed in left:
            (folder / str(seed)).unlink()
        seeds = range(max(left) + 1, seeds.stop) if worker.exitcode and left else range(0)
    return found


def test_what_breaks_the_bounds_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def worse(text: str) -> None:
        count.append(text)
        match len(count):
            case 2:
                raise KeyError("ours")
            case 3:
                bytearray(8 * MEMORY)  # more than an earlier test can have left free in this process
            case 4:
                while True:
                    pass

    count: list[str] = []
    monkeypatch.setattr(f"{__name__}.told", worse)
    assert {seed: text[:8] for seed, text in broken(range(5), tmp_path).items()} == {
        1: "KeyError",
        2: "MemoryEr",
        3: "died: ou",
    }


def test_a_mutated_text_is_a_graph_or_diagnostics(tmp_path: Path) -> None:
    assert broken(range(SAMPLE), tmp_path) == {}


@pytest.mark.slow
def test_ten_thousand_mutated_texts_are_graphs_or_diagnostics(tmp_path: Path) -> None:
    """`pytest tests/security/test_mutated_graphs.py -m slow`, in about ten minutes."""
    assert broken(range(ALL), tmp_path) == {}
