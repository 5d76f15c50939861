"""A first answer that was made elsewhere, as a file: a mask, lesion numbers, or a probability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from sam_pet.detection.detector import MOST_LESIONS, Detection, from_probability
from sam_pet.errors import InputError
from sam_pet.files import file_sha256, read_image
from sam_pet.geometry import Grid
from sam_pet.masks import require_same_grid
from sam_pet.study import Study


@dataclass(frozen=True)
class AnswerFile:
    """An image on the PET's grid: 0 and 1, the numbers of lesions, or how probable a lesion is (0 to 1).

    Of a mask and of a probability each piece becomes a lesion, most probable or largest first; numbers stay.
    """

    path: Path

    @cached_property
    def facts(self) -> Mapping[str, str]:
        return {"name": self.path.name, "sha256": file_sha256(self.path)}

    def detect(self, study: Study) -> Detection:
        """The lesions of the file.

        Raises:
            InputError: see `read_image`; also when it is on another grid than the PET, or is none of the three.
        """
        image = read_image(self.path, "first answer")
        require_same_grid(Grid.of(image), study.grid, f"the first answer ({self.path})", "the PET")
        values = sitk.GetArrayViewFromImage(image)
        low, high = float(values.min()), float(values.max())
        if not (np.isfinite([low, high]).all() and low >= 0):
            raise self._foreign(low, high)
        labels = values.astype(np.uint16) if high <= MOST_LESIONS else np.zeros_like(values, np.uint16)
        if (labels == values).all():
            if high > 1:
                return Detection(labels, {})
            return Detection(from_probability(labels.astype(np.float32)).labels, {})
        if high > 1:
            raise self._foreign(low, high)
        return from_probability(values)

    def _foreign(self, low: float, high: float) -> InputError:
        return InputError(
            f"first answer: {self.path} is no mask, lesion numbers or probability (values {low:g} to {high:g}); "
            "write 0 and 1, a number a lesion, or a probability from 0 to 1"
        )
