"""A small 3-D network that sees a candidate from near and from afar, and knows its features."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam_pet.detection.coarse_batch import CHANNELS
from sam_pet.proposers.residual import Residual

_WIDTHS = (24, 48, 96)
_KNOWN, _HIDDEN = 64, 128
_DROPPED = 0.2
# Features are cut at so many standard deviations.
_FAR_OFF = 4.0


class AppearanceNetwork(nn.Module):
    """Windows near and far (n, `CHANNELS`, side, side, side) and features (n, `features`) to logits (n,).

    `mean` and `spread` (features,) are those of the features it was trained on; NaN counts as the mean.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.near, self.far = _Tower(), _Tower()
        self.known = nn.Linear(features, _KNOWN)
        last = nn.Linear(_HIDDEN, 1)
        nn.init.zeros_(last.weight)
        self.head = nn.Sequential(nn.Linear(4 * _WIDTHS[-1] + _KNOWN, _HIDDEN), nn.SiLU(), nn.Dropout(_DROPPED), last)
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))

    def forward(self, near: Tensor, far: Tensor, features: Tensor, feature_mask: Tensor | None = None) -> Tensor:
        """`feature_mask` (n, 1), if given, is 0 where the features are to be left out."""
        known = ((features - self.mean) / self.spread).clamp(-_FAR_OFF, _FAR_OFF).nan_to_num()
        if feature_mask is not None:
            known = known * feature_mask
        seen = torch.cat([self.near(near), self.far(far), F.silu(self.known(known))], dim=1)
        logits: Tensor = self.head(seen)[:, 0]
        return logits


class _Tower(nn.Module):
    """A window to its mean and its middle after three levels, from half of its resolution on."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = _WIDTHS
        self.layers = nn.Sequential(
            nn.Conv3d(CHANNELS, first, 2, stride=2),
            Residual(first),
            nn.Conv3d(first, second, 2, stride=2),
            Residual(second),
            nn.Conv3d(second, third, 3, stride=2, padding=1),
            Residual(third),
        )

    def forward(self, window: Tensor) -> Tensor:
        cells: Tensor = self.layers(window)
        z, y, x = (n // 2 for n in cells.shape[2:])
        return torch.cat([cells.mean(dim=(2, 3, 4)), cells[:, :, z, y, x]], dim=1)
