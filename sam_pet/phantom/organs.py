"""The organs, each drawn where it usually lies with a patient's own size, position and shape."""

from __future__ import annotations

import itertools
from collections.abc import Collection

import numpy as np

from sam_pet.phantom.body import Profile, spine_y
from sam_pet.phantom.frame import Patient
from sam_pet.phantom.head import draw_head
from sam_pet.phantom.shapes import Canvas, Floats, Point, near, sized
from sam_pet.phantom.tissue import SOFT, Tissue, Tracer

_CAVITY = (Tissue.VISCERAL_FAT,)
_BELLY = (Tissue.VISCERAL_FAT, Tissue.FAT)


def draw_organs(
    canvas: Canvas,
    patient: Patient,
    profile: Profile,
    tracer: Tracer,
    rng: np.random.Generator,
    mapped: Collection[Tissue] = (),
) -> None:
    """Paint every organ but the `mapped` ones, which a real organ map will supply."""
    for draw in (_thorax, _abdomen, _bowel, _pelvis, draw_head):
        draw(canvas, patient, profile, tracer, np.random.default_rng(rng.integers(2**63)), mapped)


def dome(canvas: Canvas, height: tuple[float, float]) -> Floats:
    """Height (mm) of the diaphragm over the plane, [y, x]; `height` of its right and left tops."""
    x, y = canvas.x[None, :], canvas.y[:, None]
    top = np.where(x < 0, height[0], height[1])
    side = (np.abs(x) - 70.0) / 80.0
    slope = np.where(y > -10, 105.0 * ((y + 10) / 100.0) ** 2, 40.0 * ((y + 10) / 90.0) ** 2)
    surface: Floats = (top - 48.0 * side**2 - slope).astype(np.float32)
    return surface


