"""The body without its organs: outline, fat, muscles, cavities, limbs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam_pet.phantom.frame import Patient
from sam_pet.phantom.shapes import Canvas, Floats, Point, smooth_noise
from sam_pet.phantom.tissue import SOFT, Tissue

# Muscle wall of trunk and neck by height: half width, half depth, centre of depth (mm).
_WALL = np.array(
    [
        (-130, 160, 92, 5),
        (-80, 166, 98, 5),
        (0, 168, 100, 5),
        (60, 160, 98, 5),
        (110, 148, 92, 4),
        (160, 134, 85, 2),
        (210, 127, 84, 1),
        (260, 132, 90, 2),
        (320, 142, 98, 3),
        (380, 150, 103, 5),
        (440, 152, 103, 8),
        (500, 148, 97, 12),
        (540, 132, 84, 16),
        (562, 96, 70, 18),
        (585, 62, 60, 18),
        (620, 56, 57, 12),
        (665, 56, 60, 8),
    ]
)
_SPINE_Z = (-40, 0, 60, 100, 150, 220, 280, 350, 420, 500, 560, 610, 700)
_SPINE_Y = (66, 74, 72, 55, 38, 36, 42, 55, 66, 65, 48, 30, 20)


def spine_y(z: float | Floats) -> npt.NDArray[np.float64]:
    """Depth of the centres of the vertebral bodies by height (mm)."""
    return np.asarray(np.interp(np.asarray(z), _SPINE_Z, _SPINE_Y))


@dataclass(frozen=True)
class Profile:
    """Half width, half depth and centre of depth for each height of a canvas."""

    a: Floats
    b: Floats
    c: Floats

    def field(self, canvas: Canvas, power: float = 2.4) -> Floats:
        """Superellipse per slice, below 1 inside; whole canvas."""
        across = np.abs(canvas.x[None, :] / self.a[:, None]) ** power
        deep = np.abs((canvas.y[None, :] - self.c[:, None]) / self.b[:, None]) ** power
        total: Floats = deep[:, :, None] + across[:, None, :]
        return total

    def grown(self, across: npt.ArrayLike, deep: npt.ArrayLike, back: npt.ArrayLike = 0.0) -> Profile:
        return Profile(
            (self.a + np.asarray(across)).astype(np.float32),
            (self.b + np.asarray(deep)).astype(np.float32),
            (self.c + np.asarray(back)).astype(np.float32),
        )


def wall(canvas: Canvas, patient: Patient) -> Profile:
    """The muscle wall, with the belly pushed out by visceral fat."""
    a, b, c = (np.interp(canvas.z, _WALL[:, 0], _WALL[:, i]).astype(np.float32) for i in (1, 2, 3))
    belly = patient.visceral_mm * np.exp(-(((canvas.z - 200) / 110.0) ** 2))
    return Profile(a, b, c).grown(0.5 * belly, 0.5 * belly, -0.5 * belly)


def draw_body(canvas: Canvas, patient: Patient, profile: Profile, rng: np.random.Generator) -> None:
    """Outline, limbs, fat and muscle, thorax and belly, round the muscle wall `profile`."""
    fat = patient.fat_mm
    trunk = (canvas.z > -48) & (canvas.z < 668)
    hips = 1.0 + (0.8 if patient.sex == "F" else 0.35) * np.exp(-(((canvas.z - 20) / 110.0) ** 2))
    neck = np.interp(canvas.z, (540, 600), (1.0, 0.45))
    layer = fat * hips * neck
    if trunk.any():
        low, high = int(np.flatnonzero(trunk)[0]), int(np.flatnonzero(trunk)[-1]) + 1
        part = Canvas(canvas.x, canvas.y, canvas.z[low:high], canvas.bump[low:high], canvas.tissue[low:high])
        rows = slice(low, high)
        whole = (slice(None), slice(None), slice(None))
        cut = Profile(profile.a[rows], profile.b[rows], profile.c[rows])
        skin = cut.grown(layer[rows] + 2.0, layer[rows] + 2.0)
        wobble = 0.03 * part.bump
        part.paint(whole, skin.field(part) < 1.0, Tissue.SKIN)
        part.paint(whole, cut.grown(layer[rows], layer[rows]).field(part) < 1.0, Tissue.FAT)
        part.paint(whole, cut.field(part) + wobble < 1.0, Tissue.MUSCLE)
    _draw_limbs(canvas, patient, rng)
    _draw_head(canvas, patient)
    if patient.sex == "F":
        size = float(rng.uniform(0.75, 1.3))
        for side in (-1, 1):
            depth = float(np.interp(430, canvas.z, profile.c - profile.b - layer))
            centre = (side * 78.0, depth + 8.0, 425.0)
            radii = (58 * size, 42 * size, 55 * size)
            canvas.ellipsoid(centre, radii, Tissue.FAT, over=(Tissue.OUTSIDE, Tissue.SKIN), bump=0.05)
            inner = (38 * size, 30 * size, 38 * size)
            canvas.ellipsoid(centre, inner, Tissue.BREAST, over=(Tissue.FAT,), bump=0.25)
    _draw_cavities(canvas, profile)
    _draw_fascia(canvas, patient, rng)


def _draw_fascia(canvas: Canvas, patient: Patient, rng: np.random.Generator) -> None:
    """Sheets of fat between the muscles, along their length: the level sets of a noise stretched along z."""
    dz, dy, dx = (float(axis[-1] - axis[0]) / (len(axis) - 1) for axis in (canvas.z, canvas.y, canvas.x))
    n = canvas.tissue.shape
    planes = smooth_noise(rng, (n[0], n[1], n[2]), (dz / 5.0, dy, dx), 32.0)
    width = np.float32(0.025 + 0.004 * min(patient.fat_mm, 30.0))
    canvas.tissue[(np.abs(planes) < width) & (canvas.tissue == Tissue.MUSCLE)] = Tissue.FAT


def _draw_cavities(canvas: Canvas, profile: Profile) -> None:
    across = -np.interp(canvas.z, (20, 60, 100, 140, 180, 330, 360, 560), (112, 98, 62, 30, 18, 18, 15, 20))
    deep = -np.interp(canvas.z, (20, 100, 180, 330, 360, 560), (38, 28, 17, 17, 15, 18))
    inner = profile.grown(across, deep, -3.0)
    rows = np.flatnonzero((canvas.z > 0) & (canvas.z < 575))
    if not len(rows):
        return
    low, high = int(rows[0]), int(rows[-1]) + 1
    cut = Profile(*(np.maximum(v[low:high], m) for v, m in ((inner.a, 5), (inner.b, 5), (inner.c, -999))))
    part = Canvas(canvas.x, canvas.y, canvas.z[low:high], canvas.bump[low:high], canvas.tissue[low:high])
    whole = (slice(None), slice(None), slice(None))
    part.paint(whole, cut.field(part, 2.1) + 0.03 * part.bump < 1.0, Tissue.VISCERAL_FAT, (Tissue.MUSCLE,))
    for side in (-1, 1):
        back: list[Point] = [(side * 34.0, float(spine_y(z)) + 36, z) for z in (80.0, 160, 240, 320, 400, 480)]
        canvas.tube(back, (26, 27, 24, 20, 18, 16), Tissue.MUSCLE, over=(Tissue.VISCERAL_FAT,))
        psoas: list[Point] = [
            (side * x, y, z) for x, y, z in ((30.0, 30, 265), (42, 26, 190), (58, 8, 110), (78, -12, 30))
        ]
        canvas.tube(psoas, (8, 19, 22, 17), Tissue.MUSCLE, over=SOFT)


def _draw_limbs(canvas: Canvas, patient: Patient, rng: np.random.Generator) -> None:
    fat = patient.fat_mm
    for side in (-1, 1):
        legs: list[Point] = [
            (side * x, y, z)
            for x, y, z in ((92.0, 8, 20), (92, 5, -90), (88, 0, -250), (82, -2, -420), (80, 12, -540), (78, 6, -850))
        ]
        radii = np.array((70.0, 70, 62, 46, 46, 28))
        _layers(canvas, legs, radii, fat * np.array((1.0, 0.9, 0.7, 0.4, 0.4, 0.2)))
        feet: list[Point] = [(side * 78.0, 10, -850), (side * 82.0, -130, -890)]
        _layers(canvas, feet, np.array((32.0, 20)), np.full(2, 0.1 * fat))
        lift = float(rng.normal(0, 12))
        arm = arm_points(side, patient.arms, lift)
        _layers(canvas, arm, np.array((44.0, 36, 29, 30, 21, 15)), 0.45 * fat * np.array((1, 1, 0.7, 0.6, 0.3, 0.1)))
        shoulder = (side * 140.0, 18.0, 520.0)
        canvas.ellipsoid(shoulder, (62 + 0.5 * fat, 50 + 0.5 * fat, 52), Tissue.FAT, over=(Tissue.OUTSIDE, Tissue.SKIN))
        canvas.ellipsoid(shoulder, (60, 48, 50), Tissue.MUSCLE, over=(Tissue.FAT, Tissue.SKIN), bump=0.08)


def arm_points(side: int, arms: str, lift: float = 0.0) -> list[Point]:
    """Shoulder, two points of the upper arm, elbow, wrist, finger tips."""
    if arms == "up":
        path = ((168, 12, 540), (196, -6, 640), (222, -20, 742), (240, -25, 790), (150, -45, 920), (80, -50, 985))
    else:
        path = ((172, 18, 535), (205, 24, 430), (228, 32, 320), (236, 30, 265), (238, -10, 60), (226, -30, -60))
    return [(side * float(x) + lift * (i / 5), float(y), float(z)) for i, (x, y, z) in enumerate(path)]


def _layers(canvas: Canvas, points: list[Point], radii: npt.NDArray[np.float64], fat: npt.NDArray[np.float64]) -> None:
    empty = (Tissue.OUTSIDE, Tissue.SKIN)
    canvas.tube(points, [*(radii + fat + 2.0)], Tissue.SKIN, over=(Tissue.OUTSIDE,))
    canvas.tube(points, [*(radii + fat)], Tissue.FAT, over=empty)
    canvas.tube(points, [*radii], Tissue.MUSCLE, over=(*empty, Tissue.FAT), bump=0.05)


def _draw_head(canvas: Canvas, patient: Patient) -> None:
    fat = 0.12 * patient.fat_mm
    for centre, radii, turn in (
        ((0.0, -2.0, 745.0), (77.0, 96.0, 93.0), (0.0, 0.0, 0.0)),
        ((0.0, -42.0, 685.0), (62.0, 58.0, 78.0), (12.0, 0.0, 0.0)),
        ((0.0, -98.0, 690.0), (13.0, 20.0, 16.0), (0.0, 0.0, 0.0)),
    ):
        outer = (radii[0] + fat + 2, radii[1] + fat + 2, radii[2] + fat + 2)
        canvas.ellipsoid(centre, outer, Tissue.SKIN, over=(Tissue.OUTSIDE,), turn=turn)
    for centre, radii in (((0.0, -2.0, 745.0), (77.0, 96.0, 93.0)), ((0.0, -42.0, 685.0), (60.0, 56.0, 76.0))):
        canvas.ellipsoid(centre, radii, Tissue.MUSCLE, over=(Tissue.OUTSIDE, Tissue.SKIN, Tissue.FAT))
        canvas.ellipsoid(centre, radii, Tissue.FAT, over=(Tissue.MUSCLE,), bump=0.0, core=(Tissue.MUSCLE, 0.94))
