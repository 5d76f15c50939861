"""The first answer: find candidates, classify them, outline the lesions; empty if no candidate reaches the gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import cc3d
import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_fill_holes, distance_transform_edt

from sam_pet.boxes import CONNECTIVITY, MaskBox
from sam_pet.detection.appearance import Appearance
from sam_pet.detection.body import Body, find_body
from sam_pet.detection.candidates import find_peaks
from sam_pet.detection.classifier import LesionClassifier
from sam_pet.detection.coarse_study import CoarseStudy
from sam_pet.detection.features import MODEL_NAMES, Floats, describe
from sam_pet.detection.tracer import TRACERS, Tracer, find_tracer
from sam_pet.errors import InputError
from sam_pet.prompts import Click, Voxels
from sam_pet.proposers.lesion import Lesion
from sam_pet.proposers.outlines import Proposers
from sam_pet.settings import DEFAULTS, FirstAnswerSettings
from sam_pet.study import Study
from sam_pet.uptake.regions import CandidateRegion, crop_candidate

if TYPE_CHECKING:
    from sam_pet.session.engine import LesionSegmenter

Bools = npt.NDArray[np.bool_]
AUTO = "auto"
_BATCH = 16
_NO_VOXELS: Voxels = np.zeros((0, 3), np.int64)


@dataclass(frozen=True)
class Proposal:
    """The model's lesion of a click at a candidate, and the `probability` that it is one."""

    lesion: Lesion
    probability: float


@dataclass(frozen=True)
class CandidateTable:
    """A study's candidates: `regions`, their features (n, `features.NAMES`), and their peaks (n, 3), x, y, z in mm."""

    body: Body
    tracer: Tracer
    regions: list[CandidateRegion]
    features: Floats
    places: Floats

    @classmethod
    def of(cls, study: Study, body: Body, tracer: Tracer, regions: list[CandidateRegion]) -> Self:
        features = describe(study, body, tracer, regions, [region.mask() for region in regions])
        places = np.array([region.candidate.peak for region in regions], float).reshape(-1, 3) * study.frame_spacing
        return cls(body, tracer, regions, features, places)


def first_answer(
    tracker: LesionSegmenter,
    classifier: LesionClassifier | None,
    tracer: str = AUTO,
    table: CandidateTable | None = None,
    settings: FirstAnswerSettings = DEFAULTS.first_answer,
) -> list[Lesion]:
    """The lesions of a study without prompts, the most probable first; none if no candidate reaches the gate.

    Args:
        tracker: of the study.
        classifier: None where the checkpoint has none; then lesions are what the model's object score and
            uptake agree on, and the model's masks stand.
        tracer: "fdg", "psma" or "auto".
        table: what `find_candidates` has found in the study, if it was called before.
        settings: what is taken for a lesion.

    Raises:
        InputError: unknown tracer.
    """
    table = table or find_candidates(tracker.study, tracer, settings)
    if classifier is None:
        return _by_score(tracker, table, settings)
    point = classifier.operating_point(table.tracer)
    likely, probabilities, prompted = classify_candidates(tracker, classifier, table, settings)
    regions, features = [table.regions[i] for i in likely], table.features[likely]
    accepted = np.flatnonzero(point.accept(probabilities))
    if not accepted.size:
        return []
    at = [regions[i] for i in accepted]
    lesions = [prompted[i] for i in accepted] if prompted else prompt_model_at(tracker, at, settings.widest_mm)
    if tracker.ranker is None:
        fractions = classifier.extent(features[accepted])
        found = [_at_level(lesion, region, f) for lesion, region, f in zip(lesions, at, fractions, strict=True)]
    else:
        possible = set(likely[probabilities >= min(settings.part_probability, point.candidate)].tolist())
        others = [region for i, region in enumerate(table.regions) if i not in possible]
        found = [_without_basins(tracker.select_outline(lesion, _NO_VOXELS), others) for lesion in lesions]
    values = probabilities[accepted].tolist()
    proposals = [Proposal(replace(lesion, probability=p), p) for lesion, p in zip(found, values, strict=True)]
    joined = [lesion.unseen().tidied() for lesion in _joined(proposals, tracker.proposers)]
    return [lesion for lesion in joined if lesion.block.values.any()]


