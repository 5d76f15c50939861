from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.infer.conftest import INFER

DOCKERFILE = INFER / "Dockerfile"


def steps() -> list[tuple[str, str]]:
    from rootfs import read_steps

    return [(step.instruction, step.value) for step in read_steps(DOCKERFILE)]


def last_stage() -> list[tuple[str, str]]:
    found = steps()
    return found[max(i for i, (name, _) in enumerate(found) if name == "FROM") :]


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint is not None
    done = subprocess.run([hadolint, "--no-color", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert "hadolint ignore" not in DOCKERFILE.read_text()


def test_bases_and_packages_are_pinned() -> None:
    bases = [value for name, value in steps() if name == "FROM"]
    assert bases
    assert all(re.match(r"debian:bookworm-\d{8}-slim( AS \w+)?$", base) for base in bases)
    installs = [value for name, value in steps() if name == "RUN" and "apt-get install" in value]
    for command in installs:
        packages = command.split("--no-install-recommends")[1].split("&&")[0].split()
        assert packages
        assert all("=" in package for package in packages)


def test_nothing_runs_as_root() -> None:
    users = [value for name, value in last_stage() if name == "USER"]
    assert users == ["1000:1000"]
    assert last_stage()[-1][0] == "ENTRYPOINT"


def test_weights_are_checked_as_the_user_that_runs_the_container() -> None:
    names = [name for name, _ in last_stage()]
    checks = [i for i, (name, value) in enumerate(last_stage()) if name == "RUN" and "sam_pet.challenge.check" in value]
    assert checks
    assert checks[0] > names.index("USER")


def test_the_network_is_not_asked_for_at_run_time() -> None:
    variables = " ".join(value for name, value in last_stage() if name == "ENV")
    assert "HF_HUB_OFFLINE=1" in variables


def test_all_that_is_copied_passes_the_ignore_file() -> None:
    ignored = (INFER / "Dockerfile.dockerignore").read_text().splitlines()
    copied = [value.split()[:-1] for name, value in steps() if name == "COPY" and not value.startswith("--from")]
    for path in (path for paths in copied for path in paths):
        top = path if path.startswith("infer/") else path.split("/")[0]
        assert f"!{top}" in ignored
        assert (INFER.parent / path).exists()


def test_the_entry_point_is_the_one_that_the_tests_run() -> None:
    (entry,) = (value for name, value in last_stage() if name == "ENTRYPOINT")
    assert '"/opt/sam-pet/process.py"' in entry
    assert ("COPY", "infer/process.py /opt/sam-pet/process.py") in steps()


def test_no_step_reads_what_another_has_left_in_tmp() -> None:
    for command in (value for name, value in steps() if name == "RUN"):
        for path in set(re.findall(r"/tmp/[\w.-]+", command)):
            assert re.search(rf"> *\\?\s*{re.escape(path)}", command), f"{path} is not of this step: {command}"
