"""Built-in studies, made from seeds, and a picture of what was segmented in one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sam_pet.files import replacing
from sam_pet.geometry import Grid
from sam_pet.study import Study

if TYPE_CHECKING:
    from sam_pet.phantom import Phantom
    from sam_pet.session.session import Session

_SIZE, _SPACING = (168, 168, 250), (4.07, 4.07, 4.0)
_SMALL = "60x60x90@8x8x11"


def demo_study(seed: int) -> tuple[Study, npt.NDArray[np.uint16]]:
    """A simulated FDG study and its lesions, one number each [z, y, x]."""
    from sam_pet.phantom import make_phantom

    half = [-n * s / 2 for n, s in zip(_SIZE, _SPACING, strict=True)]
    grid = Grid(_SIZE, _SPACING, (half[0], -half[1], half[2]), (1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
    phantom = make_phantom(seed, "fdg", grid, lesion_free=False)
    return phantom.study, phantom.lesions


def small_phantom() -> Phantom:
    """A simulated FDG study of coarse voxels with five lesions, made in half a second: for trying functions out.

    Examples:
        >>> from sam_pet.demo import small_phantom
        >>> small_phantom().study.grid.size
        (60, 60, 90)
    """
    from sam_pet.phantom import make_phantom
    from sam_pet.phantom.frame import parse_grid

    return make_phantom(16, "fdg", parse_grid(_SMALL), lesion_free=False)


def picture(session: Session, truth: npt.NDArray[Any], path: Path) -> None:
    """Coronal and sagittal maximum-intensity projections with the outlines of mask and truth."""
    from sam_pet import plots

    figure = plots.mip(session.study, session.labels, truth=truth, title="simulated study")
    with replacing(path) as temporary:
        temporary.write_bytes(plots.png(figure))
