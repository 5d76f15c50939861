"""The built-in study of the demo, made from a seed, and a picture of what was segmented in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_pet.files import replacing
from sam_pet.geometry import Grid
from sam_pet.session import Session
from sam_pet.study import Study

_SIZE, _SPACING = (168, 168, 250), (4.07, 4.07, 4.0)


def demo_study(seed: int) -> tuple[Study, npt.NDArray[np.uint16]]:
    """A simulated FDG study and its lesions, one number each [z, y, x]."""
    from sam_pet.phantom import make_phantom

    half = [-n * s / 2 for n, s in zip(_SIZE, _SPACING, strict=True)]
    grid = Grid(_SIZE, _SPACING, (half[0], -half[1], half[2]), (1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
    phantom = make_phantom(seed, "fdg", grid, lesion_free=False)
    return phantom.study, phantom.lesions


def picture(session: Session, truth: npt.NDArray[Any], path: Path) -> None:
    """Coronal and sagittal maximum-intensity projections with the mask filled and the truth outlined."""
    import matplotlib
    from matplotlib.figure import Figure

    study = session.study
    sx, sy, sz = study.frame_spacing
    pet, mask, reference = (study.order.view(a) for a in (study.pet, session.array, truth))
    figure = Figure(figsize=(8, 7), layout="constrained")
    for axes, (axis, name, across) in zip(
        figure.subplots(1, 2), ((1, "coronal", sx), (2, "sagittal", sy)), strict=True
    ):
        axes.imshow(pet.max(axis=axis), cmap="gray_r", vmin=0, vmax=10, origin="lower", aspect=sz / across)
        shown = np.ma.masked_equal(mask.max(axis=axis), 0)
        axes.imshow(
            shown, cmap=matplotlib.colors.ListedColormap(["#d55e00"]), alpha=0.7, origin="lower", aspect=sz / across
        )
        if reference.any():
            axes.contour(reference.max(axis=axis), levels=[0.5], colors=["#0072b2"], linewidths=0.8)
        axes.set_title(name, fontsize=10)
        axes.set_axis_off()
    figure.suptitle("simulated study, MIP, SUV 0 to 10: mask filled, truth outlined", fontsize=10)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
