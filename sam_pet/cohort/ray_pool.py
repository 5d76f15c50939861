"""Workers that are actors of a Ray cluster."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any, Generic, TypeVar

from sam_pet.cohort.engine import Died, Done, Event, Ready
from sam_pet.cohort.pipeline import Pipeline, PooledJob
from sam_pet.errors import InputError, one_line

T = TypeVar("T")
R = TypeVar("R")
_GB = 1 << 30


class _Worker:
    """An actor: two calls at once, so that one item is read while another is worked on."""

    def __init__(self, job: PooledJob[Any, Any]) -> None:
        self._pipeline: Pipeline[Any, Any] = Pipeline(job)

    def ready(self) -> None: ...

    def run(self, item: Any) -> Any:
        return self._pipeline(item)


class RayPool(Generic[T, R]):
    """Actors that do a job. Ray restarts none of them and tries nothing again: `completed` does, and it is bounded.

    Args:
        job: pickled to each.
        ahead: as `completed` takes it.
        gpu: whether each has a GPU to itself.
        memory_gb: that each is given room for.
    """

    def __init__(self, job: PooledJob[T, R], ahead: int, gpu: bool, memory_gb: float) -> None:
        import ray

        self._ray = ray
        self._job = ray.put(job)
        self._actor: Any = ray.remote(_Worker).options(
            num_cpus=1,
            num_gpus=1 if gpu else 0,
            memory=round(memory_gb * _GB),
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=1 + ahead,
        )
        self._started = 0
        self._actors: dict[int, Any] = {}
        # What each is waited for: a task's ticket, or None until it is ready.
        self._calls: dict[Any, tuple[int, int | None]] = {}

    def start(self) -> int:
        """See `Pool`."""
        self._started += 1
        actor = self._actors[self._started] = self._actor.remote(self._job)
        self._calls[actor.ready.remote()] = self._started, None
        return self._started

    def send(self, worker: int, ticket: int, item: T) -> None:
        """See `Pool`."""
        self._calls[self._actors[worker].run.remote(item)] = worker, ticket

    def wait(self) -> Sequence[Event[R]]:
        """See `Pool`."""
        from ray.exceptions import RayActorError, RayTaskError

        self._ray.wait(list(self._calls), num_returns=1)
        calls, _ = self._ray.wait(list(self._calls), num_returns=len(self._calls), timeout=0)
        events: list[Event[R]] = []
        for call in calls:
            # Others of a worker that died are gone with it.
            worker, ticket = self._calls.pop(call, (0, None))
            if worker == 0:
                continue
            try:
                result = self._ray.get(call)
            except RayActorError:
                self._actors.pop(worker)
                self._calls = {other: owner for other, owner in self._calls.items() if owner[0] != worker}
                events.append(Died(worker))
            except RayTaskError as error:
                raise error.cause from None
            else:
                events.append(Ready(worker) if ticket is None else Done(worker, ticket, result))
        return events

    def close(self) -> None:
        """End the actors."""
        # Where the cluster is lost, so are they.
        with suppress(Exception):
            for actor in self._actors.values():
                self._ray.kill(actor)


@contextmanager
def ray_cluster(address: str) -> Iterator[Any]:
    """A connection to a cluster, as the module `ray`; "local" starts one of this machine alone.

    Raises:
        InputError: Ray is not installed, there is no cluster at the address, or it is lost in the block.
    """
    try:
        import ray
        from ray.exceptions import RayError
    except ModuleNotFoundError as error:
        raise InputError(f"batch: --ray needs {error.name}; pip install 'sam-pet[ray]'") from error
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError, OSError, RayError) as error:
        raise InputError(
            f"batch: no Ray cluster can be reached at {address} ({one_line(error)[:120]}); "
            "start one with 'ray start --head', or give its address"
        ) from error
    try:
        # It prints what happens in the cluster.
        with redirect_stdout(sys.stderr):
            yield ray
    except RayError as error:
        raise InputError(
            f"batch: the Ray cluster at {address} was lost ({one_line(error)[:120]}); "
            "start it again and run this again: what is done is kept"
        ) from error
    finally:
        ray.shutdown()


def room_for(resources: dict[str, float], gpu: bool, memory_gb: float) -> int:
    """How many workers a cluster has room for by its processors or GPUs and its memory; at least 1."""
    by_memory = int(resources.get("memory", float("inf")) // (memory_gb * _GB)) if "memory" in resources else None
    limits = [int(resources.get("GPU", 0) if gpu else resources.get("CPU", 1))]
    return max(1, min(limits if by_memory is None else [*limits, by_memory]))


@contextmanager
def ray_pool(job: PooledJob[T, R], ahead: int, gpu: bool, memory_gb: float) -> Iterator[RayPool[T, R]]:
    """A pool within a `ray_cluster`, closed with the block."""
    pool: RayPool[T, R] = RayPool(job, ahead, gpu, memory_gb)
    try:
        yield pool
    finally:
        pool.close()
