"""Gradient-boosted trees as a text in a JSON file: XGBoost's own binary form, compressed."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost
from scipy.special import logit

from sam_pet.errors import one_line
from sam_pet.ubjson import decode

Floats = npt.NDArray[np.floating[Any]]
_MOST_BYTES, _MOST_FEATURES = 1 << 26, 10_000
_OBJECTIVES = ("binary:logistic", "reg:squarederror", "reg:logistic", "reg:absoluteerror", "reg:pseudohubererror")
_NODE_ARRAYS = {
    "base_weights": ">f4",
    "default_left": ">u1",
    "left_children": ">i4",
    "loss_changes": ">f4",
    "parents": ">i4",
    "right_children": ">i4",
    "split_conditions": ">f4",
    "split_indices": ">i4",
    "split_type": ">u1",
    "sum_hessian": ">f4",
}
_LOOKED_AT = ("left_children", "right_children", "parents", "split_indices", "split_type", "split_conditions")
_NO_PARENT = 2**31 - 1
_CATEGORIES = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
# Probabilities this near to 0 and 1 are as good as these.
_SURE = 1e-9


def to_text(booster: xgboost.Booster) -> str:
    return base64.b64encode(zlib.compress(bytes(booster.save_raw("ubj")), 9)).decode("ascii")


def from_text(text: str) -> xgboost.Booster:
    """The trees in a text.

    Raises:
        ValueError: there are none, or they are damaged: XGBoost would follow a wrong number out of its memory.
    """
    try:
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(base64.b64decode(text, validate=True), _MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"no trees: {error}") from error
    if not unpacker.eof:
        raise ValueError("no trees: they are cut short or far too many")
    _require_sound(content)
    booster = xgboost.Booster({"nthread": 1})
    try:
        booster.load_model(bytearray(content))
    except xgboost.core.XGBoostError as error:
        raise ValueError(f"no trees: {one_line(error)[:100]}") from error
    return booster


def _require_sound(content: bytes) -> None:
    """Raise a ValueError if a model is not one of plain trees, each number of which points to what is there."""
    try:
        learner = decode(content)["learner"]
        features = int(learner["learner_model_param"]["num_feature"])
        booster = learner["gradient_booster"]
        model = booster["model"]
        trees, count = model["trees"], int(model["gbtree_model_param"]["num_trees"])
        sound = (
            booster["name"] == "gbtree"
            and str(learner["objective"]["name"]) in _OBJECTIVES
            and int(learner["learner_model_param"]["num_class"]) == 0
            and 0 < features < _MOST_FEATURES
            and count == len(trees) == len(model["tree_info"])
            and not np.any(model["tree_info"])
            and model["iteration_indptr"][0] == 0
            and model["iteration_indptr"][-1] == count
            and (np.diff(model["iteration_indptr"]) > 0).all()
            and _are_sound(trees, features)
        )
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError("no trees: parts of them are missing") from error
    if not sound:
        raise ValueError("no trees: they are damaged")


def _are_sound(trees: list[dict[str, Any]], features: int) -> bool:
    nodes = np.array([int(tree["tree_param"]["num_nodes"]) for tree in trees])
    for name, layout in _NODE_ARRAYS.items():
        for tree, count in zip(trees, nodes.tolist(), strict=True):
            array = tree[name]
            if not isinstance(array, np.ndarray) or array.dtype != layout or len(array) != count:
                return False
    left, right, parents, split, kinds, values = (np.concatenate([tree[name] for tree in trees]) for name in _LOOKED_AT)
    own = np.concatenate([np.arange(count) for count in nodes])
    size = np.repeat(nodes, nodes)
    leaf = left == -1
    # Children come after their parents, so that no way leads round.
    inner = (left > own) & (right > own) & (left < size) & (right < size) & (left != right)
    if not (leaf | inner).all():
        return False
    first = np.arange(len(own)) - own
    told = np.full(len(own), _NO_PARENT)
    for child in (left, right):
        told[(first + child)[~leaf]] = own[~leaf]
    return bool(
        nodes.min() > 0
        and np.array_equal(leaf, right == -1)
        and np.array_equal(parents, told)
        and ((split >= 0) & (split < features))[~leaf].all()
        and not kinds.any()
        and np.isfinite(values).all()
        and not any(len(tree[name]) for tree in trees for name in _CATEGORIES)
        and all(str(tree["tree_param"]["num_deleted"]) == "0" for tree in trees)
        and all(str(tree["tree_param"]["size_leaf_vector"]) in ("0", "1") for tree in trees)
    )


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
