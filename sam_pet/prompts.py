"""Prompts: what a reader draws. All voxels are (x, y, z) on the PET grid as it is stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from skimage.measure import label as connected_groups

from sam_pet.errors import InputError
from sam_pet.geometry import AxialOrder, Grid, Voxel

Label = Literal["tumor", "background"]
LABELS: tuple[Label, ...] = ("tumor", "background")
Voxels = npt.NDArray[np.int64]
_NOT_VOXELS = "voxels must be three numbers each, x, y and z"
# Beyond this floats are not exact, and no grid reaches.
_FAR = 2.0**53


@dataclass(frozen=True)
class Click:
    """One voxel.

    Examples:
        >>> from sam_pet import Click
        >>> Click((163, 118, 123), "background").voxels
        array([[163, 118, 123]])
    """

    voxel: Voxel
    label: Label = "tumor"

    @property
    def voxels(self) -> Voxels:
        return np.array([self.voxel], np.int64)


@dataclass(frozen=True)
class Scribble:
    """The voxels of one stroke.

    Examples:
        >>> from sam_pet import Scribble
        >>> Scribble(((150, 118, 123), (151, 119, 123))).label
        'tumor'
    """

    drawn: tuple[Voxel, ...]
    label: Label = "tumor"

    @property
    def voxels(self) -> Voxels:
        return np.array(self.drawn, np.int64)


@dataclass(frozen=True)
class Box:
    """A box round a lesion, both corners included. It says where the lesion is, not that each voxel belongs to it.

    Examples:
        >>> from sam_pet import Box
        >>> Box((15, 20, 8), (25, 28, 12)).voxels.shape
        (2, 3)
    """

    low: Voxel
    high: Voxel
    label: Label = "tumor"

    @property
    def voxels(self) -> Voxels:
        """The two corners."""
        return np.array([self.low, self.high], np.int64)


@dataclass(frozen=True)
class Rejection:
    """A lesion that is none, by one voxel of its mask. It takes the lesion back and says nothing of other masks.

    Examples:
        >>> from sam_pet.prompts import Rejection
        >>> Rejection((20, 24, 10)).label
        'background'
    """

    voxel: Voxel
    label: Label = "background"

    @property
    def voxels(self) -> Voxels:
        return np.array([self.voxel], np.int64)


@dataclass(frozen=True)
class Paint:
    """Voxels that go into a mask as they are, or with `background` out of it; no model is asked.

    They are kept as `runs` (x, y, z, n): n voxels along x, the first at (x, y, z).
    """

    runs: tuple[tuple[int, int, int, int], ...]
    label: Label = "tumor"

    @cached_property
    def voxels(self) -> Voxels:
        runs = np.array(self.runs, np.int64).reshape(-1, 4)
        lengths = runs[:, 3]
        voxels = np.repeat(runs[:, :3], lengths, axis=0)
        voxels[:, 0] += np.arange(len(voxels)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return voxels


Prompt = Click | Scribble | Box | Rejection | Paint


def click(voxel: Iterable[float], label: str = "tumor", what: str = "click") -> Click:
    """A checked click, see `checked_voxels`; `what` names it in errors.

    Examples:
        >>> from sam_pet.prompts import click
        >>> click([163.0, 118.0, 123.0])
        Click(voxel=(163, 118, 123), label='tumor')
    """
    return Click(_tuples(checked_voxels([voxel], what))[0], checked_label(label, what))


def scribble(voxels: npt.NDArray[Any] | Iterable[Any], label: str = "tumor") -> Scribble:
    """A checked stroke; voxels drawn twice count once, the first time.

    Examples:
        >>> from sam_pet.prompts import scribble
        >>> scribble([[5, 5, 2], [6, 5, 2], [5, 5, 2]]).drawn
        ((5, 5, 2), (6, 5, 2))
    """
    drawn = _tuples(checked_voxels(voxels, "scribble"))
    if not drawn:
        raise InputError("scribble: no voxel is drawn; draw some")
    return Scribble(tuple(dict.fromkeys(drawn)), checked_label(label, "scribble"))


def paint(voxels: npt.NDArray[Any] | Iterable[Any], label: str = "tumor") -> Paint:
    """Checked paint; voxels given twice count once, and their order does not matter."""
    drawn = np.unique(checked_voxels(voxels, "paint")[:, ::-1], axis=0)[:, ::-1]
    if not len(drawn):
        raise InputError("paint: no voxel is painted")
    breaks = np.flatnonzero((np.diff(drawn[:, 0]) != 1) | (np.diff(drawn[:, 1:], axis=0) != 0).any(axis=1)) + 1
    starts = np.concatenate([[0], breaks])
    lengths = np.diff(starts, append=len(drawn))
    runs = [(x, y, z, n) for (x, y, z), n in zip(drawn[starts].tolist(), lengths.tolist(), strict=True)]
    return Paint(tuple(runs), checked_label(label, "paint"))


def box(low: Iterable[float], high: Iterable[float]) -> Box:
    """A checked box; the corners may be any two opposite ones.

    Examples:
        >>> from sam_pet.prompts import box
        >>> box((25, 20, 12), (15, 28, 8))
        Box(low=(15, 20, 8), high=(25, 28, 12), label='tumor')
    """
    corners = checked_voxels([low, high], "box")
    first, last = _tuples(np.stack([corners.min(axis=0), corners.max(axis=0)]))
    return Box(first, last)


def checked_label(label: str, what: str) -> Label:
    if label not in LABELS:
        raise InputError(f"{what}: unknown label {label!r}; use 'tumor' or 'background'")
    return label


def checked_voxels(values: npt.NDArray[Any] | Iterable[Any], what: str) -> Voxels:
    """Voxels (n, 3) as integers.

    Raises:
        InputError: not n x 3 numbers, or not within 0.01 of whole ones: then they are probably world positions.
    """
    try:
        rows = [*values]
        # Else NumPy takes true for 1, in any company but its own.
        if any(isinstance(v, bool | np.bool_) for row in rows if not isinstance(row, np.ndarray) for v in row):
            raise InputError(f"{what}: {_NOT_VOXELS}")
        array = np.array(rows)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{what}: {_NOT_VOXELS}") from error
    if not len(array):
        return np.zeros((0, 3), np.int64)
    if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind not in "iuf":
        raise InputError(f"{what}: {_NOT_VOXELS}")
    far = ~(np.abs(array) < _FAR)
    whole = np.round(np.where(far, 0, array))
    off = (far | (np.abs(array - whole) > 0.01)).any(axis=1)
    if off.any():
        raise InputError(
            f"{what}: ({', '.join(f'{v:g}' for v in array[off][0])}) is not a voxel; "
            "give whole numbers x, y, z, not positions in mm"
        )
    return whole.astype(np.int64)


def require_on_grid(prompt: Prompt, grid: Grid) -> None:
    """Raise an InputError if a prompt leaves the grid."""
    outside = prompt.voxels[~grid.contains(prompt.voxels)]
    if len(outside):
        raise InputError(
            f"{type(prompt).__name__.lower()}: voxel {tuple(map(int, outside[0]))} lies outside the PET grid of "
            f"{' x '.join(map(str, grid.size))} voxels; voxels are (x, y, z), counted from 0"
        )


def strokes(voxels: Voxels, label: Label, order: AxialOrder | None = None) -> list[Click | Scribble]:
    """Recover strokes from points without stroke ids: connected groups (8 neighbours) within one axial slice.

    A group of one voxel is a click. Groups come in the order of their first point.

    Args:
        voxels: (x, y, z) as stored, (n, 3).
        label: of all of them.
        order: how the grid is stored; where it is not given, z is axial.

    Examples:
        >>> import numpy as np
        >>> from sam_pet.prompts import strokes
        >>> strokes(np.array([[5, 5, 2], [6, 6, 2], [9, 9, 2]]), "tumor")
        [Scribble(drawn=((5, 5, 2), (6, 6, 2)), label='tumor'), Click(voxel=(9, 9, 2), label='tumor')]
    """
    drawn = np.array(list(dict.fromkeys(_tuples(voxels))), np.int64).reshape(-1, 3)
    placed = drawn if order is None else order.voxels(drawn)
    group = np.zeros(len(drawn), np.int64)
    for z in np.unique(placed[:, 2]):
        rows = np.flatnonzero(placed[:, 2] == z)
        xy = placed[rows, :2] - placed[rows, :2].min(axis=0)
        plane = np.zeros(xy.max(axis=0) + 1, bool)
        plane[tuple(xy.T)] = True
        group[rows] = connected_groups(plane, connectivity=2)[tuple(xy.T)] + group.max()
    found: list[Click | Scribble] = []
    for number in dict.fromkeys(group):
        members = tuple(_tuples(drawn[group == number]))
        found.append(Click(members[0], label) if len(members) == 1 else Scribble(members, label))
    return found


def _tuples(voxels: Voxels) -> list[Voxel]:
    return [(x, y, z) for x, y, z in voxels.tolist()]
