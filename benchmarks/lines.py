"""What is compared, each line against its peer."""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import archdsl
from archdsl.graph.compiled import forget
from benchmarks.measure import Goal, Result, Work, compare, processor, seconds
from tests.support.peers import torchvision_model

SPECS = archdsl.specs_root()
TWINS = {"resnet50": "resnet50", "resnext50": "resnext50_32x4d"}
Line = Callable[[Path, int], Iterator[Result]]


def anew(work: Callable[[], object]) -> Work:
    """The work without what an earlier compilation of this process has left."""

    def whole() -> object:
        forget()
        return work()

    return whole


def fresh(folder: Path, rounds: int) -> Iterator[Result]:
    """A spec as a live module with fresh weights, against torchvision's constructor."""
    for name, twin in TWINS.items():
        yield compare(
            f"{name}: a live module with fresh weights",
            ("archdsl.load", anew(lambda name=name: archdsl.load(name, seed=0))),
            (f"torchvision {twin}()", lambda twin=twin: torchvision_model(twin)),
            goal=Goal("at most", 1.2),
            rounds=rounds,
        )
    yield compare(
        "resnet50: the same, processor time of all cores",
        ("archdsl.load", anew(lambda: archdsl.load("resnet50", seed=0))),
        ("torchvision resnet50()", lambda: torchvision_model("resnet50")),
        rounds=rounds,
        clock=processor,
    )


FIRST = """
import sys, time
import archdsl, torch, numpy
import archdsl.compiler, archdsl.targets.torch_module, archdsl.weights
from tests.support.peers import torchvision_model, torchvision_models
torchvision_models()
start = time.perf_counter()
made = archdsl.load("resnet50", seed=0) if sys.argv[1] == "ours" else torchvision_model("resnet50")
print(time.perf_counter() - start)
"""


