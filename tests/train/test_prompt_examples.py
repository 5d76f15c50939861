from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xgboost

from sam_pet.detection.classifier import PROMPT_SCORE_NAMES, LesionClassifier, OperatingPoint
from sam_pet.detection.context import CONTEXT_NAMES
from sam_pet.detection.detect import find_candidates
from sam_pet.detection.features import NAMES
from sam_pet.errors import InputError
from sam_pet.models.parts import JUDGE
from sam_pet.train.prompt_examples import Pointed, fit, pointed
from tests.detection.studies import SPOT, ball, body_study


def stump(names: int) -> xgboost.Booster:
    """Trees that have learned next to nothing."""
    rows = np.random.default_rng(0).normal(size=(40, names))
    data = xgboost.DMatrix(rows, label=rows[:, 0] > 0)
    return xgboost.train({"objective": "binary:logistic", "max_depth": 1, "nthread": 1}, data, num_boost_round=1)


def classifier() -> LesionClassifier:
    points = {
        "fdg": OperatingPoint(prefilter=0.1, candidate=0.5, study=0.5),
        "psma": OperatingPoint(prefilter=0.1, candidate=0.5, study=0.5),
    }
    prefilter, extent, context = stump(len(NAMES)), stump(len(NAMES)), stump(len(CONTEXT_NAMES))
    return LesionClassifier.make(prefilter, None, extent, context, (1.0, 0.0, 0.0), points, {})  # type: ignore[arg-type]


def made(seed: int) -> Pointed:
    """Places of which the small ones are on lesions; what the classifier says of them is the reverse."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(60, len(PROMPT_SCORE_NAMES))).astype(np.float32)
    lesion = features[:, PROMPT_SCORE_NAMES.index("volume")] < 0
    features[:, PROMPT_SCORE_NAMES.index("probability")] = np.where(lesion, -1, 1)
    features[:, PROMPT_SCORE_NAMES.index("basin_probability")] = np.nan
    return Pointed(features, lesion)


def test_trees_of_their_own_overrule_the_probabilities_and_are_kept_with_the_classifier(tmp_path: Path) -> None:
    plain = classifier()
    unseen = made(9)
    np.testing.assert_array_equal(plain.prompt_score(unseen.features), np.where(unseen.lesion, -1, 1))
    plain.with_prompt_score(fit([made(seed) for seed in range(6)])).write(tmp_path / JUDGE)
    learned = LesionClassifier.read(tmp_path / JUDGE)
    scores = learned.prompt_score(unseen.features)
    assert (scores[unseen.lesion][:, None] > scores[~unseen.lesion]).mean() > 0.95
    nothing = np.full((1, len(PROMPT_SCORE_NAMES)), np.nan, np.float32)
    assert np.isnan(learned.prompt_score(nothing)).all()
    again = plain.with_prompt_score(fit([made(seed) for seed in range(6)]))
    assert again.content == learned.content


def test_damaged_trees_are_refused(tmp_path: Path) -> None:
    classifier().with_prompt_score(stump(len(PROMPT_SCORE_NAMES))).write(tmp_path / JUDGE)
    content = json.loads((tmp_path / JUDGE).read_text())
    (tmp_path / JUDGE).write_text(json.dumps({**content, "opinion": content["opinion"][:40]}))
    with pytest.raises(InputError, match="not a lesion classifier"):
        LesionClassifier.read(tmp_path / JUDGE)


def test_lesions_and_places_beside_them_are_pointed_at() -> None:
    study = body_study(spot=6.0)
    labels = ball(SPOT, 10).astype(np.uint16)
    found = pointed(study, labels, classifier(), find_candidates(study, "fdg"), np.random.default_rng(0))
    assert found.features.shape == (len(found.lesion), len(PROMPT_SCORE_NAMES))
    assert found.lesion.sum() == 2
    assert not found.lesion.all()
    suv = found.features[:, PROMPT_SCORE_NAMES.index("suv")]
    np.testing.assert_allclose(suv[found.lesion], np.log(6.0), atol=0.05)
    # The brain is the hottest, and nobody's lesion.
    assert suv[~found.lesion].max() == pytest.approx(np.log(9.0), abs=0.05)
    assert not np.isclose(suv[~found.lesion], np.log(6.0), atol=0.05).any()


def test_places_are_kept_as_they_are(tmp_path: Path) -> None:
    some = Pointed(np.array([[1.0, np.nan]], np.float32), np.array([True]))
    some.save(tmp_path / "places.npz")
    kept = Pointed.load(tmp_path / "places.npz")
    assert np.array_equal(kept.features, some.features, equal_nan=True)
    assert kept.lesion.tolist() == [True]
