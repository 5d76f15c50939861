"""Grids of the challenge, the patient, and how a grid maps to body coordinates."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from sam_pet.errors import InputError
from sam_pet.geometry import AxialOrder, Grid
from sam_pet.phantom.shapes import Floats
from sam_pet.phantom.tissue import Tracer
from sam_pet.sanity import UnsoundError, require_size, require_spacing

# Stored as autoPET's NIfTI files are: y runs to the front.
DIRECTION = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
HEAD_TOP, FEET = 838.0, -905.0
_GRIDS: dict[Tracer, tuple[tuple[float, int, float, tuple[int, ...]], ...]] = {
    "fdg": ((2.0364, 400, 3.0, (326, 326, 326, 284, 297)),),
    "psma": (
        (4.0728, 200, 2.0, (448, 448, 435, 403, 963)),
        (4.0728, 168, 5.0, (195, 195, 165)),
        (2.7344, 256, 3.27, (263, 299)),
    ),
}


def parse_grid(text: str) -> Grid:
    """A grid from "400x400x326@2.04x2.04x3": voxels, then mm; its origin is chosen with the patient.

    Raises:
        InputError: the text is not of that form.

    Examples:
        >>> from sam_pet.phantom.frame import parse_grid
        >>> parse_grid("60x60x90@8x8x11").spacing
        (8.0, 8.0, 11.0)
    """
    number = r"(\d+(?:\.\d+)?)"
    match = re.fullmatch(r"(\d+)x(\d+)x(\d+)@" + "x".join([number] * 3), text.strip())
    if match is None:
        raise InputError(f"grid: {text!r} is not of the form 400x400x326@2.04x2.04x3 (voxels @ mm); write it so")
    nx, ny, nz = (int(g) for g in match.groups()[:3])
    sx, sy, sz = (float(g) for g in match.groups()[3:])
    if min(nx, ny, nz) < 4 or min(sx, sy, sz) <= 0:
        raise InputError(f"grid: {text!r} needs at least 4 voxels along each axis and spacings above 0")
    try:
        require_size((nx, ny, nz))
        require_spacing((sx, sy, sz), (nx, ny, nz))
    except UnsoundError as error:
        raise InputError(f"grid: {text!r} {error}") from error
    return Grid((nx, ny, nz), (sx, sy, sz), direction=DIRECTION)


def challenge_grid(tracer: Tracer, rng: np.random.Generator) -> Grid:
    """One of the challenge's grids; 400 x 400 x 326 at 2.04 x 2.04 x 3 mm is the commonest for FDG."""
    options = _GRIDS[tracer]
    step, count, thickness, slices = options[int(rng.choice(len(options), p=_shares(len(options))))]
    return Grid(
        (count, count, int(rng.choice(slices))),
        (step, step, thickness),
        (-step * count / 2, float(rng.uniform(180, 260)), float(rng.uniform(-1700, -200))),
        DIRECTION,
    )


def _shares(n: int) -> list[float]:
    return [1.0] if n == 1 else [0.5, 0.2, 0.3]


@dataclass(frozen=True)
class Patient:
    """Body measures; `scale` (x, y, z) is relative to the standard adult, fat in mm."""

    sex: str
    height_cm: float
    weight_kg: float
    scale: tuple[float, float, float]
    fat_mm: float
    visceral_mm: float
    arms: str
    contrast: bool

    @classmethod
    def draw(cls, tracer: Tracer, rng: np.random.Generator) -> Patient:
        female = bool(tracer == "fdg" and rng.random() < 0.45)
        height = float(np.clip(rng.normal(164 if female else 177, 7), 145, 200))
        bmi = float(np.clip(24.0 * np.exp(rng.normal(0.06, 0.17)), 16.5, 42.0))
        girth = float(np.clip(rng.normal(0.96 if female else 1.02, 0.04), 0.86, 1.14))
        return cls(
            sex="F" if female else "M",
            height_cm=round(height, 1),
            weight_kg=round(bmi * (height / 100) ** 2, 1),
            scale=(girth, girth * float(rng.normal(1.0, 0.03)), height / 175.0),
            fat_mm=float(np.clip(3.0 + (bmi - 17.0) * (1.45 if female else 1.1) * rng.uniform(0.8, 1.2), 3, 45)),
            visceral_mm=float(np.clip((bmi - 21.0) * (1.6 if female else 2.6) * rng.uniform(0.6, 1.4), -8, 60)),
            arms="up" if rng.random() < 0.78 else "down",
            contrast=bool(rng.random() < 0.75),
        )


@dataclass(frozen=True)
class Frame:
    """Body coordinates (mm, ascending) of the voxels along each axis of the axial view of a grid."""

    x: Floats
    y: Floats
    z: Floats
    spacing: tuple[float, float, float]

    def index(self, point: tuple[float, float, float]) -> tuple[int, int, int]:
        """The nearest axial array index (z, y, x) of a body point; may lie outside the grid."""
        found = []
        for axis, value in zip((self.z, self.y, self.x), point[::-1], strict=True):
            step = float(axis[-1] - axis[0]) / (len(axis) - 1)
            if axis[0] <= value <= axis[-1]:
                found.append(int(np.abs(axis - value).argmin()))
            else:
                edge, base = (axis[0], 0) if value < axis[0] else (axis[-1], len(axis) - 1)
                found.append(base + round(float(value - edge) / step))
        return found[0], found[1], found[2]


def place(grid: Grid, patient: Patient, rng: np.random.Generator) -> Frame:
    """Put the patient on the table: centred in the plane, from mid-thigh upwards where the grid is long enough."""
    order = AxialOrder.of(grid)
    spacing = order.spacing(grid)
    size = [grid.size[a] for a in order.axes]
    length = size[2] * spacing[2]
    sz = patient.scale[2]
    jitter, low, centre = rng.normal(0, 6, 2), rng.uniform(-180, -95), rng.uniform(180, 380)
    if length >= 1500:
        bottom = (HEAD_TOP + FEET) / 2 * sz - length / 2
    elif length >= 600:
        bottom = min(low * sz, HEAD_TOP * sz + 60 - length)
    else:
        bottom = centre * sz - length / 2
    starts = (
        -(size[0] - 1) * spacing[0] / 2 + jitter[0],
        -(size[1] - 1) * spacing[1] / 2 + jitter[1],
        bottom,
    )
    axes = [
        ((start + np.arange(n) * s) / k).astype(np.float32)
        for start, n, s, k in zip(starts, size, spacing, patient.scale, strict=True)
    ]
    return Frame(axes[0], axes[1], axes[2], spacing)
