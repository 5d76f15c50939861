from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sam_pet import threads

SHOW = "import sam_pet, torch, os; print(os.environ['OMP_WAIT_POLICY'], torch.get_num_threads())"

# A machine of five cores.
FIVE = (
    "import os, sam_pet, torch; os.environ.update(OMP_NUM_THREADS='5', SAM_PET_THREADS='5')\n"
    "from sam_pet.threads import fit_to_work, leave_room; "
)


def fresh(code: str, **variables: str) -> str:
    """What code prints in a new interpreter whose environment says nothing of threads but `variables`."""
    silent = {
        k: v for k, v in os.environ.items() if "THREADS" not in k and k not in ("OMP_WAIT_POLICY", "KMP_BLOCKTIME")
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**silent, **variables}
    )
    return done.stdout.strip()


def topology(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, siblings: list[str]) -> None:
    for cpu, shared in enumerate(siblings):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(shared + "\n")
    monkeypatch.setattr(threads, "_CPUS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(len(siblings))))


def test_waiting_threads_sleep_before_torch_is_loaded():
    assert fresh(SHOW) == f"PASSIVE {threads.usable_cores()}"


def test_what_the_user_has_set_wins():
    assert fresh(SHOW, OMP_NUM_THREADS="1", OMP_WAIT_POLICY="ACTIVE") == "ACTIVE 1"


def test_a_small_model_runs_on_one_thread_and_a_large_one_on_all():
    code = "fit_to_work(1e8); print(torch.get_num_threads()); fit_to_work(1e10); print(torch.get_num_threads())"
    assert fresh(FIVE + code) == "1\n5"


def test_training_leaves_cores_to_the_processes_that_prepare_its_batches():
    code = "leave_room(3); print(torch.get_num_threads()); leave_room(9); print(torch.get_num_threads())"
    assert fresh(FIVE + code) == "2\n1"


def test_threads_of_numpy_do_not_wait_for_each_other_either():
    code = "import sam_pet, os; print(os.environ.get('OPENBLAS_NUM_THREADS'))"
    assert fresh(code) == "1"
    assert fresh(code, OMP_NUM_THREADS="2") == "None"


def test_numpy_that_was_imported_first_is_held_to_one_thread_too():
    code = (
        "import os; os.environ['OMP_NUM_THREADS'] = '2'; import numpy; del os.environ['OMP_NUM_THREADS']\n"
        "import sam_pet, torch, threadpoolctl; from sam_pet.threads import fit_to_work; fit_to_work(1e8)\n"
        "print({i['num_threads'] for i in threadpoolctl.threadpool_info() if i['user_api'] == 'blas'})"
    )
    assert fresh(code) == "{1}"


def test_the_same_seed_gives_the_same_weights_on_any_number_of_threads():
    code = (
        "import torch, sam_pet; from sam_pet.models.checkpoint import untrained, weights_sha256\n"
        "print(weights_sha256(untrained('nano')))"
    )
    assert fresh(code, OMP_NUM_THREADS="1") == fresh(code, OMP_NUM_THREADS="2")


def test_the_default_model_is_a_small_one():
    code = "from sam_pet import Segmenter; import torch; Segmenter.from_pretrained('nano-untrained', 'cpu'); "
    assert fresh(code + "print(torch.get_num_threads())") == "1"
    assert fresh(code + "print(torch.get_num_threads())", OMP_NUM_THREADS="2") == "2"


def test_workers_share_the_cores(monkeypatch):
    monkeypatch.setattr(threads, "usable_cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("SAM_PET_THREADS", raising=False)
    with threads.shared_by(4):
        assert os.environ["OMP_NUM_THREADS"] == "2"
        assert not threads.user_set()
    assert "OMP_NUM_THREADS" not in os.environ


def test_workers_have_the_threads_that_the_user_wants(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with threads.shared_by(4):
        assert os.environ["OMP_NUM_THREADS"] == "3"
    assert os.environ["OMP_NUM_THREADS"] == "3"


def test_processors_that_share_a_core_count_once(tmp_path, monkeypatch):
    monkeypatch.setattr(threads, "_CGROUP", tmp_path)
    topology(tmp_path / "cpu", monkeypatch, ["0,2", "1,3", "0,2", "1,3"])
    assert threads.usable_cores() == 2


@pytest.mark.parametrize(
    ("limit", "cores"), [("150000 100000", 1), ("50000 100000", 1), ("300000 100000", 3), ("max 100000", 4), ("?", 4)]
)
def test_a_control_groups_quota_limits(tmp_path, monkeypatch, limit, cores):
    topology(tmp_path / "cpu", monkeypatch, ["0", "1", "2", "3"])
    group = tmp_path / "group"
    group.mkdir()
    (group / "cpu.max").write_text(limit)
    monkeypatch.setattr(threads, "_CGROUP", group)
    assert threads.usable_cores() == cores


def test_the_first_version_of_control_groups_limits_too(tmp_path, monkeypatch):
    topology(tmp_path / "cpu", monkeypatch, ["0", "1", "2", "3"])
    group = tmp_path / "group" / "cpu"
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text("200000")
    (group / "cpu.cfs_period_us").write_text("100000")
    monkeypatch.setattr(threads, "_CGROUP", group.parent)
    assert threads.usable_cores() == 2
