"""Gradient-boosted trees as a text in a JSON file: XGBoost's own binary form, compressed."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost
from scipy.special import logit

Floats = npt.NDArray[np.floating[Any]]
# Probabilities this near to 0 and 1 are as good as these.
_SURE = 1e-9


def to_text(booster: xgboost.Booster) -> str:
    return base64.b64encode(zlib.compress(bytes(booster.save_raw("ubj")), 9)).decode("ascii")


def from_text(text: str) -> xgboost.Booster:
    """The trees in a text.

    Raises:
        ValueError: there are none.
    """
    booster = xgboost.Booster({"nthread": 1})
    try:
        booster.load_model(bytearray(zlib.decompress(base64.b64decode(text, validate=True))))
    except zlib.error as error:
        raise ValueError(f"no trees: {error}") from error
    # What was loaded brings settings of its own.
    booster.set_param({"nthread": 1})
    return booster


def predict(booster: xgboost.Booster, features: Floats) -> Floats:
    """One value (n,) for each row of features (n, m); NaN is what is not known."""
    if not len(features):
        return np.zeros(0, np.float32)
    predicted: Floats = booster.inplace_predict(np.ascontiguousarray(features, np.float32), missing=np.nan)
    return predicted


def as_logits(probabilities: Floats) -> Floats:
    """Logits, finite also where a probability is 0 or 1."""
    logits: Floats = logit(np.clip(probabilities, _SURE, 1 - _SURE, dtype=float))
    return logits
