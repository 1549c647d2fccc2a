"""Where a run was made: the machine, the versions, and what else it did."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("archdsl", "torch", "torchvision", "onnx", "onnxscript", "numpy", "safetensors")


def facts() -> dict[str, Any]:
    """What a reader needs to judge the seconds; ratios need less."""
    import torch

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def load() -> float:
    """How many processes wanted a core in the last minute, on average."""
    return round(os.getloadavg()[0], 2)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
