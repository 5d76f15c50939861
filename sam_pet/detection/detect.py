"""The first answer: propose, ask the model, judge, and stay silent where nothing convinces."""

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
from sam_pet.detection.candidates import find_candidates
from sam_pet.detection.classifier import LesionClassifier
from sam_pet.detection.coarse_study import CoarseStudy
from sam_pet.detection.features import MODEL_NAMES, Floats, describe
from sam_pet.detection.tracer import TRACERS, Tracer, find_tracer
from sam_pet.errors import InputError
from sam_pet.prompts import Click, Voxels
from sam_pet.proposers.lesion import Lesion
from sam_pet.proposers.outlines import FINE_MM, cube_round
from sam_pet.study import Study
from sam_pet.uptake.regions import CandidateRegion, look_at

if TYPE_CHECKING:
    from sam_pet.session.engine import LesionSegmenter

Bools = npt.NDArray[np.bool_]
AUTO = "auto"
# Without a classifier: the model's object score, a logit, and uptake above the liver's decide.
FALLBACK_SCORE = 4.0
FALLBACK_TO_LIVER = 1.5
_BATCH = 16
# The most that the model is asked about: of the likeliest, or without a classifier of the most prominent.
_MOST_ASKED = 250
_MOST_ASKED_BLINDLY = 60
# What is less probable than this is not part of a lesion whose outline holds it.
_APART = 0.1
# To be told from a lesion a liver need not be tracked to its ends.
_WIDEST_MM = 100.0
_NO_VOXELS: Voxels = np.zeros((0, 3), np.int64)


@dataclass(frozen=True)
class Proposal:
    """What the model makes of a click at a candidate, and the `probability` that it is a lesion."""

    lesion: Lesion
    probability: float


@dataclass(frozen=True)
class CandidateTable:
    """A study's candidates in the order of `spots`: features (n, `features.NAMES`), peaks (n, 3) as (x, y, z) in mm."""

    body: Body
    tracer: Tracer
    spots: list[CandidateRegion]
    features: Floats
    places: Floats

    @classmethod
    def of(cls, study: Study, body: Body, tracer: Tracer, spots: list[CandidateRegion]) -> Self:
        features = describe(study, body, tracer, spots, [spot.region() for spot in spots])
        places = np.array([spot.candidate.peak for spot in spots], float).reshape(-1, 3) * study.frame_spacing
        return cls(body, tracer, spots, features, places)


def first_answer(
    tracker: LesionSegmenter, judge: LesionClassifier | None, tracer: str = AUTO, evidence: CandidateTable | None = None
) -> list[Lesion]:
    """The lesions of a study without prompts, the most probable first; none where nothing convinces.

    Args:
        tracker: of the study.
        judge: None where the checkpoint has none; then lesions are what the model's object score (at least
            `FALLBACK_SCORE`) and uptake (1.5 times the liver's) agree on, and the model's masks stand.
        tracer: "fdg", "psma" or "auto".
        evidence: what `gather` has found in the study, if it was called before.

    Raises:
        InputError: unknown tracer.
    """
    evidence = evidence or gather(tracker.study, tracer)
    if judge is None:
        return _by_score(tracker, evidence)
    point = judge.point(evidence.tracer)
    likely, probabilities, asked = weigh(tracker, judge, evidence)
    spots, features = [evidence.spots[i] for i in likely], evidence.features[likely]
    accepted = np.flatnonzero(point.accept(probabilities))
    if not accepted.size:
        return []
    lesions = [asked[i] for i in accepted] if asked else ask(tracker, [spots[i] for i in accepted])
    if tracker.chooser is None:
        fractions = judge.extent(features[accepted])
        outlined = [_extent(lesion, spots[i], f) for lesion, i, f in zip(lesions, accepted, fractions, strict=True)]
    else:
        possible = set(likely[probabilities >= min(_APART, point.keep)].tolist())
        others = [spot for i, spot in enumerate(evidence.spots) if i not in possible]
        outlined = [_apart(tracker.outlined(lesion, _NO_VOXELS), others) for lesion in lesions]
    told = probabilities[accepted].tolist()
    proposals = [Proposal(replace(lesion, probability=p), p) for lesion, p in zip(outlined, told, strict=True)]
    found = [lesion.unseen().tidied() for lesion in _joined(proposals, tracker.study.frame_spacing)]
    return [lesion for lesion in found if lesion.block.values.any()]


def weigh(
    tracker: LesionSegmenter, judge: LesionClassifier, evidence: CandidateTable
) -> tuple[npt.NDArray[np.int64], Floats, list[Lesion]]:
    """The likely candidates of a study, each with its probability beside the others.

    Returns:
        Their numbers in `evidence.spots`, the probabilities of a lesion, and the model's lesions of a click at each,
        where the judge listens to the model.
    """
    glances = judge.glance(evidence.features)
    worth_asking = glances >= judge.point(evidence.tracer).ask
    likely = np.argsort(-glances, kind="stable")[: min(_MOST_ASKED, int(worth_asking.sum()))]
    spots = [evidence.spots[i] for i in likely]
    features = evidence.features[likely]
    asked = ask(tracker, spots) if judge.listens else []
    said = hear(tracker.study, spots, asked) if asked else np.full((len(spots), len(MODEL_NAMES)), np.nan, np.float32)
    looks = look(tracker.study, evidence, judge.appearance, likely)
    verdicts = judge.verdict(features, said, looks)
    return likely, judge.weigh(verdicts, looks, features, evidence.places[likely]), asked