def _thorax(
    canvas: Canvas,
    patient: Patient,
    profile: Profile,
    tracer: Tracer,
    rng: np.random.Generator,
    mapped: Collection[Tissue],
) -> None:
    del patient, profile, tracer
    tops = (float(rng.normal(380, 10)), float(rng.normal(366, 10)))
    turn = float(rng.normal(0, 8))
    heart = near(rng, (26, -30, 416), 4)
    size = float(np.exp(rng.normal(0.0, 0.08)))
    if Tissue.LUNG not in mapped:
        box = canvas.box((-200, -150, 240), (200, 150, 578))
        if box is not None:
            x, y, z = canvas.mesh(box)
            middle = ((np.abs(x) / 36.0) ** 2 + ((y - 15) / np.where(y < 15, 78, 40)) ** 2) < 1.0
            spine = (np.abs(x) / 27.0) ** 2 + ((y - spine_y(z).astype(np.float32) - 4) / 30.0) ** 2 < 1.0
            above = z > dome(canvas, tops)[box[1], box[2]][None] + 4 * canvas.bump[box]
            apex = (np.abs(x) - 55) ** 2 / 52.0**2 + (z - 500) ** 2 / 74.0**2
            apex = np.where(z > 500, apex, 0.0) < 1.0
            free = canvas.tissue[box] == Tissue.VISCERAL_FAT
            canvas.paint(box, free & above & apex & ~middle & ~spine, Tissue.LUNG)
            canvas.paint(
                box, free & ~above & (z > dome(canvas, tops)[box[1], box[2]][None] - 4), Tissue.MUSCLE, _CAVITY
            )
    chest = (Tissue.LUNG, Tissue.VISCERAL_FAT, Tissue.MUSCLE)
    if Tissue.HEART not in mapped:
        canvas.ellipsoid(heart, (62 * size, 46 * size, 58 * size), Tissue.VISCERAL_FAT, over=chest, turn=(0, 20, turn))
        draw_chambers(canvas, heart, size, turn, rng)
    aorta: list[Point] = [
        (6, -18, 445), (-18, -22, 485), (-10, -8, 515), (12, 22, 522), (22, 40, 505), (24, 48, 440), (14, 44, 340),
        (6, 14, 270), (4, 10, 160),
    ]  # fmt: skip
    width = float(np.exp(rng.normal(0, 0.12)))
    soft = (*chest, Tissue.LUNG, Tissue.BLOOD, Tissue.FAT)
    canvas.tube(aorta, [w * width for w in (16, 16, 14, 12.5, 12, 12, 11.5, 10, 8)], Tissue.BLOOD, over=soft)
    cava: list[Point] = [(-24, -10, 545), (-26, -8, 440), (-26, 10, 370), (-20, 20, 280), (-16, 16, 160)]
    canvas.tube(cava, (10, 11, 13, 12, 10), Tissue.BLOOD, over=soft)
    canvas.tube([(0, -20, 455), (0, -2, 478), (34, 8, 472)], (14, 12, 8), Tissue.BLOOD, over=soft)
    canvas.tube([(0, -2, 476), (-38, 6, 466)], (11, 8), Tissue.BLOOD, over=soft)
    for side in (-1, 1):
        iliac: list[Point] = [
            (side * 3.0, 12, 160),
            (side * 34.0, 22, 105),
            (side * 62.0, -8, 60),
            (side * 78.0, -46, 5),
            (side * 84.0, -28, -150),
        ]
        canvas.tube(iliac, (7.5, 6.5, 6, 5.5, 4.5), Tissue.BLOOD, over=(*SOFT, Tissue.BLOOD))
        neck: list[Point] = [(side * 14.0, -8, 520), (side * 34.0, -2, 560), (side * 36.0, 2, 650)]
        canvas.tube(neck, (6, 5.5, 5.5), Tissue.BLOOD, over=soft)
        arm: list[Point] = [(side * 30.0, 0, 540), (side * 90.0, -5, 545), (side * 150.0, 10, 525)]
        canvas.tube(arm, (6, 5, 4.5), Tissue.BLOOD, over=(*SOFT, Tissue.LUNG))
        for level, reach in ((486, 70), (462, 85), (440, 75), (425, 60)):
            for k in range(3):
                ends = rng.normal((side * reach, 25 - 30 * k + 10, level + 25 - 22 * k), 12)
                vessel: list[Point] = [(side * 32.0, 8, level), (float(ends[0]), float(ends[1]), float(ends[2]))]
                canvas.tube(vessel, (5.0, 2.0), Tissue.BLOOD, over=(Tissue.LUNG,))
    trachea: list[Point] = [(0, -16, 610), (0, 2, 560), (0, 14, 496)]
    canvas.tube(trachea, 9.0, Tissue.AIRWAY, over=soft)
    for side, low in ((-1, 474), (1, 468)):
        canvas.tube(
            [(0, 14, 496), (side * 30.0, 16, low), (side * 50.0, 20, low - 20)], (7, 6, 4), Tissue.AIRWAY, over=soft
        )
    gullet: list[Point] = [(2, 20, 590), (4, 30, 500), (10, 30, 400), (22, 10, 365)]
    canvas.tube(gullet, 7.0, Tissue.OESOPHAGUS, over=chest)
    if rng.random() < 0.25:
        for _ in range(int(rng.integers(1, 5))):
            spot = near(rng, (float(rng.choice((-36, 36, -14, 14))), 14, 478), 8)
            canvas.ellipsoid(spot, sized(rng, (6, 5, 8), 0.2), Tissue.REACTIVE_NODE, over=chest)


