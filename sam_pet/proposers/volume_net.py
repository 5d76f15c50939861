"""The 3-D network that outlines lesions (the part `contour`): from strokes to logits at the voxels round them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from scipy.special import logit

from sam_pet.boxes import LOGIT_LIMIT, LogitBox, MaskBox
from sam_pet.prompts import Voxels
from sam_pet.proposers.unet import UNet, filled, from_both_sides
from sam_pet.proposers.volume_input import CHANNELS, WIDTHS_MM, cells_round, volume_input
from sam_pet.study import Study

_LEVELS = (24, 48, 96)


def new_network(channels: int = CHANNELS) -> UNet:
    """A network that shows nothing yet, its weights drawn from the global generator."""
    return UNet(channels, _LEVELS)


@dataclass(frozen=True)
class VolumeNetwork:
    """A trained network."""

    network: UNet

    @classmethod
    def of(cls, state: Mapping[str, torch.Tensor], where: Path) -> Self:
        """A contour network with these weights.

        Raises:
            InputError: they are not those of such a network; `where` says whose they are.
        """
        enter = state.get("enter.weight")
        # One of an earlier version is not shown the mask that stands.
        earlier = enter is not None and enter.shape[1] == 8 * (CHANNELS - 1)
        return cls(filled(new_network(CHANNELS - earlier), state, where, "a contour network"))

    def to(self, device: torch.device) -> Self:
        """On another device; the network itself moves."""
        self.network.to(device)
        return self

    @torch.no_grad()
    def predict_logits(
        self,
        study: Study,
        tumor: Voxels,
        background: Voxels,
        width_mm: float,
        narrowest: float,
        standing: MaskBox | None = None,
    ) -> LogitBox:
        """Logits of the lesion that strokes point at, in a cube round the tumor strokes; above 0 is lesion.

        Args:
            study: the study.
            tumor: axial voxels (n, 3) of strokes on the lesion, at least one.
            background: those of strokes beside it.
            width_mm: side of the cube, one of `WIDTHS_MM`.
            narrowest: the probability from which on a cell of the narrowest cubes is lesion: in those, of small
                lesions, the network is too cautious.
            standing: the mask that the newest stroke corrects, if there is one.
        """
        if self.network.channels < CHANNELS:
            standing = None
        cells = cells_round(study, tumor, width_mm, standing)
        seen = volume_input(study, cells, tumor, background, standing).inputs()
        logits = from_both_sides(self.network, seen[: self.network.channels])
        if width_mm == WIDTHS_MM[0]:
            logits -= np.float32(logit(narrowest))
        corner, values = cells.restore(logits, study.axial_pet.shape[1:])
        return LogitBox(corner, np.clip(values, -LOGIT_LIMIT, LOGIT_LIMIT))
