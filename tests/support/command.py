"""The command line as a real process, and in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SPECS = ROOT / "specs"

TINY = """\
## A tiny net.

arch tiny(width=8, num_classes=10, rate=0.5) {
    input 1x8x8
    conv1: conv(width, 3x3) -> bn1: batchnorm -> relu
    gap -> flatten -> dropout(rate) -> fc: linear(num_classes)
}
"""
BROKEN = """\
arch broken() {
    input 1x8x8
    conv1: conv(8, 3x3, strid=2)
    fc: linear(10, bais=false)
}
"""


def archdsl(*arguments: str, text: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """A finished `archdsl` process: its exit code, and what it wrote on stdout and stderr."""
    return subprocess.run(
        [sys.executable, "-m", "archdsl.cli", *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        timeout=120,
    )
