"""Uptake that a reader must not take for a lesion and that only some patients have."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sam_pet.phantom.body import arm_points, spine_y
from sam_pet.phantom.frame import Patient
from sam_pet.phantom.shapes import Canvas, Point
from sam_pet.phantom.tissue import BONE, SOFT, Tissue, Tracer


def draw_benign(canvas: Canvas, patient: Patient, tracer: Tracer, rng: np.random.Generator) -> list[str]:
    """Paint brown fat, active muscles, worn joints, reactive nodes and injection sites; returns what there is."""
    found: list[str] = []
    if tracer == "fdg" and rng.random() < 0.10:
        _brown_fat(canvas, rng)
        found.append("brown fat")
    if tracer == "fdg" and rng.random() < 0.18:
        _muscles(canvas, rng)
        found.append("active muscle")
    if rng.random() < 0.55:
        _joints(canvas, rng)
        found.append("joints")
    if rng.random() < 0.30:
        _nodes(canvas, rng)
        found.append("reactive nodes")
    if rng.random() < 0.08:
        _injection(canvas, patient, rng)
        found.append("injection site")
    return found


def _injection(canvas: Canvas, patient: Patient, rng: np.random.Generator) -> None:
    arm = arm_points(int(rng.choice((-1, 1))), patient.arms)
    canvas.ellipsoid(arm[3], (5, 5, 9), Tissue.INJECTION, over=SOFT)


def _brown_fat(canvas: Canvas, rng: np.random.Generator) -> None:
    over = (Tissue.FAT, Tissue.VISCERAL_FAT, Tissue.MUSCLE)
    for side in (-1, 1):
        course = np.array([(48.0, 24, 620), (60, 22, 575), (95, 20, 548), (125, 14, 520)]) * (side, 1, 1)
        at = np.linspace(0, 3, 14)
        beads = [np.interp(at, np.arange(4), course[:, k]) + rng.normal(0, 4, 14) for k in range(3)]
        for x, y, z, radius in zip(*beads, rng.uniform(0.0, 8.0, 14), strict=True):
            size = (float(radius), float(radius), 1.4 * float(radius))
            if radius > 2:
                canvas.ellipsoid((float(x), float(y), float(z)), size, Tissue.BROWN_FAT, over=over, bump=0.3)
        for z in np.arange(300, 530, 25):
            if rng.random() < 0.6:
                spot = (side * 26.0, float(spine_y(float(z))) + 12, float(z))
                canvas.ellipsoid(spot, (5, 5, 5), Tissue.BROWN_FAT, over=over)


def _muscles(canvas: Canvas, rng: np.random.Generator) -> None:
    strips: list[list[Point]] = [
        [(52.0, -8, 645), (38.0, -38, 560)],
        [(28.0, 54, 590), (60.0, 62, 540)],
        [(45.0, 72, 250), (42.0, 78, 150)],
        [(60.0, 8, 160), (76.0, -10, 40)],
        [(95.0, 55, 60), (110.0, 30, 0)],
    ]
    for strip in strips:
        for side in (-1, 1):
            if rng.random() < 0.4:
                path: list[Point] = [(side * x, y, z) for x, y, z in strip]
                canvas.tube(path, float(rng.uniform(6, 12)), Tissue.ACTIVE_MUSCLE, over=(Tissue.MUSCLE,), bump=0.2)


def _joints(canvas: Canvas, rng: np.random.Generator) -> None:
    places: list[Point] = [
        *[(float(rng.choice((-20, 20))), float(spine_y(z)) + 24, float(z)) for z in rng.uniform(90, 640, 3)],
        *[(float(rng.choice((-18, 18))), float(spine_y(z)) - 12, float(z)) for z in rng.uniform(90, 420, 2)],
        (-162, 16, 545), (162, 16, 545), (-104, 4, 18), (104, 4, 18), (-22, -70, 538), (22, -70, 538),
    ]  # fmt: skip
    for place in places:
        if rng.random() < 0.3:
            radii = rng.uniform(4, 9, 3)
            canvas.ellipsoid(
                place,
                (float(radii[0]), float(radii[1]), float(radii[2])),
                Tissue.JOINT,
                over=(*BONE, Tissue.CARTILAGE, Tissue.MUSCLE),
                bump=0.2,
            )


def _nodes(canvas: Canvas, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, 6))):
        base = np.array(((44, 4, 615), (122, 8, 500), (72, -62, 0))[int(rng.integers(3))], float)
        base[0] *= rng.choice((-1, 1))
        spot = rng.normal(base, (8, 8, 12))
        radii = rng.uniform(3, 6, 3)
        canvas.ellipsoid(
            (float(spot[0]), float(spot[1]), float(spot[2])),
            (float(radii[0]), float(radii[1]), float(radii[2])),
            Tissue.REACTIVE_NODE,
            over=SOFT,
        )


# Each by its name, for those who draw them oftener than `draw_benign`.
BENIGN: dict[str, Callable[[Canvas, Patient, np.random.Generator], None]] = {
    "brown fat": lambda canvas, _, rng: _brown_fat(canvas, rng),
    "active muscle": lambda canvas, _, rng: _muscles(canvas, rng),
    "joints": lambda canvas, _, rng: _joints(canvas, rng),
    "reactive nodes": lambda canvas, _, rng: _nodes(canvas, rng),
    "injection site": _injection,
}
