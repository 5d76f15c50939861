from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from sam_pet.boxes import LogitBox, MaskBox
from sam_pet.errors import InputError
from sam_pet.models.fp16 import write_fp16
from sam_pet.prompts import Click, Voxels
from sam_pet.proposers.first_features import FIRST_NAMES, LEVEL
from sam_pet.proposers.lesion import Outlines
from sam_pet.proposers.sam2 import Sam2Proposer
from sam_pet.proposers.volume_input import (
    CHANNELS,
    SIDE,
    STANDING,
    WIDTHS_MM,
    VolumeInput,
    cells_round,
    middle_of,
    volume_input,
)
from sam_pet.proposers.volume_net import VolumeNetwork, new_network
from sam_pet.session.session import Session
from sam_pet.settings import DEFAULTS, OutlineSettings
from sam_pet.study import Study
from sam_pet.train.network import TrainSettings
from sam_pet.train.volume_examples import Cube, load_cubes, save_cubes, training_cubes
from sam_pet.train.volume_net import Drawing, train_contour
from tests.fakes import FixedRanker, random_segmenter, two_lesion_study

FIRST, SECOND = (20, 24, 10), (44, 24, 30)
NOTHING: Voxels = np.zeros((0, 3), np.int64)


def settings(steps: int, batch: int = 1, rate: float = 2e-3, seed: int = 0) -> TrainSettings:
    return TrainSettings(steps, batch, rate, decay=0.02, seed=seed)


def lesions(study: Study) -> np.ndarray:
    labels = np.zeros(study.pet.shape, np.uint32)
    labels[:20][study.pet[:20] > 5] = 1
    labels[20:][study.pet[20:] > 5] = 2
    return labels


def cubes(study: Study) -> list[Cube]:
    return list(training_cubes(study, lesions(study), np.random.default_rng(0)))


@pytest.fixture(scope="module")
def contour() -> VolumeNetwork:
    return VolumeNetwork(train_contour([(cubes(two_lesion_study()), 1.0)], settings(steps=60, batch=4, rate=5e-3)))


@pytest.mark.parametrize("width", WIDTHS_MM)
@pytest.mark.parametrize("with_ct", [True, False])
def test_a_window_shows_what_is_round_a_stroke_and_where_the_stroke_is(width: float, with_ct: bool) -> None:
    study = two_lesion_study()
    study = study if with_ct else replace(study, ct=None)
    drawn, beside = np.array([FIRST, (21, 24, 10)]), np.array([(24, 24, 10)])
    cells = cells_round(study, drawn, width)
    seen = volume_input(study, cells, drawn, beside)
    assert seen.pet.shape[1:] == (SIDE, SIDE)
    assert seen.pet.shape[0] <= SIDE
    inputs = seen.inputs()
    assert inputs.shape == (CHANNELS, *seen.pet.shape)
    assert np.isfinite(inputs).all()
    assert seen.pet[seen.tumor].max() == pytest.approx(8.0, abs=0.5)
    x = np.argwhere(seen.tumor)[:, 2].mean()
    assert abs(x - SIDE / 2) <= 1.5
    assert np.argwhere(seen.background)[:, 2].mean() > x


def test_it_draws_a_lesion_that_it_has_learned_alone(contour: VolumeNetwork) -> None:
    study = two_lesion_study()
    for place, number in ((FIRST, 1), (SECOND, 2)):
        field = contour.predict_logits(study, np.array([place]), NOTHING, WIDTHS_MM[0], 0.35)
        x, y, z = field.corner
        d, h, w = field.values.shape
        truth = lesions(study)[z : z + d, y : y + h, x : x + w] == number
        shown = field.values > 0
        assert 2 * (shown & truth).sum() / (shown.sum() + truth.sum()) > 0.7


def test_half_a_chance_makes_a_cell_lesion_in_the_narrowest_cubes_alone() -> None:
    undecided = VolumeNetwork(new_network().eval())
    fields = [
        undecided.predict_logits(two_lesion_study(), np.array([FIRST]), NOTHING, width, 0.35).values
        for width in WIDTHS_MM
    ]
    assert (fields[0] > 0).all()
    assert not (fields[1] > 0).any()
    assert not (fields[2] > 0).any()


