"""A desk: one session, and what an agent can look at and do in it. It holds no truth, so nobody at it can see one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_pet.agent.answers import (
    CandidateList,
    CandidateRow,
    Changed,
    LesionList,
    ListedLesion,
    Measured,
    Pictured,
    Stopped,
    StudyFacts,
)
from sam_pet.agent.looks import Shown
from sam_pet.agent.sight import Sight
from sam_pet.errors import InputError
from sam_pet.geometry import Voxel
from sam_pet.labels import lesion_boxes
from sam_pet.prompts import Rejection, box, click, scribble
from sam_pet.session.session import Session
from sam_pet.session.state import State


@dataclass(frozen=True)
class Mark:
    """Where a desk was."""

    state: State
    before: State | None
    turns: int
    stopped: str | None


class AgentDesk:
    """A session as an agent works at it.

    Args:
        session: a new one, or one that goes on.
        name: what the study is called in results.
        simulated: whether the study is.

    Attributes:
        sight: the session's pictures.
        turns: changes made, undo included; the first answer is none.
        stopped: the reason that was given to stop, None before.
    """

    def __init__(self, session: Session, name: str = "study", simulated: bool = False) -> None:
        self.session = session
        self.study = session.study
        self.sight = Sight(session)
        self.turns = 0
        self.stopped: str | None = None
        self._name = name
        self._simulated = simulated
        self._before: State | None = None
        self._undid = False
        self._candidates: dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[Any]]] = {}

    def facts(self) -> StudyFacts:
        """What is known of the study."""
        grid = self.study.grid
        x, y, z = (round(s, 3) for s in grid.spacing)
        return StudyFacts(
            study=self._name,
            simulated=self._simulated,
            size=grid.size,
            spacing_mm=(x, y, z),
            ct=self.study.ct is not None,
            suv_max=float(self.study.pet.max()),
        )

    def compare(self, plane: str, at: Voxel | None, width_mm: float | None, shown: Shown) -> Pictured:
        """A picture of the session before the last change and after it.

        Raises:
            InputError: nothing has been changed, or the voxel is not on the grid.
        """
        if self._before is None:
            raise InputError("compare: nothing has been changed yet; change something first")
        return self.sight.compare(self._before, plane, at, width_mm, shown)

    def list_lesions(self) -> LesionList:
        """The lesions with what the classifier and the ranker of outlines think of them."""
        state, labels = self.session.state, self.sight.labels
        found = {number: said["probability"] for number, said in self.session.evidence.items()}
        pointed = {n for e in state.entries if not isinstance(e.prompt, Rejection) for n in e.lesions}
        scores = self.session.scores if pointed else {}
        rows = []
        for number, part in lesion_boxes(labels).items():
            values = self.study.pet[part][labels[part] == number]
            rows.append(
                ListedLesion(
                    lesion=number,
                    origin="first answer" if number in state.found else "prompt",
                    volume_ml=values.size * self.study.grid.voxel_ml,
                    suv_max=float(values.max()),
                    suv_mean=float(values.mean()),
                    hottest=self.sight.hottest_in(number, part),
                    probability=found.get(number),
                    score=scores.get(number) if number in pointed else None,
                    expected_dice=state.lesions[number].expected,
                )
            )
        return LesionList(lesions=rows, total_ml=self._ml(labels > 0))

    def list_candidates(self, most: int, scores: bool = False) -> CandidateList:
        """The likeliest places of uptake, the most probable first; none where the model has no classifier.

        Args:
            most: at most so many.
            scores: also give the prompt score of those in no lesion, which takes longer.
        """
        from sam_pet.detection.detect import innermost

        tracer = self.session.asked or "auto"
        if tracer not in self._candidates:
            self._candidates[tracer] = self.session.candidates.probabilities(tracer)
        numbers, probabilities = self._candidates[tracer]
        regions = self.session.candidates.table(tracer).regions if len(numbers) else []
        labels = self.sight.axial(self.sight.labels)
        rows = []
        for rank in np.argsort(-probabilities, kind="stable")[:most].tolist():
            region = regions[numbers[rank]]
            mask = region.mask()
            here = labels[region.window][mask]
            here = here[here > 0]
            x, y, z = self.study.order.stored([innermost(region, self.study)])[0].tolist()
            rows.append(
                CandidateRow(
                    candidate=int(numbers[rank]),
                    voxel=(x, y, z),
                    probability=float(probabilities[rank]),
                    suv=float(region.candidate.suv),
                    volume_ml=self._ml(mask),
                    lesion=int(np.bincount(here).argmax()) if here.size else None,
                    score=None,
                )
            )
        if scores:
            free = [row for row in rows if row.lesion is None]
            said = self.prompt_scores([row.voxel for row in free])
            known = dict(zip((row.candidate for row in free), said, strict=True))
            rows = [row.model_copy(update={"score": known.get(row.candidate)}) for row in rows]
        return CandidateList(candidates=rows)

    def prompt_scores(self, voxels: Sequence[Voxel]) -> list[float]:
        """What the classifier thinks of a click at each voxel, as logits; NaN where it thinks nothing."""
        drawn = [self.study.order.voxels([voxel]) for voxel in voxels]
        return self.session.candidates.scores(drawn, self.session.asked or "auto")

    @property
    def peaks(self) -> list[Voxel]:
        """The voxels of all peaks of uptake in the body, likely lesions or not."""
        regions = self.session.candidates.table(self.session.asked or "auto").regions
        axial = np.array([region.candidate.peak for region in regions], np.int64).reshape(-1, 3)
        return [(x, y, z) for x, y, z in self.study.order.stored(axial).tolist()]

    def measure(self, lesion: int | None) -> Measured:
        """Measurements of one lesion, or of all.

        Raises:
            InputError: there is no such lesion.
        """
        from sam_pet.measures import summarise

        table = self.session.lesions
        if lesion is not None:
            self.sight.part(lesion)
            table = table[table["lesion"] == lesion]
        totals = summarise(table)
        rows = [
            {str(key): round(value, 4) if isinstance(value, float) else value for key, value in row.items()}
            for row in table.to_dict("records")
        ]
        return Measured(
            lesions=rows,
            total_mtv_ml=totals["total_mtv_ml"],
            total_tlg_g=totals["total_tlg"],
            dmax_mm=totals["dmax_mm"],
            suv_max=totals["suv_max"],
        )

    def first_answer(self, tracer: str) -> Changed:
        """Find lesions without a prompt; it is no turn, but can be undone like one."""
        return self._changed(lambda: self.session.first_answer(tracer), turns=0)

    def add_point(self, at: Voxel, label: str, lesion: int | None = None) -> Changed:
        return self._changed(lambda: self.session.add(click(at, label), lesion))

    def add_box(self, low: Voxel, high: Voxel, lesion: int | None = None) -> Changed:
        return self._changed(lambda: self.session.add(box(low, high), lesion))

    def add_scribble(self, voxels: Sequence[Voxel], label: str, lesion: int | None = None) -> Changed:
        return self._changed(lambda: self.session.add(scribble(voxels, label), lesion))

    def reject(self, lesion: int) -> Changed:
        return self._changed(lambda: self.session.reject(lesion))

    def undo(self) -> Changed:
        """Take back the last change; this is a turn, too."""
        return self._changed(self.session.undo, undo=True)

    def stop(self, reason: str) -> Stopped:
        self.stopped = reason
        return Stopped(reason=reason, turns=self.turns)

    def mark(self) -> Mark:
        """Where the desk is, for `go_back`."""
        return Mark(self.session.state, self._before, self.turns, self.stopped)

    def go_back(self, mark: Mark) -> None:
        """Be where the desk was marked, one change ago, as if there had been none; `undo` goes on from there."""
        if self.session.state is not mark.state:
            self.session.redo() if self._undid else self.session.undo()
        self._before, self.turns, self.stopped = mark.before, mark.turns, mark.stopped

    def _changed(self, change: Callable[[], Any], turns: int = 1, undo: bool = False) -> Changed:
        before = self.session.state
        was = self.sight.labels > 0
        change()
        self._undid = undo
        self._before = before
        self.turns += turns
        old, new = before.lesions, self.session.state.lesions
        now = self.sight.labels > 0
        return Changed(
            turn=self.turns,
            added_ml=self._ml(now & ~was),
            removed_ml=self._ml(was & ~now),
            lesions=len(lesion_boxes(self.sight.labels)),
            total_ml=self._ml(now),
            changed=sorted(n for n in {*old, *new} if old.get(n) is not new.get(n)),
        )

    def _ml(self, mask: npt.NDArray[np.bool_]) -> float:
        return float(mask.sum() * self.study.grid.voxel_ml)
