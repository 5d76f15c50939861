"""Real organ maps with their patients' lesions, from a folder: what studies are painted on."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cc3d
import numpy as np
import SimpleITK as sitk

from sam_pet.errors import InputError, one_line
from sam_pet.files import read_image
from sam_pet.geometry import Grid, Voxel
from sam_pet.phantom.lesions import LesionLook
from sam_pet.phantom.tissue import Tracer

# A stroke so near to a lesion of the table is on it.
_SAME_MM = 20.0


@dataclass(frozen=True)
class RealLesion:
    """A lesion to be painted: where (voxels (x, y, z) of the organ map), how large, how hot, how round."""

    voxels: tuple[Voxel, ...]
    volume_ml: float
    suv_max: float
    suv_mean: float
    sphericity: float
    texture: float | None = None

    @property
    def look(self) -> LesionLook:
        """An outline as irregular as the sphericity says, and uptake as uneven as the maximum over the mean does."""
        wild = float(np.interp(self.sphericity, (0.35, 0.55, 0.70), (3.0, 1.4, 0.3)))
        uneven = float(np.clip(0.22 * (self.suv_max / self.suv_mean - 1.4), 0.05, 0.7))
        return LesionLook(wild, uneven if self.texture is None else self.texture)


@dataclass(frozen=True)
class RealPatient:
    """The organ map of one patient and what is known of the lesions.

    Attributes:
        lesions: all of at least 1 mL, if a table has them.
        strokes: voxels (x, y, z) drawn on lesions; () if none were drawn.
    """

    name: str
    organs: Path
    lesions: tuple[RealLesion, ...]
    strokes: tuple[Voxel, ...]

    @property
    def tracer(self) -> Tracer:
        return "psma" if self.name.startswith("psma") else "fdg"

    def read(self, coarsest_mm: float = 0.0) -> tuple[sitk.Image, RealPatient]:
        """The map, and the patient in its voxels; with voxels of at least `coarsest_mm` along each axis."""
        image = read_image(self.organs, "organ map")
        spacing = tuple(max(s, coarsest_mm) for s in image.GetSpacing())
        return (image, self) if spacing == image.GetSpacing() else self.resampled(image, spacing)

    def resampled(self, image: sitk.Image, spacing: tuple[float, ...]) -> tuple[sitk.Image, RealPatient]:
        """The map on voxels of this spacing (x, y, z) in mm, and the patient in these voxels."""
        grid = Grid.of(image)
        size = tuple(max(int(n * s / t), 4) for n, s, t in zip(grid.size, grid.spacing, spacing, strict=True))
        first = grid.to_world([[0.5 * (t / s - 1) for s, t in zip(grid.spacing, spacing, strict=True)]])[0]
        wanted = Grid(
            (size[0], size[1], size[2]),
            (spacing[0], spacing[1], spacing[2]),
            (float(first[0]), float(first[1]), float(first[2])),
            grid.direction,
        )
        there = sitk.Resample(
            image, wanted.size, sitk.Transform(), sitk.sitkNearestNeighbor, wanted.origin, wanted.spacing,
            wanted.direction, 0, image.GetPixelID(),
        )  # fmt: skip

        def moved(voxels: tuple[Voxel, ...]) -> tuple[Voxel, ...]:
            at = np.rint(wanted.to_voxel(grid.to_world(np.array(voxels).reshape(-1, 3)))).astype(int)
            return tuple(dict.fromkeys((int(x), int(y), int(z)) for x, y, z in at))

        lesions = tuple(replace(lesion, voxels=moved(lesion.voxels)) for lesion in self.lesions)
        return there, replace(self, lesions=lesions, strokes=moved(self.strokes))

    def strokes_apart(self, grid: Grid) -> list[tuple[Voxel, ...]]:
        """The strokes that are on no lesion of the table, each connected group as one."""
        if not self.strokes:
            return []
        mask = np.zeros(grid.shape, np.uint8)
        voxels = np.array(self.strokes)
        voxels = voxels[grid.contains(voxels)]
        mask[tuple(voxels.T[::-1])] = 1
        groups = cc3d.connected_components(mask, connectivity=26)[tuple(voxels.T[::-1])]
        known = np.array([lesion.voxels[0] for lesion in self.lesions], float).reshape(-1, 3) * grid.spacing
        reach = np.array([_SAME_MM + (239 * lesion.volume_ml) ** (1 / 3) for lesion in self.lesions])
        apart = []
        for group in np.unique(groups):
            drawn = voxels[groups == group]
            away = np.linalg.norm(drawn.mean(axis=0) * grid.spacing - known, axis=1)
            if not (away < reach).any():
                apart.append(tuple((int(x), int(y), int(z)) for x, y, z in drawn))
        return apart


def read_patients(folder: str | os.PathLike[str]) -> list[RealPatient]:
    """The patients of a folder, sorted by name.

    Either `organs/NAME.nii.gz` with `strokes.json` (NAME -> voxels), or `NAME/organs.nii.gz` with
    `NAME/lesion-clicks.json`; in both `lesions.csv` (case, x, y, z, volume_ml, suv_max, suv_mean, sphericity).
    Strokes and lesions may be missing. Names that start with "psma" are PSMA studies, others FDG.

    Raises:
        InputError: no such folder, or no organ map in it.

    Examples:
        >>> import numpy as np
        >>> from sam_pet.demo import small_phantom
        >>> from sam_pet.files import write_image
        >>> from sam_pet.phantom import read_patients
        >>> phantom = small_phantom()
        >>> organs = np.where(phantom.organs <= 10, phantom.organs, 0).astype(np.uint8)
        >>> write_image(phantom.study.grid.image(organs), "maps/organs/fdg_a.nii.gz")
        >>> [(patient.name, patient.tracer) for patient in read_patients("maps")]
        [('fdg_a', 'fdg')]
    """
    root = Path(folder)
    maps = {p.name.removesuffix(".nii.gz"): p for p in (root / "organs").glob("*.nii.gz") if not p.name.startswith(".")}
    maps |= {p.parent.name: p for p in root.glob("*/organs.nii.gz")}
    if not maps:
        raise InputError(
            f"organ maps: {root} holds neither organs/NAME.nii.gz nor NAME/organs.nii.gz; give another folder"
        )
    tables = dict(_lesions(root / "lesions.csv"))
    shared = root / "strokes.json"
    strokes: dict[str, tuple[Voxel, ...]] = {}
    if shared.is_file():
        with _told(shared):
            strokes = {name: _voxels(drawn) for name, drawn in json.loads(shared.read_text(encoding="utf-8")).items()}
    return [
        RealPatient(name, maps[name], tables.get(name, ()), _clicked(maps[name]) or strokes.get(name, ()))
        for name in sorted(maps)
    ]


def _clicked(organs: Path) -> tuple[Voxel, ...]:
    clicks = organs.parent / "lesion-clicks.json"
    if not clicks.is_file():
        return ()
    with _told(clicks):
        points = json.loads(clicks.read_text(encoding="utf-8"))["points"]
        return _voxels([point["point"] for point in points if point["name"] == "tumor"])


def _voxels(drawn: Iterable[Iterable[int]]) -> tuple[Voxel, ...]:
    return tuple((int(x), int(y), int(z)) for x, y, z in drawn)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Errors of reading a file beside the maps as an InputError that names it."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # whatever its values lead to
        raise InputError(f"organ maps: {path} is damaged ({one_line(error)[:100]}); correct it") from error


def _lesions(table: Path) -> dict[str, tuple[RealLesion, ...]]:
    found: dict[str, tuple[RealLesion, ...]] = {}
    if table.is_file():
        with _told(table), table.open(encoding="utf-8-sig", newline="") as stream:
            for row in csv.DictReader(stream):
                place = (round(float(row["x"])), round(float(row["y"])), round(float(row["z"])))
                numbers = tuple(float(row[k]) for k in ("volume_ml", "suv_max", "suv_mean", "sphericity"))
                if not all(math.isfinite(value) for value in numbers):
                    raise ValueError("no number")
                found[row["case"]] = (*found.get(row["case"], ()), RealLesion((place,), *numbers))
    return found
