"""Which tracer a study was made with, from the study alone."""

from __future__ import annotations

from typing import Literal

import cc3d
import numpy as np

from sam_pet.detection.body import Body

Tracer = Literal["fdg", "psma"]
TRACERS: tuple[Tracer, ...] = ("fdg", "psma")

# The brain takes up FDG more than the liver does, and no PSMA ligand; other organs of the head are smaller.
_HEAD_MM = 260.0
_BRAIN_ML = 250.0
_BRAIN_TO_LIVER = 1.15
# Above this an FDG liver would be remarkable; PSMA ligands show 4 to 12.
_PSMA_LIVER_SUV = 3.8
# Kidneys show FDG only in the urine, PSMA ligands throughout.
_KIDNEY_SUV = 8.0
_KIDNEY_ML = (50.0, 500.0)


def find_tracer(body: Body) -> Tracer:
    """FDG or PSMA: by the brain where it is in view, else by liver and kidneys."""
    ml = float(np.prod(body.spacing)) / 1000
    if np.isfinite(body.top):
        head = slice(max(int((body.top - _HEAD_MM) / body.spacing[2]), 0), None)
        hot = np.ascontiguousarray(body.pet[head] > max(_BRAIN_TO_LIVER * min(body.reference, 4.0), 2.0))
        if _largest(hot) * ml >= _BRAIN_ML:
            return "fdg"
    if body.liver is not None and body.liver >= _PSMA_LIVER_SUV:
        return "psma"
    labels = cc3d.connected_components(np.ascontiguousarray(body.pet > _KIDNEY_SUV), connectivity=6)
    sides = set()
    for number in range(1, int(labels.max()) + 1):
        where = np.argwhere(labels == number)
        if _KIDNEY_ML[0] <= len(where) * ml <= _KIDNEY_ML[1]:
            off = (where[:, 2].mean() + 0.5) * body.spacing[0] - body.middle
            sides.add(int(np.sign(off)) if abs(off) > 20 else 0)
    return "psma" if {-1, 1} <= sides else "fdg"


def _largest(mask: np.ndarray) -> int:
    sizes = np.bincount(cc3d.connected_components(mask, connectivity=6).ravel())[1:]
    return int(sizes.max(initial=0))
