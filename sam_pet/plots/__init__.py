"""Pictures of studies, masks and scores, as matplotlib figures that no pyplot state knows of.

from sam_pet import plots

plots.mip(session.study, session.labels)
plots.slice_(session.study, (163, 118, 123), session.labels)
"""

from sam_pet.plots.curves import dice_curves
from sam_pet.plots.mips import mip
from sam_pet.plots.slices import slice_, strip
from sam_pet.plots.style import pdf, png, svg

__all__ = ["dice_curves", "mip", "pdf", "png", "slice_", "strip", "svg"]
