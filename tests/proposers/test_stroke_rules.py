import numpy as np
import pytest

from sam_pet.boxes import LOGIT_LIMIT, LogitBox
from sam_pet.geometry import Grid
from sam_pet.prompts import Label
from sam_pet.proposers.stroke_rules import (
    add_stroke_affinity,
    apply_stroke,
    hotter_component,
    stroke_affinity,
    stroke_region,
)
from sam_pet.settings import DEFAULTS
from sam_pet.study import Study


def rows(*voxels: tuple[int, int, int]) -> tuple[np.ndarray, ...]:
    """Indices [z, y, x] of voxels (x, y, z)."""
    return tuple(np.array(voxels)[:, ::-1].T)


def strip(text: str) -> np.ndarray:
    """A mask of one row: # is in it."""
    return np.array([[[c == "#" for c in text]]])


def drawn(mask: np.ndarray) -> str:
    return "".join("#" if value else "." for value in mask[0, 0])


def logits(text: str) -> np.ndarray:
    return np.where(strip(text), 1, -1).astype(np.float32)


def after(mask: np.ndarray, model: np.ndarray, stroke: tuple[np.ndarray, ...], label: Label) -> np.ndarray:
    """The mask after a stroke that reaches everywhere."""
    return apply_stroke(mask, model, stroke, label, np.ones(mask.shape, bool))


def test_background_stroke_takes_away_only_what_hangs_together_with_it() -> None:
    mask, model = strip("..#######.###."), logits("..####........")
    assert drawn(after(mask, model, rows((7, 0, 0)), "background")) == "..####....###."


def test_background_stroke_adds_nothing_whatever_the_model_thinks() -> None:
    mask, model = strip("..####........"), logits("..###...######")
    assert drawn(after(mask, model, rows((5, 0, 0)), "background")) == "..###........."


def test_tumor_stroke_adds_what_the_model_joins_to_it_and_takes_nothing_away() -> None:
    mask, model = strip("..####........"), logits("........###.##")
    assert drawn(after(mask, model, rows((9, 0, 0)), "tumor")) == "..####..###..."


def test_stroke_itself_is_obeyed_where_the_model_does_not() -> None:
    assert drawn(after(strip("..####"), logits("..####"), rows((4, 0, 0)), "background")) == "..##.#"
    assert drawn(after(strip("..##.."), logits("..##.."), rows((5, 0, 0)), "tumor")) == "..##.#"


def test_stroke_over_voxels_that_are_right_already_still_joins_the_changes_beside_it() -> None:
    mask, model = strip("..######"), logits("..##....")
    assert drawn(after(mask, model, rows((2, 0, 0), (3, 0, 0), (4, 0, 0)), "tumor")) == "..######"
    assert drawn(after(mask, model, rows((1, 0, 0), (5, 0, 0)), "background")) == "..##...."


def test_nothing_changes_beyond_the_reach_of_a_stroke() -> None:
    reach = strip("....####....")
    added = apply_stroke(strip(".##........."), logits("############"), rows((5, 0, 0)), "tumor", reach)
    assert drawn(added) == ".##.####...."
    taken = apply_stroke(strip("############"), logits("............"), rows((5, 0, 0)), "background", reach)
    assert drawn(taken) == "####....####"


@pytest.fixture
def study() -> Study:
    """SUV 8 left of x = 20, SUV 1 from there on; voxels of 2 mm."""
    pet = np.ones((9, 20, 40), np.float32)
    pet[:, :, :20] = 8
    return Study(pet, None, Grid((40, 20, 9), (2.0, 2.0, 2.0)))


def test_resemblance_is_one_at_the_stroke_and_falls_with_distance_and_uptake(study: Study) -> None:
    stroke = np.array([[18, 10, 4]])
    like = stroke_affinity(study, stroke, np.zeros(3, int), (9, 20, 40), DEFAULTS.strokes)
    assert like[4, 10, 18] == 1
    # 6 voxels of 2 mm are one standard deviation of 12 mm.
    assert like[4, 10, 12] == pytest.approx(np.exp(-0.5), rel=1e-5)
    assert like[4, 10, 20] < 1e-3 < like[4, 10, 14]
    assert like[0, 10, 18] == pytest.approx(np.exp(-0.5 * (8 / 12) ** 2), rel=1e-5)


def test_resemblance_in_a_box_is_that_of_the_whole(study: Study) -> None:
    stroke = np.array([[18, 10, 4], [19, 10, 4], [3, 3, 6]])
    whole = stroke_affinity(study, stroke, np.zeros(3, int), (9, 20, 40), DEFAULTS.strokes)
    box = stroke_affinity(study, stroke[:2], np.array([10, 5, 2]), (5, 10, 20), DEFAULTS.strokes)
    alone = stroke_affinity(study, stroke[:2], np.zeros(3, int), (9, 20, 40), DEFAULTS.strokes)
    assert np.array_equal(box, alone[2:7, 5:15, 10:30])
    assert (whole >= alone).all()


