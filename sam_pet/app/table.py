"""The live table of lesions: what has not changed is not measured again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sam_pet.app.numbered import NumberedMask
from sam_pet.boxes import Slices
from sam_pet.measures import measure_lesion, summarise
from sam_pet.study import Study

Row = dict[str, Any]


@dataclass(frozen=True)
class _Measured:
    row: dict[str, float]
    box: Slices
    hottest: list[int]


class LesionTable:
    """Measurements of the lesions of one label map."""

    def __init__(self, study: Study, mask: NumberedMask) -> None:
        self._study = study
        self._mask = mask
        self._measured: dict[int, _Measured] = {}

    def update(self, numbers: list[int], changed: Slices | None) -> None:
        """Measure again what lies in a changed box, of the lesions that there are now."""
        before, self._measured = self._measured, {}
        for number in sorted(numbers):
            old = before.get(number)
            if old is not None and (changed is None or not _meet(old.box, changed)):
                self._measured[number] = old
                continue
            box = self._mask.box_of(number)
            if box is not None:
                self._measured[number] = self._measure(number, box)

    def rows(self) -> list[Row]:
        """One row a lesion, by number."""
        return [_row(measured) for measured in self._measured.values()]

    def totals(self) -> dict[str, int | float | None]:
        """See `sam_pet.measures.summarise`."""
        columns = ["volume_ml", "tlg", "suv_max", "centroid_x", "centroid_y", "centroid_z"]
        return summarise(pd.DataFrame([m.row for m in self._measured.values()], columns=columns))

    @property
    def frame(self) -> pd.DataFrame:
        """As `sam_pet.measures.measure_lesions` of the whole."""
        return pd.DataFrame([m.row for m in self._measured.values()])

    def _measure(self, number: int, box: Slices) -> _Measured:
        labels, pet = self._mask.labels, self._study.pet
        row = measure_lesion(number, labels, box, pet, self._study.grid)
        hot = np.where(labels[box] == number, pet[box], -np.inf)
        place = np.unravel_index(int(hot.argmax()), hot.shape)
        hottest = [int(i) + s.start for i, s in zip(place, box, strict=True)][::-1]
        return _Measured(row, box, hottest)


def _row(measured: _Measured) -> Row:
    row = dict(measured.row)
    centroid = [row.pop(f"centroid_{axis}") for axis in "xyz"]
    low, size = [s.start for s in measured.box[::-1]], [s.stop - s.start for s in measured.box[::-1]]
    return {**row, "centroid": centroid, "hottest": measured.hottest, "low": low, "size": size}


def _meet(one: Slices, other: Slices) -> bool:
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(one, other, strict=True))
