"""How good a mask is: by voxels, by lesions, by surfaces, and in the figures a report would hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_pet.boxes import Slices, bounding_box
from sam_pet.scores.curves import area_under, interactions_to, overshoot
from sam_pet.scores.lesions import match_lesions
from sam_pet.scores.surface import surface_distances

__all__ = ["SURFACE_TOLERANCE_MM", "Scores", "area_under", "interactions_to", "overshoot", "score"]

SURFACE_TOLERANCE_MM = 2.0

Mask = npt.NDArray[np.bool_] | npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Scores:
    """A prediction against the truth; None where a score is undefined.

    Attributes:
        dice: 1 if both masks are empty, 0 if only the truth is.
        dmm: lesion F1 at IoU 0.1; undefined for an empty truth.
        tp, fp, fn: lesions found, made up and missed.
        fpv_ml: volume of the predicted lesions that touch no true one.
        fnv_ml: volume of the true lesions that touch no predicted one; undefined for an empty truth.
        nsd_2mm: normalised surface Dice; 0 if one mask is empty, undefined if both are.
        hd95_mm: undefined if a mask is empty.
        volume_ml, true_volume_ml: what is segmented (the total metabolic tumour volume), and what should be.
        tmtv_error_ml: the first minus the second.
        volume_bias: the same, relative to the true volume; undefined for an empty truth.
        suv_mean_error: (SUVmean - true SUVmean) / true SUVmean; needs the PET, and neither mask empty.
        tlg_error: the same for total lesion glycolysis, SUVmean times volume; needs the PET and a truth.

    Examples:
        >>> import numpy as np
        >>> from sam_pet.scores import score
        >>> empty = np.zeros((4, 4, 4), np.uint8)
        >>> nothing = score(empty, empty, (4.0, 4.0, 4.0))
        >>> nothing.dice, nothing.dmm
        (1.0, None)
    """

    dice: float
    dmm: float | None
    tp: int
    fp: int
    fn: int
    fpv_ml: float
    fnv_ml: float | None
    nsd_2mm: float | None
    hd95_mm: float | None
    volume_ml: float
    true_volume_ml: float
    tmtv_error_ml: float
    volume_bias: float | None
    suv_mean_error: float | None
    tlg_error: float | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def score(
    prediction: Mask,
    truth: Mask,
    spacing: tuple[float, float, float],
    pet: npt.NDArray[np.float32] | None = None,
) -> Scores:
    """Score a mask; Dice, DMM, FPV and FNV are those of the autoPET V challenge (github.com/lab-midas/autoPETV).

    Args:
        prediction: array [z, y, x] of 0 and 1.
        truth: the same, of the same shape.
        spacing: (x, y, z) in mm.
        pet: SUV on the same grid, for the errors of SUVmean and TLG.

    Raises:
        ValueError: the shapes differ.

    Examples:
        >>> import numpy as np
        >>> from sam_pet.scores import score
        >>> truth = np.zeros((8, 8, 8), np.uint8)
        >>> truth[2:6, 2:6, 2:6] = 1
        >>> half = truth.copy()
        >>> half[:4] = 0
        >>> found = score(half, truth, (4.0, 4.0, 4.0))
        >>> round(found.dice, 2), found.dmm, round(found.volume_bias, 2)
        (0.67, 1.0, -0.5)
    """
    if prediction.shape != truth.shape or (pet is not None and pet.shape != truth.shape):
        shapes = [array.shape for array in (prediction, truth, pet) if array is not None]
        raise ValueError(f"prediction, truth and PET differ in shape: {', '.join(map(str, shapes))}")
    window = _window(prediction, truth)
    prediction, truth = prediction[window] > 0, truth[window] > 0
    voxel_ml = float(np.prod(spacing)) / 1000.0
    segmented, true = int(np.count_nonzero(prediction)), int(np.count_nonzero(truth))
    total = segmented + true
    lesions = match_lesions(prediction, truth)
    surfaces = surface_distances(prediction, truth, spacing)
    suv_mean_error = tlg_error = None
    if pet is not None and true:
        uptake, true_uptake = (float(pet[window][mask].sum(dtype=np.float64)) for mask in (prediction, truth))
        tlg_error = _relative(uptake, true_uptake)
        suv_mean_error = _relative(uptake / segmented, true_uptake / true) if segmented else None
    return Scores(
        dice=2 * int(np.count_nonzero(prediction & truth)) / total if total else 1.0,
        dmm=lesions.dmm,
        tp=lesions.tp,
        fp=lesions.fp,
        fn=lesions.fn,
        fpv_ml=lesions.fp_voxels * voxel_ml,
        fnv_ml=lesions.fn_voxels * voxel_ml if true else None,
        nsd_2mm=surfaces.dice(SURFACE_TOLERANCE_MM),
        hd95_mm=surfaces.hausdorff(95),
        volume_ml=segmented * voxel_ml,
        true_volume_ml=true * voxel_ml,
        tmtv_error_ml=(segmented - true) * voxel_ml,
        volume_bias=_relative(segmented, true),
        suv_mean_error=suv_mean_error,
        tlg_error=tlg_error,
    )


def _relative(value: float, reference: float) -> float | None:
    return (value - reference) / reference if reference else None


def _window(prediction: Mask, truth: Mask) -> Slices:
    """The bounding box of both masks together; one voxel if both are empty."""
    boxes = [box for box in (bounding_box(prediction), bounding_box(truth)) if box is not None]
    if not boxes:
        return slice(0, 1), slice(0, 1), slice(0, 1)
    z, y, x = (slice(min(s.start for s in axis), max(s.stop for s in axis)) for axis in zip(*boxes, strict=True))
    return z, y, x