def first(folder: Path, rounds: int) -> Iterator[Result]:
    """The same, the first call of a process: nothing parsed, compiled or drawn before."""

    def clock(work: Work) -> float:
        return float(work())

    def call(which: str) -> str:
        command = [sys.executable, "-c", FIRST, which]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    yield compare(
        "resnet50: the first live module of a process",
        ("archdsl.load", lambda: call("ours")),
        ("torchvision resnet50()", lambda: call("theirs")),
        goal=Goal("at most", 1.2),
        rounds=max(5, rounds // 2),
        clock=clock,
    )


def checkpoint(folder: Path, rounds: int) -> Iterator[Result]:
    """A spec with a checkpoint, against torchvision's constructor and load_state_dict."""
    for name, twin in TWINS.items():
        pickled, tensors = folder / f"{name}.pt", folder / f"{name}.safetensors"
        torch.save(torchvision_model(twin).state_dict(), pickled)
        archdsl.build(name, out=tensors, weights=pickled)

        def theirs(twin: str = twin, pickled: Path = pickled) -> nn.Module:
            module = torchvision_model(twin)
            module.load_state_dict(torch.load(pickled, weights_only=True))
            return module

        for file in (pickled, tensors):
            yield compare(
                f"{name}: a live module from {file.suffix}",
                (
                    f"archdsl.load(weights=…{file.suffix})",
                    anew(lambda name=name, file=file: archdsl.load(name, weights=file)),
                ),
                ("constructor, torch.load, load_state_dict", theirs),
                goal=Goal("at least", 2),
                faster=True,
                rounds=rounds,
            )


def onnx(folder: Path, rounds: int) -> Iterator[Result]:
    """A spec to an ONNX file of 100 MB with given weights, against torch.onnx.export of torchvision's module."""
    module = torchvision_model("resnet50").eval()
    arrays = {key: tensor.numpy() for key, tensor in module.state_dict().items()}
    image = torch.randn(1, 3, 224, 224)

    def theirs() -> None:
        torch.onnx.export(module, (image,), folder / "theirs.onnx", dynamo=True, verbose=False)

    yield compare(
        "resnet50: spec to ONNX file",
        ("archdsl.build", anew(lambda: archdsl.build("resnet50", "onnx", folder / "ours.onnx", weights=arrays))),
        ("torch.onnx.export(dynamo=True)", theirs),
        goal=Goal("at least", 6),
        faster=True,
        rounds=max(5, rounds // 2),
    )


def running(folder: Path, rounds: int) -> Iterator[Result]:
    """Forward and training step of the same net with the same weights, on one core; and of torchvision's twice, for the
    noise."""
    for name, twin in TWINS.items():
        theirs = torchvision_model(twin)
        twins = {
            "archdsl": archdsl.load(name, seed=0),
            "torchvision": theirs,
            "torchvision again": torchvision_model(twin),
        }
        for module in twins.values():
            module.load_state_dict(theirs.state_dict())
        image, towards = torch.randn(2, 3, 224, 224), torch.randn(2, 1000)

        def forward(module: nn.Module, image: Tensor = image) -> Work:
            def work() -> Any:
                with torch.inference_mode():
                    return module.eval()(image)

            return work

        def step(module: nn.Module, image: Tensor = image[:, :, :128, :128], towards: Tensor = towards) -> Work:
            optimizer = torch.optim.SGD(module.parameters(), 1e-9)

            def work() -> None:
                module.train()
                optimizer.zero_grad()
                (module(image) * towards).sum().backward()
                optimizer.step()

            return work

        for what, made in (("forward, 2x3x224x224", forward), ("training step, 2x3x128x128", step)):
            works = {who: made(module) for who, module in twins.items()}
            for who in ("torchvision again", "archdsl"):
                yield compare(
                    f"{name}: {what}" + (", noise" if who != "archdsl" else ""),
                    (who, works[who]),
                    ("torchvision", works["torchvision"]),
                    goal=Goal("equal", 0.05) if who == "archdsl" else None,
                    rounds=rounds,
                )


def process(folder: Path, rounds: int) -> Iterator[Result]:
    """`archdsl check` as a process, against importing torch alone: wall time, then processor time."""
    check = [str(Path(sysconfig.get_path("scripts")) / "archdsl"), "check", str(SPECS / "resnext50.arch")]
    torch_alone = [sys.executable, "-c", "import torch"]

    def run(command: list[str]) -> Work:
        return lambda: subprocess.run(command, check=True, capture_output=True)

    for what, clock, goal in (
        ("wall time", seconds, Goal("at least", 4)),
        ("processor time", _processor_seconds, None),
    ):
        yield compare(
            f"archdsl check resnext50.arch, {what}",
            ("archdsl check", run(check)),
            ('python -c "import torch"', run(torch_alone)),
            goal=goal,
            faster=True,
            rounds=rounds,
            clock=clock,
        )


def _processor_seconds(work: Work) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def linear(folder: Path, rounds: int) -> Iterator[Result]:
    """Text to graph for 1,000 and 10,000 layers: seconds a layer, which stay what they are."""

    def compiled(layers: int) -> Work:
        text = (
            "arch deep() {\n    input 8x16x16\n"
            f"    repeat {layers // 4} {{ residual {{ conv(8, 3x3) -> batchnorm -> relu }} }}\n}}\n"
        )
        graph = archdsl.compile(archdsl.Source(text, "deep.arch"))
        assert len(graph.nodes) == layers + 1
        return anew(lambda: archdsl.compile(archdsl.Source(text, "deep.arch")))

    def each(layers: int) -> tuple[str, Work]:
        work = compiled(layers)

        def timed() -> float:
            gc.collect()
            gc.freeze()  # torch's objects, which a compilation does not meet
            start = time.process_time()
            made = work()
            taken = (time.process_time() - start) / layers
            gc.unfreeze()
            del made
            return taken

        return f"{layers:,} layers, processor seconds a layer", timed

    yield compare(
        "text to graph, 10,000 layers against 1,000",
        each(10_000),
        each(1_000),
        goal=Goal("at most", 1.25),
        rounds=rounds,
        clock=lambda work: float(work()),
    )


def branches(folder: Path, rounds: int) -> Iterator[Result]:
    """ResNeXt-50 in the paper's form with 32 branches, against its grouped form: what the rewriting between them is
    worth."""
    one, other = (archdsl.load(name, seed=0).eval() for name in ("resnext50", "resnext50_multibranch"))
    image = torch.randn(2, 3, 224, 224)

    def forward(module: nn.Module) -> Work:
        def work() -> Any:
            with torch.inference_mode():
                return module(image)

        return work

    yield compare(
        "resnext50: grouped against 32 branches, forward",
        ("grouped", forward(one)),
        ("multibranch", forward(other)),
        faster=True,
        rounds=max(5, rounds // 2),
    )


LINES: dict[str, Line] = {
    "fresh": fresh,
    "first": first,
    "checkpoint": checkpoint,
    "onnx": onnx,
    "running": running,
    "process": process,
    "linear": linear,
    "branches": branches,
}
ON_ONE_CORE = frozenset({"running", "branches"})  # where two threads that wait for each other would be the noise
