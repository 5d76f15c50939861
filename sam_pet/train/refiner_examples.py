"""Examples for the refiner: the tracker's answers on lesions whose truth is known, stroke by stroke."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import cc3d
import numpy as np
import numpy.typing as npt

from sam_pet.boxes import MaskBox, bounding_box
from sam_pet.cases import Case
from sam_pet.prompts import Click, Prompt, Scribble, Voxels
from sam_pet.proposers.lesion import Lesion, drawn_voxels
from sam_pet.proposers.outlines import Proposers
from sam_pet.proposers.refiner_input import RefinerInput, cells_of, refiner_input
from sam_pet.proposers.refiner_settings import RefinerSettings
from sam_pet.readers.scribbles import CHALLENGE_SEED, STRATEGIES, draw_scribble, scribble_in
from sam_pet.readers.stroke import Stroke
from sam_pet.segmenter import Segmenter
from sam_pet.session.engine import LesionSegmenter
from sam_pet.stored import stored_arrays
from sam_pet.study import Study, Volume
from sam_pet.train.store import ExampleStore, digest

Rng = np.random.Generator
Bools = npt.NDArray[np.bool_]
_NONE: Voxels = np.zeros((0, 3), np.int64)
_NOTHING = MaskBox((0, 0, 0), np.zeros((1, 1, 1), bool))
_HOTTEST = 1 / 3
_BATCH = 8


@dataclass(frozen=True)
class RefinerExample:
    """A view of a lesion and the share of each of its cells that is lesion, [z, y, x]."""

    view: RefinerInput
    truth: Volume

    def save(self, path: Path) -> None:
        v = self.view
        ct: dict[str, Any] = {} if v.ct is None else {"ct": v.ct.astype(np.int16)}
        with path.open("wb") as stream:
            np.savez_compressed(
                stream,
                pet=v.pet.astype(np.float16),
                logits=v.logits.astype(np.float16),
                tumor=v.tumor,
                background=v.background,
                mm=v.mm,
                truth=self.truth.astype(np.float16),
                **ct,
            )

    @classmethod
    def load(cls, path: Path) -> Self:
        with stored_arrays(path) as held:
            seen = RefinerInput(
                held["ct"].astype(np.float32) if "ct" in held else None,
                held["pet"].astype(np.float32),
                held["logits"].astype(np.float32),
                held["tumor"],
                held["background"],
                float(held["mm"]),
            )
            return cls(seen, held["truth"].astype(np.float32))


@dataclass(frozen=True)
class RefinerExamples:
    """What a tracker makes of the lesions of cases.

    Attributes:
        store: where they are kept.
        settings: of the refiner that is to learn from them.
        clicks: how often each lesion is clicked; each time it becomes examples after 0, 2 and 4 strokes.
        most: of a case's lesions, so many are taken, drawn at random.
        smallest_ml: lesions below are left out.
    """

    store: ExampleStore
    settings: RefinerSettings
    clicks: int = 4
    most: int = 12
    smallest_ml: float = 0.2

    def of(self, case: Case, segmenter: Segmenter, seed: int) -> list[Path]:
        """The files of a case's examples."""
        facts = [
            *(self.store.fingerprint(case), segmenter.sha256, self.settings.model_dump()),
            *(self.clicks, self.most, self.smallest_ml, seed),
            *segmenter.settings.changes.items(),
        ]
        rng = np.random.default_rng([seed, int(digest(facts)[:16], 16)])
        return self.store.many("refiner", facts, lambda: self._lessons(case, segmenter, rng))

    def _lessons(self, case: Case, segmenter: Segmenter, rng: Rng) -> Iterator[RefinerExample]:
        study = case.study()
        # Without the refiner that the model may have already: it learns from what the tracker makes of strokes.
        tracker = LesionSegmenter(Proposers(segmenter.proposers(study).sam2), strokes=segmenter.settings.strokes)
        labels, large = lesions_of(case, study, self.smallest_ml)
        numbers = rng.permutation(large)[: self.most].repeat(self.clicks).tolist()
        for first in range(0, len(numbers), _BATCH):
            masks = [labels == n for n in numbers[first : first + _BATCH]]
            lesions = tracker.start([first_click(mask, rng) for mask in masks], _NONE)
            for lesion, mask in zip(lesions, masks, strict=True):
                yield from self._course(study, tracker, lesion, mask, rng)

    def _course(
        self, study: Study, tracker: LesionSegmenter, lesion: Lesion, mask: Bools, rng: Rng
    ) -> Iterator[RefinerExample]:
        background = _NONE
        yield self._seen(study, lesion, mask, background)
        for number in (1, 2, 3, 4):
            stroke = stroke_on(lesion.block, mask, rng)
            if stroke is None:
                return
            if stroke.label == "background":
                background = np.concatenate([background, stroke.voxels])
            lesion = tracker.extend([lesion], stroke, background)[0]
            if number % 2 == 0:
                yield self._seen(study, lesion, mask, background)

    def _seen(self, study: Study, lesion: Lesion, mask: Bools, background: Voxels) -> RefinerExample:
        held = lesion.bank.all()
        cells = cells_of(lesion.clip, held, study, self.settings)
        seen = refiner_input(study, cells, held, drawn_voxels(lesion.prompts), background)
        return RefinerExample(seen, cells.sample(mask.astype(np.float32), 0.0))


