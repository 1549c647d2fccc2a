"""What is dropped at random in training, and passes unchanged in inference."""

from __future__ import annotations

from archdsl.ops.common import One, Rate, channels_first
from archdsl.shapes import Shape


class Dropout(One):
    """Zeroes each element with probability `rate` in training, and scales the rest by 1 / (1 - rate)."""

    word = "dropout"
    elementwise = True
    per_channel = True
    random = True

    rate: Rate = 0.5

    def output(self, x: Shape) -> Shape:
        return x


class DropoutChannels(One):
    """Zeroes each channel of each example with probability `rate` in training, and scales the rest."""

    word = "dropout_channels"
    elementwise = True
    per_channel = True
    random = True

    rate: Rate = 0.5

    def output(self, x: Shape) -> Shape:
        channels_first(self, x)
        return x


class StochasticDepth(One):
    """Zeroes the whole branch of each example with probability `rate` in training (Huang et al. 2016)."""

    word = "stochastic_depth"
    elementwise = True
    per_channel = True
    random = True

    rate: Rate

    def output(self, x: Shape) -> Shape:
        return x
