"""What is seen of a session: pictures of it as it stands, and which voxel a point of the last picture is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_pet.agent.answers import Pictured
from sam_pet.agent.looks import PLANES, Picture, Shown, compose, mip_picture, slice_picture, window_mm
from sam_pet.errors import InputError
from sam_pet.geometry import Voxel
from sam_pet.labels import Box as Part
from sam_pet.labels import lesion_boxes
from sam_pet.prompts import Box, Rejection
from sam_pet.session.session import Session
from sam_pet.session.state import State

_LONGEST, _PART = 640, 360
Labels = npt.NDArray[np.uint16]


class Sight:
    """Pictures of a session; `last` is the one shown last, None before the first. Voxels are stored ones (x, y, z)."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.study = session.study
        self.last: Picture | None = None
        self._labels: tuple[State, Labels] | None = None

    def look_mip(self, plane: str, shown: Shown) -> Pictured:
        """A projection, coronal or sagittal."""
        z, y, x = self.study.axial_pet.shape
        middle = (x // 2, y // 2, z // 2)
        view = window_mm(self.study, PLANES[plane], middle, None, _LONGEST)
        labels = self.axial(self.labels) if shown.contours else None
        self.last = compose([(mip_picture(self.study, labels, view, shown), view, None)], shown.grid)
        return self._pictured(f"{plane} maximum-intensity projection", middle, shown)

    def look_slice(self, plane: str, at: Voxel, width_mm: float | None, shown: Shown) -> Pictured:
        """A slice through a voxel, all of it or a square about the voxel.

        Raises:
            InputError: the voxel is not on the grid.
        """
        axial = self._axial_voxel(at)
        self.last = compose([self._slice(plane, axial, width_mm, _LONGEST, shown, self.session.state)], shown.grid)
        return self._pictured(f"{plane} slice{_about(width_mm)}", axial, shown)

    def look_lesion(self, lesion: int, width_mm: float, shown: Shown) -> Pictured:
        """Three planes through the hottest voxel of a lesion.

        Raises:
            InputError: there is no such lesion.
        """
        axial = self._axial_voxel(self.hottest_in(lesion, self.part(lesion)))
        parts = [self._slice(plane, axial, width_mm, _PART, shown, self.session.state) for plane in PLANES]
        self.last = compose(parts, shown.grid)
        return self._pictured(f"from the left {', '.join(PLANES)}{_about(width_mm)}", axial, shown)

    def compare(self, before: State, plane: str, at: Voxel | None, width_mm: float | None, shown: Shown) -> Pictured:
        """The same slice at an earlier state and now; without a voxel where most has changed.

        Raises:
            InputError: the voxel is not on the grid.
        """
        axial = self._changed_place(before) if at is None else self._axial_voxel(at)
        states = (before, self.session.state)
        self.last = compose([self._slice(plane, axial, width_mm, _PART, shown, state) for state in states], shown.grid)
        return self._pictured(f"{plane} slice{_about(width_mm)}, left before the last change, right now", axial, shown)

    def voxel(self, point: Sequence[int]) -> Voxel:
        """The voxel under a point of the last picture.

        Raises:
            InputError: nothing was looked at, or see `Picture.place`.
        """
        x, y, z, _ = self._last().place(point, self.study)
        return self._stored((x, y, z))

    def stroke(self, points: Sequence[Sequence[int]]) -> list[Voxel]:
        """The voxels of a line through points of one slice of the last picture, without gaps.

        Raises:
            InputError: see `voxel`; also for points on a projection, or on several panels.
        """
        look = self._last()
        placed = [look.place(point, self.study) for point in points]
        panel = placed[0][-1]
        if panel.index is None or any(other is not panel for *_, other in placed):
            raise InputError("picture: a stroke or box lies on one slice; look at a slice, and draw on one panel of it")
        pixels = [panel.view.pixel(voxel) for *voxel, _ in placed]
        return [self._stored((x, y, z)) for x, y, z in panel.view.stroke(pixels, panel.index).tolist()]

    def voxel_of(self, mm: Sequence[float]) -> Voxel:
        """The voxel at a position in mm (LPS).

        Raises:
            InputError: it is not on the grid.
        """
        x, y, z = np.rint(np.clip(self.study.grid.to_voxel(mm), -1e9, 1e9)).astype(int).tolist()
        self._axial_voxel((x, y, z))
        return x, y, z

    @property
    def hottest(self) -> Voxel:
        """The voxel of the highest SUV."""
        z, y, x = np.unravel_index(int(self.study.pet.argmax()), self.study.pet.shape)
        return int(x), int(y), int(z)

    @property
    def labels(self) -> Labels:
        """The lesion numbers [z, y, x] on the stored grid, put together once for each state of the session."""
        state = self.session.state
        if self._labels is None or self._labels[0] is not state:
            self._labels = (state, self.session.labels)
        return self._labels[1]

    def axial(self, labels: Labels) -> Labels:
        view: Labels = self.study.order.view(labels)
        return view

    def part(self, lesion: int) -> Part:
        """The box of a lesion in arrays [z, y, x].

        Raises:
            InputError: there is no such lesion.
        """
        parts = lesion_boxes(self.labels)
        if lesion not in parts:
            raise InputError(f"lesion: there is no lesion {lesion}; there are {', '.join(map(str, parts)) or 'none'}")
        return parts[lesion]

    def hottest_in(self, lesion: int, part: Part) -> Voxel:
        """The voxel of the highest SUV of a lesion in its box."""
        pet = np.where(self.labels[part] == lesion, self.study.pet[part], -np.inf)
        z, y, x = (int(n) + s.start for n, s in zip(np.unravel_index(int(pet.argmax()), pet.shape), part, strict=True))
        return x, y, z

    def _last(self) -> Picture:
        if self.last is None:
            raise InputError("picture: nothing has been looked at yet; look first, or give a voxel")
        return self.last

    def _axial_voxel(self, stored: Voxel) -> Voxel:
        if not self.study.grid.contains(np.array([stored])).all():
            raise InputError(
                f"voxel: {list(stored)} lies outside the PET grid of "
                f"{' x '.join(map(str, self.study.grid.size))} voxels; give [x, y, z], counted from 0"
            )
        x, y, z = self.study.order.voxels([stored])[0].tolist()
        return x, y, z

    def _stored(self, axial: Voxel) -> Voxel:
        x, y, z = self.study.order.stored([axial])[0].tolist()
        return x, y, z

    def _slice(
        self, plane: str, axial: Voxel, width_mm: float | None, longest: int, shown: Shown, state: State
    ) -> tuple[Any, Any, int]:
        view = window_mm(self.study, PLANES[plane], axial, width_mm, longest)
        index = axial[view.plane.through]
        labels = None
        if shown.contours:
            now = state is self.session.state
            labels = self.axial(self.labels if now else state.labels(self.study))
        drawn = [
            (self.study.order.voxels(entry.prompt.voxels), entry.prompt.label)
            for entry in state.entries
            if not isinstance(entry.prompt, Box | Rejection)
        ]
        return slice_picture(self.study, labels, drawn, view, index, shown), view, index

    def _pictured(self, what: str, axial: Voxel, shown: Shown) -> Pictured:
        return Pictured(picture=what, voxel=self._stored(axial), suv_max=shown.suv_max)

    def _changed_place(self, before: State) -> Voxel:
        """The middle of the axial slice on which most has changed; the hottest voxel where nothing has."""
        differ = self.axial(before.labels(self.study)) > 0
        differ = differ != (self.axial(self.labels) > 0)
        if not differ.any():
            return self._axial_voxel(self.hottest)
        z = int(differ.sum(axis=(1, 2)).argmax())
        y, x = (round(float(n.mean())) for n in np.nonzero(differ[z]))
        return x, y, z


def _about(width_mm: float | None) -> str:
    return "" if width_mm is None else f", {width_mm:g} mm wide"