def draw_chambers(canvas: Canvas, heart: Point, size: float, turn: float, rng: np.random.Generator) -> None:
    """Chambers of blood and the wall of the left ventricle, thicker in some than in others."""
    x, y, z = heart
    chest = (Tissue.LUNG, Tissue.VISCERAL_FAT, Tissue.MUSCLE, Tissue.HEART)
    canvas.ellipsoid(
        (x - 34 * size, y + 2, z + 14), (26 * size, 30 * size, 34 * size), Tissue.BLOOD, over=chest, bump=0.06
    )
    canvas.ellipsoid(
        (x - 6 * size, y + 30, z + 22), (34 * size, 18 * size, 22 * size), Tissue.BLOOD, over=chest, bump=0.06
    )
    canvas.ellipsoid(
        (x - 14 * size, y - 18, z - 6),
        (34 * size, 24 * size, 40 * size),
        Tissue.BLOOD,
        over=chest,
        turn=(0, 20, turn),
        bump=0.06,
    )
    thick = float(rng.uniform(0.58, 0.74))
    canvas.ellipsoid(
        (x + 22 * size, y + 2, z - 4),
        (33 * size, 31 * size, 46 * size),
        Tissue.HEART,
        over=(*chest, Tissue.BLOOD),
        turn=(28, -42, turn),
        bump=0.04,
        core=(Tissue.BLOOD, thick),
    )
    canvas.ellipsoid((x + 4 * size, y + 14, z + 20), (17, 14, 16), Tissue.BLOOD, over=(Tissue.HEART,))


def _abdomen(
    canvas: Canvas,
    patient: Patient,
    profile: Profile,
    tracer: Tracer,
    rng: np.random.Generator,
    mapped: Collection[Tissue],
) -> None:
    del patient, profile
    free = (Tissue.VISCERAL_FAT, Tissue.MUSCLE) if Tissue.LUNG in mapped else _CAVITY
    if Tissue.LIVER not in mapped:
        low = float(rng.normal(0, 14))
        left = sized(rng, (78, 42, 36), 0.15)
        canvas.ellipsoid(near(rng, (12, -42, 338), 6), left, Tissue.LIVER, over=free, turn=(0, 14, 0), bump=0.05)
        right = sized(rng, (86, 92, 92), 0.07)
        canvas.ellipsoid(
            near(rng, (-72, -2, 306 + 0.5 * low), 5),
            right,
            Tissue.LIVER,
            over=free,
            turn=(0, 18, 12),
            bump=0.05,
            power=2.4,
        )
    if Tissue.SPLEEN not in mapped:
        radii = sized(rng, (30, 44, 52), 0.14)
        canvas.ellipsoid(near(rng, (112, 44, 330), 5), radii, Tissue.SPLEEN, over=free, turn=(20, -18, -25), bump=0.06)
    if Tissue.STOMACH not in mapped:
        fill = float(rng.uniform(0.7, 1.15))
        path: list[Point] = [
            (62, 12, 355),
            (78, -2, 330),
            (72, -32, 292),
            (40, -54, 262),
            (4, -48, 262),
            (-18, -36, 275),
        ]
        path = [near(rng, p, 5) for p in path]
        canvas.tube(
            path,
            [fill * r for r in (22, 32, 30, 24, 17, 11)],
            Tissue.STOMACH,
            over=free,
            bump=0.08,
            core=(Tissue.CONTENTS, 0.72),
        )
        canvas.ellipsoid(
            (path[1][0], path[1][1] - 18, path[1][2] + 8), (17, 10, 15), Tissue.GAS, over=(Tissue.CONTENTS,)
        )
    canvas.tube(
        [near(rng, p, 4) for p in ((-20.0, -20, 268), (8.0, -18, 272), (45.0, 0, 285), (85.0, 20, 305))],
        (15, 10, 10, 9),
        Tissue.PANCREAS,
        over=free,
        bump=0.15,
    )
    c_loop: list[Point] = [
        (-18, -34, 275),
        (-42, -14, 268),
        (-46, -4, 235),
        (-30, 0, 205),
        (8, -6, 205),
        (30, -14, 232),
    ]
    canvas.tube([near(rng, p, 4) for p in c_loop], 12.0, Tissue.DUODENUM, over=(*free, Tissue.PANCREAS), bump=0.15)
    canvas.ellipsoid(
        near(rng, (-62, -55, 262), 6), sized(rng, (16, 20, 26), 0.2), Tissue.GALLBLADDER, over=(*free, Tissue.LIVER)
    )
    for side in (-1, 1):
        centre = near(rng, (side * 66.0, 40, 262 if side < 0 else 274), 6)
        if Tissue.KIDNEY not in mapped:
            radii = sized(rng, (28, 27, 56), 0.09)
            over = (*free, Tissue.MUSCLE, Tissue.LIVER, Tissue.SPLEEN)
            turn = (12.0, side * 12.0, side * -28.0)
            canvas.ellipsoid(centre, radii, Tissue.KIDNEY, over=over, turn=turn, bump=0.04)
            sinus = (centre[0] - side * 11, centre[1] - 4, centre[2])
            canvas.ellipsoid(
                sinus,
                (0.5 * radii[0], 0.44 * radii[1], 0.6 * radii[2]),
                Tissue.VISCERAL_FAT,
                over=(Tissue.KIDNEY,),
                turn=turn,
                bump=0.2,
            )
            draw_urine(canvas, sinus, side, 1.0, rng)
            if rng.random() < 0.12:
                cyst = (centre[0] + side * 20, centre[1], centre[2] + float(rng.uniform(-40, 40)))
                canvas.ellipsoid(cyst, sized(rng, (14, 14, 14), 0.35), Tissue.CSF, over=(*over, Tissue.KIDNEY))
        gland: list[Point] = [(side * 38.0, 32, 318), (side * 44.0, 30, 330), (side * 52.0, 40, 316)]
        canvas.tube(gland, 3.5, Tissue.ADRENAL, over=(*free, Tissue.FAT))
        if tracer == "psma":
            ganglion: list[Point] = [(side * 20.0, 8, 302), (side * 26.0, 14, 290)]
            canvas.tube(ganglion, 3.0, Tissue.GANGLION, over=SOFT)


