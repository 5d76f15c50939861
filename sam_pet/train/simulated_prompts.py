"""Prompts of a simulated reader on lesions whose truth is known."""

from __future__ import annotations

import cc3d
import numpy as np
import numpy.typing as npt

from sam_pet.boxes import MaskBox, bounding_box
from sam_pet.cases import Case
from sam_pet.prompts import Click, Prompt, Scribble
from sam_pet.readers.scribbles import CHALLENGE_SEED, STRATEGIES, draw_scribble, scribble_in
from sam_pet.readers.stroke import Stroke
from sam_pet.study import Study, Volume

Rng = np.random.Generator
Bools = npt.NDArray[np.bool_]
_NOTHING = MaskBox((0, 0, 0), np.zeros((1, 1, 1), bool))
_HOTTEST = 1 / 3


def lesions_of(case: Case, study: Study, smallest_ml: float) -> tuple[npt.NDArray[np.integer], list[int]]:
    """A case's lesions as numbers in the axial view [z, y, x], and which of them are as large as that."""
    truth = study.order.view(case.mask(study.grid))
    labels, count = cc3d.connected_components(np.ascontiguousarray(truth), connectivity=18, return_N=True)
    sizes = cc3d.statistics(labels)["voxel_counts"]
    return labels, [n for n in range(1, count + 1) if sizes[n] * study.grid.voxel_ml >= smallest_ml]


def first_click(mask: Bools, rng: Rng) -> Prompt:
    """A click of a reader: on the slice where the lesion is largest or on any other, in its middle or anywhere."""
    areas = mask.sum(axis=(1, 2))
    z = int(areas.argmax()) if rng.random() < 0.5 else int(rng.choice(np.flatnonzero(areas)))
    places = np.argwhere(mask[z])
    middle = np.abs(places - places.mean(axis=0)).sum(axis=1)
    y, x = places[int(middle.argmin())] if rng.random() < 0.5 else places[rng.integers(len(places))]
    return Click((int(x), int(y), z))


def hottest_click(mask: Bools, uptake: Volume) -> Prompt:
    """A click on the hottest voxel of a lesion, `mask` and `uptake` [z, y, x]."""
    z, y, x = np.unravel_index(int(np.where(mask, uptake, -np.inf).argmax()), mask.shape)
    return Click((int(x), int(y), int(z)))


def first_prompt(mask: Bools, uptake: Volume, click: bool, rng: Rng) -> Prompt:
    """A click or a stroke that starts a lesion; a click also where no stroke can be drawn.

    Of the clicks a third is on the hottest voxel, where readers like to click.
    """
    stroke = None if click else stroke_on(_NOTHING, mask, rng)
    if stroke is not None:
        return stroke
    return hottest_click(mask, uptake) if rng.random() < _HOTTEST else first_click(mask, rng)


def stroke_on(shown: MaskBox, mask: Bools, rng: Rng) -> Scribble | None:
    """A correction of a mask, of a kind drawn at random; None if there is nothing to correct."""
    strategy = list(STRATEGIES)[int(rng.integers(len(STRATEGIES)))]
    return correction(shown, mask, strategy, int(rng.integers(1 << 31)))


def correction(shown: MaskBox, mask: Bools, strategy: str, seed: int = CHALLENGE_SEED) -> Scribble | None:
    """The stroke that the challenge's reader draws on a lesion alone; None if there is nothing to correct.

    Where nothing is lesion all that is shown is wrong, and a background stroke says so.
    """
    answer = np.zeros(mask.shape, np.uint8)
    answer[shown.slices] = shown.values
    box = bounding_box(mask | (answer > 0))
    if box is None:
        return None
    if mask.any():
        drawn = draw_scribble(answer[box], mask[box].astype(np.uint8), strategy, seed)
    else:
        drawn = Stroke("background", scribble_in(answer[box] > 0, strategy, seed))
    if drawn is None:
        return None
    corner = np.array([part.start for part in box[::-1]])
    return Scribble(tuple((x, y, z) for x, y, z in (drawn.voxels + corner).tolist()), drawn.label)
