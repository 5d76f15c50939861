"""One step of the challenge: start the work, wait for it as long as there is time, and write the best mask at hand."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np

from sam_pet.challenge.answers import Answer
from sam_pet.challenge.contract import Inputs, Mask, Places, find_inputs, write_mask
from sam_pet.challenge.points import Points, read_points
from sam_pet.challenge.worker import Job, work
from sam_pet.errors import InputError

logger = logging.getLogger("sam_pet.challenge")

# The platform ends a step after 600 s.
TIME_LIMIT_S = 540.0
# To write a mask: so long, and so long for every voxel of it.
_WRITING_S, _WRITING_S_PER_VOXEL = 1.0, 4e-8
# The work may take at least so much of a short time limit.
_LEAST_WORK = 0.4
_TICK_S = 0.1


@dataclass(frozen=True)
class Report:
    """What became of a step; `fallback` where the mask is not what all strokes lead to.

    `cpu_seconds` are those of all CPUs together, which on a busy machine tell more than `seconds`.
    """

    mask: str
    answer: str
    fallback: bool
    voxels: int
    seconds: float
    cpu_seconds: float
    peak_mb: float


def main() -> int:
    """The container's entry point: 0 and a mask, or 1 where no mask can be written at all.

    Environment: `SAM_PET_TIME_LIMIT` seconds; `SAM_PET_ROOT`, a folder to take for "/".
    """
    began = time.monotonic()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    places = Places(Path(os.environ.get("SAM_PET_ROOT") or "/"))
    try:
        report = run(places, began + time_limit(os.environ.get("SAM_PET_TIME_LIMIT")), began)
    except (InputError, OSError) as error:
        logger.critical("no mask can be written: %s", error)
        return 1
    print(json.dumps(asdict(report)), flush=True)
    return 0


def time_limit(text: str | None) -> float:
    """Seconds for a step, from a setting that may be absent or senseless."""
    try:
        seconds = float(text) if text else TIME_LIMIT_S
    except ValueError:
        seconds = float("nan")
    if seconds > 0:
        return seconds
    logger.warning("SAM_PET_TIME_LIMIT is %r and no number of seconds: %g s it is", text, TIME_LIMIT_S)
    return TIME_LIMIT_S


def run(places: Places, ends_at: float, began: float) -> Report:
    """Do a step that has to end at a time of `time.monotonic`.

    Raises:
        InputError: the grid of the mask is not known, as no image can be read.
        OSError: the output cannot be written.
    """
    with _asked_to_stop() as stopped:
        inputs = find_inputs(places)
        points = read_points(places.points, inputs.grid)
        logger.info(
            "%s: %s voxels, %d tumor and %d background points",
            *(inputs.name, " x ".join(map(str, inputs.grid.size)), len(points.tumor), len(points.background)),
        )
        left = ends_at - time.monotonic()
        writing = _WRITING_S + _WRITING_S_PER_VOXEL * float(np.prod(inputs.grid.size))
        until = time.monotonic() + max(left - writing, _LEAST_WORK * left)
        with _started(Job(places, inputs, points, stop_at=until - writing)) as (process, channel):
            best = _best_answer(channel, until, stopped)
            if best is None or not best.complete:
                _log_end(process, stopped)
                process.kill()
            path, mask = _written(best, inputs, points, places)
            # It may still be keeping state.
            while process.is_alive() and not stopped and time.monotonic() < ends_at:
                process.join(_TICK_S)
    seconds, (cpu, peak) = time.monotonic() - began, _costs()
    what = best.what if best else "the drawn voxels alone"
    faults = [*inputs.faults, *(() if best is None else best.faults)]
    faults += [] if points.readable else ["the points cannot be read"]
    fallback = best is None or not best.complete or bool(faults)
    if fallback:
        logger.error("FALLBACK: the mask is %s", "; ".join([what, *faults]))
    logger.info("wrote %s: %s, %d voxels, in %.1f s", path, what, mask.sum(), seconds)
    return Report(str(path), what, fallback, int(mask.sum()), round(seconds, 2), round(cpu, 2), round(peak, 1))


def _log_end(process: BaseProcess, stopped: list[int]) -> None:
    """Say why the work has ended, if it has by itself."""
    process.join(_TICK_S)
    if stopped or process.exitcode in (None, 0):
        return
    if process.exitcode == -signal.SIGKILL:
        logger.error("the work was killed, as the system does where memory runs out")
    else:
        code = process.exitcode
        logger.error("the work has ended with %s", f"signal {-code}" if code < 0 else f"code {code}")


def _costs() -> tuple[float, float]:
    """CPU seconds of this process and the work, and the work's peak memory in MB."""
    own, works = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + works.ru_utime + works.ru_stime, works.ru_maxrss / 1024


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """A list that holds something once the process has been asked to end."""
    signals: list[int] = []
    earlier = {s: signal.signal(s, lambda number, _: signals.append(number)) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield signals
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


@contextmanager
def _started(job: Job) -> Iterator[tuple[BaseProcess, Connection]]:
    # A fork: this process has one thread and has loaded little, and the work begins at once.
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_forked, args=(job, receiving, sending), daemon=True)
    process.start()
    sending.close()
    try:
        yield process, receiving
    finally:
        process.kill()
        process.join()
        receiving.close()


def _forked(job: Job, receiving: Connection, sending: Connection) -> None:
    # Held open here, it would never tell that the supervisor is gone.
    receiving.close()
    work(job, sending)


def _best_answer(channel: Connection, until: float, stopped: list[int]) -> Answer | None:
    """The last answer that came in time; the complete one ends the wait."""
    best: Answer | None = None
    while not stopped and (left := until - time.monotonic()) > 0:
        try:
            if not channel.poll(min(left, _TICK_S)):
                continue
            best = channel.recv()
        except (EOFError, OSError):
            logger.error("the work ended without an answer to all strokes")
            return best
        logger.info("at hand: %s", best.what)
        if best.complete:
            return best
    logger.error("asked to stop" if stopped else "no time left")
    return best


def _written(best: Answer | None, inputs: Inputs, points: Points, places: Places) -> tuple[Path, Mask]:
    shape = inputs.grid.shape
    # Strokes for which there was no time count at least by their own voxels.
    mask = points.imposed(np.zeros(shape, np.uint8) if best is None else best.mask(shape))
    return write_mask(mask, inputs, places), mask
