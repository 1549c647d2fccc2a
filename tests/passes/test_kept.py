"""Every precondition of every rule has a net that does not meet it, which stays as it is, with the reason told."""

from __future__ import annotations

import re

import pytest

from archdsl import ops
from archdsl.compiler import compile
from archdsl.graph import Graph
from archdsl.ir.builder import Builder
from archdsl.passes import driver
from archdsl.passes.common import BY_SIZE
from archdsl.passes.registry import parse
from archdsl.source import Source
from tests.support.keep_reasons import reasons

BLOCKS = """
block Twice(width) { conv(width, 3x3) -> batchnorm -> relu -> conv(width, 3x3) -> batchnorm -> relu }
block Valid(width) { conv(width, 3x3, padding=0) -> batchnorm -> relu -> conv(width, 3x3) -> batchnorm -> relu }
block Odd(width) {
    conv(width, 2x2, stride=2, padding=0) -> batchnorm -> relu -> conv(width, 3x3) -> batchnorm -> relu
}
block Tapped(width) {
    conv(width, 3x3) -> batchnorm -> relu as early
    conv(width, 3x3) -> batchnorm -> relu
    from [here, early] -> concat
}
block Residual() { residual { conv(in.c, 3x3) -> batchnorm } -> relu }
block Clipped() { residual { conv(in.c, 3x3) -> relu } }
block Side() { gap -> flatten -> dropout(0.5) -> linear(2) }
"""
# The pass, the reason, the size of the input, the body of the arch.
CASES: tuple[tuple[str, str, str, str], ...] = (
    ("merge-parallel-convolutions", "these convolutions of one input differ in their windows",
     "4x6x6", "branches concat { conv(2, 1x1); conv(3, 3x3) }"),
    ("merge-parallel-convolutions", "these convolutions of one input differ in their biases",
     "4x6x6", "branches concat { conv(2, 3x3, bias=false); conv(3, 3x3) }"),
    ("merge-parallel-convolutions", "these convolutions of one input differ in their windows and biases",
     "4x6x6", "branches concat { conv(2, 1x1, bias=false); conv(3, 3x3) }"),
    ("merge-parallel-convolutions", "these convolutions of one input differ in their biases",
     "4x6x6", "branches concat { conv(2, 1x1, bias=false); conv(3, 3x3); conv(4, 3x3, bias=false) }"),
    ("merge-parallel-convolutions", "these convolutions of one input differ in their padding modes and weight norms",
     "4x6x6", "branches concat { conv(2, 3x3, reparam=weight_norm); conv(3, 3x3, padding_mode=reflect) }"),
    ("merge-parallel-convolutions", "these convolutions of one input differ in their groups",
     "4x6x6", "branches concat { conv(2, 3x3, groups=2); conv(3, 3x3) }"),
    ("merge-parallel-convolutions", "these convolutions of one input differ in their use, which is for training only",
     "4x6x6", "aux from in -> late: conv(3, 3x3)\nconv(2, 3x3)"),
    ("merge-parallel-convolutions", "these convolutions of one input differ in their sides of a residual",
     "4x6x6", "residual { conv(4, 3x3) } skip conv(4, 3x3)"),
    ("merge-parallel-convolutions", "these convolutions of one input share their weights with other places",
     "4x6x6", "shared one: conv(2, 3x3)\nbranches concat { one; one }"),
    ("merge-parallel-convolutions",
     "grouped convolutions of one input do not stand side by side in one grouped convolution",
     "4x6x6", "branches concat { conv(2, 3x3, groups=2); conv(4, 3x3, groups=2) }"),
    ("regroup-split", "the pieces have unequal widths",
     "4x6x6", "split([1, 3]) as p\nbranches concat { from p[0] -> conv(2, 3x3); from p[1] -> conv(2, 3x3) }"),
    ("regroup-split", "the convolutions of the pieces have different widths or windows",
     "4x6x6", "split(2) as p\nbranches concat { from p[0] -> conv(2, 3x3); from p[1] -> conv(3, 3x3) }"),
    ("regroup-split", "a sum reads the convolutions: sum-of-convolutions makes them one",
     "4x6x6", "split(2) as p\nbranches add { from p[0] -> conv(2, 3x3); from p[1] -> conv(2, 3x3) }"),
    ("regroup-split", "the split is not along the channels",
     "4x6x6", 'split(2, axis="h") as p\nbranches concat { from p[0] -> relu; from p[1] -> relu }'),
    ("regroup-split", "not every piece is read exactly once",
     "4x6x6", "split(2) as p\nbranches concat { from p[0] -> relu; from p[0] -> relu; from p[1] -> relu }"),
    ("regroup-split", "a piece is read together with other values",
     "2x6x6",
     "branches concat { skip identity; skip identity }\nsplit(2) as p\n"
     "branches concat { from [p[0], in] -> add; from [p[1], in] -> add }"),
    ("regroup-split", "the operations share their weights",
     "4x6x6",
     "shared one: conv(2, 3x3)\nsplit(2) as p\nbranches concat { from p[0] -> one; from p[1] -> one }"),
    ("regroup-split", "a piece is an output of the net",
     "4x6x6", "split(2) as a, b\nbranches concat { from a -> relu; from b -> relu } as all\noutput all, a"),
    ("regroup-split", "some of the operations are for training only",
     "4x6x6", "split(2) as a, b\naux from b -> late: relu\nfrom a -> relu"),
    ("regroup-split", "the pieces are read by different operations",
     "4x6x6", "split(2) as p\nbranches concat { from p[0] -> relu; from p[1] -> tanh }"),
    ("regroup-split", "`prelu` has weights, which only convolutions and batch norms join",
     "4x6x6", "split(2) as a, b\nbranches concat { from a -> prelu; from b -> prelu }"),
    ("regroup-split", "`dropout` is random: one draw for all pieces is not a draw for each",
     "4x6x6", "split(2) as p\nbranches concat { from p[0] -> dropout(0.5); from p[1] -> dropout(0.5) }"),
    ("regroup-split", "the `batchnorm` of the pieces have different settings",
     "4x6x6", "split(2) as p\nbranches concat { from p[0] -> batchnorm; from p[1] -> batchnorm(momentum=0.2) }"),
    ("regroup-split", "`groupnorm` does not act on each channel alone",
     "4x6x6", "split(2) as p\nbranches concat { from p[0] -> groupnorm(1); from p[1] -> groupnorm(1) }"),
    ("sum-of-convolutions", "the convolutions are not all read by one sum alone",
     "4x6x6", "split(2) as p\nbranches concat { from p[0] -> conv(2, 3x3); from p[1] -> conv(2, 3x3) }"),
    ("sum-of-convolutions", "the split is not along the channels",
     "4x6x6",
     'split(2, axis="h") as p\n'
     "branches add { from p[0] -> conv(2, 1x1, bias=false); from p[1] -> conv(2, 1x1, bias=false) }"),
    ("sum-of-convolutions", "not every piece is read exactly once",
     "4x6x6",
     "split(2) as p\nbranches add { from p[0] -> conv(2, 3x3, bias=false); from p[0] -> conv(2, 3x3, bias=false)\n"
     "from p[1] -> conv(2, 3x3, bias=false) }"),
    ("sum-of-convolutions", "a piece is an output of the net",
     "4x6x6",
     "split(2) as a, b\nbranches add { from a -> conv(2, 3x3, bias=false); from b -> conv(2, 3x3, bias=false) } as s\n"
     "output s, a"),
    ("sum-of-convolutions", "the convolutions share their weights",
     "4x6x6",
     "shared one: conv(2, 3x3, bias=false)\nsplit(2) as p\nbranches add { from p[0] -> one; from p[1] -> one }"),
    ("sum-of-convolutions", "a grouped convolution does not see the whole piece",
     "4x6x6",
     "split(2) as p\nbranches add { from p[0] -> conv(2, 3x3, groups=2, bias=false)\n"
     "from p[1] -> conv(2, 3x3, groups=2, bias=false) }"),
    ("sum-of-convolutions", "the convolutions differ in their biases",
     "4x6x6",
     "split(2) as p\nbranches add { from p[0] -> conv(2, 3x3, bias=false); from p[1] -> conv(2, 3x3) }"),
    ("sum-of-convolutions", "the convolutions differ in their windows",
     "4x6x6",
     "split(2) as p\nbranches add { from p[0] -> conv(2, 3x3, bias=false); from p[1] -> conv(2, 1x1, bias=false) }"),
    ("sum-of-convolutions", "a weight norm over each piece is not one over the whole",
     "4x6x6",
     "split(2) as p\nbranches add { from p[0] -> conv(2, 3x3, bias=false, reparam=weight_norm)\n"
     "from p[1] -> conv(2, 3x3, bias=false, reparam=weight_norm) }"),
    ("sum-of-convolutions",
     "the convolutions have biases, and one bias trains differently from several that are summed",
     "4x6x6", "split(2) as p\nbranches add { from p[0] -> conv(2, 3x3); from p[1] -> conv(2, 3x3) }"),
    *(("grouped-to-multibranch", reason, "4x6x6", body) for reason, body in (
        ("the convolution in the middle has one group",
         "conv(4, 1x1) -> batchnorm -> relu -> conv(4, 3x3) -> batchnorm -> relu -> conv(6, 1x1, bias=false)"),
        ("the convolutions around it are grouped too, or their widths do not divide",
         "conv(4, 1x1, groups=2) -> batchnorm -> relu -> conv(4, 3x3, groups=2) -> batchnorm -> relu\n"
         "conv(6, 1x1, bias=false)"),
        ("the last convolution has a bias, which no branch can have alone",
         "conv(4, 1x1) -> batchnorm -> relu -> conv(4, 3x3, groups=2) -> batchnorm -> relu -> conv(6, 1x1)"),
        ("a weight norm over the whole is not one over each branch",
         "conv(4, 1x1) -> batchnorm -> relu -> conv(4, 3x3, groups=2) -> batchnorm -> relu\n"
         "conv(6, 1x1, bias=false, reparam=weight_norm)"),
        ("0 is read elsewhere too",
         "conv(4, 1x1) as c\nbatchnorm -> relu -> conv(4, 3x3, groups=2) -> batchnorm -> relu\n"
         "conv(4, 1x1, bias=false)\nfrom [here, c] -> add"),
        ("the weights of one are shared",
         "shared one: conv(4, 1x1)\none\nbatchnorm -> relu -> conv(4, 3x3, groups=2) -> batchnorm -> relu\n"
         "conv(4, 1x1, bias=false) -> one"),
        ("`dropout` is random: one draw for all branches is not a draw for each",
         "conv(4, 1x1) -> batchnorm -> dropout(0.5) -> conv(4, 3x3, groups=2) -> batchnorm -> relu\n"
         "conv(6, 1x1, bias=false)"),
        ("`maxpool` in the middle is no activation",
         "conv(4, 1x1) -> batchnorm -> maxpool(2x2) -> conv(4, 3x3, groups=2) -> batchnorm -> relu\n"
         "conv(6, 1x1, bias=false)"),
        ("`prelu` has weights of its own",
         "conv(4, 1x1) -> batchnorm -> prelu -> conv(4, 3x3, groups=2) -> batchnorm -> relu\n"
         "conv(6, 1x1, bias=false)"),
    )),
    ("merge-equal-subgraphs", "`dropout` is random: one draw is not two",
     "4x6x6", "branches concat { dropout(0.5); dropout(0.5) }"),
    ("merge-equal-subgraphs", "it is an output of its own",
     "4x6x6", "branches { a: relu; b: relu }\noutput a, b"),
    ("fold-batchnorm", "the weights are shared: another application would be scaled too",
     "4x6x6", "shared one: conv(4, 3x3)\none -> batchnorm -> one"),
    ("fold-batchnorm", "what c makes is read elsewhere too, before the norm",
     "4x6x6", "c: conv(4, 3x3)\nbatchnorm\nfrom [here, c] -> add"),
    ("fold-batchnorm", "what c makes is an output, before the norm",
     "4x6x6", "c: conv(4, 3x3)\nn: batchnorm\noutput n, c"),
    ("fold-batchnorm", "the norm uses the statistics of the batch in inference too",
     "4x6x6", "conv(4, 3x3) -> batchnorm(track=false)"),
    ("fold-batchnorm", "the weight is normalised by weight norm",
     "4x6x6", "conv(4, 3x3, reparam=weight_norm) -> batchnorm"),
    ("fold-batchnorm", "the weight is normalised by weight norm",
     "4x6x6", "batchnorm -> conv(4, 1x1, reparam=weight_norm)"),
    ("fold-batchnorm", "the weights are shared: another application would be scaled too",
     "4x6x6", "shared one: conv(4, 1x1)\none -> relu -> batchnorm -> one"),
    ("fold-batchnorm", "what n makes is read elsewhere too, behind the norm",
     "4x6x6", "n: batchnorm\nconv(4, 1x1)\nfrom [here, n] -> add"),
    ("fold-batchnorm", "what n makes is an output, behind the norm",
     "4x6x6", "n: batchnorm -> flatten -> l: linear(3)\noutput l, n"),
    ("fold-batchnorm", "what f makes is an output, behind the norm",
     "4x6x6", "batchnorm -> f: flatten -> l: linear(3)\noutput l, f"),
    ("fold-batchnorm", "the norm uses the statistics of the batch in inference too",
     "4x6x6", "batchnorm(track=false) -> conv(4, 1x1)"),
    ("fold-batchnorm", "the convolution pads with zeros, which the norm before it does not shift",
     "4x6x6", "batchnorm -> conv(4, 3x3)"),
    ("fold-affine", "the scaled value is read elsewhere too",
     "2x6x6", "affine([2, 3], [0, 0]) as a\nconv(2, 3x3)\nfrom [here, a] -> add"),
    ("fold-affine", "the weights are shared: another application would be scaled too",
     "4x6x6", "shared one: conv(4, 3x3)\nscale(2) -> one -> one"),
    ("fold-affine", "the weight is normalised by weight norm",
     "4x6x6", "scale(2) -> conv(4, 3x3, reparam=weight_norm)"),
    ("fold-affine", "a transposed convolution adds the shift to some places more often than to others",
     "2x6x6", "affine([2, 3], [0, 1]) -> conv_transpose(4, 2x2, stride=2)"),
    ("fold-affine", "the scaled value is read elsewhere too",
     "2x6x6", "scale(2) -> flatten as f\nlinear(72)\nfrom [here, f] -> add"),
    ("fold-affine", "the linear layer does not act on the channels",
     "2x3x3", 'rearrange("c h w -> c (h w)") -> affine([2, 3], [1, 0]) -> linear(4)'),
    ("fold-affine", "the convolution pads with zeros, which are not shifted",
     "2x6x6", "affine([2, 3], [0, 1]) -> conv(4, 3x3)"),
    ("fold-affine", "the convolution pads with zeros, which are not shifted",
     "2x6x6", "affine([2, 3], [0, 1]) -> conv(4, 2x2, padding=same_tf)"),
    ("drop-dropout", "it is computed in training only, where it draws",
     "4x6x6", "c: conv(4, 3x3)\naux from c -> side: Side()\nfrom c -> relu"),
    ("merge-linear", "a convolution and a linear layer act on different axes",
     "4x6x6", 'rearrange("c h w -> c (h w)") -> conv(3, 1) -> linear(2)'),
    ("merge-linear", "what 0 makes is read elsewhere too",
     "4x6x6", "conv(4, 1x1) as c\nconv(4, 1x1)\nfrom [here, c] -> add"),
    ("merge-linear", "the weights are shared", "4x6x6", "shared one: conv(4, 1x1)\none -> one"),
    ("merge-linear", "a grouped or weight-normalised convolution is no single matrix",
     "4x6x6", "conv(4, 1x1, groups=2) -> conv(4, 1x1)"),
    ("merge-linear", "neither convolution is a 1x1 without padding", "4x6x6", "conv(4, 3x3) -> conv(4, 3x3)"),
    ("merge-linear", "neither convolution is a 1x1 without padding",
     "4x6x6", "conv(4, 1x1, padding=1) -> conv(4, 1x1, padding=1)"),
    ("merge-linear", "the first convolution has a stride, and the second pads",
     "4x6x6", "conv(4, 1x1, stride=2, bias=false) -> conv(4, 3x3)"),
    ("merge-linear", "the first convolution has a stride, and the second pads",
     "4x6x6", "conv(4, 1x1, stride=2, bias=false) -> conv(4, 1x1, padding=1)"),
    ("merge-linear", "what f makes is read elsewhere too",
     "4x6x6", "conv(4, 3x3) -> f: flatten as x\nlinear(144)\nfrom [here, x] -> add"),
    ("merge-linear", "the padding of the convolution is no zeros, but read again from its input",
     "4x6", "conv(4, 3, padding_mode=reflect) -> flatten -> linear(2)"),
    ("merge-linear", "the second convolution pads, and the bias of the first is not in its padding",
     "4x6x6", "conv(4, 1x1) -> conv(4, 3x3)"),
    ("merge-linear", "the linear layer takes maps of several forms, and one matrix is for one form",
     "4x6x6", "conv(4, 3x3, stride=2) -> flatten -> linear(2)"),
    ("merge-linear", "the linear layer takes maps of several forms, and one matrix is for one form",
     "4x6x6", "conv(4, 3x3) -> flatten -> linear(2)"),
    ("merge-linear", BY_SIZE, "4x6x6", "conv(4, 3x3, stride=2, padding=same_tf) -> conv(4, 1x1, stride=2)"),
    ("early-downsampling", BY_SIZE, "4x7x7", "conv(4, 3x3, stride=2, padding=same_tf) -> maxpool(1x1, stride=2)"),
    ("factorize-kernels", BY_SIZE, "4x9x9", "conv(4, 5x5, stride=2, padding=same_tf) -> batchnorm"),
    ("merge-parallel-convolutions", "these convolutions of one input differ in their windows",
     "3x17x17", "branches concat { conv(4, 3x3, stride=2, padding=same_tf); conv(4, 3x3, stride=2, padding=1) }"),
    ("fold-batchnorm", "the convolution pads with zeros, which the norm before it does not shift",
     "4x6x6", "batchnorm -> conv(4, 2x2, stride=2, padding=same_tf)"),
    ("fold-affine", "a transposed convolution adds the shift to some places more often than to others",
     "2x1x1", "affine([2, 3], [0, 1]) -> conv_transpose(4, 1x1, stride=2)"),
    ("early-downsampling", "the average counts its padding, which has no bias",
     "4x6x6", "conv(4, 1x1) -> avgpool(2x2, stride=2, padding=same_tf, count_padding=true)"),
    ("resnet-b", "the larger convolution does not pad half its size, and would make a map of another size",
     "4x8x8", "conv(4, 1x1, stride=2) -> batchnorm -> relu -> conv(4, 2x2, padding=1)"),
    ("residualize", "the block changes its resolution by no whole stride at other sizes", "4x8x8", "relu -> Odd(4)"),
    ("reparameterize", "the convolutions do not look at the same places at every size, by which `same_tf` pads",
     "4x7x7", "branches add { conv(4, 3x3, stride=2, padding=same_tf); conv(4, 3x3, stride=2) }"),
    ("reparameterize", "the weights are shared",
     "4x6x6", "shared one: conv(4, 3x3)\none\nbranches add { one; conv(4, 1x1) }"),
    ("reparameterize", "the convolutions differ in groups, in how they pad, or are weight-normalised",
     "4x6x6", "branches add { conv(4, 3x3, groups=2); conv(4, 1x1) }"),
    ("reparameterize", "the convolutions do not look at the same places",
     "4x6x6", "branches add { conv(4, 3x3); conv(4, 3x3, dilation=2) }"),
    ("reparameterize", "the convolutions do not look at the same places",
     "4x6x6", "branches add { conv(4, 1x3, padding=[0, 1]); conv(4, 3x1, padding=[1, 0]) }"),
    ("reparameterize", "the identity does not look at the same places as the convolution",
     "4x6x6", "residual { conv(4, 2x2, padding=[[0, 1], [0, 1]]) }"),
    ("deepen", "the residual is no map of channels", "[6]", "residual { linear(6) } -> relu"),
    ("deepen", "the block is applied in several places, and each would get a block of its own",
     "4x6x6", "shared one: Residual()\none -> one"),
    ("resnet-b", "the convolution behind it is a 1x1 too",
     "4x6x6", "conv(4, 1x1, stride=2) -> batchnorm -> relu -> conv(4, 1x1)"),
    ("resnet-b", "`maxpool` between them is no activation",
     "4x6x6", "conv(4, 1x1, stride=2) -> batchnorm -> maxpool(2x2) -> conv(4, 3x3)"),
    ("resnet-b", "the larger convolution has a stride of its own",
     "4x6x6", "conv(4, 1x1, stride=2) -> batchnorm -> relu -> conv(4, 3x3, stride=2)"),
    ("resnet-b", "the larger convolution does not pad half its size, and would make a map of another size",
     "4x8x8", "conv(4, 1x1, stride=2) -> batchnorm -> relu -> conv(4, 3x3, padding=0)"),
    ("resnet-b", "what the 1x1 makes is read elsewhere too, at the smaller size",
     "4x6x6", "conv(4, 1x1, stride=2) -> batchnorm -> relu as r\nconv(4, 3x3)\nfrom [here, r] -> add"),
    ("resnet-b", "`add` between them is no activation",
     "4x6x6",
     "maxpool(1x1, stride=2) as short\nfrom in -> conv(4, 1x1, stride=2) -> batchnorm as b\nfrom [b, short] -> add\n"
     "conv(4, 3x3)"),
    ("resnet-b", "the weights are shared",
     "4x8x8", "shared one: conv(4, 1x1, stride=2)\none -> batchnorm -> relu -> conv(4, 3x3) -> one"),
    ("resnet-c", "it does not read the input of the net",
     "3x16x16", "relu -> conv(4, 7x7, stride=2) -> batchnorm"),
    ("resnet-c", "it pads with something other than half its size, or is dilated",
     "3x16x16", "conv(4, 7x7, stride=2, padding=0) -> batchnorm"),
    ("resnet-c", "it is grouped, shared, or read elsewhere too",
     "4x16x16", "conv(4, 7x7, stride=2, groups=2) -> batchnorm"),
    ("resnet-d", "it does not lie on a shortcut", "4x6x6", "conv(4, 1x1, stride=2)"),
    ("resnet-d", "it is grouped or shared",
     "4x6x6", "residual { conv(4, 3x3, stride=2) } skip conv(4, 1x1, stride=2, groups=2)"),
    ("resnet-d", "it pads, and so reads beyond the edge",
     "4x6x6", "residual { conv(4, 3x3, stride=2, padding=2) } skip conv(4, 1x1, stride=2, padding=1)"),
    ("factorize-kernels", "it is dilated, or pads its sides differently",
     "4x16x16", "conv(4, 5x5, dilation=2) -> batchnorm"),
    ("factorize-kernels", "it is grouped, weight-normalised or shared",
     "4x8x8", "conv(4, 5x5, groups=2) -> batchnorm"),
    ("factorize-kernels", "it pads with something other than half its size or nothing",
     "4x8x8", "conv(4, 5x5, padding=1) -> batchnorm"),
    ("depthwise-separable", "it is grouped, weight-normalised or shared",
     "4x6x6", "relu -> conv(4, 3x3, groups=2) -> batchnorm"),
    ("depthwise-separable", "it reads the input of the net, whose channels are few",
     "4x6x6", "conv(4, 3x3) -> batchnorm"),
    ("squeeze-excite", "the body has a gate already",
     "4x6x6", "residual { branches mul { skip identity; gap -> conv(4, 1x1) -> sigmoid } }"),
    ("squeeze-excite", "the body is no map of channels", "[6]", "residual { linear(6) }"),
    ("squeeze-excite", "the block is applied in several places, and each would get a gate of its own",
     "4x6x6", "shared one: Residual()\none -> one"),
    ("squeeze-excite", "the body is dropped at random for several readers at once",
     "4x6x6", "residual { conv(4, 3x3) -> stochastic_depth(0.5) as x }\nfrom [here, x] -> add"),
    ("pool-head", "no linear layer follows", "4x2x2", "conv(4, 1x1) -> flatten -> relu"),
    ("pool-head", "the weights of the last linear layer are shared",
     "4x2x2", "shared one: linear(16)\nflatten -> one -> relu -> one"),
    ("pool-head", "what follows is no chain of layers down to an output",
     "4x2x2", "flatten as f\nlinear(16)\nfrom [here, f] -> add"),
    ("concat-skip", "its first axis is not that of the channels",
     "4x6x6",
     'rearrange("c h w -> h w c")\nresidual { relu }\nrearrange("h w c -> c h w") -> conv(4, 3x3)'),
    ("concat-skip", "its body is dropped at random, which only a sum makes up for",
     "4x6x6", "residual { conv(4, 3x3) -> stochastic_depth(0.5) } -> conv(4, 1x1)"),
    ("concat-skip", "its channels reach an output of the net", "4x6x6", "residual { conv(4, 3x3) } -> relu"),
    ("concat-skip", "one is applied in several places, and elsewhere to as many channels as now",
     "4x6x6", "shared one: conv(4, 3x3)\nresidual { tanh } -> one -> one"),
    ("concat-skip", "1 (`groupnorm`) needs as many channels as there are",
     "4x6x6", "residual { conv(4, 3x3) } -> groupnorm(2) -> conv(4, 1x1)"),
    ("fold-affine-norm", "the weights are shared: another application would be scaled too",
     "[6]", "shared one: linear(6)\none -> layernorm -> one"),
    ("fold-affine-norm", "what n makes is read elsewhere too",
     "[6]", "n: layernorm\nlinear(6)\nfrom [here, n] -> add"),
    ("fold-affine-norm", "what f makes is an output",
     "4x6x6", "groupnorm(2) -> f: flatten -> l: linear(6)\noutput l, f"),
    ("fold-affine-norm", "the weight is normalised by weight norm",
     "4x6x6", "groupnorm(2) -> conv(4, 1x1, reparam=weight_norm)"),
    ("fold-affine-norm", "the norm scales another axis than the one that the linear map acts on",
     "4x6x6", "layernorm -> conv(4, 1x1)"),
    ("fold-affine-norm", "the convolution pads with zeros, which the norm does not shift",
     "4x6x6", 'layernorm(axis="c") -> conv(4, 3x3)'),
    ("early-downsampling", "what c makes is read elsewhere too, at the larger size",
     "4x6x6",
     "c: conv(4, 3x3)\nrelu -> conv(4, 1x1, stride=2) as small\nfrom c -> maxpool(2x2)\nfrom [here, small] -> add"),
    ("early-downsampling", "what r makes is read elsewhere too, at the larger size",
     "4x6x6", "conv(4, 3x3) -> r: relu\nl: maxpool(1x1, stride=2)\noutput l, r"),
    ("early-downsampling", "one of the two layers is applied in several places",
     "4x8x8",
     "shared one: conv(4, 1x1, stride=2)\nconv(4, 3x3) -> relu -> one -> maxpool(2x2) -> tanh -> conv(4, 3x3) -> one"),
    ("early-downsampling", "the norm uses the statistics of the batch in inference too, of all places",
     "4x6x6", "conv(4, 3x3) -> batchnorm(track=false) -> conv(4, 1x1, stride=2)"),
    ("early-downsampling", "the average counts its padding, which has no bias",
     "4x6x6", "conv(4, 1x1) -> avgpool(3x3, stride=2, padding=1, count_padding=true)"),
    ("signed-residual", "what r makes is read elsewhere too",
     "4x6x6", "residual { conv(4, 3x3) -> r: relu as x }\nfrom [here, x] -> add"),
    ("signed-residual", "the block is applied in several places",
     "4x6x6", "shared one: Clipped()\none -> one"),
    ("signed-residual", "the body has no other layer", "4x6x6", "residual { relu }"),
    ("linear-bottleneck", "3 of 4 channels are no narrow end",
     "4x6x6", "conv(4, 3x3, groups=4) -> conv(3, 1x1) -> relu"),
    ("linear-bottleneck", "the activation is applied in several places",
     "4x6x6", "shared one: relu\nconv(4, 3x3, groups=4) -> conv(2, 1x1) -> one -> conv(4, 3x3) -> one"),
    ("residualize", "the block is read in its middle", "4x6x6", "relu -> Tapped(4)"),
    ("residualize", "the block is applied in several places", "4x6x6", "shared one: Twice(4)\nrelu -> one -> one"),
    ("residualize", "the block narrows, and a shortcut without parameters only widens", "4x6x6", "relu -> Twice(3)"),
    ("residualize", "the block changes its resolution by no whole stride", "4x6x6", "relu -> Valid(4)"),
)  # fmt: skip


