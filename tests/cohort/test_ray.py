from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cohort.inline import batch
from tests.cohort.studies import MODEL, damaged, write_studies

pytest.importorskip("ray")
if sys.platform != "linux":
    pytest.skip("workers are found in /proc", allow_module_level=True)

from tests.cohort.ray_head import RayHead

_STUDIES = 60
_WAIT_S = 240.0


def start(source: Path, out: Path, address: str) -> subprocess.Popen[str]:
    program = Path(sys.executable).with_name("sam-pet")
    options = ("--studies", source, "--out", out, "--ray", address, "--model", MODEL, "--device", "cpu")
    return subprocess.Popen(
        [str(program), "batch", *map(str, options), "--memory", "1", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # How long those that are left wait for a head that is gone.
        env=os.environ | {"RAY_gcs_rpc_server_reconnect_timeout_s": "5"},
    )


def done(out: Path) -> dict[str, int]:
    """The sound studies that are done, and when."""
    found = [path.parent / "mask.nii.gz" for path in out.glob("*/manifest.json")]
    return {mask.parent.name: mask.stat().st_mtime_ns for mask in found if mask.exists()}


def wait_until(holds: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    end = time.monotonic() + _WAIT_S
    while not holds():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def workers() -> list[int]:
    """The processes of the actors."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_bytes().startswith(b"ray::_Worker"):
                found.append(int(path.parent.name))
    return found


def test_a_killed_worker_and_a_killed_head_lose_no_study_and_do_none_twice(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source, out, alone = tmp_path / "studies.csv", tmp_path / "out", tmp_path / "alone"
    names = [*write_studies(tmp_path, _STUDIES), "empty"]
    damaged(tmp_path / "S3" / "SUV.nii.gz")
    rows = [(name, name) for name in names] + [("s5", "S6")]
    source.write_text("name,pet,prompts\n" + "".join(f"{n},{f}/SUV.nii.gz,{f}/prompts.json\n" for n, f in rows))
    wanted = {line["name"]: line for line in batch(source, alone)}
    # Sockets have short names.
    with RayHead(tmp_path_factory.mktemp("r")) as head:
        first = start(source, out, head.address)
        wait_until(lambda: len(done(out)) >= 3, first)
        head.kill()
        _, said = first.communicate(timeout=_WAIT_S)
        assert first.returncode != 0, said
        # Workers outlive their head for a moment, in which they may end a study.
        wait_until(lambda: not workers())
        kept = done(out)
        assert len(kept) < _STUDIES - 1

        head.start()
        second = start(source, out, head.address)
        wait_until(lambda: len(done(out)) > len(kept), second)
        os.kill(workers()[0], signal.SIGKILL)
        told, said = second.communicate(timeout=_WAIT_S)
        assert second.returncode == 1, said
    lines = [json.loads(line) for line in told.splitlines()]
    assert sorted(line["name"] for line in lines) == sorted(wanted)
    assert {line["name"] for line in lines if "error" in line} == {"S3", "empty", "s5"}
    assert {line["name"]: line["error"] for line in lines if "error" in line} == {
        name: line["error"] for name, line in wanted.items() if "error" in line
    }
    assert {line["name"] for line in lines if "resumed" in line} == set(kept)
    assert {name: done(out)[name] for name in kept} == kept
    masks = [{p.parent.name: p.read_bytes() for p in root.glob("*/mask.nii.gz")} for root in (out, alone)]
    assert masks[0] == masks[1]
    assert len(masks[0]) == _STUDIES - 1
    assert (out / "measurements.csv").read_bytes() == (alone / "measurements.csv").read_bytes()
