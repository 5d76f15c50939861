"""First answers of other detectors: what a `Detector` is, and how the pieces of its mask become lesions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import cc3d
import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects

from sam_pet.boxes import CONNECTIVITY, MaskBox
from sam_pet.errors import InputError
from sam_pet.proposers.lesion import Lesion
from sam_pet.study import Study

if TYPE_CHECKING:
    from sam_pet.session.engine import LesionSegmenter

Floats = npt.NDArray[np.floating[Any]]
# A voxel belongs to a lesion from here on, as in nnU-Net.
THRESHOLD = 0.5
MOST_LESIONS = np.iinfo(np.uint16).max


@dataclass(frozen=True)
class Detection:
    """A detector's answer for a study, on its grid.

    Attributes:
        labels: uint16 [z, y, x], the number of the lesion at each voxel, 0 elsewhere.
        probabilities: by number, how probable it is that this is a lesion; a number may be missing.
    """

    labels: npt.NDArray[np.uint16]
    probabilities: Mapping[int, float]


class Detector(Protocol):
    """Anything that finds lesions in a study without a prompt; see `Session.first_answer`."""

    @property
    def facts(self) -> Mapping[str, str]:
        """What tells its answers from another detector's: its `name` and the `sha256` of what it is."""
        ...

    def detect(self, study: Study) -> Detection:
        """The lesions of a study.

        Raises:
            InputError: the study is not what the detector needs.
        """
        ...


def from_probability(probability: Floats) -> Detection:
    """The pieces (18 neighbours) of what is as probable as not, the most probable first.

    Args:
        probability: [z, y, x], 0 to 1. That of a piece is the mean over its voxels.

    Raises:
        InputError: more pieces than a label map can hold.
    """
    labels, count = cc3d.connected_components(probability >= THRESHOLD, connectivity=CONNECTIVITY, return_N=True)
    if count > MOST_LESIONS:
        raise InputError(f"first answer: it has {count} pieces; check that it is of lesions")
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sums = np.bincount(labels.ravel(), probability.ravel().astype(np.float64), minlength=count + 1)
    means = sums[1:] / np.maximum(sizes[1:], 1)
    order = np.lexsort((-sizes[1:], -means))
    numbers = np.zeros(count + 1, np.uint16)
    numbers[1 + order] = np.arange(1, count + 1)
    known = {n: float(p) for n, p in enumerate(means[order].tolist(), 1)}
    return Detection(numbers[labels], known)


def found_lesions(tracker: LesionSegmenter, detection: Detection) -> dict[int, Lesion]:
    """The lesions of a detection by number, for a session; SAM 2 is shown one when a stroke first touches it.

    A lesion that has several pieces stays one.
    """
    labels = tracker.study.order.view(detection.labels)
    lesions = {}
    for number, box in enumerate(find_objects(np.ascontiguousarray(labels)), 1):
        if box is None:
            continue
        x, y, z = (s.start for s in box[::-1])
        lesion = tracker.taken(MaskBox((x, y, z), labels[box] == number))
        lesions[number] = replace(lesion, probability=detection.probabilities.get(number, float("nan")))
    return lesions