def test_at_the_end_of_a_study_there_is_less_to_see(contour: VolumeNetwork) -> None:
    study = two_lesion_study()
    field = contour.predict_logits(study, np.array([(1, 1, 0)]), NOTHING, WIDTHS_MM[1], 0.35)
    assert field.corner == (0, 0, 0)
    assert np.isfinite(field.values).all()


def test_a_session_takes_its_outline_and_corrects_it_with_it(contour: VolumeNetwork) -> None:
    def opened(number: int) -> Session:
        segmenter = random_segmenter()
        segmenter.contour = contour
        segmenter.__dict__["ranker"] = FixedRanker(number)
        return segmenter.open(two_lesion_study())

    session = opened(1)
    session.add_click(FIRST)
    lesion = session.state.lesions[1]
    assert lesion.contour_mm == WIDTHS_MM[0]
    assert lesion.of_uptake
    truth = lesions(session.study) == 1
    assert 2 * (session.array * truth).sum() / (session.array.sum() + truth.sum()) > 0.7
    session.add_scribble([(22, 24, 10), (22, 25, 10)], label="background")
    assert session.state.lesions[1].contour_mm == WIDTHS_MM[0]
    assert session.array[10, 24, 22] == session.array[10, 25, 22] == 0
    level = opened(1 + len(WIDTHS_MM))
    level.add_click(FIRST)
    assert level.state.lesions[1].of_uptake
    assert level.state.lesions[1].contour_mm == WIDTHS_MM[0]


