"""Lesions: how many, how large, how hot; and one lesion grown voxel by voxel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.transform import Rotation

from sam_pet.phantom.shapes import Floats, smooth_noise
from sam_pet.phantom.sites import LIVING, Sites, ground, site_of
from sam_pet.phantom.tissue import Tissue, Tracer, members

_LARGEST_ML = {"lung": 150.0, "liver": 250.0, "spleen": 80.0, "bone": 120.0, "prostate": 60.0, "adrenal": 80.0}
_SIGMA = 1.0 / np.sqrt(8.0 * np.log(2.0))


@dataclass
class LesionScene:
    """What lesions are drawn into: arrays [z, y, x] over one box, changed in place; `spacing` is (x, y, z) in mm."""

    tissue: npt.NDArray[np.uint8]
    uptake: Floats
    hu: Floats
    labels: npt.NDArray[np.uint16]
    spacing: tuple[float, float, float]
    fwhm_mm: float
    contrast: bool
    tracer: Tracer


@dataclass(frozen=True)
class LesionLook:
    """How irregular an outline is, about 0.3 (a ball) to 3 (lobed), and how uneven uptake, as the spread of its log."""

    wild: float
    texture: float


@dataclass(frozen=True)
class Burden:
    """One patient's disease: number, medians of volume (mL) and uptake (SUV), and the volume of a large mass if any."""

    count: int
    volume_ml: float
    suv: float
    mass_ml: float | None = None

    @classmethod
    def draw(cls, tracer: Tracer, lesion_free: bool, rng: np.random.Generator) -> Burden:
        """Median 6 (FDG) or 8 (PSMA) lesions with a long tail, or none."""
        middle = 6.5 if tracer == "fdg" else 8.5
        count = int(np.clip(np.round(np.exp(rng.normal(np.log(middle), 1.05))), 1, 150))
        volume = float(0.9 * np.exp(rng.normal(0, 0.45)))
        suv = float((4.6 if tracer == "fdg" else 5.0) * np.exp(rng.normal(0, 0.50)))
        mass = float(np.exp(rng.uniform(np.log(30.0), np.log(500.0))))
        with_mass = tracer == "fdg" and rng.random() < 0.08
        return cls(0 if lesion_free else count, volume, suv, mass if with_mass else None)

    def lesion(self, rng: np.random.Generator) -> tuple[float, float]:
        """Volume (mL) and SUV of one lesion."""
        volume = self.volume_ml * np.exp(rng.normal(0, 1.05))
        if rng.random() < 0.11:
            volume *= np.exp(rng.uniform(1.0, 5.0))
        suv = self.suv * np.exp(rng.normal(0, 0.50)) * (volume / 2.0) ** 0.06
        if rng.random() < 0.07:
            suv *= rng.uniform(1.5, 5.0)
        return float(np.clip(volume, 0.1, 500.0)), float(np.clip(suv, 1.2, 90.0))


