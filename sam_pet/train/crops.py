"""Crops: what training keeps of a case, the surroundings of each lesion and of hot spots that are none."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import cc3d
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from skimage.feature import peak_local_max

from sam_pet.cases import Case
from sam_pet.files import replacing
from sam_pet.stored import stored_arrays
from sam_pet.study import Study
from sam_pet.train.store import ExampleStore, digest, made

_FORMAT = 2
_POLL_S = 0.2
Bools = npt.NDArray[np.bool_]


class _Settings(TypedDict):
    margin_mm: float
    smallest_ml: float
    hot_spots: int


@dataclass(frozen=True)
class Crop:
    """A block of a case in axial order: CT (HU, or None), PET (SUV), the object's mask [z, y, x], spacing (x, y, z).

    `seed` (x, y, z) is a voxel of the object; the mask is empty where the object is a hot spot that is no lesion.
    """

    ct: npt.NDArray[np.float32] | None
    pet: npt.NDArray[np.float32]
    mask: Bools
    spacing: tuple[float, float, float]
    seed: tuple[int, int, int]

    @property
    def is_lesion(self) -> bool:
        return bool(self.mask[self.seed[2], self.seed[1], self.seed[0]])


class CropFolder:
    """Crops of cases as files, made once and read by any number of workers and runs.

    Args:
        store: in whose folder `crops` they are kept, by the content of the case's files and the settings.
        margin_mm: how much is kept around a lesion.
        smallest_ml: components below are not lesions to train on.
        hot_spots: the hottest places outside lesions to keep, at most.
    """

    def __init__(
        self, store: ExampleStore, margin_mm: float = 60.0, smallest_ml: float = 0.05, hot_spots: int = 6
    ) -> None:
        self.store = store
        self.folder = store.folder / "crops"
        self.settings: _Settings = {"margin_mm": margin_mm, "smallest_ml": smallest_ml, "hot_spots": hot_spots}

    def prepare(self, cases: Sequence[Case], workers: int = 0) -> list[Path]:
        """Make what is missing and return the crop files of the cases, in a fixed order.

        Args:
            cases: to cut crops of.
            workers: processes that do; below two, this one does.

        Raises:
            InputError: a case is faulty.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        return [path for files in made(cases, self.of, workers, "crops") for path in files]

    def of(self, case: Case) -> list[Path]:
        """The crop files of a case, made where they are missing or damaged."""
        key = self._fingerprint(case)
        index = self.folder / f"{key}.json"
        names = self._kept(index)
        if names is None:
            self._make(case, key, index)
            names = self._kept(index) or []
        return [self.folder / name for name in names]

    def collect(self, cases: Sequence[Case]) -> list[Path]:
        """The crop files of cases that this process or another one prepares, once they are all there."""
        files: list[Path] = []
        for case in cases:
            index = self.folder / f"{self._fingerprint(case)}.json"
            while (names := self._kept(index)) is None:
                time.sleep(_POLL_S)
            files += [self.folder / name for name in names]
        return files

    def _kept(self, index: Path) -> list[str] | None:
        """The crop files of a case; None where they are to be made, as they are not there or damaged."""
        try:
            names = [str(name) for name in json.loads(index.read_text(encoding="utf-8"))]
            whole = all(zipfile.is_zipfile(self.folder / name) for name in names)
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        return names if whole else None

    def _fingerprint(self, case: Case) -> str:
        return digest([_FORMAT, self.store.fingerprint(case), self.settings])[:24]

    def _make(self, case: Case, key: str, index: Path) -> None:
        study = case.study()
        truth = study.order.view(case.mask(study.grid))
        names = []
        for number, crop in enumerate(_crops(study, truth, **self.settings)):
            kind = "lesion" if crop.is_lesion else "hotspot"
            path = self.folder / f"{key}-{number:04d}-{kind}.npz"
            with replacing(path) as temporary:
                _write(crop, temporary)
            names.append(path.name)
        with replacing(index) as temporary:
            temporary.write_text(json.dumps(names), encoding="utf-8")


def _crops(
    study: Study, truth: npt.NDArray[np.uint8], margin_mm: float, smallest_ml: float, hot_spots: int
) -> Iterator[Crop]:
    spacing = study.frame_spacing
    pet, ct = study.axial_pet, study.axial_ct
    labels, count = cc3d.connected_components(np.ascontiguousarray(truth), connectivity=18, return_N=True)
    statistics = cc3d.statistics(labels)
    margin = np.ceil(margin_mm / np.asarray(spacing[::-1])).astype(int)

    def cut(low: npt.NDArray[np.int64], high: npt.NDArray[np.int64], number: int, seed: npt.NDArray[np.int64]) -> Crop:
        start = np.maximum(low - margin, 0)
        block = tuple(
            slice(int(a), int(b)) for a, b in zip(start, np.minimum(high + margin, labels.shape), strict=True)
        )
        z, y, x = (seed - start).tolist()
        return Crop(
            ct=None if ct is None else np.ascontiguousarray(ct[block]),
            pet=np.ascontiguousarray(pet[block]),
            mask=labels[block] == number if number else np.zeros(labels[block].shape, bool),
            spacing=spacing,
            seed=(x, y, z),
        )

    for number in range(1, count + 1):
        if statistics["voxel_counts"][number] * study.grid.voxel_ml < smallest_ml:
            continue
        box = statistics["bounding_boxes"][number]
        low, high = (np.array([getattr(s, end) for s in box]) for end in ("start", "stop"))
        members = np.argwhere(labels[box] == number)
        yield cut(low, high, number, low + members[len(members) // 2])
    for seed in hottest_places(pet, truth, spacing, hot_spots):
        yield cut(seed, seed + 1, 0, seed)


def hottest_places(
    pet: npt.NDArray[np.float32], truth: npt.NDArray[np.uint8], spacing: tuple[float, float, float], count: int
) -> npt.NDArray[np.int64]:
    """Voxels [z, y, x] of the strongest peaks at least 10 mm from any lesion."""
    smooth = gaussian_filter(pet, [3.0 / s for s in spacing[::-1]])
    near = gaussian_filter(truth.astype(np.float32), [5.0 / s for s in spacing[::-1]]) > 1e-3
    smooth[near] = 0
    distance = max(int(30.0 / min(spacing)), 1)
    peaks: npt.NDArray[np.int64] = peak_local_max(
        smooth, min_distance=distance, threshold_abs=1.5, num_peaks=count, exclude_border=False
    )
    return peaks


def _write(crop: Crop, path: Path) -> None:
    arrays: dict[str, Any] = {
        "pet": crop.pet.astype(np.float16),
        "mask": np.packbits(crop.mask),
        "spacing": crop.spacing,
    }
    if crop.ct is not None:
        arrays["ct"] = crop.ct.astype(np.int16)
    with path.open("wb") as stream:
        np.savez(stream, seed=np.array(crop.seed), **arrays)


def read_crop(path: Path) -> Crop:
    """A crop file that `CropFolder` has made.

    Raises:
        InputError: it is damaged.
    """
    with stored_arrays(path) as held:
        pet = held["pet"].astype(np.float32)
        mask = np.unpackbits(held["mask"], count=pet.size).reshape(pet.shape).astype(bool)
        ct = held["ct"].astype(np.float32) if "ct" in held else None
        x, y, z = held["seed"].tolist()
        sx, sy, sz = held["spacing"].tolist()
        return Crop(ct, pet, mask, (sx, sy, sz), (x, y, z))
