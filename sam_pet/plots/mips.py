"""Maximum-intensity projections."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sam_pet.labels import Labels
from sam_pet.plots.layout import legend, panels
from sam_pet.plots.panels import (
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
from sam_pet.plots.planes import Plane, View
from sam_pet.study import Study

_PLANES: tuple[Plane, ...] = ("coronal", "sagittal")


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
    """Maximum-intensity projections of the PET in inverted grey.

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
    """
    require_on(study, labels, "labels")
    require_on(study, truth, "truth")
    views = [View(study, plane) for plane in planes]
    figure, axes = panels([view.extent_mm for view in views], height_in)
    for ax, view in zip(axes, views, strict=True):
        draw_mip(ax, view, labels, suv, truth, height_in)
    if truth is not None:
        legend(figure, GREY_PAIR)
    if title:
        figure.suptitle(title, fontsize=9)
    return figure


def draw_mip(ax: Axes, view: View, labels: Labels | None, suv: Window, truth: Labels | None, height_in: float) -> None:
    """One projection in axes of a figure; arguments as for `mip`."""
    draw_grey(ax, view.maximum(view.study.pet), view, suv)
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
    furnish(ax, view, window_text(suv), view.plane + note, aside=18.0 if parts else 3.0)
