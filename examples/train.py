"""Train a spec on real data: handwritten digits, which scikit-learn ships. Takes well under a minute on two cores.

    python examples/train.py [FOLDER]

The net is `digits.arch` beside this file. Its weights and its ONNX model go to FOLDER (`build/digits` by default).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

import archdsl

SPEC = Path(__file__).with_name("digits.arch")
EPOCHS = 12
BATCH = 64


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images from -1 to 1 and labels of 1,400 digits to learn from, then of 397 to be tested on."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    pixels = torch.tensor(images[order] / 8 - 1, dtype=torch.float32).reshape(-1, 1, 8, 8)
    classes = torch.tensor(labels[order], dtype=torch.long)
    return pixels[:1400], classes[:1400], pixels[1400:], classes[1400:]


def train(net: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Trains by SGD with momentum under a one-cycle learning rate, a line of progress for each epoch."""
    steps = -(-len(labels) // BATCH)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, epochs=EPOCHS, steps_per_epoch=steps)
    for epoch in range(EPOCHS):
        net.train()
        begin, total = time.perf_counter(), 0.0
        for batch in torch.randperm(len(labels)).split(BATCH):
            loss = functional.cross_entropy(net(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        seconds = time.perf_counter() - begin
        print(f"epoch {epoch + 1:2}/{EPOCHS}  loss {total / len(labels):.4f}  {seconds:.1f} s", flush=True)


@torch.no_grad()
def outputs(net: nn.Module, images: Tensor) -> np.ndarray:
    """What the net says in inference."""
    return np.asarray(net.eval()(images).numpy())


def main(folder: Path) -> float:
    """Trains, saves, exports, and returns the share of test digits that are read right."""
    torch.manual_seed(0)
    images, labels, test_images, test_labels = digits()
    net = archdsl.load(SPEC)  # without a seed, the weights come from torch's generator
    print(f"{SPEC.name}: {sum(parameter.numel() for parameter in net.parameters()):,} parameters")
    train(net, images, labels)

    said = outputs(net, test_images)
    right = float((said.argmax(1) == test_labels.numpy()).mean())
    print(f"{right:.1%} of {len(test_labels)} unseen digits read right")

    folder.mkdir(parents=True, exist_ok=True)
    weights, model = folder / "digits.pt", folder / "digits.onnx"
    torch.save(net.state_dict(), weights)
    again = archdsl.load(SPEC, weights=weights)
    assert np.array_equal(outputs(again, test_images), said), "the saved weights give other results"
    print(f"saved to {weights}, and loaded back: the same results to the bit")

    archdsl.build(SPEC, "onnx", model, weights=weights)
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    (theirs,) = session.run(None, {session.get_inputs()[0].name: test_images.numpy()})
    apart = float(np.abs(theirs - said).max() / np.abs(said).max())
    print(f"exported to {model}: onnxruntime differs by at most {apart:.1e} of the largest output")
    assert apart < 5e-6, "onnxruntime and PyTorch disagree"
    return right


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/digits"))
