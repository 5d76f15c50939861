"""A loaded refiner: from a lesion's tracked slices to logits at its voxels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch

from sam_pet.boxes import LOGIT_LIMIT, LogitBox
from sam_pet.prompts import Voxels
from sam_pet.proposers.refiner_input import CHANNELS, RefinerInput, cells_of, refiner_input
from sam_pet.proposers.refiner_settings import RefinerSettings
from sam_pet.proposers.unet import UNet, filled, from_both_sides
from sam_pet.sam2.clips import Clip
from sam_pet.sam2.memory import Memory
from sam_pet.study import Study, Volume


def new_network(settings: RefinerSettings) -> UNet:
    """A network that changes nothing yet, its weights drawn from the global generator."""
    return UNet(CHANNELS, settings.widths)


@dataclass(frozen=True)
class Refiner:
    """A network with the settings it was trained for."""

    network: UNet
    settings: RefinerSettings

    @classmethod
    def of(cls, state: dict[str, torch.Tensor], settings: RefinerSettings, where: Path) -> Self:
        """A refiner with these weights.

        Raises:
            InputError: they are not those of such a network; `where` says whose they are.
        """
        return cls(filled(new_network(settings), state, where, "this refiner"), settings)

    def to(self, device: torch.device) -> Self:
        """On another device; the network itself moves."""
        self.network.to(device)
        return self

    @torch.no_grad()
    def refine(
        self, study: Study, clip: Clip, held: Mapping[int, Memory], tumor: Voxels, background: Voxels
    ) -> LogitBox:
        """Logits at the voxels of a lesion's window, on the slices it was tracked on and some beyond.

        Args:
            study: the study.
            clip: of the lesion.
            held: what is remembered of its slices, at least one.
            tumor: axial voxels (n, 3) of its strokes.
            background: those of background strokes anywhere.
        """
        cells = cells_of(clip, held, study, self.settings)
        seen = refiner_input(study, cells, held, tumor, background)
        corner, values = cells.restore(self.logits(seen), study.axial_pet.shape[1:])
        return LogitBox(corner, np.clip(values, -LOGIT_LIMIT, LOGIT_LIMIT))

    def logits(self, seen: RefinerInput) -> Volume:
        """The tracker's logits and what the network adds to them, on the cells of a view."""
        logits: Volume = seen.logits + from_both_sides(self.network, seen.inputs(self.settings.reach))
        return logits
