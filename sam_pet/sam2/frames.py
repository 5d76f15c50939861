"""Frames: one axial slice of PET/CT as the three channels that SAM 2 takes for red, green and blue."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from sam_pet.errors import InputError
from sam_pet.study import Volume

# The statistics SAM 2's image encoder was trained with, over red, green and blue in 0..1.
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


class Channel(BaseModel):
    """A window on one modality, in HU or SUV: `low` becomes 0, `high` becomes 1, values beyond are cut.

    `log` compresses: t = ln(1 + x - low) / ln(1 + high - low), which keeps faint uptake apart
    while the brain and the bladder do not saturate.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Literal["ct", "pet"]
    low: float
    high: float
    curve: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _window_is_open(self) -> Channel:
        if not self.high > self.low:
            raise ValueError(f"a channel's window must have low < high, not {self.low} and {self.high}")
        return self

    def render(self, values: Volume) -> Volume:
        """Values in HU or SUV, any shape, as 0..1."""
        shifted = np.clip(values, self.low, self.high) - np.float32(self.low)
        width = self.high - self.low
        shown: Volume = (
            np.log1p(shifted) / np.float32(math.log1p(width)) if self.curve == "log" else shifted / np.float32(width)
        )
        return shown


class FrameRecipe(BaseModel):
    """The rule that fuses CT and PET into three channels; it travels with a checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    channels: tuple[Channel, Channel, Channel]
    mean: tuple[float, float, float] = _IMAGENET_MEAN
    std: tuple[float, float, float] = _IMAGENET_STD

    def render(self, ct: Volume | None, pet: Volume) -> Volume:
        """Fused frames, standardised for the image encoder.

        Args:
            ct: HU, shape (n, h, w), or None: its channels are then 0, as a CT of nothing but air.
            pet: SUV, shape (n, h, w).

        Returns:
            float32, shape (n, 3, h, w).
        """
        planes = np.zeros((pet.shape[0], 3, *pet.shape[1:]), np.float32)
        for i, channel in enumerate(self.channels):
            values = pet if channel.source == "pet" else ct
            if values is not None:
                planes[:, i] = channel.render(values)
        mean = np.asarray(self.mean, np.float32)[:, None, None]
        std = np.asarray(self.std, np.float32)[:, None, None]
        return (planes - mean) / std


SOFT_TISSUE = Channel(source="ct", low=-160, high=240)
_LUNG = Channel(source="ct", low=-1000, high=400)
PET_LINEAR = Channel(source="pet", low=0, high=10)
PET_LOG = Channel(source="pet", low=0, high=50, curve="log")

RECIPES: dict[str, FrameRecipe] = {
    recipe.name: recipe
    for recipe in (
        FrameRecipe(name="petct", channels=(SOFT_TISSUE, PET_LINEAR, PET_LOG)),
        FrameRecipe(name="petct-lung", channels=(_LUNG, PET_LINEAR, PET_LOG)),
        FrameRecipe(name="ct", channels=(SOFT_TISSUE, _LUNG, Channel(source="ct", low=-500, high=1300))),
        FrameRecipe(
            name="pet",
            channels=(Channel(source="pet", low=0, high=5), Channel(source="pet", low=0, high=20), PET_LOG),
        ),
    )
}


def frame_recipe(name: str) -> FrameRecipe:
    """The recipe of a name.

    Raises:
        InputError: no such recipe.
    """
    if name not in RECIPES:
        raise InputError(f"no frame recipe is named {name!r}; known are {', '.join(RECIPES)}")
    return RECIPES[name]
