"""The sandbox's walls, on the file system of this machine; where CI is set they are tested in any case."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

needs_sandbox = pytest.mark.skipif(
    (os.geteuid() != 0 or shutil.which("bwrap") is None) and not os.environ.get("CI"),
    reason="needs root and bubblewrap",
)


def sandbox(script: str) -> Any:
    from engines import Sandbox
    from rootfs import Config

    config = Config(user="1000:1000", workdir="/", entrypoint=["/bin/sh", "-c", script])
    return Sandbox(Path("/"), config)


@pytest.fixture
def folders(tmp_path: Path) -> Any:
    from engines import Folders

    made = Folders(*(tmp_path / name for name in ("input", "output", "cache")))
    for path in (made.input, made.output, made.cache):
        path.mkdir()
    for path in (made.output, made.cache):
        path.chmod(0o777)
    return made


@pytest.fixture
def mountable() -> None:
    """The contract's folders at the root of this machine: in an image they are there already."""
    missing = [path for path in (Path("/input"), Path("/output"), Path("/cache")) if not path.exists()]
    for path in missing:
        path.mkdir()
    yield
    for path in missing:
        path.rmdir()


def test_the_command_has_the_walls_of_the_contract(tmp_path: Path) -> None:
    from engines import SHARED_MEMORY_BYTES, Folders

    made = Folders(tmp_path / "i", tmp_path / "o", tmp_path / "c", tmp_path / "m")
    command = sandbox("true").command(made, {"SAM_PET_TIME_LIMIT": "5"})
    text = " ".join(command)
    for part in (
        "--ro-bind / /",
        "--unshare-net",
        f"--size {SHARED_MEMORY_BYTES} --tmpfs /dev/shm",
        f"--ro-bind {tmp_path}/i /input",
        f"--bind {tmp_path}/o /output",
        f"--ro-bind {tmp_path}/m /opt/ml/model",
        "--clearenv",
        "--setenv SAM_PET_TIME_LIMIT 5",
        "setpriv --reuid=1000 --regid=1000",
    ):
        assert part in text


@needs_sandbox
@pytest.mark.usefixtures("mountable")
def test_inside_there_is_no_network_no_root_and_nothing_to_write_but_the_outputs(folders: Any) -> None:
    script = """
    id -u; grep CapEff /proc/self/status; tail -n +3 /proc/net/dev | cut -d: -f1
    for place in /input /usr /opt / /output /cache /tmp /dev/shm; do
        if touch $place/x 2>/dev/null; then echo "written $place"; fi
    done
    df -k --output=size /dev/shm | tail -1
    """
    run = sandbox(script).run(folders, {})
    assert run.status == 0, run.log
    lines = [line.strip() for line in run.printed.splitlines()]
    assert lines[0] == "1000"
    assert lines[1].split() == ["CapEff:", "0000000000000000"]
    assert lines[-6:-1] == ["lo", "written /output", "written /cache", "written /tmp", "written /dev/shm"]
    assert lines[-1] == str(2 * 2**20)
    assert (folders.output / "x").is_file()


@needs_sandbox
@pytest.mark.usefixtures("mountable")
def test_a_step_that_takes_too_long_is_killed(folders: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import engines

    monkeypatch.setattr(engines, "STEP_S", 1.0)
    run = sandbox("echo begun; sleep 60").run(folders, {})
    assert run.status is None
    assert run.seconds < 20
    assert run.printed == "begun\n"


@needs_sandbox
@pytest.mark.usefixtures("mountable")
def test_memory_is_limited_and_its_peak_told(folders: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import engines

    monkeypatch.setattr(engines, "MEMORY_BYTES", 200 * 2**20)
    run = sandbox("head -c 50000000 /dev/zero | tail -c 50000000 | wc -c").run(folders, {})
    assert run.printed.strip() == "50000000"
    assert run.peak_gb is None or 0.05 < run.peak_gb < 0.22
    greedy = sandbox("head -c 500000000 /dev/zero | tail -c 500000000 | wc -c").run(folders, {})
    assert greedy.printed.strip() != "500000000"
