"""What is run: the protocol all methods share, and one case under it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import cc3d
import numpy as np

from sam_pet.audit import PROGRAM, Actor, mask_sha256
from sam_pet.audit.log import Act
from sam_pet.benchmark.resources import Usage, measured
from sam_pet.cases import Case
from sam_pet.files import file_sha256
from sam_pet.geometry import Grid
from sam_pet.methods.method import AnswersFirst, Mask, Method
from sam_pet.readers import Reader, Stroke, effort
from sam_pet.readers.replay import ReplayReader
from sam_pet.scores import Scores, score
from sam_pet.scores.lesions import CONNECTIVITY
from sam_pet.study import Study

Start = Literal["nothing", "click"]
STARTS: tuple[Start, ...] = ("nothing", "click")


@dataclass(frozen=True)
class Protocol:
    """Who corrects, how often, and from where: the same for every method.

    Attributes:
        reader: a name of `sam_pet.readers.READERS`.
        steps: corrections after step 0.
        start: `nothing`: step 0 is without prompts, as in the autoPET challenge; `click`: step 0 follows the reader's
            first prompt.
        seed: of the reader's random draws.

    Examples:
        >>> from sam_pet.benchmark.protocol import Protocol
        >>> Protocol("scribble-mixed", steps=5, start="click", seed=42).steps
        5
    """

    reader: str
    steps: int
    start: Start
    seed: int


@dataclass(frozen=True)
class Outcome:
    """One case by one method: a row of scores and costs for each step, facts of the case, the strokes, the last mask
    with its grid, and what the log of the run is told; `agent` is what an agent's episode came to, None with other
    readers."""

    facts: dict[str, Any]
    rows: list[dict[str, Any]]
    strokes: list[Stroke]
    mask: Mask
    grid: Grid
    acts: list[Act]
    agent: dict[str, Any] | None = None


def run_case(case: Case, method: Method, reader: Reader, protocol: Protocol) -> Outcome:
    """Let a reader correct a method on a case, step by step.

    The method is given the study and the reader's strokes; the truth goes to the reader and the scores alone. When the
    reader has nothing more to say the mask stands, and so do its scores.

    Raises:
        InputError: files of the case cannot be used.
        Exception: whatever the method raises.
    """
    study = case.study()
    truth = case.mask(study.grid)
    strokes: list[Stroke] = []
    rows: list[dict[str, Any]] = []
    acts: list[Act] = []
    answers = protocol.start == "nothing" and isinstance(method, AnswersFirst)
    with measured() as opening:
        session = method.answer(study) if answers and isinstance(method, AnswersFirst) else method.open(study)
        mask = session.mask
    for step in range(protocol.steps + 1):
        stroke = _stroke(reader, protocol, step, mask, truth, study)
        with measured() as usage:
            if stroke is not None:
                session.add(stroke)
                mask = session.mask
        if stroke is not None:
            strokes.append(stroke)
        check(mask, study)
        first = step == 0
        scores = score(mask, truth, study.grid.spacing, study.pet)
        sha256 = mask_sha256(mask)
        actor = PROGRAM if stroke is None and first else acting(reader, protocol)
        action = "correct" if stroke is not None else "first answer" if first and answers else "nothing to say"
        told = {"method": method.name, "step": step, "stroke": None if stroke is None else _told(stroke)}
        acts.append(Act(actor, action, told, {"dice": scores.dice, "dmm": scores.dmm}, sha256))
        if first:
            usage.seconds += opening.seconds
            usage.peak_mb = _larger(usage.peak_mb, opening.peak_mb)
        rows.append(row(step, None if stroke is None else stroke.label, strokes, usage, scores, sha256))
    return Outcome(facts(case, study, truth), rows, strokes, mask, study.grid, acts)


def acting(reader: Reader, protocol: Protocol) -> Actor:
    """The reader as the log names it; one that is none of the simulated ones says so by an `actor` of its own."""
    own = getattr(reader, "actor", None)
    if isinstance(own, Actor):
        return own
    if isinstance(reader, ReplayReader):
        return Actor("file", sha256=file_sha256(reader.path))
    return Actor("simulated reader", f"{protocol.reader}, seed {protocol.seed}")


def _told(stroke: Stroke) -> dict[str, Any]:
    return {"label": stroke.label, "kind": stroke.kind, "voxels": len(stroke.voxels)}


def _stroke(reader: Reader, protocol: Protocol, step: int, mask: Mask, truth: Mask, study: Study) -> Stroke | None:
    if step > 0:
        return reader.correct(mask, truth, study, step)
    return reader.first(truth, study) if protocol.start == "click" else None


def _larger(one: float | None, other: float | None) -> float | None:
    return max((value for value in (one, other) if value is not None), default=None)


def row(
    step: int, label: str | None, strokes: list[Stroke], usage: Usage, scores: Scores, mask_sha256: str
) -> dict[str, Any]:
    """What is kept of a step."""
    return {
        "step": step,
        "label": label,
        **asdict(effort(strokes)),
        "seconds": usage.seconds,
        "peak_mb": usage.peak_mb,
        "gpu_peak_mb": usage.gpu_peak_mb,
        **scores.as_dict(),
        "mask_sha256": mask_sha256,
    }


def check(mask: Mask, study: Study) -> None:
    """A method that breaks the protocol is a failure and no result."""
    if mask.shape != study.grid.shape or mask.dtype != np.uint8 or mask.max(initial=0) > 1:
        raise ValueError(f"the mask is {mask.dtype} {mask.shape} up to {mask.max(initial=0)}, not 0 and 1 on the grid")


def facts(case: Case, study: Study, truth: Mask) -> dict[str, Any]:
    """What results are grouped by: volumes in mL of the 18-connected lesions, and their uptake."""
    sizes = np.bincount(cc3d.connected_components(truth, connectivity=CONNECTIVITY).ravel())[1:]
    volumes = sizes * study.grid.voxel_ml
    return {
        "patient": case.patient,
        "tracer": case.tracer,
        "centre": case.centre,
        "lesions": len(volumes),
        "lesion_ml": float(np.median(volumes)) if len(volumes) else None,
        "suv_max": float(study.pet[truth > 0].max()) if len(volumes) else None,
    }
