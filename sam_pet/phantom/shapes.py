"""Drawing in body coordinates: ellipsoids, tubes and sheets, each evaluated in its own box only.

Body coordinates are mm in a standard adult of 1.75 m: x to the patient's left, y to the back, z to the head,
the origin midway between the hip joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from sam_pet.phantom.tissue import Tissue, members

Floats = npt.NDArray[np.float32]
Point = tuple[float, float, float]
Box = tuple[slice, slice, slice]


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int, int], spacing: Sequence[float], scale: float
) -> Floats:
    """Gaussian noise of unit variance, smooth over about `scale` mm, as an array [z, y, x].

    A cubic B-spline over random nodes `scale` / 1.5 apart; `spacing` is (z, y, x) in mm.
    """
    step = scale / 1.5
    bases = []
    for n, s in zip(shape, spacing, strict=True):
        count = max(4, int(np.ceil(n * s / step)) + 4)
        at = 1.0 + np.arange(n) * s / step + rng.random()
        node = np.minimum(np.floor(at).astype(int), count - 3)
        t = at - node
        cubic = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3])
        basis = np.zeros((n, count), np.float32)
        for offset, weight in enumerate(cubic / np.sqrt((cubic**2).sum(axis=0))):
            basis[np.arange(n), node - 1 + offset] = weight
        bases.append(basis)
    nodes = rng.standard_normal([b.shape[1] for b in bases], dtype=np.float32)
    plane = bases[1] @ (nodes @ bases[2].T)
    field: Floats = bases[0] @ plane.reshape(len(plane), -1)
    return field.reshape(shape)


@dataclass
class Canvas:
    """A tissue map [z, y, x] under construction, over ascending body coordinates `x`, `y`, `z` in mm.

    `bump` is smooth noise on the same grid that makes outlines irregular.
    """

    x: Floats
    y: Floats
    z: Floats
    bump: Floats
    tissue: npt.NDArray[np.uint8]

    @classmethod
    def empty(cls, x: Floats, y: Floats, z: Floats, bump: Floats) -> Canvas:
        return cls(x, y, z, bump, np.zeros((len(z), len(y), len(x)), np.uint8))

    def box(self, low: npt.ArrayLike, high: npt.ArrayLike) -> Box | None:
        """The voxels between two corners (x, y, z), or None if there are none."""
        slices = []
        for axis, a, b in zip((self.x, self.y, self.z), np.asarray(low), np.asarray(high), strict=True):
            start, stop = int(np.searchsorted(axis, a)), int(np.searchsorted(axis, b, "right"))
            if start >= stop:
                return None
            slices.append(slice(start, stop))
        return slices[2], slices[1], slices[0]

    def mesh(self, box: Box) -> tuple[Floats, Floats, Floats]:
        """Coordinates (x, y, z) in a box, ready to broadcast."""
        return self.x[box[2]][None, None, :], self.y[box[1]][None, :, None], self.z[box[0]][:, None, None]

    def paint(
        self, box: Box, inside: npt.NDArray[np.bool_], tissue: Tissue, over: Sequence[Tissue] | None = None
    ) -> None:
        """Set the voxels of a box that are `inside`, only where they are one of `over` so far."""
        here = self.tissue[box]
        if over is not None:
            inside = inside & members(*over)[here]
        here[inside] = tissue

    def ellipsoid(
        self,
        centre: Point,
        radii: Point,
        tissue: Tissue,
        *,
        over: Sequence[Tissue] | None = None,
        turn: Point = (0.0, 0.0, 0.0),
        bump: float = 0.0,
        power: float = 2.0,
        core: tuple[Tissue, float] | None = None,
    ) -> None:
        """Paint an ellipsoid turned by Euler angles (x, y, z; degrees); `core` fills it up to a fraction."""
        reach = np.abs(Rotation.from_euler("xyz", turn, degrees=True).as_matrix()) @ np.array(radii)
        reach = reach * (1.0 + 2.5 * bump)
        box = self.box(np.subtract(centre, reach), np.add(centre, reach))
        if box is None:
            return
        field = self._ellipsoid_field(box, centre, radii, turn, power)
        if bump:
            field = field + bump * self.bump[box]
        self.paint(box, field < 1.0, tissue, over)
        if core is not None:
            self.paint(box, field < core[1], core[0], (tissue,))

    def _ellipsoid_field(
        self, box: Box, centre: Point, radii: Point, turn: Point, power: float
    ) -> npt.NDArray[np.float32]:
        offset = [a - np.float32(c) for a, c in zip(self.mesh(box), centre, strict=True)]
        if any(turn):
            matrix = Rotation.from_euler("xyz", turn, degrees=True).as_matrix().T.astype(np.float32)
            offset = [r[0] * offset[0] + r[1] * offset[1] + r[2] * offset[2] for r in matrix]
        x, y, z = (np.abs(o / np.float32(r)) ** np.float32(power) for o, r in zip(offset, radii, strict=True))
        field: Floats = (x + y + z) ** np.float32(1.0 / power)
        return field

    def tube(
        self,
        points: Sequence[Point],
        radii: float | Sequence[float],
        tissue: Tissue,
        *,
        over: Sequence[Tissue] | None = None,
        bump: float = 0.0,
        core: tuple[Tissue, float] | None = None,
    ) -> None:
        """Paint a chain of round cones through `points`; `core` fills it up to a fraction of the radius."""
        size = [float(radii)] * len(points) if isinstance(radii, (int, float)) else [float(r) for r in radii]
        segments = list(zip(points[:-1], points[1:], size[:-1], size[1:], strict=True))
        for a, b, ra, rb in segments:
            self._cone(a, b, ra, rb, tissue, over, bump)
        if core is not None:
            for a, b, ra, rb in segments:
                self._cone(a, b, ra * core[1], rb * core[1], core[0], (tissue,), bump)

    def _cone(
        self,
        a: Point,
        b: Point,
        ra: float,
        rb: float,
        tissue: Tissue,
        over: Sequence[Tissue] | None,
        bump: float,
    ) -> None:
        reach = max(ra, rb) * (1.0 + 2.5 * bump)
        box = self.box(np.minimum(a, b) - reach, np.maximum(a, b) + reach)
        if box is None:
            return
        x, y, z = self.mesh(box)
        d = np.subtract(b, a)
        length = max(float(d @ d), 1e-6)
        px, py, pz = x - a[0], y - a[1], z - a[2]
        t = np.clip((px * d[0] + py * d[1] + pz * d[2]) / length, 0.0, 1.0)
        distance = (px - t * d[0]) ** 2 + (py - t * d[1]) ** 2 + (pz - t * d[2]) ** 2
        radius = ra + t * (rb - ra)
        if bump:
            radius = radius * (1.0 + bump * self.bump[box])
        self.paint(box, distance < radius**2, tissue, over)

    def sheet(
        self,
        one: Sequence[Point],
        other: Sequence[Point],
        thickness: float,
        tissue: Tissue,
        *,
        core: tuple[Tissue, float] | None = None,
    ) -> None:
        """Paint the surface spanned between two polylines with as many points, `thickness` mm half-thick."""
        first, second = np.asarray(one, float), np.asarray(other, float)
        widest = float(np.linalg.norm(first - second, axis=1).max())
        steps = max(2, int(np.ceil(widest / thickness)))
        rows = [first + f * (second - first) for f in np.linspace(0.0, 1.0, steps)]
        for row in rows:
            self.tube([tuple(p) for p in row], thickness, tissue)
        if core is not None:
            for row in rows:
                self.tube([tuple(p) for p in row], thickness * core[1], core[0], over=(tissue,))


def near(rng: np.random.Generator, point: Point, spread: float = 5.0) -> Point:
    """A point in mm with a normal spread about another one."""
    x, y, z = rng.normal(point, spread)
    return float(x), float(y), float(z)


def sized(rng: np.random.Generator, radii: Point, spread: float = 0.09) -> Point:
    """Radii in mm, scaled as a whole and each by itself."""
    whole = np.exp(rng.normal(0, spread))
    x, y, z = np.array(radii) * whole * np.exp(rng.normal(0, spread / 2, 3))
    return float(x), float(y), float(z)