def gather(study: Study, tracer: str = AUTO) -> CandidateTable:
    """Candidates of a study and what the study says of them.

    Raises:
        InputError: unknown tracer.
    """
    if tracer not in (AUTO, *TRACERS):
        raise InputError(f"tracer: unknown {tracer!r}; use {', '.join(TRACERS)} or {AUTO}")
    body = find_body(study)
    known: Tracer = find_tracer(body) if tracer == AUTO else "psma" if tracer == "psma" else "fdg"
    return CandidateTable.of(
        study, body, known, [look_at(study, candidate) for candidate in find_candidates(study, body)]
    )


def look(study: Study, evidence: CandidateTable, appearance: Appearance | None, rows: npt.NDArray[np.int64]) -> Floats:
    """How much these candidates look like lesions, logits; NaN without a network."""
    if appearance is None or not rows.size:
        return np.full(len(rows), np.nan)
    scene = CoarseStudy.of(study, evidence.body, evidence.tracer)
    return appearance.look(scene, evidence.places[rows], evidence.features[rows])


def glimpse(study: Study, evidence: CandidateTable, judge: LesionClassifier | None) -> Bools:
    """The mask [z, y, x] of an answer that does not wait for the model; empty without a classifier."""
    mask = np.zeros(study.grid.shape, bool)
    if judge is None:
        return mask
    likely = judge.point(evidence.tracer).accept(judge.glance(evidence.features))
    fractions = judge.extent(evidence.features)
    for i in np.flatnonzero(likely):
        spot = evidence.spots[i]
        study.order.view(mask)[spot.window] |= spot.region(fractions[i])
    return mask


def ask(tracker: LesionSegmenter, spots: Sequence[CandidateRegion], largest_mm: float = _WIDEST_MM) -> list[Lesion]:
    """The model's lesion of a click at the innermost voxel of each spot's standard region, in clips up to a width."""
    clicks = [Click(innermost(spot, tracker.study)) for spot in spots]
    return [
        lesion
        for first in range(0, len(clicks), _BATCH)
        for lesion in tracker.sketch(clicks[first : first + _BATCH], _NO_VOXELS, largest_mm)
    ]


def hear(study: Study, spots: Sequence[CandidateRegion], lesions: Sequence[Lesion]) -> Floats:
    """What the model says of each spot, rows of `features.MODEL_NAMES`."""
    rows = []
    for spot, lesion in zip(spots, lesions, strict=True):
        region = spot.region()
        shared = int((lesion.block.within(spot.corner, spot.pet.shape) & region).sum())
        size = int(lesion.block.values.sum())
        agreement = 2 * shared / max(size + int(region.sum()), 1)
        rows.append([lesion.score, agreement, np.log(max(size, 1) * study.grid.voxel_ml)])
    return np.array(rows, np.float32).reshape(-1, 3)


def innermost(spot: CandidateRegion, study: Study) -> tuple[int, int, int]:
    """The axial voxel (x, y, z) of a spot's standard region that is farthest from its outside."""
    depth = distance_transform_edt(np.pad(spot.region(), 1), sampling=study.frame_spacing[::-1])
    z, y, x = np.array(np.unravel_index(int(depth.argmax()), depth.shape)) - 1 + spot.corner[::-1]
    return int(x), int(y), int(z)


def _extent(lesion: Lesion, spot: CandidateRegion, fraction: float) -> Lesion:
    """The lesion of a click at a spot, its mask what lies above a level of uptake."""
    return replace(lesion, block=MaskBox(spot.corner, spot.region(fraction)), of_uptake=True)


def _apart(lesion: Lesion, others: Sequence[CandidateRegion]) -> Lesion:
    """The lesion less what leads up to peaks that are none."""
    basins = (MaskBox(spot.candidate.corner, spot.candidate.basin) for spot in others)
    return replace(lesion, block=lesion.block.less(basins))


def _by_score(tracker: LesionSegmenter, evidence: CandidateTable) -> list[Lesion]:
    hot = [s for s in evidence.spots if s.candidate.suv >= FALLBACK_TO_LIVER * evidence.body.reference]
    hot = sorted(hot, key=lambda spot: -spot.candidate.prominence)[:_MOST_ASKED_BLINDLY]
    lesions = [lesion for lesion in ask(tracker, hot, float("inf")) if lesion.score >= FALLBACK_SCORE]
    return sorted(lesions, key=lambda lesion: -lesion.score)


def _joined(proposals: Sequence[Proposal], spacing: tuple[float, ...]) -> list[Lesion]:
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
            first = replace(
                first, prompts=prompts, contour_mm=min(max(first.contour_mm, cube_round(block, spacing)), FINE_MM)
            )
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
