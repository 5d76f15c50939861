"""How widely uptake and lesions spread: ranges at least as wide as those reported for the studies of autoPET."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sam_pet.geometry import Voxel
from sam_pet.phantom.patients import RealLesion
from sam_pet.phantom.tissue import LOOKS, Tissue, Tracer

T = Tissue
# Mean SUV from nearly absent to the hottest seen, of whatever tracer.
_RANGES: dict[Tissue, tuple[float, float]] = {
    T.BRAIN: (0.1, 28.0),
    T.WHITE_MATTER: (0.1, 10.0),
    T.HEART: (0.8, 30.0),
    T.LIVER: (0.8, 18.0),
    T.SPLEEN: (0.8, 20.0),
    T.KIDNEY: (1.5, 50.0),
    T.BLADDER: (0.8, 115.0),
    T.URINE: (0.8, 100.0),
    T.STOMACH: (0.8, 10.0),
    T.DUODENUM: (0.8, 20.0),
    T.JEJUNUM: (0.8, 14.0),
    T.ILEUM: (0.7, 12.0),
    T.COLON: (0.7, 14.0),
    T.CONTENTS: (0.3, 8.0),
    T.PANCREAS: (0.8, 9.0),
    T.GALLBLADDER: (0.4, 80.0),
    T.THYROID: (0.7, 9.0),
    T.ADRENAL: (0.8, 8.0),
    T.OESOPHAGUS: (0.7, 7.0),
    T.SALIVARY: (0.8, 28.0),
    T.LACRIMAL: (0.6, 14.0),
    T.MUCOSA: (0.8, 10.0),
    T.PROSTATE: (0.8, 8.0),
    T.UTERUS: (0.7, 8.0),
    T.GONAD: (0.6, 8.0),
    T.BREAST: (0.3, 2.5),
    T.MARROW: (0.4, 5.0),
    T.BROWN_FAT: (0.3, 16.0),
    T.ACTIVE_MUSCLE: (0.6, 7.0),
    T.JOINT: (0.6, 6.0),
    T.REACTIVE_NODE: (0.8, 5.0),
    T.GANGLION: (0.6, 6.0),
    T.LARYNX: (0.6, 9.0),
    T.INJECTION: (1.5, 80.0),
}
del T
# Median, and spread of the logarithm, over lesions within a patient and between patients.
_VOLUME: dict[Tracer, tuple[float, float, float]] = {"fdg": (2.2, 1.1, 0.7), "psma": (1.6, 1.0, 0.7)}
_SUV: dict[Tracer, tuple[float, float, float]] = {"fdg": (4.5, 0.35, 0.5), "psma": (7.0, 0.45, 0.6)}
_SMALLEST_ML = 0.15


def draw_uptake(usual: Mapping[Tissue, float], rng: np.random.Generator) -> dict[Tissue, float]:
    """Mean SUV of each tissue by itself: half of them twice as far from the usual, half anywhere in their range."""
    table = {}
    for tissue in LOOKS:
        low, high = _RANGES.get(tissue, (0.0, np.inf))
        near = usual[tissue] * float(np.exp(rng.normal(0, LOOKS[tissue].between)))
        anywhere, takes = rng.random(), rng.random() < 0.5
        if tissue in _RANGES and takes:
            table[tissue] = float(np.exp(np.log(low) + anywhere * np.log(high / low)))
        else:
            table[tissue] = float(np.clip(near, 0.5 * low, 1.5 * high))
    return table


def draw_middle(tracer: Tracer, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """One patient's medians of volume (mL) and mean SUV, each with the spread of its logarithm."""
    (volume, within, between), (suv, suv_within, suv_between) = _VOLUME[tracer], _SUV[tracer]
    return (
        float(volume * np.exp(rng.normal(0, between))),
        within,
        float(suv * np.exp(rng.normal(0, suv_between))),
        suv_within,
    )


def draw_lesion(
    voxels: tuple[Voxel, ...],
    middle: tuple[float, float, float, float],
    largest_ml: float | None,
    rng: np.random.Generator,
) -> RealLesion:
    """A lesion for a stroke of which nothing else is known."""
    volume, within, suv, suv_within = middle
    drawn = float(np.clip(volume * np.exp(rng.normal(0, within)), _SMALLEST_ML, 400.0))
    if largest_ml is not None:
        drawn = float(np.exp(rng.uniform(np.log(_SMALLEST_ML), np.log(largest_ml))))
    mean = float(np.clip(suv * np.exp(rng.normal(0, suv_within)), 1.2, 60.0))
    return RealLesion(voxels, drawn, mean * float(rng.uniform(1.6, 3.0)), mean, float(rng.uniform(0.36, 0.68)))


def varied(lesion: RealLesion, level: float, rng: np.random.Generator) -> RealLesion:
    """The lesion larger or smaller, hotter or fainter (by `level` as all of the patient's), of another look."""
    suv = float(np.clip(lesion.suv_mean * level * np.exp(rng.normal(0, 0.3)), 0.8, 90.0))
    return replace(
        lesion,
        volume_ml=float(np.clip(lesion.volume_ml * np.exp(rng.normal(0, 0.3)), 0.1, 900.0)),
        suv_mean=suv,
        suv_max=suv * lesion.suv_max / lesion.suv_mean,
        sphericity=float(np.clip(lesion.sphericity + rng.normal(0, 0.12), 0.3, 0.75)),
        texture=float(rng.uniform(0.02, 0.8)) if rng.random() < 0.5 else None,
    )
