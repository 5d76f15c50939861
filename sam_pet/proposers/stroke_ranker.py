"""The outline of a lesion after a stroke: the one that trees expect to fit best, which may be none."""

from __future__ import annotations

import numpy as np

from sam_pet.proposers.revision_features import GAINS_NOTHING, REVISION_NAMES, Floats, describe_revisions
from sam_pet.proposers.revisions import CORRECTED, Revised, Revision
from sam_pet.proposers.tree_ranker import TreeRanker
from sam_pet.study import Study

_TUMOR, _GAINED = (REVISION_NAMES.index(name) for name in ("tumor", "gained"))


class StrokeRanker(TreeRanker):
    """Trees that expect a Dice of each outline that a lesion may have after a stroke, given all strokes so far.

    What takes the place of the corrected outline has to be better by more than `margin`.
    """

    NAMES = REVISION_NAMES

    def best(self, study: Study, revised: Revised) -> Revision:
        """The outline that is expected to fit best."""
        features = describe_revisions(study, revised)
        return revised.revisions[self.pick(self.expect(features), features, self.content.margin)]

    @staticmethod
    def pick(expected: Floats, features: Floats, margin: float) -> int:
        """Which outline to take, from the Dice (n,) expected of each and their features (n, `NAMES`).

        After a background stroke none that adds anything.
        """
        adds = (features[:, _TUMOR] == 0) & (features[:, _GAINED] > GAINS_NOTHING)
        allowed = np.where(adds, -np.inf, expected)
        best = int(allowed.argmax())
        return best if allowed[best] > expected[CORRECTED] + margin else CORRECTED
