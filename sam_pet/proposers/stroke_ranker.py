"""The outline of a lesion after a stroke: the one that trees expect to fit best, which may be none."""

from __future__ import annotations

from sam_pet.proposers.revision_features import REVISION_NAMES, Floats, describe_revisions
from sam_pet.proposers.revisions import CORRECTED, Revised, Revision
from sam_pet.proposers.tree_ranker import TreeRanker
from sam_pet.study import Study


class StrokeRanker(TreeRanker):
    """Trees that expect a Dice of each outline that a lesion may have after a stroke, given all strokes so far.

    What takes the place of the corrected outline has to be better by more than `margin`.
    """

    NAMES = REVISION_NAMES

    def best(self, study: Study, revised: Revised) -> Revision:
        """The outline that is expected to fit best."""
        expected = self.expect(describe_revisions(study, revised))
        return revised.revisions[self.pick(expected, self.content.margin)]

    @staticmethod
    def pick(expected: Floats, margin: float) -> int:
        """Which outline to take, from the Dice (n,) expected of each."""
        best = int(expected.argmax())
        return best if expected[best] > expected[CORRECTED] + margin else CORRECTED
