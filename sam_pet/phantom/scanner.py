"""What the scanners make of a tissue map: uptake and HU, breathing, blur and noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from sam_pet.phantom.shapes import Canvas, Floats
from sam_pet.phantom.tissue import LOOKS, Tissue, Tracer

AIR = -1000.0
_SIGMA = 1.0 / np.sqrt(8.0 * np.log(2.0))
Ligand = Literal["FDG", "PSMA-11", "PSMA-1007"]


@dataclass(frozen=True)
class Scanner:
    """Settings of one acquisition; lengths in mm, noise as the coefficient of variation at SUV 2."""

    fwhm_mm: float
    noise: float
    noise_fwhm_mm: float
    breathing_mm: float
    breath_blur_mm: float
    shift_mm: tuple[float, float, float]
    ct_noise_hu: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Scanner:
        fwhm = float(rng.uniform(4.0, 7.0))
        shift = rng.normal(0.0, (1.2, 1.2, 1.5))
        return cls(
            fwhm_mm=fwhm,
            noise=float(np.clip(np.exp(rng.normal(np.log(0.14), 0.45)), 0.05, 0.30)),
            noise_fwhm_mm=float(fwhm * rng.uniform(0.75, 1.15)),
            breathing_mm=float(np.clip(rng.normal(5.0, 7.0), -10.0, 22.0)),
            breath_blur_mm=float(rng.uniform(1.5, 5.0)),
            shift_mm=(float(shift[0]), float(shift[1]), float(shift[2])),
            ct_noise_hu=float(rng.uniform(7.0, 20.0)),
        )


def uptake_table(
    tracer: Tracer, body_mass_index: float, rng: np.random.Generator
) -> tuple[Ligand, dict[Tissue, float]]:
    """The radioligand and one patient's mean SUV in each tissue."""
    ligand: Ligand = "FDG" if tracer == "fdg" else "PSMA-1007" if rng.random() < 0.6 else "PSMA-11"
    # Fat takes up little, so the SUV of everything else grows with the body mass index.
    weight = (body_mass_index / 24.0) ** 0.35
    spread = {t: rng.normal() for t in Tissue}
    table = {}
    for tissue, look in LOOKS.items():
        mean = {"FDG": look.fdg, "PSMA-11": look.psma11, "PSMA-1007": look.psma1007}[ligand]
        table[tissue] = float(mean * weight * np.exp(look.between * spread[tissue] - look.between**2 / 2))
    if ligand == "FDG":
        if rng.random() < 0.35:
            table[Tissue.HEART] = float(table[Tissue.BLOOD] * rng.uniform(0.8, 1.4))
        else:
            table[Tissue.HEART] = float(np.clip(table[Tissue.HEART] * 2.0, 2.0, 25.0))
        if rng.random() < 0.12:
            boost = float(rng.uniform(2.0, 5.0))
            for tissue in (Tissue.COLON, Tissue.ILEUM):
                table[tissue] *= boost
        if rng.random() < 0.08:
            boost = float(rng.uniform(1.8, 3.2))
            table[Tissue.MARROW] *= boost
            table[Tissue.SPLEEN] *= 0.7 * boost
        if rng.random() < 0.10:
            table[Tissue.THYROID] *= float(rng.uniform(2.0, 5.0))
    table[Tissue.BLADDER] = min(table[Tissue.BLADDER], 120.0)
    table[Tissue.URINE] = min(table[Tissue.URINE], 90.0)
    return ligand, table


def _gravity(canvas: Canvas) -> Floats:
    """Lungs are denser, and take up more, towards the back of a patient who lies on it: -0.5 to 0.5 over the chest."""
    depth: Floats = np.clip(canvas.y / np.float32(180.0), -0.5, 0.5)
    return depth[None, :, None]


def activity(canvas: Canvas, table: Mapping[Tissue, float], textures: Mapping[Tissue, float], fine: Floats) -> Floats:
    """SUV before the scanner: the mean of each tissue, with coarse (`canvas.bump`) and fine texture."""
    mean, within = np.zeros(256, np.float32), np.zeros(256, np.float32)
    for tissue in LOOKS:
        mean[tissue], within[tissue] = table[tissue], textures[tissue]
    texture = within[canvas.tissue]
    texture *= 0.6 * canvas.bump + 0.8 * fine
    np.exp(texture, out=texture)
    texture *= mean[canvas.tissue]
    texture *= np.where(canvas.tissue == Tissue.LUNG, 1.0 + 0.7 * _gravity(canvas), np.float32(1.0))
    return texture


def hounsfield(canvas: Canvas, contrast: bool, fine: Floats) -> Floats:
    """HU before the scanner."""
    mean, texture = np.full(256, AIR, np.float32), np.zeros(256, np.float32)
    for tissue, look in LOOKS.items():
        mean[tissue] = look.hu_contrast if contrast else look.hu
        texture[tissue] = 5.0
    for tissue, value in (
        (Tissue.MARROW, 45),
        (Tissue.CORTEX, 120),
        (Tissue.LUNG, 35),
        (Tissue.MUSCLE, 9),
        (Tissue.FAT, 9),
    ):
        texture[tissue] = value
    texture[Tissue.CONTENTS] = 30
    out = mean[canvas.tissue]
    out += texture[canvas.tissue] * (0.5 * canvas.bump + 0.8 * fine)
    out += np.where(canvas.tissue == Tissue.LUNG, 130.0 * _gravity(canvas), np.float32(0.0))
    return out


