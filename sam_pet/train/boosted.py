"""What trees say while they are being trained."""

from __future__ import annotations

import numpy as np
import xgboost

from sam_pet.trees import Floats


def predict(booster: xgboost.Booster, features: Floats) -> Floats:
    """One value (n,) for each row of features (n, m); NaN is what is not known."""
    if not len(features):
        return np.zeros(0, np.float32)
    predicted: Floats = booster.inplace_predict(np.ascontiguousarray(features, np.float32), missing=np.nan)
    return predicted