def classify_candidates(
    tracker: LesionSegmenter, classifier: LesionClassifier, table: CandidateTable, settings: FirstAnswerSettings
) -> tuple[npt.NDArray[np.int64], Floats, list[Lesion]]:
    """The likely candidates of a study, each with its probability beside the others.

    Returns:
        Their numbers in `table.regions`, the probabilities of a lesion, and the model's lesions of a click at each, if
        the classifier uses the model.
    """
    prefiltered = classifier.prefilter(table.features)
    possible = prefiltered >= classifier.operating_point(table.tracer).prefilter
    likely = np.argsort(-prefiltered, kind="stable")[: min(settings.most_prompts, int(possible.sum()))]
    regions = [table.regions[i] for i in likely]
    features = table.features[likely]
    prompted = prompt_model_at(tracker, regions, settings.widest_mm) if classifier.uses_model else []
    model_features = (
        describe_model_lesions(tracker.study, regions, prompted)
        if prompted
        else np.full((len(regions), len(MODEL_NAMES)), np.nan, np.float32)
    )
    cnn_logits = appearance_logits(tracker.study, table, classifier.appearance, likely)
    alone = classifier.lesion_probability(features, model_features, cnn_logits)
    return likely, classifier.rescore_with_context(alone, cnn_logits, features, table.places[likely]), prompted


def find_candidates(
    study: Study, tracer: str = AUTO, settings: FirstAnswerSettings = DEFAULTS.first_answer
) -> CandidateTable:
    """The candidates of a study with their features; `settings` tell tracers apart.

    Raises:
        InputError: unknown tracer.
    """
    if tracer not in (AUTO, *TRACERS):
        raise InputError(f"tracer: unknown {tracer!r}; use {', '.join(TRACERS)} or {AUTO}")
    body = find_body(study)
    known: Tracer = find_tracer(body, settings) if tracer == AUTO else "psma" if tracer == "psma" else "fdg"
    return CandidateTable.of(
        study, body, known, [crop_candidate(study, candidate) for candidate in find_peaks(study, body)]
    )


def appearance_logits(
    study: Study, table: CandidateTable, appearance: Appearance | None, rows: npt.NDArray[np.int64]
) -> Floats:
    """The appearance network's logits for these candidates; NaN without a network."""
    if appearance is None or not rows.size:
        return np.full(len(rows), np.nan)
    coarse = CoarseStudy.of(study, table.body, table.tracer)
    return appearance.predict_logits(coarse, table.places[rows], table.features[rows])


def quick_mask(study: Study, table: CandidateTable, classifier: LesionClassifier | None) -> Bools:
    """The mask [z, y, x] of an answer that does not wait for the model; empty without a classifier."""
    mask = np.zeros(study.grid.shape, bool)
    if classifier is None:
        return mask
    likely = classifier.operating_point(table.tracer).accept(classifier.prefilter(table.features))
    fractions = classifier.extent(table.features)
    for i in np.flatnonzero(likely):
        region = table.regions[i]
        study.order.view(mask)[region.window] |= region.mask(fractions[i])
    return mask


def prompt_model_at(tracker: LesionSegmenter, regions: Sequence[CandidateRegion], largest_mm: float) -> list[Lesion]:
    """The model's lesion of a click at the innermost voxel of each region, in clips up to a width.

    To tell a liver from a lesion it need not be tracked to its ends.
    """
    clicks = [Click(innermost(region, tracker.study)) for region in regions]
    return [
        lesion
        for first in range(0, len(clicks), _BATCH)
        for lesion in tracker.track(clicks[first : first + _BATCH], _NO_VOXELS, largest_mm)
    ]


def describe_model_lesions(study: Study, regions: Sequence[CandidateRegion], lesions: Sequence[Lesion]) -> Floats:
    """Features of the model's lesion of a click at each region, rows of `features.MODEL_NAMES`."""
    rows = []
    for region, lesion in zip(regions, lesions, strict=True):
        mask = region.mask()
        shared = int((lesion.block.within(region.corner, region.pet.shape) & mask).sum())
        size = int(lesion.block.values.sum())
        agreement = 2 * shared / max(size + int(mask.sum()), 1)
        rows.append([lesion.score, agreement, np.log(max(size, 1) * study.grid.voxel_ml)])
    return np.array(rows, np.float32).reshape(-1, 3)


