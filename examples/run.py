"""One spec, two runtimes: compile it to a PyTorch module and to an ONNX file, run both, and compare.

python examples/run.py specs/resnext50.arch resnext50.onnx
"""

from __future__ import annotations

import sys
import time

import numpy as np
import onnxruntime
import torch

import archdsl


def main(spec: str, out: str) -> None:
    """Builds the spec twice with the same seed, and prints how far the two results are apart."""
    graph = archdsl.compile(spec)
    print(f"{graph.name}: {graph.params:,} parameters, {graph.macs:,} multiply-accumulates")

    begin = time.perf_counter()
    net = archdsl.load(spec, seed=1).eval()
    print(f"spec to PyTorch module: {time.perf_counter() - begin:.2f} s")
    begin = time.perf_counter()
    archdsl.build(spec, "onnx", out, seed=1)
    print(f"spec to {out}: {time.perf_counter() - begin:.2f} s")

    image = torch.randn(1, *graph.nodes[graph.inputs[0]].outputs[0].sizes, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = net(image).numpy()
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    (theirs,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})

    apart = float(np.abs(ours - theirs).max() / np.abs(ours).max())
    print(f"PyTorch says    {ours.shape} {ours[0, :4]}")
    print(f"onnxruntime says {theirs.shape} {theirs[0, :4]}")
    print(f"largest difference: {apart:.1e} of the largest output")
    if apart > 5e-6:
        sys.exit("the two runtimes disagree")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
