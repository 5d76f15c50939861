"""The skeleton: cortical bone around marrow."""

from __future__ import annotations

import itertools

import numpy as np

from sam_pet.phantom.body import Profile, arm_points, spine_y
from sam_pet.phantom.frame import Patient
from sam_pet.phantom.shapes import Canvas, Point
from sam_pet.phantom.tissue import Tissue

_MARROW, _CORTEX = Tissue.MARROW, Tissue.CORTEX
# Lower edges of L5 ... L1, T12 ... T1, C7 ... C1 and the base of the skull.
_LEVELS = np.concatenate(
    [95 + 36.0 * np.arange(6), 275 + np.cumsum(np.linspace(28, 20, 12)), 563 + 16.0 * np.arange(1, 8)]
)


def draw_bones(canvas: Canvas, patient: Patient, profile: Profile, rng: np.random.Generator) -> None:
    """Paint the skeleton over body and organs' surroundings; lungs and organs are painted later around it."""
    outside = canvas.tissue == Tissue.OUTSIDE
    _draw_spine(canvas)
    _draw_ribs(canvas, profile)
    _draw_pelvis(canvas)
    _draw_long_bones(canvas, patient)
    _draw_skull(canvas)
    canvas.tissue[outside] = Tissue.OUTSIDE
    if rng.random() < 0.06:
        side = float(rng.choice((-1, 1)))
        stem: list[Point] = [(side * 88, 0, 0), (side * 118, 5, -20), (side * 108, 2, -130)]
        canvas.tube(stem, (20, 8, 6), Tissue.METAL)


def _draw_spine(canvas: Canvas) -> None:
    for i, (low, high) in enumerate(itertools.pairwise(_LEVELS)):
        mid, size = (low + high) / 2, float(np.interp(low, (95, 300, 560, 680), (25, 20, 15, 11)))
        y = float(spine_y(mid))
        disc = 3.5 if i < 6 else 2.0
        canvas.ellipsoid((0, y, mid), (size, 0.78 * size, (high - low) / 2 + 1), Tissue.CARTILAGE, power=4)
        body = (size, 0.8 * size, (high - low) / 2 - disc / 2)
        canvas.ellipsoid((0, y, mid), body, _CORTEX, power=5, core=(_MARROW, 0.90), bump=0.02)
        back, tilt = y + 0.8 * size, 6.0 if 275 < low < 500 else 0.0
        arch: list[Point] = [(-0.75 * size, back + 2, mid), (0, back + 19, mid - tilt), (0.75 * size, back + 2, mid)]
        canvas.tube(arch, 5.5, _CORTEX, core=(_MARROW, 0.6))
        spine: list[Point] = [(0, back + 18, mid - tilt), (0, back + 32, mid - 4 - 2 * tilt)]
        canvas.tube(spine, 4.5, _CORTEX, core=(_MARROW, 0.55))
        for side in (-1, 1):
            wing: list[Point] = [(side * 0.8 * size, back + 6, mid), (side * (size + 18), back + 10, mid - 2)]
            canvas.tube(wing, 4.5, _CORTEX, core=(_MARROW, 0.55))
    canal: list[Point] = [
        (0, float(spine_y(z)) + 0.8 * s + 8, z) for z, s in ((80.0, 25), (250, 22), (400, 18), (550, 15), (690, 11))
    ]
    canvas.tube(canal, 8.0, Tissue.CSF, core=(Tissue.CORD, 0.6))


def _draw_ribs(canvas: Canvas, profile: Profile) -> None:
    for number in range(1, 13):
        start = float(_LEVELS[17 - (number - 1)]) + 4
        end, drop = (28.0, 95.0) if 3 <= number <= 10 else (40.0, 45.0) if number < 3 else (95.0, 60.0)
        if number == 10:
            end = 55.0
        angles = np.linspace(168, end, 16)
        for side in (-1, 1):
            points: list[Point] = []
            for k, angle in enumerate(np.radians(angles)):
                z = start - drop * (k / 15) ** 1.2
                a, b, c = (float(np.interp(z, canvas.z, v)) for v in (profile.a, profile.b, profile.c))
                if z > 545:
                    a = min(a, 105.0)
                points.append((side * (a - 9) * np.sin(angle), c - (b - 9) * np.cos(angle), z))
            points.insert(0, (side * 24.0, float(spine_y(start)) + 18, start + 2))
            canvas.tube(points, 5.6, _CORTEX, core=(_MARROW, 0.6))
            if 3 <= number <= 9:
                tip = points[-1]
                breast: Point = (side * 14.0, tip[1] - 6, max(tip[2] + 20, 385.0))
                canvas.tube([tip, breast], 5.5, Tissue.CARTILAGE)
    front = [(float(np.interp(z, canvas.z, profile.c - profile.b)) + 11, z) for z in (535.0, 490.0, 440.0, 385.0)]
    left: list[Point] = [(-14.0, y, z) for y, z in front]
    right: list[Point] = [(14.0, y, z) for y, z in front]
    canvas.sheet(left, right, 6.0, _CORTEX, core=(_MARROW, 0.7))
    for side in (-1, 1):
        clavicle: list[Point] = [(side * 20.0, front[0][0], 540), (side * 75.0, -30, 552), (side * 150.0, 8, 560)]
        canvas.tube(clavicle, (9, 7, 7), _CORTEX, core=(_MARROW, 0.6))
        inner: list[Point] = [(side * 62.0, 92, 540), (side * 70.0, 100, 480), (side * 92.0, 96, 415)]
        outer: list[Point] = [(side * 150.0, 40, 535), (side * 140.0, 72, 480), (side * 112.0, 90, 418)]
        canvas.sheet(inner, outer, 4.0, _CORTEX, core=(_MARROW, 0.5))


