"""A session: one study being segmented interactively, prompt by prompt."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from sam_pet.audit.actor import CALLER, Actor
from sam_pet.errors import InputError
from sam_pet.prompts import Paint, Prompt, Rejection, box, click, paint, require_on_grid, scribble
from sam_pet.session import saved
from sam_pet.session.candidates import Candidates
from sam_pet.session.concern import axial_prompt, background_of, concerned, fresh_number
from sam_pet.session.engine import WatchedSegmenter
from sam_pet.session.history import History
from sam_pet.session.painting import painted, redrawn
from sam_pet.session.rejection import rejected_lesions
from sam_pet.session.state import Entry, State, unseen
from sam_pet.study import Study

if TYPE_CHECKING:
    import pandas as pd

    from sam_pet.detection.detect import CandidateTable
    from sam_pet.detection.detector import Detector
    from sam_pet.segmenter import Segmenter
    from sam_pet.viewer.still import Still
    from sam_pet.viewer.widget import Viewer

_MOST_LESIONS = np.iinfo(np.uint16).max


class Session:
    """Segments one study by clicks, scribbles and boxes; made by `Segmenter.open`.

    Voxels are (x, y, z) on the PET grid, arrays [z, y, x]. A tumor prompt joins the lesion that it touches or is
    within 10 mm of, else it starts a new one; a background prompt acts on the lesions whose masks it touches. The mask
    always holds the tumor voxels drawn and never the background voxels drawn; of both, the later one counts.
    A background stroke on a lesion of the first answer may drop it, and with `look_alikes` also the one like it on the
    other side of the body.

    Examples:
        >>> from sam_pet import Segmenter
        >>> from sam_pet.demo import small_phantom
        >>> session = Segmenter.from_pretrained("default").open(small_phantom().study)
        >>> session.add_click((30, 22, 59)), session.add_click((50, 27, 63))
        (0, 1)
        >>> session.undo()
        >>> session.lesions["lesion"].tolist(), int(session.array[59, 22, 30])
        ([1], 1)
    """

    def __init__(self, study: Study, segmenter: Segmenter, look_alikes: bool = True) -> None:
        self.study = study
        self.segmenter = segmenter
        self.look_alikes = look_alikes
        self._settings = segmenter.settings
        self._tracker = segmenter.tracker(study)
        self._state = State()
        self.history = History()
        self._earlier: list[State] = []
        self._later: list[State] = []
        self.candidates = Candidates(study, segmenter, self._tracker)

    # What a reader does

    def first_answer(
        self,
        tracer: str = "auto",
        evidence: CandidateTable | None = None,
        detector: Detector | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Find lesions without any prompt, see `sam_pet.detection`; prompts then correct them. Can be undone.

        Args:
            tracer: "fdg", "psma" or "auto", which finds out from the study.
            evidence: what `sam_pet.detection.detect.find_candidates` has found in the study, if it was called before.
            detector: another one than ours, such as `AnswerFile` or `open_detector` of `sam_pet.detection`.
            progress: called before each step of the model with the number of those done; what it raises ends the
                search, and nothing has changed then.

        Returns:
            The number of lesions found, 0 if no candidate reaches the gate.

        Raises:
            InputError: unknown tracer, something has been drawn already, or see `Detector.detect`.
        """
        if self._state.entries:
            raise InputError("first answer: it comes before the first prompt; take the prompts back first")
        tracker = self._tracker if progress is None else WatchedSegmenter(self._tracker, progress)
        if detector is not None:
            from sam_pet.detection.detector import found_lesions

            found, facts = found_lesions(tracker, detector.detect(self.study)), dict(detector.facts)
            self._change(State(found=unseen(found), detector=facts), "first answer", detector=facts)
            return len(found)
        from sam_pet.detection.detect import first_answer  # heavy, and not every session wants it

        known = evidence or self.candidates.table(tracer)
        classifier, settings = self.segmenter.lesion_classifier, self._settings.first_answer
        lesions = first_answer(tracker, classifier, tracer, known, settings)
        self._change(State(found=unseen(dict(enumerate(lesions, 1))), asked=tracer), "first answer", tracer=tracer)
        return len(lesions)

    def add_click(self, voxel: Iterable[float], label: str = "tumor", lesion: int | None = None) -> int:
        """Click a voxel; see `add`."""
        return self.add(click(voxel, label), lesion)

    def add_scribble(
        self, voxels: npt.NDArray[Any] | Iterable[Any], label: str = "tumor", lesion: int | None = None
    ) -> int:
        """Draw a stroke, the voxels (n, 3) of one line or patch; see `add`."""
        return self.add(scribble(voxels, label), lesion)

    def add_box(self, low: Iterable[float], high: Iterable[float], lesion: int | None = None) -> int:
        """Draw a box round a lesion, two opposite corners; see `add`."""
        return self.add(box(low, high), lesion)

    def add(self, prompt: Prompt, lesion: int | None = None) -> int:
        """Take a prompt and segment again what it concerns.

        Args:
            prompt: on the PET grid.
            lesion: act on this lesion, whatever is near; a number (1 to 65535) not yet in use starts a new one.

        Returns:
            The number of the prompt, counted from 0 as in `prompts`, for `delete`.

        Raises:
            InputError: the prompt leaves the grid, or `lesion` is no such number; nothing has changed then.
        """
        require_on_grid(prompt, self.study.grid)
        if lesion is not None:
            _require_number(lesion)
        about = concerned(self.study, self._state, prompt, self._settings.lesions) if lesion is None else (lesion,)
        self.take(Entry(prompt, about))
        return len(self._state.entries) - 1

    def reject(self, lesion: int) -> int:
        """Say that a lesion is none: it leaves the mask, and nothing else changes.

        Args:
            lesion: its number, as in `lesions`.

        Returns:
            The number of the rejection among the prompts, for `delete`.

        Raises:
            InputError: there is no such lesion.
        """
        _require_number(lesion)
        block = self._state.lesions[lesion].block if lesion in self._state.lesions else None
        if block is None or not block.values.any():
            known = ", ".join(map(str, self._state.lesions)) or "none"
            raise InputError(f"reject: there is no lesion {lesion}; there are {known}")
        z, y, x = self.study.order.stored(block.voxels()[:1])[0][::-1].tolist()
        self.take(Entry(Rejection((x, y, z)), (lesion,)))
        return len(self._state.entries) - 1

    def paint(self, voxels: npt.NDArray[Any] | Iterable[Any], label: str = "tumor", lesion: int | None = None) -> int:
        """Put voxels (n, 3) into a mask as they are, or with "background" take them out; no model is asked.

        Without `lesion` tumor goes to the lesion that it touches most, else to a new one; background is taken from all.
        Later strokes correct what is painted like any other mask. See `add`.
        """
        return self.add(paint(voxels, label), lesion)

    def redraw(self, lesion: int, voxels: npt.NDArray[Any] | Iterable[Any]) -> None:
        """Make the mask of a lesion, old or new, hold these voxels (n, 3) and no others; one `undo` takes it back.

        Raises:
            InputError: see `add`.
        """
        _require_number(lesion)
        wanted = paint(voxels)
        require_on_grid(wanted, self.study.grid)
        self.take(
            *(Entry(prompt, (lesion,)) for prompt in redrawn(self.study, self._state.lesions.get(lesion), wanted))
        )

    def paint_lesions(self, regions: Sequence[npt.NDArray[Any]]) -> list[int]:
        """New lesions, one for each region of voxels (n, 3), as they are; one `undo` takes them all back.

        Returns:
            Their numbers.

        Raises:
            InputError: see `add`.
        """
        prompts = [paint(region) for region in regions]
        for prompt in prompts:
            require_on_grid(prompt, self.study.grid)
        first = fresh_number(self._state)
        _require_number(first + max(len(prompts) - 1, 0))
        numbers = list(range(first, first + len(prompts)))
        if prompts:
            self.take(*(Entry(prompt, (number,)) for prompt, number in zip(prompts, numbers, strict=True)))
        return numbers

    def undo(self) -> None:
        """Take back the last `add`, `delete`, `reject` or `first_answer`; the mask is what it was before, bit for bit.

        Raises:
            InputError: nothing has been done.
        """
        if not self._earlier:
            raise InputError("undo: nothing has been drawn yet; draw something first")
        self._later.append(self._state)
        self._state = self._earlier.pop()
        self.history.add("undo", self._state)

    def redo(self) -> None:
        """Do again what the last `undo` took back; the mask is what it was before that, bit for bit.

        Raises:
            InputError: nothing has been taken back, or something else has been done since.
        """
        if not self._later:
            raise InputError("redo: nothing has been taken back since the last change; undo something first")
        self._earlier.append(self._state)
        self._state = self._later.pop()
        self.history.add("redo", self._state)

    def delete(self, prompt: int) -> None:
        """Take one prompt out; what follows stands as if it had never been drawn.

        Raises:
            InputError: no such prompt.
        """
        entries = self._state.entries
        if not 0 <= prompt < len(entries):
            raise InputError(f"delete: there is no prompt {prompt}; there are {len(entries)}, counted from 0")
        state = replace(self._state, entries=entries[:prompt], trail=self._state.trail[:prompt])
        for entry in entries[prompt + 1 :]:
            state = self._applied(state, entry)
        self._change(state, "delete", prompt=prompt)

    # What there is to see

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        return tuple(entry.prompt for entry in self._state.entries)

    @property
    def array(self) -> npt.NDArray[np.uint8]:
        """The mask [z, y, x], 1 in lesions."""
        return self._state.mask(self.study)

    @property
    def labels(self) -> npt.NDArray[np.uint16]:
        """The number of the lesion at each voxel [z, y, x], 0 elsewhere; where two overlap, the older one's."""
        return self._state.labels(self.study)

    @property
    def evidence(self) -> dict[int, dict[str, float]]:
        """By lesion of the first answer: its `volume_ml` then, and the `probability` that it is one, or NaN."""
        return self._state.evidence(self.study)

    @property
    def mask(self) -> sitk.Image:
        """The mask as a uint8 image on the PET grid, values 0 and 1."""
        return self.study.grid.image(self.array)

    @property
    def lesions(self) -> pd.DataFrame:
        """One row a lesion: volume, SUVs, TLG and more, see `sam_pet.measures.measure_lesions`."""
        from sam_pet.measures import measure_lesions

        return measure_lesions(self.labels, self.study.pet, self.study.grid)

    @property
    def scores(self) -> dict[int, float]:
        """By lesion, how surely its first prompt shows one, as a logit: above 0 the model takes it for a lesion.

        That is the lesion classifier's logit where the checkpoint has one (the first time it looks at the whole study,
        which takes seconds), else the model's object score.
        """
        return self.candidates.lesion_scores(self._state.lesions, self.asked or "auto")

    def view(self) -> Viewer | Still:
        """Look at the session and draw in it, in a notebook: three planes of fused PET/CT and a projection.

        A click is a tumor prompt, a click with shift held a background prompt, a drag a scribble. Where no front end
        runs the widget, and without the extra `notebook`, it is a still picture.
        """
        from sam_pet.viewer import view

        return view(self)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write mask, lesion numbers, prompts, measurements and a manifest: enough to replay the session."""
        saved.write(self, folder)

    @classmethod
    def replay(cls, folder: str | os.PathLike[str], study: Study, segmenter: Segmenter) -> Self:
        """The session saved in a folder, computed again; with the same study and model the mask has the same bytes.

        Raises:
            InputError: no saved session, or one of another study or model.
        """
        session = cls(study, segmenter)
        session.history.actor = Actor("program", "replay")
        for entry in saved.read(folder, session):
            session.take(entry)
        session.history.actor = CALLER
        return session

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The prompts with the lesions each one acts on."""
        return self._state.entries

    @property
    def asked(self) -> str | None:
        """The tracer that `first_answer` was given; None if the session started from nothing."""
        return self._state.asked

    @property
    def steps(self) -> tuple[int, int]:
        """How many changes `undo` can take back, and `redo` do again."""
        return len(self._earlier), len(self._later)

    @property
    def cached_bytes(self) -> int:
        """How much memory the image features take that were computed so far."""
        return self._tracker.proposers.sam2.cached_bytes

    @property
    def state(self) -> State:
        """What the session is at now, for `restore`."""
        return self._state

    def restore(self, state: State) -> None:
        """Go on from a state of a session on the same study and model; this can be undone."""
        self._change(state, "restore", line=self.history.line_of(state))

    def take(self, *entries: Entry) -> None:
        """Take prompts, in one step, with the numbers of the lesions that they act on, as saved sessions have them."""
        state = self._state
        for entry in entries:
            state = self._applied(state, entry)
        if len(entries) > 1:
            self._change(state, "paint", entries=[entry.record for entry in entries])
        else:
            action = "reject" if isinstance(entries[0].prompt, Rejection) else "add"
            self._change(state, action, **entries[0].record)

    # How it comes about

    def _change(self, state: State, action: str, **details: Any) -> None:
        self._earlier.append(self._state)
        self._later.clear()
        self._state = state
        self.history.add(action, state, **details)

    def _applied(self, state: State, entry: Entry) -> State:
        """The state after one more entry: only the lesions that it acts on, or cuts, are computed again."""
        entries = (*state.entries, entry)
        if isinstance(entry.prompt, Rejection):
            kept = {number: lesion for number, lesion in state.lesions.items() if number not in entry.lesions}
            return replace(state, entries=entries, trail=(*state.trail, kept))
        if isinstance(entry.prompt, Paint):
            return replace(state, entries=entries, trail=(*state.trail, painted(self._tracker, state.lesions, entry)))
        prompt = axial_prompt(entry.prompt, self.study.order)
        background = background_of(self.study, entries)
        lesions = dict(state.lesions)
        known = [number for number in entry.lesions if number in lesions]
        extended = self._tracker.extend([lesions[n] for n in known], prompt, background) if known else []
        lesions.update(zip(known, extended, strict=True))
        middle = (lambda: self._middle_mm) if self.look_alikes else None
        for number in rejected_lesions(self.study, state.lesions, lesions, known, middle, self._settings.lesions):
            del lesions[number]
        if prompt.label == "tumor":
            fresh = [number for number in entry.lesions if number not in known]
            started = self._tracker.start([prompt] * len(fresh), background)
            lesions.update(zip(fresh, started, strict=True))
        else:
            cut = [n for n, lesion in lesions.items() if n not in known and lesion.block.touches(prompt.voxels)]
            lesions.update({n: self._tracker.without(lesions[n], background) for n in cut})
        return replace(state, entries=entries, trail=(*state.trail, lesions))

    @cached_property
    def _middle_mm(self) -> float:
        from sam_pet.detection.body import find_body

        return find_body(self.study).middle - self.study.frame_spacing[0] / 2


def _require_number(lesion: int) -> None:
    if isinstance(lesion, bool) or not isinstance(lesion, int | np.integer) or not 1 <= lesion <= _MOST_LESIONS:
        raise InputError(f"lesion: {lesion!r} is no number of a lesion; give a whole one from 1 to {_MOST_LESIONS}")
