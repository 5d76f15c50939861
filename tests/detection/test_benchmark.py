from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from sam_pet.models import LoadedModel
from tests.fakes import random_segmenter, two_lesion_study

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "first_answer.py"


def case(lesions: int, dice: list[float], labels: list[str | None]) -> dict[str, Any]:
    rows = [
        {"dice": d, "dmm": 0.5 if lesions else None, "label": label, "seconds": 1.0}
        for d, label in zip(dice, labels, strict=True)
    ]
    effects = [
        {"label": label, "true_removed": 3, "false_removed": 2, "obeyed": True} for label in labels if label is not None
    ]
    return {"case": "x", "tracer": "fdg", "lesions": lesions, "rows": rows, "effects": effects}


def test_a_summary_counts_strokes_that_lower_dice_and_keeps_lesion_free_studies_apart() -> None:
    script = runpy.run_path(str(SCRIPT))
    positive = case(2, [0.5, 0.6, 0.55], [None, "tumor", "background"])
    free = case(0, [1.0, 1.0, 1.0], [None, None, None])
    summary = script["summarise"]([positive, free])
    assert summary["cases"] == 2
    assert summary["strokes_that_lower_dice"] == 0.5
    assert summary["step0_dice"] == 0.5
    assert summary["cases_harmed_by_a_background_stroke"] == 0.5
    assert summary["strokes_obeyed"] == 1.0
    assert summary["auc_dice"] == pytest.approx((1.125 + 2.0) / 2, abs=1e-3)
    assert summary["lesion_free_auc_dice"] == 2.0
    assert set(script["groups"]([positive, free])) == {"all", "fdg", "fdg, 1-5 lesions", "fdg, no lesion"}


def test_without_the_rules_a_tumor_stroke_may_take_away() -> None:
    script = runpy.run_path(str(SCRIPT))
    ruled, study = random_segmenter(), two_lesion_study()
    plain = script["PlainSegmenter"](
        LoadedModel(ruled.core.model, ruled.record, ruled.sha256, ruled.source), device="cpu"
    )  # fmt: skip
    taken = []
    for segmenter in (ruled, plain):
        session = segmenter.open(study)
        session.add_click((20, 24, 10))
        before = session.array > 0
        session.add_click((26, 24, 10))
        taken.append(int((before & (session.array == 0)).sum()))
    assert taken[0] == 0
    assert taken[1] > 0
