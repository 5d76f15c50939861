"""A small residual 3-D U-Net that works at half of its input's resolution and answers at all of it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam_pet.errors import InputError
from sam_pet.proposers.residual import Residual


class UNet(nn.Module):
    """Input (n, channels, z, y, x), sides multiples of `multiple`; output logits (n, 1, z, y, x).

    Eight neighbouring cells enter as channels of one and leave as its eight answers (Shi et al. 2016,
    arXiv 1609.05158), so that no convolution runs at full resolution. At first the output is 0.
    """

    def __init__(self, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.channels = channels
        self.multiple = 2 ** len(widths)
        self.enter = nn.Conv3d(8 * channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList(Residual(width) for width in widths)
        self.shrink = nn.ModuleList(nn.Conv3d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.widen = nn.ModuleList(nn.Conv3d(b, a, 1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(Residual(width) for width in widths[:-1])
        self.leave = nn.Conv3d(widths[0], 8, 1)
        nn.init.zeros_(self.leave.weight)
        if self.leave.bias is not None:
            nn.init.zeros_(self.leave.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        x = self.enter(_folded(inputs))
        passed = []
        for level, block in enumerate(self.down):
            x = block(x)
            if level < len(self.shrink):
                passed.append(x)
                x = self.shrink[level](x)
        for level in reversed(range(len(self.up))):
            x = F.interpolate(self.widen[level](x), scale_factor=2.0, mode="nearest")
            x = self.up[level](x + passed[level])
        return _unfolded(self.leave(x))


def answer(network: UNet, inputs: Tensor) -> Tensor:
    """The output (n, z, y, x) for inputs (n, channels, z, y, x) of any size; gradients flow."""
    padding = [p for n in inputs.shape[:1:-1] for p in (0, -n % network.multiple)]
    z, y, x = inputs.shape[2:]
    padded = F.pad(inputs, padding).to(memory_format=torch.channels_last_3d)
    output: Tensor = network(padded)[:, 0, :z, :y, :x]
    return output


def from_both_sides(network: UNet, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The mean output (z, y, x) for an input (channels, z, y, x) and for its mirror image along x, learned alike.

    On one CPU thread torch convolves a single volume outside oneDNN, so that a second one costs next to nothing.
    """
    one = torch.from_numpy(inputs).to(next(network.parameters()).device)
    found = answer(network, torch.stack([one, one.flip(-1)]))
    mean: npt.NDArray[np.float32] = (0.5 * (found[0] + found[1].flip(-1))).cpu().numpy()
    return mean


def filled(network: UNet, state: Mapping[str, torch.Tensor], where: Path, whose: str) -> UNet:
    """The network in eval mode with these weights.

    Raises:
        InputError: they are not those of `whose` network; `where` says where they are from.
    """
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise InputError(f"{where} does not hold the weights of {whose} ({reason}); train or fetch it again") from error
    return network.eval()


def _folded(x: Tensor) -> Tensor:
    n, c, d, h, w = x.shape
    x = x.reshape(n, c, d // 2, 2, h // 2, 2, w // 2, 2)
    return x.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(n, c * 8, d // 2, h // 2, w // 2)


def _unfolded(x: Tensor) -> Tensor:
    n, _, d, h, w = x.shape
    x = x.reshape(n, 1, 2, 2, 2, d, h, w)
    return x.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(n, 1, d * 2, h * 2, w * 2)
