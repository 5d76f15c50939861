"""The part of a step that can fail: reading, the model, the strokes. It runs in a process of its own."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from sam_pet.challenge.answers import Answer, unpack_mask
from sam_pet.challenge.contract import Inputs, Mask, Places
from sam_pet.challenge.points import Points
from sam_pet.errors import InputError, one_line

if TYPE_CHECKING:
    from sam_pet.challenge.state import Store
    from sam_pet.challenge.weights import Weights
    from sam_pet.segmenter import Segmenter
    from sam_pet.study import Study

logger = logging.getLogger(__name__)

FIRST, LAST = "first", "last"
PROPOSALS = "the proposals, of which the model was not asked"
_REPORT_EVERY_S = 5.0


@dataclass(frozen=True)
class Job:
    """A step; no stroke is begun after `stop_at`, a time of `time.monotonic`."""

    places: Places
    inputs: Inputs
    points: Points
    stop_at: float


def work(job: Job, channel: Connection) -> None:
    """Send better and better answers, the complete one last, and keep state for the next step."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(OSError):
        # Where memory runs out this process goes, and not the one that writes the mask.
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    try:
        _work(job, channel)
    except BrokenPipeError:
        logger.warning("nobody waits for this step any more")
    except Exception:
        logger.exception("the step failed")
    finally:
        channel.close()


def _work(job: Job, channel: Connection) -> None:
    from sam_pet.challenge.images import read_study_mended
    from sam_pet.challenge.state import Store, case_key
    from sam_pet.challenge.weights import find_weights

    faults: list[str] = []
    study = read_study_mended(job.inputs, faults.append)
    for weights in find_weights(job.places.model, faults.append):
        try:
            store = Store(job.places.state, case_key(study, weights.identity))
            if _recalled(store, job, channel) and not job.points.readable:
                return
            _segment(weights, study, store, job, channel, faults)
            return
        except BrokenPipeError:
            raise
        except InputError as error:
            logger.error("the weights %s cannot be used: %s", weights.source, error)
        except Exception:
            logger.exception("the step failed with the weights %s", weights.source)
        faults.append("the uploaded weights cannot be used")


def _recalled(store: Store, job: Job, channel: Connection) -> bool:
    """Whether the last step left its mask; it is the answer if nothing better comes."""
    kept = store.read(LAST)
    if kept is None:
        return False
    unpack_mask(kept, job.inputs.grid.shape)
    channel.send(Answer("the mask of the last step", kept))
    return True


def _segment(
    weights: Weights, study: Study, store: Store, job: Job, channel: Connection, faults: Sequence[str]
) -> None:
    import torch

    from sam_pet.segmenter import Segmenter

    loaded = weights.load()
    for device in ("cuda", "cpu") if torch.cuda.is_available() else ("cpu",):
        try:
            segmenter = Segmenter(loaded, device)
            logger.info("model %s on %s", segmenter.record.name, device)
            _answer(segmenter, study, weights.detector, store, job, channel, tuple(faults))
            return
        except RuntimeError:
            # CUDA's errors, its want of memory among them, are of this type.
            if device == "cpu":
                raise
            logger.exception("the GPU failed; going on without")


def _answer(
    segmenter: Segmenter,
    study: Study,
    detector: Path | None,
    store: Store,
    job: Job,
    channel: Connection,
    faults: tuple[str, ...],
) -> None:
    from sam_pet.challenge.segmenting import apply, drawn_strokes, opened

    # With that of the last step at hand, a mask without its strokes is none to fall back on.
    alone = store.read(LAST) is None

    def show(mask: Mask) -> None:
        if alone:
            channel.send(Answer.of(mask, PROPOSALS))

    first = store.read(FIRST)
    logger.info("first answer: %s", "computed" if first is None else "kept from an earlier step")
    if first is None:
        first, faults = _first(segmenter, study, detector, show, store, faults)
    session = opened(segmenter, study, first)
    prompts = drawn_strokes(job.points, study.order)
    if alone:
        channel.send(Answer.of(session.array, "the first answer, without strokes"))
    sent = time.monotonic()

    def report(done: int) -> None:
        nonlocal sent
        if time.monotonic() - sent > _REPORT_EVERY_S and done < len(prompts):
            channel.send(Answer.of(session.array, f"{done} of {len(prompts)} strokes"))
            sent = time.monotonic()

    done = apply(session, prompts, job.stop_at, report)
    answer = Answer.of(session.array, f"{done} of {len(prompts)} strokes", complete=True, faults=faults)
    channel.send(answer)
    store.write(LAST, answer.packed)


def _first(
    segmenter: Segmenter,
    study: Study,
    detector: Path | None,
    show: Callable[[Mask], None],
    store: Store,
    faults: tuple[str, ...],
) -> tuple[bytes, tuple[str, ...]]:
    """The first answer, packed, and the faults with those of the uploaded detector; ours where that fails."""
    from sam_pet.challenge.segmenting import first_answer
    from sam_pet.detection.nnunet import open_detector

    if detector is not None:
        where = str(segmenter.core.device)
        try:
            first = first_answer(segmenter, study, show, lambda: open_detector(detector, device=where))
            store.write(FIRST, first)
            return first, faults
        except Exception as error:  # ours is there
            logger.error("the uploaded detector cannot be used: %s", one_line(error))
            # Not kept: the next step is to say so again.
            return first_answer(segmenter, study), (*faults, "the uploaded detector cannot be used")
    first = first_answer(segmenter, study, show)
    store.write(FIRST, first)
    return first, faults