def test_strokes_of_both_labels_are_weighed_against_each_other(study: Study) -> None:
    field = LogitBox((0, 0, 0), np.zeros((9, 20, 40), np.float32))
    hot, cold = np.array([[14, 10, 4]]), np.array([[26, 10, 4]])
    sums = add_stroke_affinity(study, field, hot, cold, DEFAULTS.strokes)
    assert (sums[:, :, 10:20] > 0).all()
    assert (sums[:, :, 20:30] < 0).all()
    assert sums[4, 10, 14] > sums[4, 10, 10] > sums[0, 10, 10]
    assert np.array_equal(add_stroke_affinity(study, field, hot, hot, DEFAULTS.strokes), field.values)


def test_a_field_plus_another_changes_where_they_overlap() -> None:
    field = LogitBox((1, 1, 0), np.ones((1, 2, 2), np.float32))
    other = LogitBox((2, 1, 0), np.full((1, 1, 3), -4.0, np.float32))
    assert field.plus(other, 0.5).values.tolist() == [[[1.0, -1.0], [1.0, 1.0]]]
    assert field.plus(LogitBox((2, 1, 0), np.full((1, 1, 3), 99.0, np.float32)), 0.5).values.max() == LOGIT_LIMIT
    assert field.values.max() == 1


def test_widened_field_keeps_its_values_and_shows_nothing_elsewhere() -> None:
    field = LogitBox((5, 6, 7), np.full((2, 3, 4), 3, np.float32))
    wide = field.widened(np.array([[4, 7, 9]]))
    assert wide.corner == (4, 6, 7)
    assert wide.values.shape == (3, 3, 5)
    assert (wide.values[:2, :, 1:] == 3).all()
    assert (wide.values == 3).sum() == 24
    assert (wide.values[2] == -LOGIT_LIMIT).all()


def test_a_stroke_reaches_as_far_as_it_is_long_but_never_less_than_a_few_voxels(study: Study) -> None:
    dot, line = np.array([[10, 10, 4]]), np.array([[x, 10, 4] for x in range(3, 18)])
    near = stroke_region(study, dot, "background", (0, 0, 0), study.pet.shape, DEFAULTS.strokes)
    far = stroke_region(study, line, "background", (0, 0, 0), study.pet.shape, DEFAULTS.strokes)
    assert near[4, 10, 14]
    assert not near[4, 15, 10]
    assert far[4, 19, 10]
    assert (far | ~near).all()


def test_a_tumor_stroke_reaches_no_colder_and_no_much_hotter_place(study: Study) -> None:
    pet = study.pet.copy()
    pet[:, 12:, :] *= 4
    hot = Study(pet, None, study.grid)
    stroke = np.array([[18, 10, 4], [19, 10, 4]])
    reach = stroke_region(hot, stroke, "tumor", (0, 0, 0), pet.shape, DEFAULTS.strokes)
    assert reach[4, 9, 19]
    assert not reach[4, 9, 21]
    assert not reach[4, 12, 19]
    assert stroke_region(hot, stroke, "background", (0, 0, 0), pet.shape, DEFAULTS.strokes)[4, 9, 21]


def test_a_hot_background_stroke_speaks_of_what_is_hotter_than_all_that_was_drawn_as_tumor(study: Study) -> None:
    pet = np.full(study.pet.shape, 3.0, np.float32)
    pet[4, 10, 10:20] = [4, 5, 4, 4, 6, 9, 10, 9, 6, 4]
    pet[4, 10, 25:28] = 10
    mask = pet > 3.5
    tumor = np.array([[10, 10, 4], [11, 10, 4]])
    hot, cold = np.array([[15, 10, 4], [17, 10, 4]]), np.array([[18, 10, 4], [19, 10, 4]])
    gone = hotter_component(Study(pet, None, study.grid), (0, 0, 0), mask, tumor, hot)
    assert "".join("#" if v else "." for v in gone[4, 10, 10:28]) == "....#####........."
    assert not hotter_component(Study(pet, None, study.grid), (0, 0, 0), mask, np.array([[16, 10, 4]]), cold).any()


@pytest.mark.parametrize(
    ("ratio", "of_uptake", "reached"), [(1.05, True, True), (1.2, True, False), (1.2, False, True), (1.6, False, False)]
)
def test_a_background_stroke_leaves_what_is_hotter_than_it(
    study: Study, ratio: float, of_uptake: bool, reached: bool
) -> None:
    stroke = np.array([[18, 10, 4], [19, 10, 4]])
    pet = study.pet.copy()
    pet[4, 9, 19] = ratio * study.pet[4, 10, 18:20].max()
    spotted = Study(pet, None, study.grid)
    reach = stroke_region(spotted, stroke, "background", (0, 0, 0), pet.shape, DEFAULTS.strokes, of_uptake=of_uptake)
    assert reach[4, 9, 19] == reached


def test_the_reach_of_a_stroke_outside_the_box_is_empty(study: Study) -> None:
    assert not stroke_region(study, np.array([[30, 10, 4]]), "tumor", (0, 0, 0), (9, 20, 10), DEFAULTS.strokes).any()
