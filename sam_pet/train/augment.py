"""Augmentation of crops, CT, PET and mask alike in space, each modality by itself in value."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sam_pet.study import AIR_HU
from sam_pet.train.crops import Crop

Rng = np.random.Generator
# A thinned object keeps at least so many slices.
_LONG = 6


def augment(crop: Crop, rng: Rng) -> Crop:
    """A crop seen from another side, by another scanner; its seed stays on the same spot."""
    crop = _flipped(crop, rng.random(3) < 0.5)
    crop = _thinned(crop, int(rng.choice([1, 2, 3], p=[0.55, 0.25, 0.2])))
    if rng.random() < 0.25:
        crop = _turned(crop, rng)
    return _rescanned(crop, rng)


def _flipped(crop: Crop, flips: npt.NDArray[np.bool_]) -> Crop:
    axes = tuple(int(a) for a in np.flatnonzero(flips[::-1]))
    size = crop.pet.shape[::-1]
    x, y, z = (int(n - 1 - s) if f else s for s, n, f in zip(crop.seed, size, flips, strict=True))
    return replace(
        crop,
        ct=None if crop.ct is None else np.flip(crop.ct, axes),
        pet=np.flip(crop.pet, axes),
        mask=np.flip(crop.mask, axes),
        seed=(x, y, z),
    )


def _thinned(crop: Crop, step: int) -> Crop:
    """Every step-th slice, so that a clip of few slices reaches past the ends of a long object; short ones stay."""
    x, y, z = crop.seed
    long = crop.mask.any(axis=(1, 2)).sum() >= _LONG * step if crop.is_lesion else len(crop.pet) >= _LONG * step
    if step == 1 or not long:
        return crop
    kept = slice(z % step, None, step)
    sx, sy, sz = crop.spacing
    return replace(
        crop,
        ct=None if crop.ct is None else crop.ct[kept],
        pet=crop.pet[kept],
        mask=crop.mask[kept],
        spacing=(sx, sy, sz * step),
        seed=(x, y, z // step),
    )


@cache
def _affine() -> Any:
    from monai.transforms.spatial.dictionary import RandAffined

    # Rotation in the axial plane and zoom about the middle; a hot spot's seed moves with the image (see _turned).
    return RandAffined(
        keys=("ct", "pet", "mask", "seed"),
        prob=1.0,
        rotate_range=(0.35, 0.0, 0.0),
        scale_range=(0.0, 0.15, 0.15),
        mode=("bilinear", "bilinear", "nearest", "bilinear"),
        padding_mode="zeros",
    )


def _turned(crop: Crop, rng: Rng) -> Crop:
    x, y, z = crop.seed
    beacon = np.zeros(crop.pet.shape, np.float32)
    beacon[max(z - 1, 0) : z + 2, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = 1
    ct = np.full(crop.pet.shape, AIR_HU, np.float32) if crop.ct is None else crop.ct
    volumes = {"ct": ct - AIR_HU, "pet": crop.pet, "mask": crop.mask.astype(np.float32), "seed": beacon}
    transform = _affine().set_random_state(seed=int(rng.integers(1 << 31)))
    out = transform({k: torch.from_numpy(np.ascontiguousarray(v))[None] for k, v in volumes.items()})
    moved = {k: np.asarray(v[0]) for k, v in out.items()}
    if moved["seed"].max() <= 0:
        return crop
    z, y, x = (int(i) for i in np.unravel_index(int(moved["seed"].argmax()), beacon.shape))
    return replace(
        crop,
        ct=None if crop.ct is None else moved["ct"] + np.float32(AIR_HU),
        pet=moved["pet"],
        mask=moved["mask"] > 0.5,
        seed=(x, y, z),
    )


def _rescanned(crop: Crop, rng: Rng) -> Crop:
    from scipy.ndimage import gaussian_filter

    pet = crop.pet * np.float32(np.exp(rng.normal(0, 0.2)))
    if rng.random() < 0.15:
        pet = gaussian_filter(pet, [rng.uniform(0, 3) / s for s in crop.spacing[::-1]])
    if rng.random() < 0.3:
        level = np.float32(rng.uniform(0, 0.12))
        noise = rng.standard_normal(pet.shape, dtype=np.float32)
        pet = pet + level * np.sqrt(np.maximum(pet, 0)) * noise
    ct = crop.ct
    if ct is not None:
        ct = ct * np.float32(rng.uniform(0.95, 1.05)) + np.float32(rng.normal(0, 15))
        if rng.random() < 0.2:
            # Breathing between the two scans, up to 8 mm along the body.
            ct = np.roll(ct, round(rng.uniform(-8, 8) / crop.spacing[2]), axis=0)
    return replace(crop, pet=np.maximum(pet, 0).astype(np.float32), ct=None if ct is None else ct.astype(np.float32))
