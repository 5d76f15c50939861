"""The outline ranker: trees that expect the Dice of each outline of a new lesion."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sam_pet.proposers.outline_features import NAMES, Floats
from sam_pet.proposers.tree_ranker import TreeRanker
from sam_pet.proposers.volume_input import WIDTHS_MM

# Networks' masks have 0, -1, -2... in place of a level: the tracker's, then the network's from the narrowest cube on.
_LEVEL = NAMES.index("level")


class OutlineRanker(TreeRanker):
    """Trees that expect the Dice of each outline, as stored beside a checkpoint in `chooser.json`.

    The network's outline in the widest cube has to be better than the others by more than `margin`. It is of the
    largest lesions, of which the network has learned from few. If the trees learned from lesions that the network has
    seen, they trust it too much.
    """

    NAMES = NAMES

    def ranked(self, expected: Floats, features: Floats) -> Floats:
        """What is expected of outlines (n,), less the margin for the widest contour."""
        return self._held_back(expected, features, self.content.margin)

    @classmethod
    def best(cls, expected: Floats, features: Floats, margin: float) -> npt.NDArray[np.int64]:
        """Which outline (...) to take, from the Dice expected of each (..., outlines) and their features."""
        best: npt.NDArray[np.int64] = cls._held_back(expected, features, margin).argmax(axis=-1)
        return best

    @staticmethod
    def _held_back(expected: Floats, features: Floats, margin: float) -> Floats:
        ranked: Floats = expected - margin * (features[..., _LEVEL] == -len(WIDTHS_MM))
        return ranked