def lesions_of(case: Case, study: Study, smallest_ml: float) -> tuple[npt.NDArray[np.integer], list[int]]:
    """A case's lesions as numbers in the axial view [z, y, x], and which of them are as large as that."""
    truth = study.order.view(case.mask(study.grid))
    labels, count = cc3d.connected_components(np.ascontiguousarray(truth), connectivity=18, return_N=True)
    sizes = cc3d.statistics(labels)["voxel_counts"]
    return labels, [n for n in range(1, count + 1) if sizes[n] * study.grid.voxel_ml >= smallest_ml]


def first_click(mask: Bools, rng: Rng) -> Prompt:
    """A click of a reader: on the slice where the lesion is largest or on any other, in its middle or anywhere."""
    areas = mask.sum(axis=(1, 2))
    z = int(areas.argmax()) if rng.random() < 0.5 else int(rng.choice(np.flatnonzero(areas)))
    places = np.argwhere(mask[z])
    middle = np.abs(places - places.mean(axis=0)).sum(axis=1)
    y, x = places[int(middle.argmin())] if rng.random() < 0.5 else places[rng.integers(len(places))]
    return Click((int(x), int(y), z))


def hottest_click(mask: Bools, uptake: Volume) -> Prompt:
    """A click on the hottest voxel of a lesion, `mask` and `uptake` [z, y, x]."""
    z, y, x = np.unravel_index(int(np.where(mask, uptake, -np.inf).argmax()), mask.shape)
    return Click((int(x), int(y), int(z)))


def first_prompt(mask: Bools, uptake: Volume, click: bool, rng: Rng) -> Prompt:
    """A click or a stroke that starts a lesion; a click also where no stroke can be drawn.

    Of the clicks a third is on the hottest voxel, where readers like to click.
    """
    stroke = None if click else stroke_on(_NOTHING, mask, rng)
    if stroke is not None:
        return stroke
    return hottest_click(mask, uptake) if rng.random() < _HOTTEST else first_click(mask, rng)


def stroke_on(shown: MaskBox, mask: Bools, rng: Rng) -> Scribble | None:
    """A correction of a mask, of a kind drawn at random; None if there is nothing to correct."""
    strategy = list(STRATEGIES)[int(rng.integers(len(STRATEGIES)))]
    return correction(shown, mask, strategy, int(rng.integers(1 << 31)))


def correction(shown: MaskBox, mask: Bools, strategy: str, seed: int = CHALLENGE_SEED) -> Scribble | None:
    """The stroke that the challenge's reader draws on a lesion alone; None if there is nothing to correct.

    Where nothing is lesion all that is shown is wrong, and a background stroke says so.
    """
    answer = np.zeros(mask.shape, np.uint8)
    answer[shown.slices] = shown.values
    box = bounding_box(mask | (answer > 0))
    if box is None:
        return None
    if mask.any():
        drawn = draw_scribble(answer[box], mask[box].astype(np.uint8), strategy, seed)
    else:
        drawn = Stroke("background", scribble_in(answer[box] > 0, strategy, seed))
    if drawn is None:
        return None
    corner = np.array([part.start for part in box[::-1]])
    return Scribble(tuple((x, y, z) for x, y, z in (drawn.voxels + corner).tolist()), drawn.label)
