from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_pet.boxes import MaskBox
from sam_pet.detection.appearance import Appearance
from sam_pet.detection.appearance_net import AppearanceNetwork
from sam_pet.detection.classifier import PROMPT_SCORE_NAMES, LesionClassifier, OperatingPoint
from sam_pet.detection.detect import Proposal, _joined, find_candidates, first_answer, quick_mask
from sam_pet.detection.features import MODEL_NAMES, NAMES
from sam_pet.detection.prompt_score import prompt_scores
from sam_pet.errors import InputError
from sam_pet.prompts import Click
from sam_pet.proposers.lesion import Lesion
from sam_pet.segmenter import Segmenter
from sam_pet.session.engine import LesionSegmenter
from sam_pet.session.session import Session
from sam_pet.train.candidate_examples import FRACTIONS, CandidateExample
from sam_pet.train.classifier import fit, prefiltered
from sam_pet.train.operating_point import best_operating_point, play
from tests.detection.studies import SPOT, ball, body_study
from tests.fakes import random_segmenter


def example(seed: int, lesions: int) -> CandidateExample:
    """40 candidates, of which the hot ones low in the body are lesions of 100 voxels."""
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 0.1, (40, len(NAMES))).astype(np.float32)
    is_lesion = np.arange(40) < lesions
    features[:, NAMES.index("below_top")] = np.where(is_lesion, 500, 50) + rng.normal(0, 20, 40)
    voxels = np.tile(np.linspace(150, 50, len(FRACTIONS)).astype(np.int64), (40, 1))
    return CandidateExample(
        tracer="fdg" if seed % 2 else "psma",
        features=features,
        places=np.zeros((40, 3)),
        model_features=np.full((40, len(MODEL_NAMES)), np.nan, np.float32),
        cnn_logits=np.full(40, np.nan),
        voxels=voxels,
        true=np.where(is_lesion[:, None], np.minimum(voxels, 100), 0),
        lesion=np.where(is_lesion, np.arange(40) + 1, 0),
        sizes=np.full(lesions, 100),
    )