def innermost(region: CandidateRegion, study: Study) -> tuple[int, int, int]:
    """The axial voxel (x, y, z) of a region that is farthest from its outside."""
    depth = distance_transform_edt(np.pad(region.mask(), 1), sampling=study.frame_spacing[::-1])
    z, y, x = np.array(np.unravel_index(int(depth.argmax()), depth.shape)) - 1 + region.corner[::-1]
    return int(x), int(y), int(z)


def _at_level(lesion: Lesion, region: CandidateRegion, fraction: float) -> Lesion:
    """The lesion of a click at a region, its mask what lies above a level of uptake."""
    return replace(lesion, block=MaskBox(region.corner, region.mask(fraction)), of_uptake=True)


def _without_basins(lesion: Lesion, others: Sequence[CandidateRegion]) -> Lesion:
    """The lesion without the basins of peaks that are no lesion."""
    basins = (MaskBox(region.candidate.corner, region.candidate.basin) for region in others)
    return replace(lesion, block=lesion.block.less(basins))


def _by_score(tracker: LesionSegmenter, table: CandidateTable, settings: FirstAnswerSettings) -> list[Lesion]:
    hot = [s for s in table.regions if s.candidate.suv >= settings.fallback_to_liver * table.body.reference]
    hot = sorted(hot, key=lambda region: -region.candidate.prominence)[: settings.fallback_prompts]
    shown = prompt_model_at(tracker, hot, float("inf"))
    lesions = [lesion for lesion in shown if lesion.score >= settings.fallback_score]
    return sorted(lesions, key=lambda lesion: -lesion.score)


def _joined(proposals: Sequence[Proposal], proposers: Proposers) -> list[Lesion]:
    """Regions that touch are one lesion, the most probable one's; holes in its slices are filled.

    Where the contour network corrects it, it is prompted where all were.
    """
    ordered = sorted(proposals, key=lambda p: -p.probability)
    if not ordered:
        return []
    blocks = [p.lesion.block for p in ordered]
    corners = np.array([b.corner for b in blocks])
    ends = corners + np.array([b.values.shape[::-1] for b in blocks])
    group = np.arange(len(blocks))
    for i in range(len(blocks)):
        overlap = ((corners[i] <= ends[:i]) & (corners[:i] <= ends[i])).all(axis=1)
        for j in np.flatnonzero(overlap):
            if group[i] != group[j] and _touch(blocks[i], blocks[j]):
                group[group == max(group[i], group[j])] = min(group[i], group[j])
    lesions = []
    for number in np.unique(group):
        members = np.flatnonzero(group == number)
        (x, y, z), high = corners[members].min(axis=0).tolist(), ends[members].max(axis=0)
        shape = tuple((high - (x, y, z))[::-1].tolist())
        values = np.logical_or.reduce([blocks[member].within((x, y, z), shape) for member in members])
        values = np.stack([binary_fill_holes(plane) for plane in values])
        first, block = ordered[members[0]].lesion, MaskBox((x, y, z), values)
        if len(members) > 1 and first.contour_mm is not None:
            prompts = tuple(prompt for member in members for prompt in ordered[member].lesion.prompts)
            width = proposers.cube_mm(block) or proposers.fine_widths[-1]
            first = replace(first, prompts=prompts, contour_mm=max(first.contour_mm, width))
        probability = ordered[members[0]].probability
        lesions.append(replace(first, block=block, probability=probability))
    return lesions


def _touch(one: MaskBox, other: MaskBox) -> bool:
    low = np.maximum(one.corner, other.corner) - 1
    high = (
        np.minimum(np.asarray(one.corner) + one.values.shape[::-1], np.asarray(other.corner) + other.values.shape[::-1])
        + 1
    )
    shape = np.maximum((high - low)[::-1], 0)
    x, y, z = low.tolist()
    first, second = (block.within((x, y, z), tuple(shape.tolist())) for block in (one, other))
    labels = cc3d.connected_components(np.ascontiguousarray(first | second), connectivity=CONNECTIVITY)
    return bool(np.intersect1d(labels[first], labels[second]).size)