def draw_urine(canvas: Canvas, sinus: Point, side: int, size: float, rng: np.random.Generator) -> None:
    """Renal pelvis with calyces, and the stretches of the ureter that hold urine when the scan is taken."""
    x, y, z = sinus
    inside = (Tissue.VISCERAL_FAT, Tissue.KIDNEY)
    wide = float(np.exp(rng.normal(0, 0.3))) * size
    canvas.ellipsoid((x - side * 4, y, z), (6 * wide, 6 * wide, 11 * wide), Tissue.URINE, over=inside)
    for dz in (-22.0, 0.0, 22.0):
        tip = near(rng, (x + side * 8, y, z + dz * size), 2)
        canvas.tube([(x - side * 2, y, z + 0.3 * dz), tip], (3.0, 4.5 * wide), Tissue.URINE, over=inside)
    path: list[Point] = [
        (x - side * 6, y, z - 8),
        (side * 40.0, 22, 215),
        (side * 38.0, 4, 150),
        (side * 52.0, 22, 80),
        (side * 30.0, 12, 38),
    ]
    fine = [
        tuple(np.array(a) + t * np.subtract(b, a)) for a, b in itertools.pairwise(path) for t in np.linspace(0, 1, 6)
    ]
    for i in range(len(fine) - 1):
        if rng.random() < 0.42:
            canvas.tube(fine[i : i + 2], float(rng.uniform(1.5, 2.8)), Tissue.URINE, over=(*SOFT, Tissue.BLOOD))


def _walk(rng: np.random.Generator, start: Point, low: Point, high: Point, steps: int, stride: float) -> list[Point]:
    at, heading = np.array(start), rng.normal(size=3)
    points = [start]
    for _ in range(steps):
        heading = 0.55 * heading / np.linalg.norm(heading) + 0.6 * rng.normal(size=3)
        at = at + stride * heading / np.linalg.norm(heading)
        outside = (at < low) | (at > high)
        heading = np.where(outside, -heading, heading)
        at = np.clip(at, low, high)
        points.append((float(at[0]), float(at[1]), float(at[2])))
    return points