def dead(op: ops.Op | None) -> Graph:
    """A net with an operation that nothing reads; without one, an input that nothing reads."""
    b = Builder("net")
    x = b.input(4, 6, 6, name="left")
    if op is None:
        b.input(4, 6, 6, name="right")
    else:
        b.add(op, (x,), "unread")
    return Graph(b.program(b.add(ops.Relu(), (x,), "read")[0]))


DEAD = (
    ("an input belongs to the interface of the net", None),
    ("it has weights or statistics, which training would still change", ops.BatchNorm()),
    ("it is random: without its draw the later ones would be others", ops.Dropout(rate=0.5)),
)


def net(size: str, body: str) -> Graph:
    lines = body.replace("; ", "\n").replace("{ ", "{\n").replace(" }", "\n}")
    return compile(Source(f"{BLOCKS}\narch net() {{\n    input {size}\n{lines}\n}}\n", "net.arch"), arch="net")


@pytest.mark.parametrize("word,reason,size,body", CASES, ids=[f"{word}-{n}" for n, (word, *_) in enumerate(CASES)])
def test_a_precondition_is_told_and_nothing_is_touched(word: str, reason: str, size: str, body: str) -> None:
    graph = net(size, body)
    result = driver.run(graph, parse(word))
    assert {site.reason for site in result.trace if site.outcome == "kept"} == {reason}
    assert result.graph is graph
    assert result.rewritten == 0
    assert result.plan.text() == ""


@pytest.mark.parametrize("reason,op", DEAD, ids=["input", "norm", "dropout"])
def test_what_is_dead_and_yet_acts_is_kept(reason: str, op: ops.Op | None) -> None:
    graph = dead(op)
    result = driver.run(graph, parse("dead-code"))
    assert [site.reason for site in result.trace] == [reason]
    assert result.graph is graph


def test_every_reason_in_the_source_has_its_case() -> None:
    told = [(word.replace("-", "_"), reason) for word, reason, *_ in CASES]
    told += [("dead_code", reason) for reason, _ in DEAD]
    missing = [
        (stem, pattern)
        for stem, pattern in reasons()
        if not any(word == stem and re.fullmatch(pattern, reason) for word, reason in told)
    ]
    assert not missing


def test_no_reason_is_empty_save_silence() -> None:
    assert all(reason.strip() and reason[0] != " " and not reason.endswith(".") for _, reason, *_ in CASES)
