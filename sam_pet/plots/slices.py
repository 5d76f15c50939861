"""Slices: CT with the PET over it, and the outlines of lesions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sam_pet.geometry import Voxel
from sam_pet.labels import Labels
from sam_pet.plots.layout import legend, panels
from sam_pet.plots.panels import (
    FUSED_PAIR,
    GREY_PAIR,
    HU,
    ON_HEAT,
    SUV,
    Window,
    draw_fused,
    draw_grey,
    draw_part,
    furnish,
    lesion_rgb,
    require_on,
    window_text,
    write_number,
)
from sam_pet.plots.planes import Bools, Plane, View
from sam_pet.prompts import Box, Paint, Prompt
from sam_pet.study import Study


def slice_(
    study: Study,
    at: Voxel | None = None,
    labels: Labels | None = None,
    suv: Window = SUV,
    hu: Window = HU,
    *,
    truth: Labels | None = None,
    prompts: Sequence[Prompt] = (),
    plane: Plane = "axial",
    width_mm: float | None = None,
    height_in: float = 4.0,
    title: str | None = None,
) -> Figure:
    """One slice: CT in grey with the PET over it in heat, or the PET alone in inverted grey where there is no CT.

    Args:
        study: with or without CT.
        at: the voxel (x, y, z), on the stored grid, that the slice goes through; None takes the slice with most of the
            labels, or of the truth, or the hottest one.
        labels: lesion numbers [z, y, x] on the study's grid (or a mask), outlined and numbered.
        suv: the SUVs where heat begins and ends.
        hu: the HU that are black and white.
        truth: a reference mask likewise; then all lesions have one colour and no numbers, and the truth another.
        prompts: what was drawn; shown where the slice holds it: dots for tumor, crosses for background.
        plane: "axial", "coronal" or "sagittal".
        width_mm: show a square this wide about `at`; None shows the whole slice.
        height_in: of the picture, in inches.
        title: above it; None says plane and slice.

    Raises:
        ValueError: labels or truth are not on the study's grid.

    Examples:
        >>> from sam_pet import plots
        >>> from sam_pet.demo import small_phantom
        >>> phantom = small_phantom()
        >>> figure = plots.slice_(phantom.study, (30, 22, 59), phantom.lesions, width_mm=150.0)
        >>> len(figure.axes)
        1
    """
    view, at = View(study, plane), at or telling_voxel(study, labels, truth)
    figure, (ax,) = panels([shown_mm(view, width_mm)], height_in)
    draw_slice(ax, view, at, labels, suv, hu, truth, prompts, width_mm, title)
    if truth is not None:
        legend(figure, pair_of(study))
    return figure


def strip(
    study: Study,
    steps: Sequence[Labels],
    at: Voxel | None = None,
    suv: Window = SUV,
    hu: Window = HU,
    *,
    truth: Labels | None = None,
    prompts: Sequence[Sequence[Prompt]] = (),
    titles: Sequence[str] = (),
    plane: Plane = "axial",
    width_mm: float | None = 150.0,
    height_in: float = 2.2,
) -> Figure:
    """The same slice after each step of a session, in rows of six; what is not said below is as for `slice_`.

    Args:
        steps: labels or masks [z, y, x], one a step.
        at: as for `slice_`; None goes by the truth, or the last step.
        prompts: what had been drawn by each step, if it is to be shown.
        titles: of the steps; "step 0", "step 1" ... where there are none.

    Raises:
        ValueError: a step or the truth is not on the study's grid, or there is no step.

    Examples:
        >>> from sam_pet import plots
        >>> from sam_pet.demo import small_phantom
        >>> phantom = small_phantom()
        >>> figure = plots.strip(phantom.study, [phantom.lesions * 0, phantom.lesions], titles=["before", "after"])
        >>> len(figure.axes)
        2
    """
    if not steps:
        raise ValueError("a strip needs at least one step")
    view, at = View(study, plane), at or telling_voxel(study, truth if truth is not None else steps[-1])
    figure, axes = panels([shown_mm(view, width_mm)] * len(steps), height_in)
    for number, (ax, labels) in enumerate(zip(axes, steps, strict=True)):
        title = titles[number] if titles else f"step {number}"
        drawn = prompts[number] if prompts else ()
        draw_slice(ax, view, at, labels, suv, hu, truth, drawn, width_mm, title)
    if truth is not None:
        legend(figure, pair_of(study))
    return figure


def draw_slice(
    ax: Axes,
    view: View,
    at: Voxel,
    labels: Labels | None,
    suv: Window,
    hu: Window,
    truth: Labels | None = None,
    prompts: Sequence[Prompt] = (),
    width_mm: float | None = None,
    title: str | None = None,
) -> None:
    """One slice in axes of a figure; arguments as for `slice_`."""
    study = view.study
    require_on(study, labels, "labels")
    require_on(study, truth, "truth")
    index, row, column = view.place(at)
    pet = view.slice_(study.pet, index)
    if study.ct is None:
        draw_grey(ax, pet, view, suv)
    else:
        draw_fused(ax, view.slice_(study.ct, index), pet, view, suv, hu)
    _show_around(ax, view, row, column, width_mm)
    if truth is not None:
        for mask, (colour, dash) in zip((labels, truth), pair_of(study), strict=True):
            for part in view.sections(mask > 0, index).values() if mask is not None else ():
                draw_part(ax, part, view, colour, dash, halo=None if study.ct is None else "black")
    elif labels is not None:
        for number, part in view.sections(labels, index).items():
            draw_part(ax, part, view, lesion_rgb(number) if study.ct is None else ON_HEAT, halo="black")
            write_number(ax, number, part, view, on_dark=study.ct is not None)
    for prompt in prompts:
        _draw_prompt(ax, view, index, prompt)
    window = window_text(suv, None if study.ct is None else hu)
    furnish(ax, view, window, view.named(at) if title is None else title)


def telling_voxel(study: Study, *masks: Labels | None) -> Voxel:
    """The middle of the axial slice with most of the first mask that is not empty, or the hottest voxel."""
    for mask in masks:
        if mask is not None and mask.any():
            return middle_voxel(study, mask > 0)
    z, y, x = (int(n) for n in np.unravel_index(int(study.pet.argmax()), study.pet.shape))
    return x, y, z


def middle_voxel(study: Study, mask: Bools, corner: Voxel = (0, 0, 0)) -> Voxel:
    """The middle, as a stored voxel, of the axial slice with most of a mask that is not empty.

    Args:
        study: whose axes say what is axial.
        mask: [z, y, x] as stored, of the whole study or of a box in it.
        corner: the first voxel (x, y, z) of the box.
    """
    axial = study.order.view(mask)
    z = int(axial.sum(axis=(1, 2)).argmax())
    y, x = (round(float(n.mean())) for n in np.nonzero(axial[z]))
    inside = replace(study.order, size=mask.shape[::-1]).stored([(x, y, z)])[0]
    found = (inside + np.asarray(corner)).tolist()
    return found[0], found[1], found[2]


def pair_of(study: Study) -> tuple[tuple[str, str], tuple[str, str]]:
    """Colour and dash of prediction and truth in slices of a study."""
    return GREY_PAIR if study.ct is None else FUSED_PAIR


def shown_mm(view: View, width_mm: float | None) -> tuple[float, float]:
    """Height and width of what is shown in a square `width_mm` wide, or of all."""
    height, width = view.extent_mm
    return (height, width) if width_mm is None else (min(height, width_mm), min(width, width_mm))


def _show_around(ax: Axes, view: View, row: int, column: int, width_mm: float | None) -> None:
    """Limit axes to what is shown; a square that would leave the picture is moved back into it."""
    low = []
    for place, pixel, size, shown in zip(
        (row, column), view.spacing, view.extent_mm, shown_mm(view, width_mm), strict=True
    ):
        low.append((min(max((place + 0.5) * pixel - shown / 2, 0.0), size - shown), shown))
    (top, height), (left, width) = low
    ax.set(xlim=(left, left + width), ylim=(top + height, top))


def _draw_prompt(ax: Axes, view: View, index: int, prompt: Prompt) -> None:
    if isinstance(prompt, Paint):
        return
    places = np.array([view.place((x, y, z)) for x, y, z in prompt.voxels.tolist()])
    height, width = view.spacing
    if isinstance(prompt, Box):
        (first, top, left), (last, bottom, right) = places.min(axis=0), places.max(axis=0)
        if first <= index <= last:
            size = (right - left + 1) * width, (bottom - top + 1) * height
            ax.add_patch(Rectangle((left * width, top * height), *size, fill=False, edgecolor="white", linewidth=1.2))
        return
    here = places[places[:, 0] == index]
    ax.plot(
        (here[:, 2] + 0.5) * width,
        (here[:, 1] + 0.5) * height,
        linestyle="none",
        marker="o" if prompt.label == "tumor" else "X",
        markersize=5 if prompt.label == "tumor" else 6,
        markerfacecolor="white",
        markeredgecolor="black",
        markeredgewidth=0.8,
    )
