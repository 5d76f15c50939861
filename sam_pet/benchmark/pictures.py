"""Cases as pictures: where truth and prediction differ most."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from sam_pet.methods.method import Mask
from sam_pet.plots.layout import legend, panels
from sam_pet.plots.mips import draw_mip, project
from sam_pet.plots.panels import HU, SUV
from sam_pet.plots.planes import View
from sam_pet.plots.slices import draw_slice, pair_of, shown_mm
from sam_pet.study import Study

_MARGIN_MM = 40.0
_HEIGHT_IN = 3.4


def picture(study: Study, truth: Mask, prediction: Mask) -> Figure:
    """The axial slice with the largest error, and the coronal projection of the maximum, with the outlines of both."""
    true, predicted = (study.order.view(mask) > 0 for mask in (truth, prediction))
    errors = (true ^ predicted).sum(axis=(1, 2))
    z = int(errors.argmax()) if true.any() or predicted.any() else len(errors) // 2
    drawn = np.argwhere(true[z] | predicted[z])
    y, x, width_mm = true.shape[1] // 2, true.shape[2] // 2, None
    if len(drawn):
        low, high = drawn.min(axis=0), drawn.max(axis=0)
        y, x = ((low + high) // 2).tolist()
        width_mm = float(((high - low + 1) * study.frame_spacing[1::-1]).max()) + 2 * _MARGIN_MM
    at = study.order.stored([(x, y, z)])[0].tolist()
    axial, coronal = View(study, "axial"), project(study, "coronal", truth, prediction)
    figure, axes = panels([shown_mm(axial, width_mm), coronal.shown_mm], _HEIGHT_IN)
    draw_slice(axes[0], axial, (at[0], at[1], at[2]), prediction, SUV, HU, truth, width_mm=width_mm)
    draw_mip(axes[1], coronal, prediction, SUV, truth, _HEIGHT_IN)
    legend(figure, pair_of(study))
    return figure
