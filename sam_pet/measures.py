"""Measurements of lesions on PET, by their published definitions.

PERCIST: Wahl et al. 2009, J Nucl Med 50 Suppl 1:122S-150S, doi 10.2967/jnumed.108.057307.
IBSI: Zwanenburg et al. 2020, Radiology 295:328-338, doi 10.1148/radiol.2020191145; ibsi.readthedocs.io.
Dmax: Cottereau et al. 2020, J Nucl Med 61:40-45, doi 10.2967/jnumed.119.229450.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from sam_pet.geometry import Grid
from sam_pet.labels import Box, Labels, lesion_boxes

if TYPE_CHECKING:
    import pandas as pd

PEAK_ML = 1.0
_SUBVOXELS = 10
COLUMNS = {
    "lesion": np.int64,
    "volume_ml": np.float64,
    "suv_max": np.float64,
    "suv_mean": np.float64,
    "suv_peak": np.float64,
    "tlg": np.float64,
    "diameter_mm": np.float64,
    "voxels": np.int64,
    "centroid_x": np.float64,
    "centroid_y": np.float64,
    "centroid_z": np.float64,
}

Mask = npt.NDArray[np.bool_]
Volume = npt.NDArray[np.float32]


def measure_lesions(labels: Labels, pet: Volume, grid: Grid) -> pd.DataFrame:
    """One row for each lesion, in the order of their labels.

    Args:
        labels: lesion numbers [z, y, x], 0 is background; a lesion may be in several pieces.
        pet: SUV [z, y, x].
        grid: of both.

    Returns:
        Columns: `lesion`, the label; `volume_ml`, which is also the metabolic tumour volume (MTV) of the lesion;
        `suv_max`, `suv_mean` and `suv_peak` (see `suv_peak`); `tlg`, total lesion glycolysis, `suv_mean` x
        `volume_ml`, in g (an SUV is in g/mL); `diameter_mm` (see `diameter_mm`); `voxels`; `centroid_x`,
        `centroid_y`, `centroid_z`, the mean position of the voxels in mm (LPS).

    Raises:
        ValueError: labels or PET are not on the grid.

    Examples:
        >>> from sam_pet.demo import small_phantom
        >>> from sam_pet.measures import measure_lesions
        >>> phantom = small_phantom()
        >>> table = measure_lesions(phantom.lesions, phantom.study.pet, phantom.study.grid)
        >>> table[["lesion", "voxels"]].values.tolist()
        [[1, 10], [2, 1], [3, 3], [4, 23], [5, 4]]
    """
    import pandas as pd  # it takes a while, and a click can do without

    return pd.DataFrame(lesion_rows(labels, pet, grid), columns=list(COLUMNS)).astype(COLUMNS)


def lesion_rows(labels: Labels, pet: Volume, grid: Grid) -> list[dict[str, float]]:
    """The rows of `measure_lesions`, each by column.

    Raises:
        ValueError: labels or PET are not on the grid.

    Examples:
        >>> from sam_pet.demo import small_phantom
        >>> from sam_pet.measures import lesion_rows
        >>> phantom = small_phantom()
        >>> [row["voxels"] for row in lesion_rows(phantom.lesions, phantom.study.pet, phantom.study.grid)]
        [10, 1, 3, 23, 4]
    """
    for what, array in (("labels", labels), ("pet", pet)):
        if array.shape != grid.shape:
            raise ValueError(f"{what} of shape {array.shape} are not on a grid of shape {grid.shape}")
    return [measure_lesion(number, labels, box, pet, grid) for number, box in lesion_boxes(labels).items()]


def summarise(table: pd.DataFrame) -> dict[str, int | float | None]:
    """The patient's totals of a table of `measure_lesions`.

    Returns:
        `lesions`, their number; `total_mtv_ml`; `total_tlg`, in g; `dmax_mm`, the distance between the centroids
        of the two lesions that are farthest apart (Cottereau 2020), None for fewer than two lesions; `suv_max`,
        None without a lesion.

    Examples:
        >>> from sam_pet.demo import small_phantom
        >>> from sam_pet.measures import measure_lesions, summarise
        >>> phantom = small_phantom()
        >>> totals = summarise(measure_lesions(phantom.lesions, phantom.study.pet, phantom.study.grid))
        >>> totals["lesions"], round(totals["total_mtv_ml"], 1)
        (5, 28.9)
    """
    centroids = table[["centroid_x", "centroid_y", "centroid_z"]].to_numpy(float)
    return {
        "lesions": len(table),
        "total_mtv_ml": float(table["volume_ml"].sum()),
        "total_tlg": float(table["tlg"].sum()),
        "dmax_mm": _farthest(centroids) if len(table) > 1 else None,
        "suv_max": float(table["suv_max"].max()) if len(table) else None,
    }


def suv_peak(mask: Mask, pet: Volume, spacing: tuple[float, float, float]) -> float:
    """The highest mean SUV in a 1 mL sphere (12.4 mm across) centred on any voxel of the mask.

    This is PERCIST's SUVpeak, IBSI's global intensity peak: the sphere need not lie about the hottest voxel and may
    reach beyond the mask. A voxel that the sphere covers in part counts by the part covered (in tenths of
    a voxel along each axis), so that the sphere has 1 mL on every grid. Voxels beyond the image do not count.

    Args:
        mask: [z, y, x], not empty.
        pet: SUV [z, y, x].
        spacing: (x, y, z) in mm.

    Examples:
        >>> import numpy as np
        >>> from sam_pet.measures import suv_peak
        >>> mask = np.zeros((9, 9, 9), bool)
        >>> mask[3:6, 3:6, 3:6] = True
        >>> suv_peak(mask, np.full((9, 9, 9), 5.0, np.float32), (4.0, 4.0, 4.0))
        5.0
    """
    weights = _sphere(spacing)
    margin = [n // 2 for n in weights.shape]
    padded = np.pad(pet, [(m, m) for m in margin])
    centres = np.flatnonzero(np.pad(mask, [(m, m) for m in margin]))
    inside = np.pad(np.ones(pet.shape, np.float32), [(m, m) for m in margin])
    means = _weighted_sums(padded, centres, weights) / _weighted_sums(inside, centres, weights)
    return float(means.max())


def diameter_mm(mask: Mask, spacing: tuple[float, float, float]) -> float:
    """The largest 3-D diameter of the mask (Feret, in any direction) in mm: IBSI's maximum 3D diameter.

    It is taken between the centres of the outer voxel faces, where the surface mesh of a mask has its vertices:
    a row of n voxels is n voxels long, and a single one as long as its longest edge.

    Args:
        mask: [z, y, x], not empty.
        spacing: (x, y, z) in mm.

    Examples:
        >>> import numpy as np
        >>> from sam_pet.measures import diameter_mm
        >>> row = np.zeros((3, 3, 9), bool)
        >>> row[1, 1, 2:7] = True
        >>> diameter_mm(row, (4.0, 4.0, 4.0))
        20.0
    """
    points = np.concatenate([_outer_faces(mask, axis) for axis in range(3)]) * spacing[::-1]
    return _farthest(points)


def measure_lesion(number: int, labels: Labels, box: Box, pet: Volume, grid: Grid) -> dict[str, float]:
    """The row of one lesion in `measure_lesions`, by column; `box` are the slices that bound it."""
    mask = labels[box] == number
    values = pet[box][mask]
    voxels = values.size
    volume = voxels * grid.voxel_ml
    mean = float(values.mean(dtype=np.float64))
    margin = [n // 2 for n in _sphere(grid.spacing).shape]
    wide = tuple(
        slice(max(s.start - m, 0), min(s.stop + m, n)) for s, m, n in zip(box, margin, grid.shape, strict=True)
    )
    wide_mask = np.pad(mask, [(s.start - w.start, w.stop - s.stop) for s, w in zip(box, wide, strict=True)])
    corner = np.array([s.start for s in box])
    centroid = grid.to_world((np.argwhere(mask).mean(axis=0) + corner)[::-1])
    row = (
        number,
        volume,
        float(values.max()),
        mean,
        suv_peak(wide_mask, pet[wide], grid.spacing),
        mean * volume,
        diameter_mm(mask, grid.spacing),
        voxels,
        *centroid.tolist(),
    )
    return dict(zip(COLUMNS, row, strict=True))


@lru_cache(maxsize=8)
def _sphere(spacing: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    """Which part of each voxel about the central one a 1 mL sphere covers, [z, y, x], sum 1."""
    radius = (PEAK_ML * 1000.0 * 3.0 / (4.0 * np.pi)) ** (1.0 / 3.0)
    squares = []
    for step in spacing[::-1]:
        reach = int(np.ceil(radius / step - 0.5))
        fine = (np.arange((2 * reach + 1) * _SUBVOXELS) + 0.5) / _SUBVOXELS - reach - 0.5
        squares.append((fine * step) ** 2)
    z, y, x = np.ix_(*squares)
    shape = [n for square in squares for n in (square.size // _SUBVOXELS, _SUBVOXELS)]
    covered = (z + y + x <= radius**2).reshape(shape).sum(axis=(1, 3, 5), dtype=np.float64)
    if not covered.any():
        # A voxel so large that no sampling point of it is in the sphere.
        covered[tuple(n // 2 for n in covered.shape)] = 1.0
    weights: npt.NDArray[np.float64] = covered / covered.sum()
    return weights


def _weighted_sums(
    array: Volume, centres: npt.NDArray[np.int64], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The weighted sum of the array about each centre (flat index, a kernel's half away from every border)."""
    flat = np.ascontiguousarray(array).ravel()
    sums = np.zeros(centres.size)
    middle = np.array(weights.shape) // 2
    steps = np.array([array.shape[1] * array.shape[2], array.shape[2], 1])
    for index in np.argwhere(weights):
        sums += weights[tuple(index)] * flat[centres + int((index - middle) @ steps)]
    return sums


def _outer_faces(mask: Mask, axis: int) -> npt.NDArray[np.float64]:
    """The first and last face centre of the mask on each line along an axis, shape (n, 3), in [z, y, x] voxels."""
    along = np.moveaxis(mask, axis, -1)
    rows = np.argwhere(along.any(axis=-1))
    lines = along[rows[:, 0], rows[:, 1]]
    first = lines.argmax(axis=1) - 0.5
    last = mask.shape[axis] - 1 - lines[:, ::-1].argmax(axis=1) + 0.5
    return np.concatenate([np.insert(rows.astype(float), axis, end, axis=1) for end in (first, last)])


def _farthest(points: npt.NDArray[np.float64]) -> float:
    """The largest distance between two of at least two points, shape (n, 3)."""
    if len(points) > 500:
        # QJ: points in a plane still have a hull.
        points = points[ConvexHull(points, qhull_options="QJ").vertices]
    return float(pdist(points).max())