def _draw_pelvis(canvas: Canvas) -> None:
    for side in (-1, 1):
        crest: list[Point] = [
            (side * x, y, z) for x, y, z in ((40.0, 78, 118), (78, 55, 150), (118, 8, 148), (126, -40, 105))
        ]
        lower: list[Point] = [
            (side * x, y, z) for x, y, z in ((48.0, 70, 70), (72, 48, 58), (88, 18, 42), (98, -22, 50))
        ]
        canvas.sheet(crest, lower, 6.5, _CORTEX, core=(_MARROW, 0.7))
        canvas.ellipsoid((side * 86.0, 5, 8), (30, 33, 33), _CORTEX, core=(_MARROW, 0.86), bump=0.05)
        ischium: list[Point] = [
            (side * 80.0, 30, -5),
            (side * 62.0, 42, -50),
            (side * 32.0, -10, -58),
            (side * 12.0, -42, -12),
        ]
        canvas.tube(ischium, (16, 17, 9, 11), _CORTEX, core=(_MARROW, 0.75))
        pubis: list[Point] = [(side * 76.0, -14, 12), (side * 12.0, -44, -4)]
        canvas.tube(pubis, (12, 11), _CORTEX, core=(_MARROW, 0.7))
        canvas.ellipsoid((side * 88.0, 2, 0), (26, 26, 26), Tissue.CARTILAGE)
        canvas.ellipsoid((side * 88.0, 2, 0), (23.5, 23.5, 23.5), _CORTEX, core=(_MARROW, 0.9))
    left: list[Point] = [(-44.0, 58, 92), (-34.0, 74, 50), (-12.0, 76, 2), (-5.0, 64, -28)]
    right: list[Point] = [(-x, y, z) for x, y, z in left]
    canvas.sheet(left, right, 13.0, _CORTEX, core=(_MARROW, 0.82))


def _draw_long_bones(canvas: Canvas, patient: Patient) -> None:
    for side in (-1, 1):
        neck: list[Point] = [(side * 92.0, 2, -4), (side * 128.0, 8, -32)]
        canvas.tube(neck, (15, 19), _CORTEX, core=(_MARROW, 0.82))
        shaft: list[Point] = [
            (side * 126.0, 8, -38),
            (side * 112.0, 2, -120),
            (side * 86.0, -4, -370),
            (side * 82.0, 0, -430),
        ]
        canvas.tube(shaft, (18, 14, 14, 30), _CORTEX, core=(_MARROW, 0.62))
        shin: list[Point] = [(side * 80.0, 0, -445), (side * 78.0, -8, -530), (side * 78.0, 0, -850)]
        canvas.tube(shin, (30, 15, 13), _CORTEX, core=(_MARROW, 0.62))
        canvas.tube([(side * 100.0, 14, -470), (side * 96.0, 10, -850)], 7, _CORTEX, core=(_MARROW, 0.5))
        canvas.tube([(side * 78.0, 12, -875), (side * 82.0, -110, -890)], (20, 9), _CORTEX, core=(_MARROW, 0.8))
        arm = arm_points(side, patient.arms)
        canvas.ellipsoid(arm[0], (23, 23, 23), _CORTEX, core=(_MARROW, 0.88))
        canvas.tube(arm[:4], (14, 11, 11, 16), _CORTEX, core=(_MARROW, 0.6))
        for shift in (-9.0, 9.0):
            bone: list[Point] = [(x + shift, y, z) for x, y, z in arm[3:5]]
            canvas.tube(bone, (9, 7), _CORTEX, core=(_MARROW, 0.55))


def _draw_skull(canvas: Canvas) -> None:
    canvas.ellipsoid((0, -2, 745), (71, 90, 87), _CORTEX, core=(Tissue.CSF, 0.925))
    canvas.ellipsoid((0, -62, 688), (44, 34, 34), _CORTEX, over=(Tissue.MUSCLE, Tissue.FAT), core=(Tissue.MUSCLE, 0.9))
    for side in (-1, 1):
        canvas.ellipsoid((side * 26.0, -66, 690), (16, 17, 18), Tissue.AIRWAY)
        canvas.ellipsoid((side * 32.0, -70, 722), (17, 17, 16), Tissue.FAT)
        canvas.ellipsoid((side * 32.0, -76, 722), (12, 12, 12), Tissue.EYE)
    canvas.ellipsoid((0, -74, 695), (10, 24, 24), Tissue.AIRWAY)
    jaw: list[Point] = [
        (x, y, z)
        for x, y, z in (
            (-54.0, -22, 690),
            (-50, -30, 648),
            (-26, -78, 634),
            (0, -90, 632),
            (26, -78, 634),
            (50, -30, 648),
            (54, -22, 690),
        )
    ]
    canvas.tube(jaw, 7.5, _CORTEX, core=(_MARROW, 0.55))
    teeth: list[Point] = [(-24.0, -66, 652), (-14, -80, 652), (14, -80, 652), (24.0, -66, 652)]
    canvas.tube(teeth, 7.0, _CORTEX)
