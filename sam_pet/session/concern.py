"""Which lesions a prompt is about, and what has been drawn as background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam_pet.geometry import AxialOrder
from sam_pet.prompts import Box, Click, Paint, Prompt, Rejection, Scribble, Voxels, box
from sam_pet.session.nearest import nearest
from sam_pet.session.state import Entry, State
from sam_pet.settings import LesionSettings
from sam_pet.study import Study


def concerned(study: Study, state: State, prompt: Prompt, settings: LesionSettings) -> tuple[int, ...]:
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
    if isinstance(prompt, Box):
        return (fresh_number(state),)
    near = nearest(voxels, state.lesions, study.frame_spacing, settings.neighbourhood_mm)
    return (fresh_number(state) if near is None else near,)


def fresh_number(state: State) -> int:
    """A number that no lesion has had."""
    used = {number for entry in state.entries for number in entry.lesions}
    return max((*state.lesions, *used), default=0) + 1


def background_of(study: Study, entries: Sequence[Entry]) -> Voxels:
    """The axial voxels drawn as background that were not drawn or painted as tumor later."""
    latest: dict[tuple[int, ...], str] = {}
    for entry in entries:
        drawn = map(tuple, entry.prompt.voxels.tolist())
        if isinstance(entry.prompt, Paint):
            # What is erased is no stroke: later ones may bring it back.
            if latest and entry.prompt.label == "tumor":
                latest.update({voxel: "tumor" for voxel in drawn if voxel in latest})
        elif not isinstance(entry.prompt, Box | Rejection):
            latest.update(dict.fromkeys(drawn, entry.prompt.label))
    background = [voxel for voxel, label in latest.items() if label == "background"]
    return study.order.voxels(np.array(background, np.int64).reshape(-1, 3))


def axial_prompt(prompt: Prompt, order: AxialOrder) -> Prompt:
    """A click, stroke or box in axial voxels."""
    voxels = [(x, y, z) for x, y, z in order.voxels(prompt.voxels).tolist()]
    if isinstance(prompt, Click):
        return Click(voxels[0], prompt.label)
    if isinstance(prompt, Scribble):
        return Scribble(tuple(voxels), prompt.label)
    return box(*voxels)