def grow_lesions(scene: LesionScene, sites: Sites, burden: Burden, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Draw a patient's lesions into the scene; the facts of those that found a place (nearly all)."""
    facts: list[dict[str, Any]] = []
    for i in range(burden.count):
        volume, suv = burden.lesion(rng)
        mass = i == 0 and burden.mass_ml is not None
        if i == 0 and burden.mass_ml is not None:
            volume = burden.mass_ml
        own = np.random.default_rng(rng.integers(2**63))
        radius = (volume * 1000 * 3 / (4 * np.pi)) ** (1 / 3)
        for _ in range(5):
            spot = sites.pick(radius, own, mass=mass)
            if spot is None:
                break
            site, centre = spot
            size = min(volume, _LARGEST_ML.get(site, 500.0 if site == "soft tissue" else 250.0))
            grown = _grow(scene, site, np.array([centre]), size, suv, ground(site, own), own, len(facts) + 1)
            if grown is not None:
                facts.append(grown)
                break
    return facts


def grow_at(
    scene: LesionScene, seeds: npt.NDArray[np.int64], burden: Burden, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Draw one lesion around every connected group of seed voxels (array index, shape (n, 3))."""
    mask = np.zeros(scene.labels.shape, np.uint8)
    mask[tuple(seeds.T)] = 1
    groups = cc3d.connected_components(mask, connectivity=26)
    facts: list[dict[str, Any]] = []
    for group in range(1, int(groups.max()) + 1):
        voxels = np.argwhere(groups == group)
        own = np.random.default_rng(rng.integers(2**63))
        volume, suv = burden.lesion(own)
        reach = np.ptp(voxels * np.array(scene.spacing[::-1]), axis=0).max() + min(scene.spacing)
        volume = max(min(volume, 4 * reach**3 / 1000), 0.2 * reach**3 / 1000)
        codes = scene.tissue[tuple(voxels.T)]
        site = site_of(int(np.bincount(codes).argmax()))
        allowed = (*ground(site, own), *(Tissue(int(c)) for c in np.unique(codes)))
        grown = _grow(scene, site, voxels, min(volume, 500.0), suv, allowed, own, len(facts) + 1)
        if grown is not None:
            facts.append(grown)
    return facts


def grow_given(
    scene: LesionScene,
    given: Sequence[tuple[npt.NDArray[np.int64], float, float, LesionLook]],
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Draw lesions of given places (array indices, shape (n, 3)), volumes (mL), mean SUVs and looks, largest first.

    Those whose place is taken or holds no tissue are left out.
    """
    facts: list[dict[str, Any]] = []
    for voxels, volume, suv, look in sorted(given, key=lambda one: -one[1]):
        own = np.random.default_rng(rng.integers(2**63))
        codes = scene.tissue[tuple(voxels.T)]
        site = site_of(int(np.bincount(codes).argmax()))
        allowed = (*ground(site, own), *(Tissue(int(c)) for c in np.unique(codes) if c))
        grown = _grow(scene, site, voxels, min(volume, 500.0), suv, allowed, own, len(facts) + 1, look)
        if grown is not None:
            facts.append(grown)
    return facts


def _grow(
    scene: LesionScene,
    site: str,
    seeds: npt.NDArray[np.int64],
    volume_ml: float,
    suv: float,
    allowed: tuple[Tissue, ...],
    rng: np.random.Generator,
    number: int,
    look: LesionLook | None = None,
) -> dict[str, Any] | None:
    """One lesion of this volume around the seed voxels, in the allowed tissues; None where there is no room."""
    step = np.array(scene.spacing[::-1])
    radius = (volume_ml * 1000 * 3 / (4 * np.pi)) ** (1 / 3)
    low = np.maximum(seeds.min(axis=0) - np.ceil(2.1 * radius / step).astype(int) - 1, 0)
    high = np.minimum(seeds.max(axis=0) + np.ceil(2.1 * radius / step).astype(int) + 2, scene.labels.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    near = ndimage.maximum_filter(scene.labels[box], size=3)
    if volume_ml > 40:
        allowed = (*allowed, *(t for t in LIVING if t not in (Tissue.LUNG, Tissue.CORTEX)))
    free = members(*allowed)[scene.tissue[box]] & (near == 0)
    centre = tuple(seeds[len(seeds) // 2] - low)
    if not free[centre]:
        return None

    fine = tuple(int(np.clip(np.ceil(3 * s / radius), 1, 4)) for s in step)
    wild = float(rng.choice((0.3, 1.0, 1.8), p=(0.35, 0.45, 0.2)))
    field = _field(scene, seeds, low, fine, radius, free.shape, rng, wild if look is None else look.wild)
    open_fine = free
    for axis, factor in enumerate(fine):
        open_fine = np.repeat(open_fine, factor, axis=axis)
    wanted = max(1, round(volume_ml * 1000 / float(np.prod(step / fine))))
    values = field[open_fine]
    level = float(np.partition(values, wanted)[wanted]) if wanted < len(values) else float(values.max())
    inside = open_fine & (field <= level)
    share = inside.reshape(
        free.shape[0], fine[0], free.shape[1], fine[1], free.shape[2], fine[2]
    ).mean(axis=(1, 3, 5), dtype=np.float32)  # fmt: skip
    count = int(np.clip(round(float(share.sum())), 1, int((share > 0).sum())))
    label = share >= np.partition(share.ravel(), -count)[-count]
    parts = cc3d.connected_components(label.astype(np.uint8), connectivity=18)
    main = int(np.bincount(parts[parts > 0]).argmax())
    label = parts == main
    share = np.where(label | ((parts == 0) & ndimage.binary_dilation(label)), share, 0)

    depth = field / max(level, 1e-6)
    depth = depth.reshape(
        free.shape[0], fine[0], free.shape[1], fine[1], free.shape[2], fine[2]
    ).mean(axis=(1, 3, 5))  # fmt: skip
    facts = _fill(scene, box, site, label, share, depth, suv, radius, rng, look)
    scene.labels[box][label] = number
    middle = np.argwhere(label).mean(axis=0) + low
    return {
        "label": number,
        "site": site,
        "volume_ml": round(float(label.sum()) * float(np.prod(step)) / 1000, 4),
        "centre": [round(float(v), 2) for v in middle[::-1]],
        **facts,
    }


def _field(
    scene: LesionScene,
    seeds: npt.NDArray[np.int64],
    low: npt.NDArray[np.int64],
    fine: tuple[int, ...],
    radius: float,
    shape: tuple[int, ...],
    rng: np.random.Generator,
    wild: float,
) -> Floats:
    """Irregular distance (in radii) from the seeds over a box sampled `fine` times as densely."""
    step = np.array(scene.spacing[::-1])
    axes = [(np.arange(n * f) + 0.5) / f - 0.5 for n, f in zip(shape, fine, strict=True)]
    z, y, x = np.meshgrid(*[(a * s).astype(np.float32) for a, s in zip(axes, step, strict=True)], indexing="ij")
    at = np.stack([z, y, x], axis=-1)
    turn = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    stretch = np.exp(rng.normal(0, 0.2 * wild, 3))
    shear = (turn * stretch / np.prod(stretch) ** (1 / 3)).astype(np.float32)
    jitter = rng.uniform(-0.4, 0.4, 3) * step
    field = np.full(z.shape, np.inf, np.float32)
    points = (seeds - low) * step
    if len(points) > 12:
        points = points[np.linspace(0, len(points) - 1, 12).astype(int)]
    for point in points:
        offset = ((at - (point + jitter)) / radius).astype(np.float32)
        np.minimum(field, np.linalg.norm(offset @ shear, axis=-1), out=field)
    lobes = int(rng.integers(0, 2 + round(2.5 * wild * np.log1p(radius / 6))))
    for _ in range(lobes):
        heading = rng.normal(size=3)
        heading *= radius * rng.uniform(0.5, 1.0) / np.linalg.norm(heading)
        point = points[int(rng.integers(len(points)))] + heading
        size = rng.uniform(0.35, 0.8)
        np.minimum(field, np.linalg.norm((at - point) / radius, axis=-1) / size, out=field)
    spacing = [float(s / f) for s, f in zip(step, fine, strict=True)]
    nz, ny, nx = field.shape
    bump = smooth_noise(rng, (nz, ny, nx), spacing, max(0.9 * radius, 4.0))
    field += np.float32(0.10 * wild) * bump
    field -= field.min()
    return field


def _fill(
    scene: LesionScene,
    box: tuple[slice, ...],
    site: str,
    label: npt.NDArray[np.bool_],
    share: Floats,
    depth: Floats,
    suv: float,
    radius: float,
    rng: np.random.Generator,
    given: LesionLook | None,
) -> dict[str, Any]:
    uptake, hu = scene.uptake[box], scene.hu[box]
    around = float(np.median(uptake[label]))
    # A reader marks what stands out from its surroundings.
    suv = max(suv, 1.35 * around + 0.6)
    recovery = _recovery(radius, scene.fwhm_mm)
    hot = min(around + (suv - around) / recovery, 3.5 * suv, 150.0)
    shape = (label.shape[0], label.shape[1], label.shape[2])
    spacing = scene.spacing[::-1]
    rough = smooth_noise(rng, shape, spacing, max(0.7 * radius, 5.0))
    texture = float(rng.uniform(0.05, 0.40))
    if given is not None:
        texture = given.texture
    value = hot * np.exp(texture * rough - texture**2 / 2)
    volume = radius**3 * 4 / 3 * np.pi / 1000
    necrotic = bool(volume > 3.0 and rng.random() < np.clip(0.15 + 0.13 * np.log(volume / 3.0), 0, 0.65))
    core = np.zeros(shape, np.float32)
    if necrotic:
        reach = float(rng.uniform(0.35, 0.8))
        other = smooth_noise(rng, shape, spacing, max(0.8 * radius, 6.0))
        core = np.clip((reach - depth + 0.14 * other) / 0.12, 0, 1).astype(np.float32)
        cold = float(rng.uniform(0.08, 0.5))
        value = value * (1 - core * (1 - cold))
    uptake += share * (value.astype(np.float32) - uptake)

    look, target = _density(scene, site, label, hu, rng)
    if target is not None:
        body = target - 22.0 * core + 6.0 * rough
        hu += share * (body.astype(np.float32) - hu)
    return {"uptake": round(hot, 3), "suv": round(suv, 3), "necrotic": necrotic, "ct": look}


def _recovery(radius: float, fwhm: float) -> float:
    """Mean recovery in a sphere after a Gaussian blur, roughly: 1 - FWHM / diameter / 1.5, at least 0.22."""
    return float(np.clip(1.0 - fwhm / (2 * radius) / 1.5, 0.22, 1.0))


def _density(
    scene: LesionScene, site: str, label: npt.NDArray[np.bool_], hu: Floats, rng: np.random.Generator
) -> tuple[str, Floats | float | None]:
    """How CT shows a lesion, and its HU (None: not at all)."""
    base = 72.0 if scene.contrast else 40.0
    if site in ("lung", "pleura"):
        if rng.random() < 0.12:
            return "ground glass", float(rng.uniform(-600, -350))
        return "nodule", float(rng.normal(base - 15, 10))
    if site == "bone":
        chances = (0.6, 0.1, 0.3) if scene.tracer == "psma" else (0.25, 0.35, 0.4)
        kind = str(rng.choice(("sclerotic", "lytic", "isodense"), p=chances))
        if kind == "sclerotic":
            return kind, np.maximum(hu, np.float32(rng.uniform(350, 900)))
        return kind, float(rng.normal(base - 5, 12)) if kind == "lytic" else None
    if site in ("liver", "spleen"):
        if rng.random() < 0.3:
            return "isodense", None
        return "hypodense", float(np.median(hu[label])) - float(rng.uniform(12, 45))
    if site == "prostate":
        return "isodense", None
    return "soft tissue", float(rng.normal(base, 12))
