"""Gradient-boosted trees as a text in a JSON file: XGBoost's own binary form, compressed.

XGBoost trains them. What they say is reckoned here from the numbers that are checked in any case: XGBoost takes half a
second to import, and two where scikit-learn is installed.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from sam_pet.ubjson import decode

if TYPE_CHECKING:
    import xgboost

Floats = npt.NDArray[np.floating[Any]]
_MOST_BYTES, _MOST_FEATURES = 1 << 26, 10_000
# Rows times trees that are walked side by side.
_AT_ONCE = 1 << 20
_LOGISTIC = ("binary:logistic", "reg:logistic")
_OBJECTIVES = (*_LOGISTIC, "reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror")
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


@dataclass(frozen=True)
class Trees:
    """Trees ready to be asked. All their nodes lie one after the other; a leaf is its own child.

    Attributes:
        roots: (trees,) the first node of each.
        depth: how many steps lead to the farthest leaf.
        left, right: (nodes,) where a value below `bound` leads, and any other.
        feature: (nodes,) which of the features is asked for.
        bound: (nodes,) its bound; of a leaf, what it adds.
        unknown_left: (nodes,) whether NaN goes left.
        base: what is added to.
        logistic: whether the sum is a logit and the answer a probability.
    """

    roots: npt.NDArray[np.int64]
    depth: int
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    feature: npt.NDArray[np.int64]
    bound: npt.NDArray[np.float32]
    unknown_left: npt.NDArray[np.bool_]
    base: np.float32
    logistic: bool

    @classmethod
    def read(cls, learner: Mapping[str, Any]) -> Self:
        """The trees of a model in XGBoost's form that is sound."""
        trees = learner["gradient_booster"]["model"]["trees"]
        sizes = np.array([len(tree["parents"]) for tree in trees])
        roots = np.cumsum(sizes) - sizes

        def joined(name: str) -> npt.NDArray[Any]:
            return np.concatenate([tree[name] for tree in trees]).astype(_NODE_ARRAYS[name].replace(">", "="))

        own, first = np.arange(sizes.sum()), np.repeat(roots, sizes)
        leaf = joined("left_children") == -1
        left, right = (np.where(leaf, own, first + joined(f"{side}_children")) for side in ("left", "right"))
        logistic = str(learner["objective"]["name"]) in _LOGISTIC
        base = _base(learner)
        return cls(
            roots=roots,
            depth=_depth(roots, left, right),
            left=left,
            right=right,
            feature=np.where(leaf, 0, joined("split_indices")),
            bound=joined("split_conditions"),
            unknown_left=joined("default_left").astype(bool),
            base=np.float32(logit(base) if logistic else base),
            logistic=logistic,
        )

    def predict(self, features: Floats) -> Floats:
        """One value (n,) for each row of features (n, m); NaN is what is not known."""
        rows = np.ascontiguousarray(features, np.float32)
        step = max(_AT_ONCE // len(self.roots), 1)
        parts = [self._sums(rows[first : first + step]) for first in range(0, len(rows), step)]
        sums = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        predicted: Floats = expit(sums) if self.logistic else sums
        return predicted

    def _sums(self, features: Floats) -> Floats:
        at = np.tile(self.roots, (len(features), 1))
        row = np.arange(len(features))[:, None]
        for _ in range(self.depth):
            value = features[row, self.feature[at]]
            goes_left = np.where(np.isnan(value), self.unknown_left[at], value < self.bound[at])
            at = np.where(goes_left, self.left[at], self.right[at])
        # Added up in XGBoost's order, for its very sums.
        added = np.concatenate([np.full((len(features), 1), self.base), self.bound[at]], axis=1)
        sums: Floats = np.add.accumulate(added, axis=1)[:, -1]
        return sums


def _base(learner: Mapping[str, Any]) -> float:
    return float(str(learner["learner_model_param"]["base_score"]).strip("[]"))


def _depth(roots: npt.NDArray[np.int64], left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> int:
    depth, level = 0, roots
    while True:
        level = np.concatenate([left[level], right[level]])
        level = np.unique(level[left[level] != level])
        depth += 1
        if not level.size:
            return depth


def from_text(text: str) -> Trees:
    """The trees in a text.

    Raises:
        ValueError: there are none, or they are damaged: a wrong number would lead out of them.
    """
    return Trees.read(_sound(unpacked(text)))


def unpacked(text: str) -> bytes:
    """What `to_text` has packed, in XGBoost's form, unchecked.

    Raises:
        ValueError: it is cut short or far too long.
    """
    try:
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(base64.b64decode(text, validate=True), _MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"no trees: {error}") from error
    if not unpacker.eof:
        raise ValueError("no trees: they are cut short or far too many")
    return content


def _sound(content: bytes) -> dict[str, Any]:
    """A model in XGBoost's form.

    Raises:
        ValueError: it is not one of plain trees, each number of which points to what is there.
    """
    try:
        learner: dict[str, Any] = decode(content)["learner"]
        features = int(learner["learner_model_param"]["num_feature"])
        booster = learner["gradient_booster"]
        model = booster["model"]
        trees, count = model["trees"], int(model["gbtree_model_param"]["num_trees"])
        sound = (
            booster["name"] == "gbtree"
            and str(learner["objective"]["name"]) in _OBJECTIVES
            and int(learner["learner_model_param"]["num_class"]) == 0
            and np.isfinite(_base(learner))
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
    return learner


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


def as_logits(probabilities: Floats) -> Floats:
    """Logits, finite also where a probability is 0 or 1."""
    logits: Floats = logit(np.clip(probabilities, _SURE, 1 - _SURE, dtype=float))
    return logits
