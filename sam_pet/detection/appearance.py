"""A trained network that tells lesions from other candidates by their surroundings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from sam_pet.detection.appearance_net import AppearanceNetwork
from sam_pet.detection.coarse_batch import CoarseBatch
from sam_pet.detection.coarse_study import CoarseStudy
from sam_pet.detection.features import NAMES
from sam_pet.errors import InputError
from sam_pet.files import file_sha256
from sam_pet.models.state import require_numbers

Floats = npt.NDArray[np.floating[Any]]
_BATCH = 64


@dataclass(frozen=True)
class Appearance:
    """A network and the SHA-256 of the file that holds its weights."""

    network: AppearanceNetwork
    sha256: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """The network in a file.

        Raises:
            InputError: it is damaged, or of another version of the features.
        """
        network = AppearanceNetwork(len(NAMES))
        try:
            state = safetensors.torch.load_file(path)
            network.load_state_dict(state)
        except (SafetensorError, RuntimeError, OSError) as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise InputError(
                f"{path} does not hold an appearance network ({reason}); train or fetch it again"
            ) from error
        require_numbers(state, path)
        return cls(network.eval(), file_sha256(path))

    @torch.no_grad()
    def predict_logits(self, coarse: CoarseStudy, places: Floats, features: Floats) -> Floats:
        """Logits (n,) of being a lesion.

        Args:
            coarse: the study.
            places: (n, 3) peaks (x, y, z) in mm from the first voxel.
            features: (n, `features.NAMES`).
        """
        batch = CoarseBatch.of([coarse])
        there, known = torch.from_numpy(np.asarray(places, float)), torch.from_numpy(np.asarray(features, np.float32))
        logits = []
        for rows in torch.split(torch.arange(len(places)), _BATCH):
            near, far = batch.windows(torch.zeros_like(rows), there[rows], suv_of(known[rows]))
            logits.append(self.network(near, far, known[rows]).double().numpy())
        return np.concatenate(logits) if len(places) else np.zeros(0)


def suv_of(features: Tensor) -> Tensor:
    """The peaks' SUV (n,) in rows of features."""
    return features[:, NAMES.index("suv")].exp()
