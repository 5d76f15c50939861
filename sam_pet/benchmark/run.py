"""The run: every case by every method, over processes, each result on disk as soon as it is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path

from sam_pet.agent.policies import make_policy
from sam_pet.audit.log import Act
from sam_pet.benchmark.agents import is_agent, run_agent, workable
from sam_pet.benchmark.folder import Result, ResultsFolder
from sam_pet.benchmark.protocol import Protocol, run_case
from sam_pet.cases import Case
from sam_pet.cohort.engine import DIED
from sam_pet.cohort.local_pool import over_processes
from sam_pet.methods import Method, make_method
from sam_pet.readers import make_reader

Report = Callable[[Result], None]


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
        OSError: a result cannot be written; those before it are kept for the next run.

    Examples:
        >>> from pathlib import Path
        >>> from sam_pet.benchmark.protocol import Protocol
        >>> from sam_pet.benchmark.run import evaluate
        >>> from sam_pet.cases import find_cases
        >>> from sam_pet.demo import small_phantom
        >>> from sam_pet.phantom import write_folder
        >>> write_folder(small_phantom(), "one", Path("cases"))
        >>> results = evaluate(
        ...     find_cases("cases"), ["threshold41"], Protocol("click-center", 1, "click", 42), Path("results")
        ... )
        >>> [(result["case"], result["method"]) for result in results]
        [('one', 'threshold41')]
    """
    if is_agent(protocol.reader):
        make_policy(protocol.reader)
    else:
        for case in cases:
            make_reader(protocol.reader, case.name, protocol.seed)
    facts = {}
    for name in methods:
        method = make_method(name)
        if is_agent(protocol.reader):
            workable(method, protocol)
        facts[name] = dict(method.facts)
    folder = ResultsFolder(out)
    manifest = folder.open(protocol, cases, facts)
    done = {(r["case"], r["method"]) for r in folder.results() if "error" not in r}
    for name in methods:
        left = [case for case in cases if (case.name, name) not in done]
        # Processes of their own for each method: what one has loaded does not count as the memory of the next.
        task = partial(_run_one, method=name, protocol=protocol, out=out)
        for case, kept in over_processes(left, task, workers):
            result: Result = {"case": case.name, "method": name, "error": DIED} if kept is None else kept
            acts: list[Act] = result.pop("acts", [])
            # The log first: what it does not tell of would look like a change.
            folder.told(result, manifest["cases"][case.name], acts)
            folder.append(result)
            report(result)
    folder.seal()
    return folder.results()


@lru_cache(maxsize=1)
def _method(name: str) -> Method:
    return make_method(name)


def _run_one(case: Case, method: str, protocol: Protocol, out: Path) -> Result:
    """One result, and the `acts` that led to it; in a process of its own, so that all that a method may do to it ends
    with it."""
    result: Result = {"case": case.name, "method": method}
    try:
        if is_agent(protocol.reader):
            outcome = run_agent(case, _method(method), protocol)
        else:
            outcome = run_case(case, _method(method), make_reader(protocol.reader, case.name, protocol.seed), protocol)
    except Exception as error:  # whatever a method raises must not stop the others
        reason = (str(error).strip() or "no message").splitlines()[0]
        return {**result, "error": f"{type(error).__name__}: {reason}"}
    # A full disk is no fault of the method, and would stop the others, too.
    ResultsFolder(out).keep(case.name, method, outcome.mask, outcome.grid, outcome.strokes)
    agent = {} if outcome.agent is None else {"agent": outcome.agent}
    return {**result, "facts": outcome.facts, "rows": outcome.rows, "acts": outcome.acts, **agent}