def test_what_the_network_corrects_is_not_tracked_again_until_a_box_asks_the_model(
    contour: VolumeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[int] = []
    whole = Sam2Proposer._settle

    def counted(self: Sam2Proposer, drafts: list[Any], *rest: Any) -> Any:
        shown.extend(len(draft.prompts) - draft.shown for draft in drafts)
        return whole(self, drafts, *rest)

    monkeypatch.setattr(Sam2Proposer, "_settle", counted)
    segmenter = random_segmenter()
    segmenter.contour = contour
    segmenter.__dict__["ranker"] = FixedRanker(1)
    session = segmenter.open(two_lesion_study())
    session.add_click(FIRST)
    session.add_scribble([(23, 24, 10), (24, 24, 10)])
    assert shown == [1]
    session.add_box((14, 18, 5), (26, 30, 15), lesion=1)
    assert shown == [1, 3]
    assert session.state.lesions[1].contour_mm is None


def test_the_network_has_a_word_in_what_the_model_corrects() -> None:
    class Sure:
        def __init__(self, logit: float) -> None:
            self.logit = logit

        def predict_logits(self, study: Study, *_: object) -> LogitBox:
            return LogitBox((0, 0, 0), np.full(study.axial_pet.shape, self.logit, np.float32))

    def taken(shown: float | None) -> np.ndarray:
        segmenter = random_segmenter()
        segmenter.contour = None if shown is None else cast("VolumeNetwork", Sure(shown))
        session = segmenter.open(two_lesion_study())
        session.add_click(FIRST)
        before = session.array
        stroke = np.argwhere(before)[:3, ::-1]
        session.add_scribble(stroke, label="background", lesion=1)
        gone = (before > 0) & (session.array == 0)
        assert gone[tuple(stroke[:, ::-1].T)].all()
        return gone

    alone, shown = taken(None), taken(16.0)
    assert alone.sum() > 3
    assert (taken(0.0) == alone).all()
    assert shown.sum() == 3


def test_a_lesion_too_wide_for_fine_cubes_is_corrected_by_the_model(contour: VolumeNetwork) -> None:
    segmenter = random_segmenter()
    segmenter.contour = contour

    def widths(side: int, settings: OutlineSettings = DEFAULTS.outlines) -> list[float | None]:
        block = MaskBox((0, 0, 0), np.ones((side, side, side), bool))
        features = np.zeros((5, len(FIRST_NAMES)), np.float32)
        features[:, LEVEL] = [0, -1, -2, -3, 0.4]
        outlines = Outlines((block,) * 5, features)
        proposers = replace(segmenter.proposers(two_lesion_study()), settings=settings)
        lesion = proposers.sam2.unseen(Click(FIRST), block)
        return [proposers.chosen(lesion, outlines, number).contour_mm for number in range(5)]

    assert widths(24) == [None, 64.0, 128.0, None, None]
    assert widths(19) == [None, 64.0, 128.0, None, 128.0]
    assert widths(19, OutlineSettings(fine_mm=100.0)) == [None, 64.0, None, None, None]


def test_outlines_of_a_model_without_the_network_are_told_by_the_same_features(contour: VolumeNetwork) -> None:
    segmenter = random_segmenter()
    study = two_lesion_study()
    tracker = segmenter.tracker(study)
    (lesion,) = tracker.track([Click(FIRST)], NOTHING)
    plain = tracker.proposers.outlines(lesion, NOTHING)
    assert np.isnan(plain.features[:, FIRST_NAMES.index("contour_logit_64")]).all()
    segmenter.contour = contour
    drawn = segmenter.tracker(study).proposers.outlines(lesion, NOTHING)
    assert len(drawn.blocks) == len(plain.blocks) + len(WIDTHS_MM)
    assert drawn.features[1, FIRST_NAMES.index("agreement_64")] == 1
    assert drawn.features[1, LEVEL] == -1


@pytest.mark.parametrize("seed", range(20))
def test_strokes_are_drawn_on_the_lesion_and_beside_it(seed: int) -> None:
    for cube in cubes(two_lesion_study()):
        rng = np.random.default_rng(seed)
        inputs, truth = Drawing.begun(cube, rng).example(rng)
        assert inputs.shape == (CHANNELS, SIDE, SIDE, SIDE)
        assert truth.shape == (SIDE, SIDE, SIDE)
        tumor, background = inputs[5] == 1, inputs[6] == 1
        assert tumor.any()
        assert (truth[tumor] >= 0.5).all()
        assert not (background & (truth >= 0.5)).any()


@pytest.mark.parametrize("seed", range(20))
def test_a_correction_is_drawn_on_an_error_of_the_mask_that_stands(seed: int) -> None:
    for cube in cubes(two_lesion_study()):
        rng = np.random.default_rng(seed)
        drawing = Drawing.begun(cube, rng)
        assert not drawing.inputs()[STANDING].any()
        before = drawing.tumor.copy(), drawing.background.copy()
        drawing.corrected(rng.random((SIDE,) * 3) < 0.2, rng)
        standing = drawing.standing
        if not standing.any():  # a level of uptake that was right
            assert (drawing.tumor == before[0]).all()
            assert (drawing.background == before[1]).all()
            continue
        assert (standing[before[0]] | before[1][before[0]]).all()
        assert not standing[before[1]].any()
        drawn = drawing.tumor & ~before[0], drawing.background & ~before[1]
        assert drawn[0].any() != drawn[1].any()
        assert (drawing.mask & ~standing)[drawn[0]].all()
        assert (standing & ~drawing.mask)[drawn[1]].all()
        assert drawing.inputs()[STANDING].sum() == standing[drawing.window].sum()


def test_a_mask_that_is_right_is_not_corrected() -> None:
    (cube, *_) = cubes(two_lesion_study())
    rng = np.random.default_rng(0)
    drawing = Drawing.begun(replace(cube, ct=None), rng)
    drawing.pet = np.where(drawing.mask, 1.0, 0.0).astype(np.float32)
    drawing.background[:] = False
    before = drawing.tumor.copy()
    drawing.corrected(drawing.seen(drawing.mask) > 0, rng)
    assert not drawing.standing.any()
    assert (drawing.tumor == before).all()
    assert not drawing.background.any()


def test_a_cube_shows_the_mask_that_stands_and_what_was_drawn() -> None:
    drawn, room = np.array([[10.0, 10.0, 10.0], [12.0, 10.0, 10.0]]), np.full(3, 8.0)
    assert middle_of(drawn, np.zeros((0, 3)), room).tolist() == [11, 10, 10]
    assert middle_of(drawn, np.array([[10.0, 4.0, 10.0]]), room).tolist() == [11, 7, 10]
    assert middle_of(drawn, np.array([[100.0, 10.0, -100.0]]), room).tolist() == [18, 10, 2]
    long = np.array([[0.0, 0.0, 0.0], [40.0, 0.0, 0.0]])
    assert middle_of(long, np.array([[100.0, 0.0, 0.0]]), room).tolist() == [20, 0, 0]


def test_a_stroke_shows_the_network_the_mask_that_it_corrects(
    contour: VolumeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []
    whole = VolumeInput.inputs

    def kept(self: VolumeInput) -> np.ndarray:
        seen.append(whole(self))
        return seen[-1]

    monkeypatch.setattr(VolumeInput, "inputs", kept)
    segmenter = random_segmenter()
    segmenter.contour = contour
    segmenter.__dict__["ranker"] = FixedRanker(1)
    session = segmenter.open(two_lesion_study())
    session.add_click(FIRST)
    assert not any(one[STANDING].any() for one in seen)
    seen.clear()
    ml = session.array.sum() * session.study.grid.voxel_ml
    session.add_scribble([(23, 24, 10), (24, 24, 10)])
    (one,) = seen
    assert one[STANDING].sum() * (WIDTHS_MM[0] / SIDE) ** 3 / 1000 == pytest.approx(ml, rel=0.1)


def test_a_network_that_was_never_shown_a_mask_still_works(contour: VolumeNetwork) -> None:
    earlier = VolumeNetwork.of(new_network(CHANNELS - 1).state_dict(), Path("contour.safetensors"))
    drawn, block = np.array([FIRST]), MaskBox((0, 0, 0), np.ones((3, 3, 3), bool))
    fields = [
        earlier.predict_logits(two_lesion_study(), drawn, NOTHING, WIDTHS_MM[0], 0.35, standing)
        for standing in (None, block)
    ]
    assert fields[0].corner == fields[1].corner
    assert (fields[0].values == fields[1].values).all()
    assert (fields[0].values > 0).all()
    state = contour.network.state_dict()
    state["enter.weight"] = state["enter.weight"][:, :16]
    with pytest.raises(InputError, match="contour network"):
        VolumeNetwork.of(state, Path("contour.safetensors"))


def test_cubes_are_kept_as_they_are(tmp_path: Path) -> None:
    study = two_lesion_study()
    for one in (study, replace(study, ct=None)):
        made = cubes(one)
        assert {cube.mm * SIDE for cube in made} == {64.0, 128.0}
        save_cubes(made, tmp_path / "cubes.npz")
        for kept, cube in zip(load_cubes(tmp_path / "cubes.npz"), made, strict=True):
            assert (kept.mm, kept.ml) == (cube.mm, cube.ml)
            assert np.array_equal(kept.pet, cube.pet)
            assert np.array_equal(kept.truth, cube.truth)
            assert (kept.ct is None) == (cube.ct is None) == (one.ct is None)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    written = []
    for number, seed in enumerate((0, 0, 1)):
        network = train_contour([(cubes(two_lesion_study()), 1.0)], settings(steps=2, batch=2, seed=seed))
        write_fp16(network, tmp_path / f"{number}")
        written.append((tmp_path / f"{number}").read_bytes())
    assert written[0] == written[1] != written[2]


def test_it_learns_in_bfloat16_as_in_float32_and_is_kept_in_that() -> None:
    examples = [(cubes(two_lesion_study()), 1.0)]
    losses: dict[bool, list[float]] = {False: [], True: []}
    for bfloat16, found in losses.items():
        network = train_contour(
            examples, settings(steps=8, batch=1, rate=5e-3), bfloat16, report=lambda _, x, found=found: found.append(x)
        )
        assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert np.mean(losses[True][-3:]) < np.mean(losses[True][:3])
    assert losses[True] == pytest.approx(losses[False], rel=0.005)
    assert losses[True] != losses[False]


def test_cut_off_it_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    examples = [(cubes(two_lesion_study()), 1.0)]
    whole = train_contour(examples, settings(steps=4, batch=2))
    state = tmp_path / "state.pt"

    def stop(step: int, _: float) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_contour(examples, settings(steps=4, batch=2), state=state, save_every=2, report=stop)
    again = train_contour(examples, settings(steps=4, batch=2), state=state)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))


def test_a_state_that_was_cut_short_says_so(tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    examples = [(cubes(two_lesion_study()), 1.0)]
    train_contour(examples, settings(steps=1, batch=1), state=state)
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(InputError, match="is damaged"):
        train_contour(examples, settings(steps=2, batch=1), state=state)


def test_without_a_lesion_there_is_nothing_to_learn() -> None:
    with pytest.raises(InputError, match="no lesion to learn from"):
        train_contour([([], 1.0)], settings(steps=1))


def test_weights_of_another_network_are_refused() -> None:
    state = new_network().state_dict()
    state.pop("enter.weight")
    with pytest.raises(InputError, match="contour network"):
        VolumeNetwork.of(state, Path("contour.safetensors"))
