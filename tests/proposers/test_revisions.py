from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sam_pet.boxes import LOGIT_LIMIT, LogitBox, MaskBox
from sam_pet.geometry import Grid
from sam_pet.prompts import Click, Scribble
from sam_pet.proposers.first_features import FIRST_NAMES, LEVEL, SHARED
from sam_pet.proposers.lesion import Lesion, Outlines
from sam_pet.proposers.ranker import NAMES, after_stroke
from sam_pet.proposers.revisions import KINDS, Revised, revised
from sam_pet.sam2.clips import Clip
from sam_pet.sam2.memory import MemoryBank
from sam_pet.settings import DEFAULTS
from sam_pet.study import Study

NODE, ORGAN = (20, 24, 12), (36, 24, 12)


@pytest.fixture
def study() -> Study:
    """A small node beside a large, hotter organ; voxels of 2 mm."""
    z, y, x = np.mgrid[:24, :48, :60].astype(np.float32)

    def ball(place: tuple[int, int, int], radius: float, suv: float) -> np.ndarray:
        away = np.sqrt((x - place[0]) ** 2 + (y - place[1]) ** 2 + (z - place[2]) ** 2)
        return suv / (1 + np.exp(away - radius))

    pet = 0.5 + ball(NODE, 4, 6.0) + ball(ORGAN, 9, 15.0)
    return Study(pet.astype(np.float32), None, Grid((60, 48, 24), (2.0, 2.0, 2.0)))


def merged(study: Study, *, found: bool) -> Lesion:
    """A lesion of a click on the node whose mask holds the organ, too."""
    block = MaskBox((0, 0, 0), study.pet > 2.5)
    clip = Clip((20.0, 24.0), 64.0, 64, (2.0, 2.0), 0, 23)
    node = MaskBox((12, 16, 4), study.pet[4:21, 16:33, 12:27] > 3)
    features = np.arange(len(FIRST_NAMES), dtype=np.float32)[None] / 100
    features[0, LEVEL] = 0.4
    outlines = Outlines((node,), features)
    return Lesion((Click(NODE),), clip, MemoryBank(), block, 1.0, outlines=outlines, found=int(found), probability=0.9)


def revisions_after(study: Study, lesion: Lesion, stroke: Scribble) -> Revised:
    """The networks go on showing all that is hot, but for the stroke."""
    logits = np.where(study.pet > 2.5, 4.0, -LOGIT_LIMIT).astype(np.float32)
    background = stroke.voxels if stroke.label == "background" else np.zeros((0, 3), np.int64)
    new = replace(lesion, prompts=(*lesion.prompts, stroke))
    return revised(study, lesion, new, background, LogitBox((0, 0, 0), logits), DEFAULTS.strokes)


def kinds(found: Revised) -> dict[str, np.ndarray]:
    return {one.kind: one.block.within((0, 0, 0), (24, 48, 60)) for one in found.revisions}


ACROSS = Scribble(tuple((x, 24, 12) for x in range(26, 47)), "background")


def test_a_stroke_in_the_organ_offers_the_mask_without_the_organs_basin(study: Study) -> None:
    found = kinds(revisions_after(study, merged(study, found=True), ACROSS))
    assert list(found)[:4] == ["standing", "corrected", "far", "shown"]
    assert found["basin"][NODE[::-1]]
    assert not found["basin"][12, 24, 32:40].any()
    assert found["basin"].sum() < 0.3 * found["standing"].sum()
    assert found["level"].sum() < 0.3 * found["standing"].sum()


def test_nothing_is_offered_until_a_reader_has_pointed_at_the_lesion(study: Study) -> None:
    never = kinds(revisions_after(study, merged(study, found=True), ACROSS))
    assert not never["drawn"].any()
    pointed = kinds(revisions_after(study, merged(study, found=False), ACROSS))
    assert pointed["drawn"].sum() == 1
    assert pointed["drawn"][NODE[::-1]]


@pytest.mark.parametrize("found", [True, False])
def test_every_outline_obeys_what_is_drawn(study: Study, found: bool) -> None:
    tumor = Scribble(((20, 20, 12), (20, 14, 12)), "tumor")
    for stroke in (ACROSS, tumor):
        for kind, mask in kinds(revisions_after(study, merged(study, found=found), stroke)).items():
            drawn = mask[tuple(stroke.voxels[:, ::-1].T)]
            assert drawn.all() if stroke.label == "tumor" else not drawn.any(), kind


def test_a_stroke_in_the_organ_offers_the_part_that_is_nearer_to_the_click(study: Study) -> None:
    divided = kinds(revisions_after(study, merged(study, found=True), ACROSS))["divided"]
    truth = study.pet > 2.5
    x = np.arange(60)
    assert divided[:, :, x < 24].sum() > 0.9 * truth[:, :, x < 24].sum()
    assert not divided[:, :, x > 28].any()


def test_a_tumor_stroke_offers_what_is_hot_at_it(study: Study) -> None:
    small = replace(merged(study, found=False), block=MaskBox((18, 22, 10), np.ones((5, 5, 5), bool)))
    found = kinds(revisions_after(study, small, Scribble(((36, 24, 12), (37, 24, 12)), "tumor")))
    assert found["basin"].sum() > 500
    assert found["standing"].sum() <= 127 + 2


def test_what_is_known_of_each_outline_tells_them_apart(study: Study) -> None:
    found = revisions_after(study, merged(study, found=True), ACROSS)
    table = after_stroke(study, found)
    assert table.shape == (len(found.revisions), len(NAMES))
    column = dict(zip(NAMES, table.T, strict=True))
    assert [KINDS[int(number)] for number in column["stroke_kind"]] == [one.kind for one in found.revisions]
    by_kind = {one.kind: row for one, row in zip(found.revisions, table, strict=True)}

    def value(kind: str, name: str) -> float:
        return float(by_kind[kind][NAMES.index(name)])

    assert value("standing", "stroke_held_now") == 1
    assert value("standing", "stroke_denied") == 1
    assert value("basin", "stroke_held_now") < 0.1
    assert value("basin", "stroke_lost") > value("corrected", "stroke_lost")
    # What was known at first: all of it of an outline of then, of the others what is the lesion's.
    assert value("level", "first_level") == pytest.approx(0.4)
    first = table[:, : len(FIRST_NAMES)]
    assert np.isfinite(first[:, :SHARED]).all()
    assert np.isnan(first[:-1, SHARED:]).all()
    assert np.isfinite(first[-1]).all()
    assert value("basin", "stroke_lost_suv") > 0.5
    assert value("drawn", "stroke_to_standing") < -5
    assert column["stroke_depth"].min() == column["stroke_depth"].max() > 0.8
    assert column["stroke_found"].all()
    assert not column["stroke_pointed_at"].any()