def breathing_weight(canvas: Canvas) -> Floats:
    """How far a voxel follows the diaphragm, 0 to 1: most at the domes, least at the spine and the hips."""
    z = np.interp(canvas.z, (190, 300, 390, 500), (0.0, 0.85, 1.0, 0.0))
    y = np.interp(canvas.y, (15, 75), (1.0, 0.35))
    x = np.interp(np.abs(canvas.x), (100, 150), (1.0, 0.15))
    weight: Floats = (z[:, None, None] * (y[:, None] * x[None, :])[None]).astype(np.float32)
    return weight


def pet_image(
    uptake: Floats,
    canvas: Canvas,
    spacing: tuple[float, float, float],
    scanner: Scanner,
    rng: np.random.Generator,
) -> Floats:
    """The reconstructed PET (SUV): breathing, point spread, correlated noise that grows with the uptake."""
    step = spacing[::-1]
    sigma = [scanner.fwhm_mm * _SIGMA / s for s in step]
    pet: Floats = ndimage.gaussian_filter(uptake, sigma, mode="nearest", truncate=3.0)
    weight = breathing_weight(canvas)
    moving = ndimage.gaussian_filter1d(pet, scanner.breath_blur_mm / step[0], axis=0, mode="nearest", truncate=2.5)
    pet += weight * (moving - pet)
    noise = correlated_noise(pet.shape, [scanner.noise_fwhm_mm * _SIGMA / s for s in step], rng)
    area = (canvas.tissue > 0).sum(axis=(1, 2)).astype(np.float64)
    thick = np.sqrt(np.maximum(area, 1.0) / max(float(np.median(area)), 1.0))
    per_slice = scanner.noise * np.clip(np.exp(0.6 * (ndimage.gaussian_filter1d(thick, 3) - 1.0)), 0.5, 1.8)
    # OSEM: the standard deviation grows slower than the mean, and values stay positive and skewed.
    relative: Floats = per_slice[:, None, None].astype(np.float32) * (pet / 2.0 + 0.02) ** np.float32(-0.3)
    np.minimum(relative, 0.6, out=relative)
    noise *= relative
    noise -= 0.5 * relative**2
    np.exp(noise, out=noise)
    pet *= noise
    # A step that float32 holds exactly, as fine as a scanner's 16 bits, and that compresses.
    return np.ldexp(np.round(np.ldexp(pet, 10)), -10)


def correlated_noise(shape: tuple[int, ...], sigma: list[float], rng: np.random.Generator) -> Floats:
    """Gaussian noise of unit variance, correlated over `sigma` voxels, with a weaker long tail."""
    white = rng.standard_normal(shape, dtype=np.float32)
    short: Floats = ndimage.gaussian_filter(white, sigma, mode="wrap", truncate=2.5)
    tail: Floats = ndimage.gaussian_filter(short, [2.0 * s for s in sigma], mode="wrap", truncate=2.0)
    some = (slice(None, None, 2),) * 3
    tail *= 0.45 * short[some].std() / max(float(tail[some].std()), 1e-6)
    short += tail
    short /= max(float(short[some].std()), 1e-6)
    return short


def ct_image(
    hu: Floats,
    canvas: Canvas,
    spacing: tuple[float, float, float],
    scanner: Scanner,
    rng: np.random.Generator,
) -> Floats:
    """The CT on the PET grid (HU): another breath and a small shift, partial volume, noise."""
    follow = np.float32(scanner.breathing_mm) * breathing_weight(canvas)
    follow += np.float32(scanner.shift_mm[2])
    moved = _shift_z(hu, follow / np.float32(spacing[2]))
    for axis, offset in ((1, scanner.shift_mm[1] / spacing[1]), (2, scanner.shift_mm[0] / spacing[0])):
        whole = int(np.floor(offset))
        low = np.roll(moved, whole, axis)
        low += np.float32(offset - whole) * (np.roll(low, 1, axis) - low)
        moved = low
    moved = ndimage.gaussian_filter(moved, [0.35, 0.5, 0.5], mode="nearest", truncate=3.0)
    noise = correlated_noise(moved.shape, [0.3, 0.55, 0.55], rng)
    noise *= scanner.ct_noise_hu
    moved += noise
    return np.clip(np.round(moved), -1024.0, 3071.0).astype(np.float32)


def _shift_z(volume: Floats, offset: Floats) -> Floats:
    last = volume.shape[0] - 1
    at = np.clip(np.arange(volume.shape[0], dtype=np.float32)[:, None, None] + offset, 0, last)
    low = np.minimum(at.astype(np.int32), max(last - 1, 0))
    at -= low
    plane = volume.shape[1] * volume.shape[2]
    flat = volume.reshape(-1)
    index = low * np.int32(plane)
    index += np.arange(plane, dtype=np.int32).reshape(volume.shape[1:])[None]
    out: Floats = flat.take(index)
    index += np.int32(plane if last else 0)
    out += at * (flat.take(index) - out)
    return out


def table_top(canvas: Canvas, hu: Floats, lowest: float) -> None:
    """The patient table under the back, in the CT alone; `lowest` is the body's hindmost y in mm."""
    x, y = canvas.x[None, :], canvas.y[:, None]
    surface = lowest + 6.0 - 32.0 * (x / 210.0) ** 2
    across = np.abs(x) < 215.0
    air = canvas.tissue == Tissue.OUTSIDE
    shell = across & (np.abs(y - surface) < 3.0)
    foam = across & (y > surface + 3.0) & (y < surface + 28.0 - 20.0 * (x / 215.0) ** 2)
    hu[air & shell[None]] = -250.0
    hu[air & foam[None]] = -930.0
