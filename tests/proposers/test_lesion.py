from __future__ import annotations

import numpy as np

from sam_pet.boxes import MaskBox
from sam_pet.prompts import Click, Prompt
from sam_pet.proposers.lesion import Lesion
from sam_pet.sam2.clips import Clip
from sam_pet.sam2.memory import MemoryBank


def lesion(voxels: list[tuple[int, int, int]], prompts: tuple[Prompt, ...], found: int = 0) -> Lesion:
    values = np.zeros((4, 8, 8), bool)
    for x, y, z in voxels:
        values[z, y, x] = True
    clip = Clip((4.0, 4.0), 64.0, 64, (1.0, 1.0), 0, 3)
    return Lesion(prompts, clip, MemoryBank(), MaskBox((0, 0, 0), values), 0.0, found=found)


BODY = [(1, 1, 1), (2, 1, 1), (2, 2, 2)]


def test_single_voxels_that_nobody_drew_go_and_all_else_stays() -> None:
    one = lesion([*BODY, (6, 6, 1), (5, 1, 3), (6, 1, 3)], (Click((1, 1, 1)),))
    assert {tuple(v) for v in one.tidied().block.voxels()} == {*BODY, (5, 1, 3), (6, 1, 3)}


def test_a_single_voxel_that_was_drawn_stays() -> None:
    one = lesion([*BODY, (6, 6, 1)], (Click((1, 1, 1)), Click((6, 6, 1))))
    assert one.tidied() is one


def test_a_click_of_a_first_answer_is_nobodys() -> None:
    one = lesion([*BODY, (6, 6, 1)], (Click((6, 6, 1)),), found=1)
    assert {tuple(v) for v in one.tidied().block.voxels()} == set(BODY)
