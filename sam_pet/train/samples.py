"""Training samples: a clip around a crop's object with a first prompt, all drawn from (seed, number) alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt
from torch.utils.data import Dataset

from sam_pet.geometry import Grid
from sam_pet.readers.scribbles import STRATEGIES
from sam_pet.sam2.clips import Clip, ClipRecipe
from sam_pet.sam2.frames import FrameRecipe
from sam_pet.sam2.points import spread_points
from sam_pet.study import Study
from sam_pet.train.augment import augment
from sam_pet.train.crops import Crop, read_crop

Rng = np.random.Generator
WeightedCrops = tuple[Sequence[Path], float]


@dataclass(frozen=True)
class Sample:
    """A clip with its truth and first prompt.

    `frames` (t, 3, S, S); `truth` (t, S, S) 0 or 1; `anchor` the prompted frame; `points` (p, 2) pixels and
    `labels` (p,); `seed` is for what the simulated reader does later.
    """

    frames: npt.NDArray[np.float32]
    truth: npt.NDArray[np.float32]
    anchor: int
    points: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]
    seed: int


@dataclass(frozen=True)
class SampleSettings:
    """What samples are like. `length` frames a clip; `lesions` is the share of samples around lesions."""

    frames: FrameRecipe
    clip: ClipRecipe
    image_size: int
    length: int = 8
    lesions: float = 0.8
    without_ct: float = 0.1
    max_points: int = 8


class ClipDataset(Dataset[Sample]):
    """Sample `i` is drawn from the generator of (seed, i): workers, processes and a resumed run see the same ones."""

    def __init__(self, crops: Sequence[WeightedCrops], settings: SampleSettings, size: int, seed: int) -> None:
        self.lesions = _Groups(crops, "lesion")
        self.hot_spots = _Groups(crops, "hotspot")
        self.settings = settings
        self.size = size
        self.seed = seed

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, number: int) -> Sample:
        rng = np.random.default_rng([self.seed, number])
        lesion = not self.hot_spots.cases or rng.random() < self.settings.lesions
        crop = (self.lesions if lesion else self.hot_spots).draw(rng)
        return make_sample(read_crop(crop), self.settings, rng)


class _Groups:
    """Crops of one kind by case; a case weighs by the root of its number of crops, lest one with hundreds be all."""

    def __init__(self, crops: Sequence[WeightedCrops], kind: str) -> None:
        self.cases: list[list[Path]] = []
        weights: list[float] = []
        for paths, weight in crops:
            by_case: dict[str, list[Path]] = {}
            for path in paths:
                if path.stem.endswith(kind):
                    by_case.setdefault(path.name.split("-")[0], []).append(path)
            self.cases += by_case.values()
            weights += [weight * len(group) ** 0.5 for group in by_case.values()]
        self.chances = np.array(weights) / max(sum(weights), 1e-9)

    def draw(self, rng: Rng) -> Path:
        group = self.cases[rng.choice(len(self.cases), p=self.chances)]
        return group[rng.integers(len(group))]


def make_sample(crop: Crop, settings: SampleSettings, rng: Rng) -> Sample:
    """One sample of a crop: augmented, windowed, prompted."""
    is_lesion = crop.is_lesion
    crop = augment(crop, rng)
    if is_lesion and not crop.mask.any():
        is_lesion = False
    anchor = _anchor(crop, rng) if is_lesion else crop.seed[2]
    clip = _window(crop, anchor, is_lesion, settings, rng)
    ct = crop.ct
    if ct is not None and rng.random() < settings.without_ct:
        ct = None
    z, y, x = crop.pet.shape
    study = Study(pet=crop.pet, ct=ct, grid=Grid((x, y, z), crop.spacing))
    slices = list(clip.slices)
    frames = clip.frames(study, settings.frames, slices)
    truth = clip.sample(crop.mask.astype(np.float32), slices, 0.0) > 0.5
    here = anchor - clip.first
    pet = clip.sample(crop.pet, [anchor], 0.0)[0]
    spot = clip.to_pixels(np.array([crop.seed[:2]]))[0]
    points, labels = _first_prompt(truth[here], pet, spot, settings, rng)
    return Sample(
        frames,
        truth.astype(np.float32),
        here,
        points.astype(np.float32),
        labels.astype(np.int32),
        int(rng.integers(1 << 31)),
    )


def _anchor(crop: Crop, rng: Rng) -> int:
    """The slice to prompt: mostly where the lesion is large, at times any of its slices."""
    areas = crop.mask.sum(axis=(1, 2)).astype(float)
    areas = np.where(areas >= 0.5 * areas.max(), areas, 0) if rng.random() < 0.7 else (areas > 0).astype(float)
    return int(rng.choice(len(areas), p=areas / areas.sum()))


def _window(crop: Crop, anchor: int, is_lesion: bool, settings: SampleSettings, rng: Rng) -> Clip:
    """A window of the ladder of widths that sessions use: the one that holds the lesion, or one near it.

    A session may begin with a narrow one, that shows a large lesion in part.
    """
    recipe = settings.clip
    spacing = crop.spacing
    if is_lesion:
        rows, columns = (np.flatnonzero(crop.mask.any(axis=axes)) for axes in ((0, 2), (0, 1)))
        extent = float(max((np.ptp(columns) + 1) * spacing[0], (np.ptp(rows) + 1) * spacing[1]))
        middle = np.array([columns.mean(), rows.mean()])
    else:
        extent = float(rng.uniform(5, 60))
        middle = np.array(crop.seed[:2], float)
    step = int(np.ceil(np.log(max(1.15 * extent / recipe.first_mm, 1.0)) / np.log(recipe.growth)))
    step = max(step + int(rng.choice([-2, -1, 0, 1], p=[0.15, 0.2, 0.5, 0.15])), 0)
    width = min(recipe.first_mm * recipe.growth**step, recipe.largest_mm) * rng.uniform(0.9, 1.1)
    if is_lesion and width < extent:
        rows, columns = np.nonzero(crop.mask[anchor])
        place = rng.integers(len(rows))
        middle = np.array([columns[place], rows[place]], float)
    room = max(width - extent, 0.3 * width) / 2
    jitter = rng.uniform(-0.6, 0.6, 2) * room / np.asarray(spacing[:2])
    depth = crop.pet.shape[0]
    length = min(settings.length, depth)
    first = anchor - int(np.clip(np.round(rng.normal((length - 1) / 2, length / 5)), 0, length - 1))
    first = int(np.clip(first, 0, depth - length))
    center = middle + jitter
    return Clip(
        (float(center[0]), float(center[1])), float(width), settings.image_size, spacing[:2], first, first + length - 1
    )


def _first_prompt(
    truth: npt.NDArray[np.bool_],
    pet: npt.NDArray[np.float32],
    spot: npt.NDArray[np.float64],
    settings: SampleSettings,
    rng: Rng,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Points (u, v) and labels of a reader who sees one slice: a click, a scribble or a box."""
    if not truth.any():
        if rng.random() < 0.2:
            half = rng.uniform(4, 20, 2)
            return np.stack([spot - half, spot + half]), np.array([2, 3])
        return spot[None] + rng.normal(0, 2, (1, 2)), np.array([1])
    kind = rng.choice(["inner", "hottest", "any", "scribble", "box"], p=[0.35, 0.2, 0.1, 0.25, 0.1])
    if kind == "box":
        rows, columns = np.nonzero(truth)
        jitter = rng.normal(0, 1.5, 4)
        corners = np.array([[columns.min(), rows.min()], [columns.max(), rows.max()]]) + jitter.reshape(2, 2)
        return corners.astype(float), np.array([2, 3])
    if kind == "scribble":
        name = rng.choice(list(STRATEGIES))
        pixels = STRATEGIES[name](np.ascontiguousarray(truth.T).astype(np.uint8), int(rng.integers(1 << 31)))
        drawn = spread_points(np.asarray(pixels, float), settings.max_points)
        return drawn, np.ones(len(drawn), int)
    if kind == "inner":
        inner = distance_transform_edt(truth)
        v, u = np.unravel_index(int(inner.argmax()), truth.shape)
    elif kind == "hottest":
        v, u = np.unravel_index(int(np.where(truth, pet, -np.inf).argmax()), truth.shape)
    else:
        choices = np.argwhere(truth)
        v, u = choices[rng.integers(len(choices))]
    return np.array([[u, v]], float), np.array([1])
