"""Predictions of trees while they are being trained."""

from __future__ import annotations

import numpy as np
import xgboost

from sam_pet.trees import Floats, unpacked


def booster(text: str) -> xgboost.Booster:
    """What `sam_pet.trees.to_text` has made a text of; one that was read with a checkpoint, and so checked."""
    found = xgboost.Booster()
    found.load_model(bytearray(unpacked(text)))
    return found


def predict(booster: xgboost.Booster, features: Floats) -> Floats:
    """One value (n,) for each row of features (n, m); NaN is what is not known."""
    if not len(features):
        return np.zeros(0, np.float32)
    predicted: Floats = booster.inplace_predict(np.ascontiguousarray(features, np.float32), missing=np.nan)
    return predicted
