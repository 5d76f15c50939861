"""The answer to a step: the first answer without prompts, then every stroke drawn so far.

It is a function of the study, the weights and the points alone. What may be kept from step to step is the first answer,
and every session starts from it in its packed form, so that kept or computed anew it is the same.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable

import numpy as np

from sam_pet.challenge.answers import Mask
from sam_pet.challenge.packing import pack, unpack
from sam_pet.challenge.points import Points
from sam_pet.detection.detect import find_candidates, quick_mask
from sam_pet.detection.detector import Detector
from sam_pet.geometry import AxialOrder
from sam_pet.prompts import Prompt, strokes
from sam_pet.segmenter import Segmenter
from sam_pet.session.session import Session
from sam_pet.session.state import State
from sam_pet.study import Study

logger = logging.getLogger(__name__)


def first_answer(
    segmenter: Segmenter,
    study: Study,
    show: Callable[[Mask], None] = lambda _: None,
    detector: Callable[[], Detector] | None = None,
) -> bytes:
    """The session as it is before any stroke, packed.

    Args:
        show: called with the mask of the study alone, before the model is prompted, which may take long.
        detector: opens the detector that is to answer, where that is not ours.

    Raises:
        InputError: the other detector cannot be used, or not on this study.
    """
    table = find_candidates(study, settings=segmenter.settings.first_answer)
    show(quick_mask(study, table, segmenter.lesion_classifier).view(np.uint8))
    session = segmenter.open(study)
    if detector is None:
        session.first_answer(evidence=table)
    else:
        session.first_answer(detector=detector())
    return packed(session)


def packed(session: Session) -> bytes:
    """All that a session goes on from, for `opened`."""
    state = session.state
    return pack({field.name: getattr(state, field.name) for field in dataclasses.fields(state)})


def opened(segmenter: Segmenter, study: Study, blob: bytes) -> Session:
    """A session that starts from a packed one.

    Raises:
        Exception: whatever a blob leads to that is none.
    """
    session = segmenter.open(study)
    session.restore(State(**unpack(blob, segmenter.core.device)))
    return session


def drawn_strokes(points: Points, order: AxialOrder) -> list[Prompt]:
    """The strokes that points are the voxels of, in the order in which they are applied: tumor strokes first."""
    return [*strokes(points.tumor, "tumor", order), *strokes(points.background, "background", order)]


def apply(
    session: Session,
    prompts: list[Prompt],
    stop_at: float = float("inf"),
    report: Callable[[int], None] = lambda _: None,
) -> int:
    """Add prompts to a session until a time of `time.monotonic`; one that fails is left out, the others count.

    Args:
        report: called with the number of prompts done after each one.

    Returns:
        How many were done, the failed ones among them.
    """
    for done, prompt in enumerate(prompts):
        if time.monotonic() > stop_at:
            logger.warning("no time left: stopped after %d of %d strokes", done, len(prompts))
            return done
        try:
            session.add(prompt)
        except Exception:  # a stroke that the model fails on must not cost the others
            logger.exception("stroke %d of %d failed and is left out", done + 1, len(prompts))
        report(done + 1)
    return len(prompts)
