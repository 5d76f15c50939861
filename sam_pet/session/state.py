"""The entries of a session, and the lesions that came of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_pet.prompt_files import record
from sam_pet.prompts import Prompt
from sam_pet.proposers.lesion import Lesion
from sam_pet.study import Study


@dataclass(frozen=True)
class Entry:
    """A prompt as it was drawn, on the PET grid, and the numbers of the lesions it acts on."""

    prompt: Prompt
    lesions: tuple[int, ...]

    @property
    def record(self) -> dict[str, Any]:
        """As it stands in the prompts of a saved session."""
        return {**record([self.prompt])["prompts"][0], "lesions": list(self.lesions)}


Lesions = Mapping[int, Lesion]


@dataclass(frozen=True)
class State:
    """All entries of a session, and the lesions after each; it never changes.

    `found` are the lesions before the first entry, `asked` the tracer of the first answer that found them, or None.
    Where another detector found them, `detector` says which (see `Detector.facts`).
    """

    entries: tuple[Entry, ...] = ()
    trail: tuple[Lesions, ...] = field(default=())
    found: Lesions = field(default_factory=dict)
    asked: str | None = None
    detector: Mapping[str, str] | None = None

    @property
    def lesions(self) -> Lesions:
        return self.trail[-1] if self.trail else self.found

    def labels(self, study: Study) -> npt.NDArray[np.uint16]:
        """The number of the lesion at each voxel [z, y, x] of a study, 0 elsewhere; where two overlap, the older's."""
        labels = np.zeros(study.grid.shape, np.uint16)
        axial = study.order.view(labels)
        for number, lesion in self.lesions.items():
            part = axial[lesion.block.slices]
            part[lesion.block.values & (part == 0)] = number
        return labels

    def mask(self, study: Study) -> npt.NDArray[np.uint8]:
        """1 in lesions, 0 elsewhere, at each voxel [z, y, x] of a study."""
        mask = np.zeros(study.grid.shape, np.uint8)
        axial = study.order.view(mask)
        for lesion in self.lesions.values():
            axial[lesion.block.slices] |= lesion.block.values
        return mask

    def evidence(self, study: Study) -> dict[int, dict[str, float]]:
        """By lesion of the first answer: its `volume_ml` then, and the `probability` that it is one, or NaN."""
        return {
            number: {
                "volume_ml": float(lesion.block.values.sum() * study.grid.voxel_ml),
                "probability": lesion.probability,
            }
            for number, lesion in self.found.items()
        }


def unseen(lesions: Lesions) -> Lesions:
    """The lesions as a first answer's, see `Lesion.unseen`."""
    return {number: lesion.unseen() for number, lesion in lesions.items()}
