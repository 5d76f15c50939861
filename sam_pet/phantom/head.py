"""The organs of head and neck."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from sam_pet.phantom.body import Profile
from sam_pet.phantom.frame import Patient
from sam_pet.phantom.shapes import Canvas, Point, near, sized
from sam_pet.phantom.tissue import BONE, SOFT, Tissue, Tracer


def draw_head(
    canvas: Canvas,
    patient: Patient,
    profile: Profile,
    tracer: Tracer,
    rng: np.random.Generator,
    mapped: Collection[Tissue],
) -> None:
    """Paint brain, glands, mucosa and thyroid but those that are `mapped`."""
    del patient, profile, tracer
    inside = (Tissue.CSF,)
    face = (*SOFT, Tissue.SKIN, Tissue.OUTSIDE)
    if Tissue.BRAIN not in mapped:
        for side in (-1, 1):
            canvas.ellipsoid(
                (side * 32.0, -3, 756),
                (31, 79, 64),
                Tissue.BRAIN,
                over=inside,
                bump=0.06,
                core=(Tissue.WHITE_MATTER, 0.70),
            )
            canvas.ellipsoid((side * 25.0, 44, 696), (27, 29, 22), Tissue.BRAIN, over=inside, bump=0.05)
        canvas.tube([(0, 18, 735), (0, 22, 700), (0, 22, 668)], (14, 12, 8), Tissue.WHITE_MATTER, over=(*inside, *SOFT))
        draw_deep_brain(canvas, (0.0, -3.0, 752.0), 1.0)
    for side in (-1, 1):
        if Tissue.SALIVARY not in mapped:
            canvas.ellipsoid(
                near(rng, (side * 60.0, -2, 668), 2),
                sized(rng, (10, 17, 23), 0.15),
                Tissue.SALIVARY,
                over=face,
                bump=0.1,
            )
            canvas.ellipsoid(
                near(rng, (side * 28.0, -34, 626), 2),
                sized(rng, (10, 16, 11), 0.15),
                Tissue.SALIVARY,
                over=face,
                bump=0.1,
            )
        canvas.ellipsoid(near(rng, (side * 11.0, -60, 638), 2), (6, 12, 5), Tissue.SALIVARY, over=face)
        canvas.ellipsoid(
            (side * 46.0, -66, 730),
            sized(rng, (5, 7, 6), 0.15),
            Tissue.LACRIMAL,
            over=(Tissue.FAT, Tissue.MUSCLE, *BONE),
        )
        canvas.ellipsoid(near(rng, (side * 17.0, -24, 660), 2), sized(rng, (6, 8, 11), 0.2), Tissue.MUCOSA, over=face)
        canvas.ellipsoid(
            near(rng, (side * 19.0, -14, 580), 2),
            sized(rng, (8, 9, 21), 0.15),
            Tissue.THYROID,
            over=(*face, Tissue.BLOOD),
        )
    canvas.ellipsoid((0, -30, 680), (17, 6, 9), Tissue.MUCOSA, over=face)
    canvas.ellipsoid((0, -44, 652), (20, 24, 18), Tissue.MUSCLE, over=face)
    canvas.tube([(0, -24, 660), (0, -20, 625), (0, -17, 605)], (7, 8, 8), Tissue.AIRWAY, over=face)
    canvas.tube([(-12, -8, 608), (0, -26, 606), (12, -8, 608)], 5.0, Tissue.LARYNX, over=(*face, Tissue.AIRWAY))


def draw_deep_brain(canvas: Canvas, centre: Point, size: float) -> None:
    """Basal ganglia and ventricles inside the white matter."""
    x, y, z = centre
    for side in (-1, 1):
        canvas.ellipsoid((x + side * 24 * size, y - 8, z - 12), (9, 22, 14), Tissue.BRAIN, over=(Tissue.WHITE_MATTER,))
        canvas.ellipsoid((x + side * 11 * size, y + 12, z - 10), (9, 13, 10), Tissue.BRAIN, over=(Tissue.WHITE_MATTER,))
        canvas.ellipsoid((x + side * 9 * size, y, z + 10), (5, 30, 10), Tissue.CSF, over=(Tissue.WHITE_MATTER,))
