from __future__ import annotations

import json

import numpy as np
import pytest

from sam_pet.errors import InputError
from sam_pet.methods import make_method
from sam_pet.methods.container import make_sam_pet_container
from sam_pet.readers import Stroke
from sam_pet.study import read_study
from tests.challenge.conftest import Step


def stroke(label: str, *voxels: list[int]) -> Stroke:
    return Stroke(label, np.array(voxels))  # type: ignore[arg-type]


def test_each_stroke_gives_what_the_container_gives(step: Step) -> None:
    method = make_sam_pet_container("sam-pet-container", None)
    session = method.answer(read_study(step.ct, step.pet))
    strokes = [
        stroke("background", [18, 24, 10], [18, 25, 10]),
        stroke("tumor", [20, 24, 10], [21, 24, 10]),
        stroke("tumor", [44, 24, 30]),
    ]
    step.draw([])
    step.run()
    assert (session.mask == step.mask()).all()
    for done, drawn in enumerate(strokes, 1):
        session.add(drawn)
        # As the challenge's file has them: tumor first.
        ordered = sorted(strokes[:done], key=lambda s: s.label, reverse=True)
        step.draw([(s.label, voxel) for s in ordered for voxel in s.voxels.tolist()])
        step.run()
        assert (session.mask == step.mask()).all()
    assert session.mask[10, 24, 20] == session.mask[30, 24, 44] == 1
    assert session.mask[10, 24, 18] == 0


def test_it_is_a_method_by_name_that_tells_its_weights() -> None:
    facts = make_method("sam-pet-container").facts
    assert {"model", "sha256"} <= set(facts)
    assert json.dumps(dict(facts))


def test_boxes_are_refused(step: Step) -> None:
    session = make_sam_pet_container("m", None).open(read_study(step.ct, step.pet))
    with pytest.raises(InputError, match="points, and no boxes"):
        session.add(Stroke("tumor", np.array([[1, 1, 1], [2, 2, 2]]), "box"))