@pytest.fixture(scope="module")
def classifier() -> LesionClassifier:
    return fit([example(s, (0, 3, 4, 5)[s // 2 % 4]) for s in range(16)], [example(s, s % 4) for s in range(16, 20)])


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return random_segmenter()


class Fixed:
    """A classifier with one probability for the hottest spots below the chest."""

    appearance = None

    def __init__(self, probability: float, uses_model: bool = True) -> None:
        self.probability = probability
        self.uses_model = uses_model

    def operating_point(self, _: str) -> OperatingPoint:
        return OperatingPoint(prefilter=0.5, candidate=0.5, study=0.8)

    def prefilter(self, features: np.ndarray) -> np.ndarray:
        low = features[:, NAMES.index("below_top")] > 400
        return np.where(low, 0.9, 0.0)

    def lesion_probability(
        self, features: np.ndarray, model_features: np.ndarray, cnn_logits: np.ndarray
    ) -> np.ndarray:
        assert np.isnan(cnn_logits).all()
        assert model_features.shape == (len(features), len(MODEL_NAMES))
        assert np.isfinite(model_features).all() == self.uses_model
        return np.full(len(features), self.probability)

    def rescore_with_context(self, probabilities: np.ndarray, *_: np.ndarray) -> np.ndarray:
        return probabilities

    def extent(self, features: np.ndarray) -> np.ndarray:
        return np.full(len(features), 0.42)


def opened(segmenter: Segmenter, probability: float, spot: float | None = 6.0, uses_model: bool = True) -> Session:
    segmenter.__dict__["lesion_classifier"] = Fixed(probability, uses_model)
    return segmenter.open(body_study(spot=spot))


def test_the_first_answer_is_the_extent_of_what_convinces(segmenter: Segmenter) -> None:
    session = opened(segmenter, 0.9)
    assert session.first_answer() == 1
    assert (session.array.astype(bool) == ball(SPOT, 10)).all()
    assert len(session.lesions) == 1


def test_regions_that_touch_are_one_lesion_prompted_where_all_were() -> None:
    tracker = random_segmenter().tracker(body_study(spot=6.0))
    near, far = (52, 30, 50), (60, 30, 50)
    one, two = tracker.track([Click(near), Click(far)], np.zeros((0, 3), np.int64))
    left = MaskBox((50, 28, 48), np.ones((5, 5, 6), bool))
    right, apart = (MaskBox((x, 28, 48), np.ones((5, 5, 6), bool)) for x in (56, 58))

    def joined(block: MaskBox, width: float | None) -> list[Lesion]:
        pair = [replace(one, block=left, contour_mm=width), replace(two, block=block, contour_mm=width)]
        return _joined([Proposal(pair[0], 0.9), Proposal(pair[1], 0.8)], tracker.proposers)

    (whole,) = joined(right, 64.0)
    assert whole.block.values.sum() == 2 * left.values.sum()
    assert whole.prompts == (Click(near), Click(far))
    assert whole.contour_mm == 128.0
    assert [lesion.prompts for lesion in joined(right, None)] == [(Click(near),)]
    assert [lesion.contour_mm for lesion in joined(apart, 64.0)] == [64.0, 64.0]


@pytest.mark.parametrize(("doubtful", "whole"), [(0.05, False), (0.3, True)])
def test_an_outline_loses_a_peak_that_is_improbable_not_one_that_is_doubtful(
    doubtful: float, whole: bool, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Torn(Fixed):
        def rescore_with_context(self, probabilities: np.ndarray, *known: np.ndarray) -> np.ndarray:
            _, features, _ = known
            return np.where(features[:, NAMES.index("suv")] > np.log(5.5), probabilities, doubtful)

    study = body_study(spot=6.0)
    second = ball((SPOT[0], SPOT[1], SPOT[2] + 6), 10)
    study.pet[second] = 5.0
    both = ball(SPOT, 10) | second
    tracker = segmenter.tracker(study)
    tracker.ranker = object()  # type: ignore[assignment]
    monkeypatch.setattr(tracker, "select_outline", lambda lesion, _: replace(lesion, block=MaskBox((0, 0, 0), both)))
    (lesion,) = first_answer(tracker, Torn(0.9, uses_model=False), "fdg")  # type: ignore[arg-type]
    assert lesion.block.within((0, 0, 0), both.shape)[ball(SPOT, 10)].all()
    assert lesion.block.within((0, 0, 0), both.shape)[second].all() == whole


def test_a_judge_that_does_not_listen_has_the_model_asked_about_what_it_accepts_alone(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, asked = [], []
    whole = LesionSegmenter.track

    def counted(self: LesionSegmenter, prompts: Any, *rest: Any) -> Any:
        asked.append(len(prompts))
        return whole(self, prompts, *rest)

    monkeypatch.setattr(LesionSegmenter, "track", counted)
    for probability, uses_model in ((0.9, True), (0.9, False), (0.1, True), (0.1, False)):
        session = opened(segmenter, probability, uses_model=uses_model)
        session.first_answer()
        answers.append(session.array)
    assert (answers[0] == answers[1]).all()
    assert len(asked) == 3


def test_nothing_convincing_is_an_empty_answer(segmenter: Segmenter) -> None:
    session = opened(segmenter, 0.7)  # enough to keep, too little to open
    assert session.first_answer() == 0
    assert not session.array.any()


def test_a_stroke_opens_an_empty_answer(segmenter: Segmenter) -> None:
    session = opened(segmenter, 0.1)
    session.first_answer()
    session.add_click(SPOT)
    assert session.array[SPOT[::-1]] == 1


def test_undo_takes_the_first_answer_back(segmenter: Segmenter) -> None:
    session = opened(segmenter, 0.9)
    session.first_answer()
    session.undo()
    assert not session.array.any()
    with pytest.raises(InputError):
        session.undo()


def test_the_first_answer_comes_first(segmenter: Segmenter) -> None:
    session = opened(segmenter, 0.9)
    session.add_click(SPOT)
    with pytest.raises(InputError, match="before the first prompt"):
        session.first_answer()


def test_an_unknown_tracer_is_refused(segmenter: Segmenter) -> None:
    with pytest.raises(InputError, match="use fdg, psma or auto"):
        opened(segmenter, 0.9).first_answer("flt")


def test_replay_gives_the_first_answer_again(segmenter: Segmenter, tmp_path: Path) -> None:
    session = opened(segmenter, 0.9)
    session.first_answer("fdg")
    session.add_click((40, 30, 30))
    session.save(tmp_path)
    again = Session.replay(tmp_path, session.study, segmenter)
    assert again.asked == "fdg"
    assert (again.labels == session.labels).all()


def test_a_classifier_learns_and_survives_its_file(classifier: LesionClassifier, tmp_path: Path) -> None:
    classifier.write(tmp_path / "judge.json")
    read = LesionClassifier.read(tmp_path / "judge.json")
    unseen = example(99, 4)
    probabilities = read.lesion_probability(unseen.features, unseen.model_features, unseen.cnn_logits)
    assert probabilities[:4].min() > probabilities[4:].max()
    assert (
        probabilities == classifier.lesion_probability(unseen.features, unseen.model_features, unseen.cnn_logits)
    ).all()
    assert ((read.extent(unseen.features) > 0.15) & (read.extent(unseen.features) < 0.8)).all()


def test_where_others_convince_a_doubtful_candidate_is_likelier() -> None:
    """Doubtful ones are lesions in studies with lesions beyond doubt, and nothing in others."""

    def made(seed: int) -> CandidateExample:
        one, rng = example(seed, 4 if seed % 4 < 2 else 0), np.random.default_rng(seed)
        doubtful = np.arange(40) >= 34
        features = one.features.copy()
        features[doubtful, NAMES.index("below_top")] = 250 + rng.normal(0, 20, 6)
        if not one.sizes.size:
            return replace(one, features=features)
        true = np.where(doubtful[:, None], np.minimum(one.voxels, 100), one.true)
        lesion = np.where(doubtful, np.arange(40) - 29, one.lesion)
        return replace(one, features=features, true=true, lesion=lesion, sizes=np.full(10, 100))

    classifier = fit([made(seed) for seed in range(40)], [])

    def doubt(seed: int) -> float:
        one = made(seed)
        rows = np.flatnonzero(classifier.prefilter(one.features) >= 0.01)
        some = [values[rows] for values in (one.model_features, one.cnn_logits, one.features, one.places)]
        probabilities = classifier.lesion_probability(some[2], some[0], some[1])
        return float(classifier.rescore_with_context(probabilities, *some[1:])[rows >= 34].mean())

    assert min(doubt(100), doubt(101)) > 0.9
    assert max(doubt(102), doubt(103)) < 0.1


def test_a_classifier_uses_the_model_if_that_has_taught_it_something(classifier: LesionClassifier) -> None:
    assert not classifier.uses_model
    samples = [example(s, (0, 3, 4, 5)[s // 2 % 4]) for s in range(16)]
    with_model = [
        replace(s, model_features=np.where(s.positive, 5.0, -5.0)[:, None].repeat(3, 1).astype(np.float32))
        for s in samples
    ]
    assert fit(with_model, []).uses_model


def test_the_networks_logits_count_beside_the_trees_and_belong_to_their_network(tmp_path: Path) -> None:
    appearance = Appearance(AppearanceNetwork(len(NAMES)), "a" * 64)

    def blurred(seed: int) -> CandidateExample:
        """Features and the network's logits each tell lesions from the rest in part."""
        one, rng = example(seed, (0, 3, 4, 5)[seed // 2 % 4]), np.random.default_rng(seed)
        features = one.features.copy()
        features[:, NAMES.index("below_top")] += rng.normal(0, 300, 40)
        return replace(one, features=features, cnn_logits=np.where(one.positive, 2.0, -2.0) + rng.normal(0, 1.5, 40))

    def area_under_curve(classifier: LesionClassifier, one: CandidateExample, cnn_logits: np.ndarray) -> float:
        found = classifier.lesion_probability(one.features, one.model_features, cnn_logits)
        return float((found[one.positive][:, None] > found[~one.positive]).mean())

    samples, validation = [blurred(s) for s in range(16)], [blurred(s) for s in range(16, 40)]
    classifier = fit(samples, validation, appearance=appearance)
    unseen = [blurred(s) for s in range(62, 94, 4)]
    both = np.mean([area_under_curve(classifier, one, one.cnn_logits) for one in unseen])
    assert both > 0.97
    assert both > np.mean([area_under_curve(classifier, one, np.full(40, np.nan)) for one in unseen]) + 0.05
    classifier.write(tmp_path / "judge.json")
    again = LesionClassifier.read(tmp_path / "judge.json", appearance)
    assert again.content == classifier.content
    for other in (None, replace(appearance, sha256="b" * 64)):
        with pytest.raises(InputError, match="not trained beside the appearance network"):
            LesionClassifier.read(tmp_path / "judge.json", other)
    with pytest.raises(InputError, match="looked at no validation study"):
        fit(samples, [example(s, 3) for s in range(4)], appearance=appearance)


def test_the_prefilter_of_a_study_is_of_trees_that_have_not_seen_it() -> None:
    samples = [example(s, 3) for s in range(10)]
    # One study contradicts all others: trees that had seen it would have learned some of it.
    odd = replace(example(50, 3), lesion=np.where(np.arange(40) == 20, 1, 0), true=example(50, 3).true[::-1].copy())
    seen = prefiltered([*samples, odd])
    assert [len(one) for one in seen] == [40] * 11
    assert seen[-1][:3].min() > seen[-1][3:].max()


def test_the_same_samples_give_the_same_classifier(classifier: LesionClassifier) -> None:
    again = fit([example(s, (0, 3, 4, 5)[s // 2 % 4]) for s in range(16)], [example(s, s % 4) for s in range(16, 20)])
    assert again.content == classifier.content


@pytest.mark.parametrize("text", ["", "{}", '{"features": []}'])
def test_a_damaged_classifier_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "judge.json").write_text(text)
    with pytest.raises(InputError, match="is not a lesion classifier"):
        LesionClassifier.read(tmp_path / "judge.json")


def test_a_classifier_of_other_features_is_refused(classifier: LesionClassifier, tmp_path: Path) -> None:
    other = replace(classifier, content=classifier.content.model_copy(update={"features": ["suv"]}))
    other.write(tmp_path / "judge.json")
    with pytest.raises(InputError, match="other features"):
        LesionClassifier.read(tmp_path / "judge.json")


def test_play_counts_what_the_challenge_counts() -> None:
    extent = np.full(40, int(np.argmin(np.abs(FRACTIONS - 0.5))))
    free, nothing = example(1, 0), np.zeros(40, bool)
    one = np.arange(40) == 7
    assert play(free, nothing, extent) == (5.0, None)
    assert play(free, one, extent) == (0.0, None)
    diseased = example(1, 2)
    # Two lesions of 100 voxels, each to be corrected to 80 true and 20 false voxels: Dice 0, 0.533, 0.8, 0.8 ...
    dice, dmm = play(diseased, nothing, extent)
    assert dice == pytest.approx(0.5 * 0 + 2 * 80 / 300 + 0.8 * 3.5)
    assert dmm == pytest.approx(2 / 3 + 3.5)


def test_the_gate_closes_where_silence_is_worth_more() -> None:
    samples = [example(1, 0), example(1, 2)]
    extents = [np.full(40, 5)] * 2
    convincing = [np.where(np.arange(40) == 7, 0.6, 0.0), np.where(np.arange(40) < 2, 0.9, 0.0)]
    point, facts = best_operating_point(samples, convincing, extents, 0.03)
    assert not point.accept(convincing[0]).any()
    assert point.accept(convincing[1]).sum() == 2
    assert facts["lesion_free_auc_dice"] == 5.0


def test_lesion_free_studies_stay_silent_whatever_that_costs_where_lesions_are() -> None:
    samples = [example(1, 0), *[example(1, 2)] * 9]
    extents = [np.full(40, 5)] * len(samples)
    # What is hot in the study without a lesion is as convincing as most lesions are.
    convincing = [np.where(np.arange(40) == 7, 0.6, 0.0), *[np.where(np.arange(40) < 2, 0.6, 0.0)] * 8]
    convincing.append(np.where(np.arange(40) < 2, 0.9, 0.0))
    point, facts = best_operating_point(samples, convincing, extents, 0.03)
    assert facts["lesion_free_auc_dice"] == 5.0
    assert [point.accept(one).any() for one in convincing] == [False] * 9 + [True]


def test_the_quick_mask_needs_the_study_alone(segmenter: Segmenter) -> None:
    session = opened(segmenter, 0.0)
    table = find_candidates(session.study)
    x, y, z = SPOT
    assert quick_mask(session.study, table, segmenter.lesion_classifier)[z, y, x]
    assert not quick_mask(session.study, table, None).any()
    assert session.first_answer(evidence=table) == 0


def test_the_networks_logit_alone_does_not_open_the_gate(classifier: LesionClassifier) -> None:
    calibrated = classifier.content.model_copy(update={"calibration": (1.0, 1.0, 0.0)})
    features, model_features = example(0, 3).features[:1], np.full((1, len(MODEL_NAMES)), np.nan, np.float32)
    cnn_logits = [np.array([look]) for look in (2.0, 4.0, 40.0)]
    probabilities = [
        float(replace(classifier, content=calibrated).lesion_probability(features, model_features, look)[0])
        for look in cnn_logits
    ]
    assert probabilities[0] < probabilities[1] == probabilities[2]


class Warm(Fixed):
    """Takes what is hotter than SUV 3 for a lesion, or what is not."""

    def __init__(self, hot: float, cold: float) -> None:
        super().__init__(0.5)
        self.hot, self.cold = hot, cold

    def lesion_probability(self, features: np.ndarray, model_features: np.ndarray, _: np.ndarray) -> np.ndarray:
        assert np.isnan(model_features).all()
        return np.where(features[:, NAMES.index("suv")] > np.log(3), self.hot, self.cold)

    def prompt_score(self, features: np.ndarray) -> np.ndarray:
        return np.fmax(
            features[:, PROMPT_SCORE_NAMES.index("basin_probability")],
            features[:, PROMPT_SCORE_NAMES.index("probability")],
        )


def test_scores_are_the_classifiers_word_on_what_was_pointed_at_and_else_the_trackers() -> None:
    segmenter = random_segmenter()
    segmenter.__dict__["lesion_classifier"] = Warm(0.9, 0.2)
    session = segmenter.open(body_study(spot=6.0))
    assert session.scores == {}
    session.add_click(SPOT)
    assert session.scores == {1: pytest.approx(np.log(9))}
    segmenter.__dict__["lesion_classifier"] = None
    assert session.scores == {1: session.state.lesions[1].score}


def test_a_place_on_the_slope_of_something_hot_is_also_judged_by_itself() -> None:
    study = body_study(spot=6.0)
    x, y, z = SPOT
    slope = (x + 3, y, z)
    study.pet[ball(slope, 7) & ~ball(SPOT, 10)] = 2.5
    table = find_candidates(study, "fdg")
    drawn = [np.array([SPOT]), np.array([slope]), np.zeros((0, 3), np.int64)]
    scores = prompt_scores(study, Warm(0.1, 0.8), table, drawn)  # type: ignore[arg-type]
    assert scores[0] < 0 < scores[1]
    assert np.isnan(scores[2])


class OfTracer(Warm):
    """Believes in lesions of PSMA studies alone."""

    def lesion_probability(
        self, features: np.ndarray, model_features: np.ndarray, cnn_logits: np.ndarray
    ) -> np.ndarray:
        psma = features[:, NAMES.index("tracer")] > 0.5
        return np.where(psma, super().lesion_probability(features, model_features, cnn_logits), 1 - self.hot)


def test_scores_are_for_the_tracer_of_the_first_answer_also_after_another_one() -> None:
    segmenter = random_segmenter()
    classifier = segmenter.__dict__["lesion_classifier"] = OfTracer(0.9, 0.2)
    classifier.uses_model = False
    session = segmenter.open(body_study(spot=6.0))
    found = []
    for tracer in ("psma", "fdg"):
        session.first_answer(tracer)
        session.add_click(SPOT)
        found.append(session.scores[session.entries[-1].lesions[0]])
        session.undo()
        session.undo()
    assert found == pytest.approx([np.log(9), -np.log(9)])
