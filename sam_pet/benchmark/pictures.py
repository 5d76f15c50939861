"""Cases as pictures: the PET with the outlines of truth and prediction."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sam_pet.extent import bounding_box
from sam_pet.methods.method import Bools, Mask
from sam_pet.study import Study, Volume

TRUTH, PREDICTION = "#0072B2", "#D55E00"
_MARGIN_MM = 40.0


def picture(study: Study, truth: Mask, prediction: Mask) -> Figure:
    """The axial slice with the largest error, and the coronal projection of the maximum with the outlines of both."""
    true, predicted = (study.order.view(mask) > 0 for mask in (truth, prediction))
    x, y, z = study.frame_spacing
    slice_ = int((true ^ predicted).sum(axis=(1, 2)).argmax()) if true.any() or predicted.any() else true.shape[0] // 2
    rows, columns = _around(true[slice_] | predicted[slice_], (y, x))
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axial, coronal = figure.subplots(1, 2)
    window = (slice_, rows, columns)
    _draw(axial, study.axial_pet[window], true[window], predicted[window], y / x, f"axial slice {slice_}")
    # The head is the last slice and belongs on top.
    flat = [volume.max(axis=1)[::-1] for volume in (study.axial_pet, true, predicted)]
    _draw(coronal, flat[0], flat[1], flat[2], z / x, "coronal, maximum projection")
    lines = [Line2D([], [], color=TRUTH), Line2D([], [], color=PREDICTION, linestyle="--")]
    figure.legend(lines, ["truth", "prediction"], loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


def png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    return stream.getvalue()


def _around(mask: Bools, spacing: tuple[float, float]) -> tuple[slice, slice]:
    box = bounding_box(mask[None])
    if box is None:
        return slice(None), slice(None)
    margins = [int(np.ceil(_MARGIN_MM / s)) for s in spacing]
    rows, columns = (slice(max(0, part.start - m), part.stop + m) for part, m in zip(box[1:], margins, strict=True))
    return rows, columns


def _draw(ax: Axes, pet: Volume, true: Bools, predicted: Bools, aspect: float, title: str) -> None:
    ax.imshow(pet, cmap="gray_r", vmin=0, vmax=max(float(np.percentile(pet, 99.5)), 5.0), aspect=aspect)
    styles: list[tuple[Bools, str, Any]] = [(true, TRUTH, "solid"), (predicted, PREDICTION, "dashed")]
    for mask, colour, dash in styles:
        if mask.any() and not mask.all():
            ax.contour(mask, levels=[0.5], colors=[colour], linestyles=[dash], linewidths=1.4)
    ax.set_title(title, fontsize=8)
    ax.axis("off")
