"""The block that the small 3-D networks are made of."""

from __future__ import annotations

from torch import Tensor, nn

_GROUPS = 8


class Residual(nn.Module):
    """Two convolutions whose output is added to their input (n, `width`, z, y, x); it keeps the shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(_GROUPS, width),
            nn.SiLU(),
            nn.Conv3d(width, width, 3, padding=1),
            nn.GroupNorm(_GROUPS, width),
            nn.SiLU(),
            nn.Conv3d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = x + self.layers(x)
        return changed
