"""One verb for every kind of run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sam_pet.errors import one_line
from sam_pet.verify.checks import Asked, Check, Verification
from sam_pet.verify.trail import Trail, check_environment, check_trail, read_trail


def verify_run(path: Path, asked: Asked | None = None) -> Verification:
    """Verify a session, an evaluation, a training run or a cohort.

    Args:
        path: its folder, or a file in it such as its manifest.
        asked: what inputs and weights are to be taken from.

    Raises:
        InputError: there is no run, or what was given cannot be read.
    """
    asked = asked or Asked()
    trail = read_trail(path.parent if path.is_file() else path)
    run = trail.run
    checks = [*check_trail(trail)]
    sound = all(check.status != "differs" for check in checks)
    try:
        checks += _of_run(run, trail, asked)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        if sound:
            raise
        checks.append(Check("outputs computed again", "unchecked", f"the records are damaged ({one_line(error)})"))
    # At the end: what has computed has loaded torch, as the run had.
    checks.append(check_environment(trail))
    head = trail.log.heads[-1] if trail.log and trail.log.heads else None
    return Verification(run, head, checks)


def _of_run(run: str, trail: Trail, asked: Asked) -> Iterator[Check]:
    # Each takes long to import.
    if run == "session":
        from sam_pet.verify.session import check_session

        yield from check_session(trail, asked)
    elif run == "evaluation":
        from sam_pet.verify.evaluation import check_evaluation

        yield from check_evaluation(trail, asked)
    elif run == "training":
        from sam_pet.verify.training import check_training

        yield from check_training(trail, asked)
    else:
        yield Check("outputs computed again", "unchecked", "run batch into another folder and compare its masks")
