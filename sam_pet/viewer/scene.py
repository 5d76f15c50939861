"""A scene: a session as it is looked at and drawn on, without a browser."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sam_pet.geometry import Voxel
from sam_pet.prompts import Box, Label, Paint
from sam_pet.viewer.paint import (
    FUSION,
    RGB,
    SUV_WINDOW,
    fused,
    mark_cursor,
    mark_lesions,
    mark_strokes,
    projected,
    side_by_side,
)
from sam_pet.viewer.planes import AXIAL, CORONAL, SAGITTAL, Pixel, Plane, SliceView, canvas_size, window

if TYPE_CHECKING:
    from sam_pet.session.session import Session

PLANES = (AXIAL, CORONAL, SAGITTAL)
MIP = CORONAL
# A hand that clicks moves less than this, in pixels.
_STILL = 4.0


class Scene:
    """What is shown of a session: a cursor (axial voxel), a zoom, an SUV window and how far PET covers CT.

    Args:
        session: the session; what is drawn here goes into it.
        longest: pixels of the volume's longest edge.
    """

    def __init__(self, session: Session, longest: int = 480) -> None:
        self.session = session
        self.study = session.study
        self.spacing = self.study.frame_spacing
        z, y, x = self.study.axial_pet.shape
        self.size = (x, y, z)
        self.suv = SUV_WINDOW
        self.fusion = FUSION
        self.zoom = 1.0
        self._longest = longest
        self.cursor: Voxel = (x // 2, y // 2, z // 2)
        if session.prompts:
            drawn = self.study.order.voxels(session.prompts[-1].voxels)
            self._at(drawn[len(drawn) // 2].tolist())
        self._centre = self.cursor
        self._labels: tuple[object, npt.NDArray[np.uint16]] | None = None

    # Where things are

    def view(self, plane: Plane) -> SliceView:
        """The window on a plane that the zoom leaves."""
        low, span = window(self.size, self.spacing, self._centre, self.zoom)
        return SliceView(plane, self.size, self.spacing, low, span, *self.canvas(plane))

    @property
    def mip_view(self) -> SliceView:
        """The projection shows everything, whatever the zoom."""
        low, span = window(self.size, self.spacing, self.cursor, 1.0)
        return SliceView(MIP, self.size, self.spacing, low, span, *self.canvas(MIP))

    def canvas(self, plane: Plane) -> tuple[int, int]:
        return canvas_size(plane, self.size, self.spacing, self._longest)

    def move(self, voxel: Sequence[int]) -> None:
        """Put the cursor on an axial voxel (the nearest in the volume); windows follow where they would lose it."""
        self._at(voxel)
        low, span = window(self.size, self.spacing, self._centre, self.zoom)
        at = [(c + 0.5) * step for c, step in zip(self.cursor, self.spacing, strict=True)]
        x, y, z = (
            c if not lo < a < lo + length else old
            for c, old, a, lo, length in zip(self.cursor, self._centre, at, low, span, strict=True)
        )
        self._centre = (x, y, z)

    def magnify(self, zoom: float) -> None:
        """Zoom in or out about the cursor."""
        self.zoom = zoom
        self._centre = self.cursor

    def find(self, pixel: Pixel) -> None:
        """Put the cursor on the hottest voxel behind a pixel of the projection."""
        x, _, z = self.mip_view.voxels([pixel], 0)[0].tolist()
        self._at((x, int(self.study.axial_pet[z, :, x].argmax()), z))
        self._centre = self.cursor

    def _at(self, voxel: Sequence[int]) -> None:
        x, y, z = (min(max(int(v), 0), n - 1) for v, n in zip(voxel, self.size, strict=True))
        self.cursor = (x, y, z)

    # What a reader does

    def draw(self, plane: Plane, pixels: Sequence[Pixel], label: Label) -> None:
        """A click, or a scribble where the hand has moved, on the slice shown; the cursor goes where it ended.

        Raises:
            InputError: see `Session.add`.
        """
        view = self.view(plane)
        index = self.cursor[plane.through]
        path = np.asarray(pixels, float).reshape(-1, 2)
        still = bool((np.linalg.norm(path - path[0], axis=1) < _STILL).all())
        drawn = view.voxels(pixels[:1], index) if still else view.stroke(pixels, index)
        self.move(drawn[-1].tolist())
        stored = self.study.order.stored(drawn)
        if len(stored) == 1:
            self.session.add_click(stored[0].tolist(), label)
        else:
            self.session.add_scribble(stored, label)

    # What there is to see

    @property
    def labels(self) -> npt.NDArray[np.uint16]:
        """The lesion numbers in the axial view [z, y, x], put together once for each state of the session."""
        state = (self.session.entries, self.session.asked)
        if self._labels is None or self._labels[0] != state:
            self._labels = (state, self.study.order.view(self.session.labels))
        return self._labels[1]

    def picture(self, plane: Plane) -> RGB:
        """The slice of a plane at the cursor, [v, u, 3]."""
        view, index = self.view(plane), self.cursor[plane.through]
        ct = self.study.axial_ct
        flat = None if ct is None else plane.cut(ct, index)
        rgb = fused(flat, plane.cut(self.study.axial_pet, index), view, self.suv, self.fusion)
        mark_lesions(rgb, plane.cut(self.labels, index), view)
        order = self.study.order
        strokes = [(order.voxels(p.voxels), p.label) for p in self.session.prompts if not isinstance(p, Box | Paint)]
        mark_strokes(rgb, strokes, view, index)
        mark_cursor(rgb, view.pixel(self.cursor))
        return rgb

    def mip(self) -> RGB:
        """The maximum-intensity projection with the lesions on it, [v, u, 3]."""
        view = self.mip_view
        rgb = projected(self._pet_mip, view, self.suv)
        mark_lesions(rgb, MIP.project(self.labels), view)
        mark_cursor(rgb, view.pixel(self.cursor))
        return rgb

    def still(self) -> RGB:
        """All of it in one picture."""
        return side_by_side([self.mip(), *(self.picture(plane) for plane in PLANES)])

    @cached_property
    def _pet_mip(self) -> npt.NDArray[Any]:
        return MIP.project(self.study.axial_pet)

    @property
    def here(self) -> str:
        """The cursor's voxel on the PET grid and the values there, as one line."""
        x, y, z = self.cursor
        voxel = tuple(self.study.order.stored([self.cursor])[0].tolist())
        ct = self.study.axial_ct
        hu = "" if ct is None else f", {ct[z, y, x]:.0f} HU"
        return f"voxel {voxel}: SUV {self.study.axial_pet[z, y, x]:.2f}{hu}"
