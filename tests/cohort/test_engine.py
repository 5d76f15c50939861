from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from sam_pet.cohort.local_pool import over_processes


def killed_at(item: int, fatal: int, marks: Path, once: bool) -> int:
    mark = marks / "killed"
    if item == fatal and not (once and mark.exists()):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item * item


@pytest.mark.parametrize("once", [True, False])
def test_a_killed_process_loses_no_task_and_one_that_kills_again_is_given_up(tmp_path: Path, once: bool) -> None:
    results = list(over_processes(range(6), partial(killed_at, fatal=2, marks=tmp_path, once=once), workers=2))
    assert len(results) == 6
    assert dict(results) == {n: None if n == 2 and not once else n * n for n in range(6)}
