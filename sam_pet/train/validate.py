"""Validation by the interactive loop: one click in the largest lesion, then the challenge's scribbles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from sam_pet.cases import Case
from sam_pet.models import LoadedModel
from sam_pet.readers import make_reader
from sam_pet.scores import score
from sam_pet.segmenter import Segmenter


def interactive_dice(case: Case, segmenter: Segmenter, scribbles: int) -> list[float]:
    """Dice after the first click and after each corrective scribble, strategy by the case's name.

    The click is at the innermost voxel of the largest lesion. When nothing is left to correct, the last value stands.
    """
    study = case.study()
    truth = case.mask(study.grid)
    reader = make_reader("scribble-mixed", case.name)
    session = segmenter.open(study)
    first = reader.first(truth, study)
    if first is None:
        return []
    session.add(first.prompt)
    values = [score(session.array, truth, study.grid.spacing).dice]
    for step in range(1, scribbles + 1):
        stroke = reader.correct(session.array, truth, study, step)
        if stroke is not None:
            session.add(stroke.prompt)
        values.append(score(session.array, truth, study.grid.spacing).dice)
    return values


@dataclass(frozen=True)
class Validator:
    """Mean Dice over cases after one click and after the last of some scribbles; a callback of the training loop."""

    cases: Sequence[Case]
    scribbles: int

    def __call__(self, loaded: LoadedModel) -> dict[str, float]:
        segmenter = Segmenter(loaded, str(next(loaded.model.parameters()).device))
        curves = [curve for case in self.cases if (curve := interactive_dice(case, segmenter, self.scribbles))]
        if not curves:
            return {}
        return {
            "dice_click": round(fmean(curve[0] for curve in curves), 4),
            f"dice_{self.scribbles}_scribbles": round(fmean(curve[-1] for curve in curves), 4),
            "validation_cases": len(curves),
        }
