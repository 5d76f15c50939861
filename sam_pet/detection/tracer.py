"""Which tracer a study was made with, from the study alone."""

from __future__ import annotations

from typing import Literal

import cc3d
import numpy as np

from sam_pet.detection.body import Body
from sam_pet.settings import FirstAnswerSettings

Tracer = Literal["fdg", "psma"]
TRACERS: tuple[Tracer, ...] = ("fdg", "psma")


def find_tracer(body: Body, settings: FirstAnswerSettings) -> Tracer:
    """FDG or PSMA: by the brain where it is in view, else by liver and kidneys.

    The brain takes up FDG more than the liver does, and no PSMA ligand; other organs of the head are smaller. Kidneys
    show FDG only in the urine, PSMA ligands throughout.
    """
    ml = float(np.prod(body.spacing)) / 1000
    if np.isfinite(body.top):
        head = slice(max(int((body.top - settings.head_mm) / body.spacing[2]), 0), None)
        liver = min(body.reference, settings.brain_liver_suv)
        hot = np.ascontiguousarray(body.pet[head] > max(settings.brain_to_liver * liver, settings.brain_suv))
        if _largest(hot) * ml >= settings.brain_ml:
            return "fdg"
    if body.liver is not None and body.liver >= settings.psma_liver_suv:
        return "psma"
    labels = cc3d.connected_components(np.ascontiguousarray(body.pet > settings.kidney_suv), connectivity=6)
    sides = set()
    for number in range(1, int(labels.max()) + 1):
        where = np.argwhere(labels == number)
        if settings.kidney_least_ml <= len(where) * ml <= settings.kidney_most_ml:
            off = (where[:, 2].mean() + 0.5) * body.spacing[0] - body.middle
            sides.add(int(np.sign(off)) if abs(off) > settings.kidney_off_mm else 0)
    return "psma" if {-1, 1} <= sides else "fdg"


def _largest(mask: np.ndarray) -> int:
    sizes = np.bincount(cc3d.connected_components(mask, connectivity=6).ravel())[1:]
    return int(sizes.max(initial=0))
