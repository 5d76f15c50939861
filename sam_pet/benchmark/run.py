"""The run: every case by every method, over processes, each result on disk as soon as it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

from sam_pet.benchmark.folder import Result, ResultsFolder
from sam_pet.benchmark.protocol import Protocol, run_case
from sam_pet.cases import Case
from sam_pet.methods import Method, make_method
from sam_pet.processes import end_with_parent
from sam_pet.readers import make_reader
from sam_pet.threads import shared_by

Report = Callable[[Result], None]
_DIED = "the process died, probably for want of memory"


def evaluate(
    cases: Sequence[Case],
    methods: Sequence[str],
    protocol: Protocol,
    out: Path,
    workers: int = 1,
    report: Report = lambda _: None,
) -> list[Result]:
    """Run what is not yet done in a folder and return all its results.

    A case that fails is recorded with its error and tried again by the next run; the others go on.

    Args:
        report: called with each new result.

    Raises:
        InputError: see `ResultsFolder.open`, `make_method` and `make_reader`; nothing has been run then.
    """
    for case in cases:
        make_reader(protocol.reader, case.name, protocol.seed)
    folder = ResultsFolder(out)
    folder.open(protocol, cases, {name: dict(make_method(name).facts) for name in methods})
    done = {(r["case"], r["method"]) for r in folder.results() if "error" not in r}
    for name in methods:
        left = [case for case in cases if (case.name, name) not in done]
        # Processes of their own for each method: what one has loaded does not count as the memory of the next.
        for result in _run_all(left, name, protocol, out, workers):
            folder.append(result)
            report(result)
    return folder.results()


def _run_all(cases: Sequence[Case], method: str, protocol: Protocol, out: Path, workers: int) -> Iterator[Result]:
    waiting = list(cases)
    # Cases that were under way when a process died: one of them is to blame, which shows when they run alone.
    suspects: list[Case] = []
    while waiting or suspects:
        alone = bool(suspects)
        batch = [suspects.pop(0)] if alone else waiting
        running: dict[Future[Result], Case] = {}
        try:
            with shared_by(workers), _pool(1 if alone else workers) as pool:
                while batch or running:
                    while batch and len(running) < workers:
                        running[pool.submit(_run_one, batch[0], method, protocol, out)] = batch[0]
                        batch.pop(0)
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        yield future.result()
                        del running[future]
        except BrokenProcessPool:
            if alone:
                yield from ({"case": case.name, "method": method, "error": _DIED} for case in running.values())
            else:
                suspects = list(running.values())


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, get_context("spawn"), end_with_parent)


@lru_cache(maxsize=1)
def _method(name: str) -> Method:
    return make_method(name)


def _run_one(case: Case, method: str, protocol: Protocol, out: Path) -> Result:
    """One result; in a process of its own, so that all that a method may do to it ends with it."""
    result: Result = {"case": case.name, "method": method}
    try:
        outcome = run_case(case, _method(method), make_reader(protocol.reader, case.name, protocol.seed), protocol)
        ResultsFolder(out).keep(case.name, method, outcome.mask, outcome.grid, outcome.strokes)
    except Exception as error:  # whatever a method raises must not stop the others
        reason = (str(error).strip() or "no message").splitlines()[0]
        return {**result, "error": f"{type(error).__name__}: {reason}"}
    return {**result, "facts": outcome.facts, "rows": outcome.rows}