def _bowel(
    canvas: Canvas,
    patient: Patient,
    profile: Profile,
    tracer: Tracer,
    rng: np.random.Generator,
    mapped: Collection[Tissue],
) -> None:
    del tracer, mapped
    front = float(np.interp(180, canvas.z, profile.c - profile.b)) + 26
    spread = 0.4 * max(patient.visceral_mm, 0.0)
    for tissue, start, low, high, steps in (
        (Tissue.JEJUNUM, (35.0, -30.0, 230.0), (0.0, front, 130.0), (92.0 + spread, 8.0, 250.0), 60),
        (Tissue.ILEUM, (0.0, -30.0, 130.0), (-72.0 - spread, front, 62.0), (70.0 + spread, 10.0, 170.0), 60),
    ):
        path = _walk(rng, start, low, high, steps, 15.0)
        radii = rng.uniform(8.5, 13.0, len(path))
        canvas.tube(path, [*radii], tissue, over=_CAVITY, bump=0.1, core=(Tissue.CONTENTS, 0.55))
    frame: list[Point] = [
        (-92, -10, 100), (-100, 4, 160), (-102, 10, 225), (-88, -20, 252), (-45, front + 8, 228), (0, front, 205),
        (45, front + 8, 232), (95, 0, 290), (108, 22, 240), (106, 20, 170), (96, 12, 115), (60, 0, 85),
        (28, -10, 95), (5, 25, 85), (0, 52, 45), (0, 50, -15),
    ]  # fmt: skip
    path = [(0.85 * p[0] * (1 + spread / 110), p[1], p[2]) for p in (near(rng, q, 7) for q in frame)]
    radii = rng.uniform(13, 24, len(path))
    radii[-2:] = (16, 11)
    canvas.tube(path, [*radii], Tissue.COLON, over=(*_BELLY,), bump=0.14, core=(Tissue.CONTENTS, 0.76))
    for i in rng.choice(len(path) - 3, size=5, replace=False):
        a, b = path[i], path[i + 1]
        bubble = (float(a[0] + b[0]) / 2, float(a[1] + b[1]) / 2 - 6, float(a[2] + b[2]) / 2)
        canvas.ellipsoid(bubble, (0.5 * radii[i], 0.4 * radii[i], 0.9 * radii[i]), Tissue.GAS, over=(Tissue.CONTENTS,))


def _pelvis(
    canvas: Canvas,
    patient: Patient,
    profile: Profile,
    tracer: Tracer,
    rng: np.random.Generator,
    mapped: Collection[Tissue],
) -> None:
    del profile, tracer
    soft = (*SOFT, Tissue.ILEUM, Tissue.CONTENTS, Tissue.COLON)
    if patient.sex == "F":
        canvas.ellipsoid(
            near(rng, (0, 14, 62), 6),
            sized(rng, (26, 24, 32), 0.15),
            Tissue.UTERUS,
            over=SOFT,
            turn=(25, 0, 0),
            bump=0.08,
        )
        for side in (-1, 1):
            canvas.ellipsoid(
                near(rng, (side * 42.0, 12, 70), 5), sized(rng, (11, 9, 15), 0.15), Tissue.GONAD, over=SOFT
            )
    else:
        if Tissue.PROSTATE not in mapped and rng.random() < 0.75:
            canvas.ellipsoid(
                near(rng, (0, 4, -4), 2), sized(rng, (22, 17, 19), 0.15), Tissue.PROSTATE, over=SOFT, bump=0.05
            )
        for side in (-1, 1):
            canvas.ellipsoid(
                near(rng, (side * 19.0, -74, -78), 4),
                sized(rng, (14, 14, 21), 0.12),
                Tissue.GONAD,
                over=(Tissue.FAT, Tissue.MUSCLE, Tissue.OUTSIDE, Tissue.SKIN),
            )
    if Tissue.BLADDER not in mapped:
        fill = float(np.clip(np.exp(rng.normal(0.0, 0.22)), 0.55, 1.6))
        centre = near(rng, (0, -22, 26 + 18 * fill), 3)
        canvas.ellipsoid(
            centre, sized(rng, (38 * fill, 31 * fill, 27 * fill), 0.08), Tissue.BLADDER, over=soft, bump=0.06
        )
