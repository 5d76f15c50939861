"""Which lesions a prompt is about, and what has been drawn as background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import distance_transform_edt

from sam_pet.geometry import AxialOrder
from sam_pet.prompts import Box, Click, Paint, Prompt, Rejection, Scribble, Voxels, box
from sam_pet.proposers.lesion import Lesion
from sam_pet.session.state import Entry, Lesions, State
from sam_pet.study import Study

# A tumor stroke this near to a lesion's mask belongs to it.
NEIGHBOURHOOD_MM = 10.0


def concerned(study: Study, state: State, prompt: Prompt) -> tuple[int, ...]:
    """The numbers of the lesions that a prompt acts on; a tumor prompt near none is about a new one.

    A background prompt acts on the masks that it touches, and so does paint; of several masks tumor paint takes the
    one that it touches most.
    """
    voxels = study.order.voxels(prompt.voxels)
    touched = {number: lesion.block.touches(voxels) for number, lesion in state.lesions.items()}
    if prompt.label == "background":
        return tuple(number for number, count in touched.items() if count)
    if isinstance(prompt, Paint):
        most = max(touched, key=lambda n: touched[n], default=None)
        return (fresh_number(state),) if most is None or not touched[most] else (most,)
    near = _nearest(study, voxels, state.lesions) if not isinstance(prompt, Box) else None
    return (fresh_number(state) if near is None else near,)


def fresh_number(state: State) -> int:
    """A number that no lesion has had."""
    used = {number for entry in state.entries for number in entry.lesions}
    return max((*state.lesions, *used), default=0) + 1


def background_of(study: Study, entries: Sequence[Entry]) -> Voxels:
    """The axial voxels whose latest label is background; of what is drawn, not of what is painted."""
    latest: dict[tuple[int, ...], str] = {}
    for entry in entries:
        if not isinstance(entry.prompt, Box | Rejection | Paint):
            latest.update(dict.fromkeys(map(tuple, entry.prompt.voxels.tolist()), entry.prompt.label))
    drawn = [voxel for voxel, label in latest.items() if label == "background"]
    return study.order.voxels(np.array(drawn, np.int64).reshape(-1, 3))


def axial_prompt(prompt: Prompt, order: AxialOrder) -> Prompt:
    """A click, stroke or box in axial voxels."""
    voxels = [(x, y, z) for x, y, z in order.voxels(prompt.voxels).tolist()]
    if isinstance(prompt, Click):
        return Click(voxels[0], prompt.label)
    if isinstance(prompt, Scribble):
        return Scribble(tuple(voxels), prompt.label)
    return box(*voxels)


def _nearest(study: Study, voxels: Voxels, lesions: Lesions) -> int | None:
    """The lesion whose mask is nearest to axial voxels, if it is in the neighbourhood."""
    distances = {number: _distance(study, voxels, lesion) for number, lesion in lesions.items()}
    number = min(distances, key=lambda n: distances[n], default=None)
    return number if number is not None and distances[number] <= NEIGHBOURHOOD_MM else None


def _distance(study: Study, voxels: Voxels, lesion: Lesion) -> float:
    """Shortest way in mm from axial voxels to a lesion's mask; infinite beyond the neighbourhood."""
    spacing = np.asarray(study.frame_spacing)
    reach = np.ceil(NEIGHBOURHOOD_MM / spacing).astype(int)
    block = lesion.block
    local = voxels - np.asarray(block.corner) + reach
    local = local[((local >= 0) & (local < np.array(block.values.shape[::-1]) + 2 * reach)).all(axis=1)]
    if not len(local) or not block.values.any():
        return float("inf")
    padded = np.pad(block.values, [(r, r) for r in reach[::-1]])
    away = distance_transform_edt(~padded, sampling=spacing[::-1])
    return float(away[tuple(local[:, ::-1].T)].min())
