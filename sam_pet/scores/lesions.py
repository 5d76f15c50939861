"""Lesion by lesion: which are found, which are made up, and the volumes nothing of the other touches."""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import numpy as np
import numpy.typing as npt

CONNECTIVITY = 18
MATCH_IOU = 0.1


@dataclass(frozen=True)
class Lesions:
    """Lesions found (`tp`), made up (`fp`) and missed (`fn`); `fp_voxels` and `fn_voxels` are the voxels of
    predicted and true lesions that share no voxel with the other mask."""

    tp: int
    fp: int
    fn: int
    fp_voxels: int
    fn_voxels: int

    @property
    def dmm(self) -> float | None:
        """Lesion F1, 2 TP / (2 TP + FP + FN); None if there is no true lesion."""
        if self.tp + self.fn == 0:
            return None
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn)


def match_lesions(prediction: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> Lesions:
    """Match the 18-connected components of two masks [z, y, x] as the autoPET V challenge does.

    A true and a predicted component match from an intersection over union of 0.1. A true component with a match
    is a TP, one without a FN; a predicted one without a match is a FP. One may match several.

    Examples:
        >>> import numpy as np
        >>> from sam_pet.scores.lesions import match_lesions
        >>> truth = np.zeros((8, 8, 8), bool)
        >>> truth[1:3, 1:3, 1:3] = truth[5:7, 5:7, 5:7] = True
        >>> found = truth.copy()
        >>> found[5:] = False
        >>> match = match_lesions(found, truth)
        >>> match.tp, match.fp, match.fn
        (1, 0, 1)
    """
    predicted, predicted_sizes = _components(prediction)
    true, true_sizes = _components(truth)
    both = prediction & truth
    pairs, shared = np.unique(np.column_stack([true[both], predicted[both]]), axis=0, return_counts=True)
    touched_true, touched_predicted = pairs.T
    iou = shared / (true_sizes[touched_true] + predicted_sizes[touched_predicted] - shared)
    matched = pairs[iou >= MATCH_IOU]
    tp = len(np.unique(matched[:, 0]))
    return Lesions(
        tp=tp,
        fp=len(predicted_sizes) - 1 - len(np.unique(matched[:, 1])),
        fn=len(true_sizes) - 1 - tp,
        fp_voxels=_voxels_of_others(predicted_sizes, touched_predicted),
        fn_voxels=_voxels_of_others(true_sizes, touched_true),
    )


def _components(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.integer], npt.NDArray[np.int64]]:
    labels = cc3d.connected_components(np.ascontiguousarray(mask), connectivity=CONNECTIVITY)
    return labels, cc3d.statistics(labels, no_slice_conversion=True)["voxel_counts"].astype(np.int64)


def _voxels_of_others(sizes: npt.NDArray[np.int64], touched: npt.NDArray[np.integer]) -> int:
    return int(np.delete(sizes, np.union1d([0], touched)).sum())
