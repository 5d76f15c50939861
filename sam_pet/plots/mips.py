"""Maximum-intensity projections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sam_pet.labels import Labels
from sam_pet.plots.layout import legend, panels
from sam_pet.plots.panels import (
    BEYOND_NUMBERS,
    GREY_PAIR,
    SUV,
    Window,
    by_size,
    draw_grey,
    draw_part,
    furnish,
    lesion_rgb,
    number_parts,
    require_on,
    window_text,
)
from sam_pet.plots.planes import Bools, Plane, View
from sam_pet.study import Study, Volume

_PLANES: tuple[Plane, ...] = ("coronal", "sagittal")
# Beside the patient is air, which holds less than this SUV; this much of it is shown.
_AIR_SUV, _MARGIN_MM = 0.3, 20.0


@dataclass(frozen=True)
class Projection:
    """The maximum-intensity projection of a study in a plane, and the columns in mm between which the patient is."""

    view: View
    flat: Volume
    left: float
    right: float

    @property
    def shown_mm(self) -> tuple[float, float]:
        """Height and width of what is shown."""
        return self.view.extent_mm[0], self.right - self.left


def project(study: Study, plane: Plane, *masks: Labels | None) -> Projection:
    """Project the PET; the columns hold the patient and all masks."""
    view = View(study, plane)
    flat = view.maximum(study.pet)
    patient: Bools = np.asarray((flat > _AIR_SUV).any(axis=0))
    for mask in masks:
        for part in view.shadows(mask > 0).values() if mask is not None else ():
            patient[part.column : part.column + part.mask.shape[1]] = True
    width, pixel = view.extent_mm[1], view.spacing[1]
    on = np.flatnonzero(patient)
    if not on.size:
        return Projection(view, flat, 0.0, width)
    left, right = float(on[0]) * pixel - _MARGIN_MM, float(on[-1] + 1) * pixel + _MARGIN_MM
    return Projection(view, flat, max(left, 0.0), min(right, width))


def mip(
    study: Study,
    labels: Labels | None = None,
    suv: Window = SUV,
    *,
    truth: Labels | None = None,
    planes: Sequence[Plane] = _PLANES,
    height_in: float = 6.5,
    title: str = "",
) -> Figure:
    """Maximum-intensity projections of the PET in inverted grey, less the air beside the patient.

    Args:
        study: with or without CT.
        labels: lesion numbers [z, y, x] on the study's grid (or a mask), shown in colour with their numbers.
        suv: the SUVs that are white and black.
        truth: a reference mask likewise; then all lesions have one colour and no numbers, and the truth another.
        planes: which projections, from the left.
        height_in: of the pictures, in inches.
        title: above them.

    Raises:
        ValueError: labels or truth are not on the study's grid.

    Examples:
        >>> from sam_pet import plots
        >>> from sam_pet.demo import small_phantom
        >>> phantom = small_phantom()
        >>> figure = plots.mip(phantom.study, phantom.lesions)
        >>> plots.png(figure)[1:4]
        b'PNG'
    """
    require_on(study, labels, "labels")
    require_on(study, truth, "truth")
    projections = [project(study, plane, labels, truth) for plane in planes]
    figure, axes = panels([projection.shown_mm for projection in projections], height_in)
    for ax, projection in zip(axes, projections, strict=True):
        draw_mip(ax, projection, labels, suv, truth, height_in)
    if truth is not None:
        legend(figure, GREY_PAIR)
    if title:
        figure.suptitle(title, fontsize=9)
    return figure


def draw_mip(
    ax: Axes, projection: Projection, labels: Labels | None, suv: Window, truth: Labels | None, height_in: float
) -> None:
    """One projection in axes of a figure; arguments as for `mip`."""
    view = projection.view
    draw_grey(ax, projection.flat, view, suv)
    ax.set_xlim(projection.left, projection.right)
    if truth is not None:
        for mask, (colour, dash) in zip((labels, truth), GREY_PAIR, strict=True):
            for part in view.shadows(mask > 0).values() if mask is not None else ():
                draw_part(ax, part, view, colour, dash)
        furnish(ax, view, window_text(suv), view.plane)
        return
    parts = view.shadows(labels) if labels is not None else {}
    order = by_size(labels) if labels is not None else []
    for number in order:
        draw_part(ax, parts[number], view, lesion_rgb(number), fill=0.4, halo="0.25")
    shown = number_parts(ax, {number: parts[number] for number in order}, view, height_in)
    note = "" if shown == len(order) else f", the {shown} largest numbered"
    furnish(ax, view, window_text(suv), view.plane + note, aside=BEYOND_NUMBERS if parts else 3.0)
