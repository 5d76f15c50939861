from __future__ import annotations

import numpy as np

from sam_pet.detection.context import CONTEXT_NAMES, describe_context
from sam_pet.detection.features import NAMES
from sam_pet.trees import as_logits

PLACES = np.array([[0.0, 0, 0], [40, 0, 0], [500, 0, 0]])


def described(probabilities: list[float], hu: list[float], places: np.ndarray = PLACES) -> dict[str, np.ndarray]:
    features = np.zeros((len(probabilities), len(NAMES)), np.float32)
    features[:, NAMES.index("hu")] = hu
    cnn_logits = np.full(len(probabilities), np.nan)
    rows = describe_context(np.array(probabilities), cnn_logits, features, places[: len(probabilities)])
    return dict(zip(CONTEXT_NAMES, rows.T, strict=True))


def test_each_candidate_is_set_beside_the_others() -> None:
    assert len(set(CONTEXT_NAMES)) == len(CONTEXT_NAMES)
    known = described([0.2, 0.9, 0.6], [100.0, 40.0, 10.0])
    logits = as_logits(np.array([0.2, 0.9, 0.6]))
    np.testing.assert_allclose(known["verdict"], logits, rtol=1e-5)
    np.testing.assert_allclose(known["likelier"], [1.5, 0.0, 0.9 / 1.1], rtol=1e-5)
    np.testing.assert_allclose(known["best_other"], logits[[1, 2, 1]], rtol=1e-5)
    # To the third, the first two are one.
    np.testing.assert_allclose(known["best_elsewhere"], [logits[2], logits[0], np.nan], rtol=1e-5)
    np.testing.assert_allclose(known["others"], [1.5, 0.8, 1.0], rtol=1e-5)
    # The third is far from both.
    np.testing.assert_allclose(known["near_best"], [logits[1], logits[0], np.nan], rtol=1e-5)
    np.testing.assert_allclose(known["near_others"], [0.9, 0.2, 0.0], atol=1e-6)
    assert known["likely"].tolist() == [3, 3, 3]
    # Of the others, each counts by its probability.
    np.testing.assert_allclose(known["hu_to_others"][0], 100 - (0.9 * 40 + 0.6 * 10) / 1.5, rtol=1e-5)


def test_many_peaks_of_a_mass_count_as_one() -> None:
    peaks = np.random.default_rng(0).uniform(0, 30, (20, 3))
    places = np.concatenate([peaks, [[0, 0, 900]]])
    known = described([0.9] * 20 + [0.5], [0.0] * 21, places)
    np.testing.assert_allclose(known["others"][-1], 1.0, rtol=1e-5)
    assert np.isnan(known["best_elsewhere"][-1])
    # Among themselves they still convince.
    np.testing.assert_allclose(known["near_others"][:20], 19 * 0.9, rtol=1e-5)


def test_one_alone_has_no_others() -> None:
    known = described([0.7], [50.0])
    for name in ("best_other", "best_elsewhere", "near_best", "hu_to_others"):
        assert np.isnan(known[name]).all()
    assert known["others"] == known["near_others"] == 0
    assert not described([], [])["verdict"].size


def test_what_is_certain_stays_finite() -> None:
    known = described([1.0, 0.0, np.float32(1.0)], [0.0, 0.0, 0.0])
    rows = np.stack(list(known.values()))
    assert not np.isinf(rows).any()
