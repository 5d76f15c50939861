"""Every command of the README runs as it stands there, on a small study."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from sam_pet.cli.app import main
from sam_pet.files import write_image
from tests.fakes import two_lesion_study

README = Path(__file__).parents[1] / "README.md"
# Those that this suite is run by, or that make it its own job.
MAKE = {"make demo", "make test", "make quality"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def commands() -> list[str]:
    return [line for block in blocks("sh") for line in block.splitlines() if line.strip()]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the README's commands name."""
    study = two_lesion_study()
    grid = study.grid
    large = np.zeros((130, 130, 170), np.float32)
    large[:40, :48, :64] = study.pet
    pet = type(grid)((170, 130, 130), (5.0, 5.0, 4.0)).image(large)
    ct = type(grid)((170, 130, 130), (5.0, 5.0, 4.0)).image(np.where(large > 0, 40, -1000).astype(np.float32))
    truth = type(grid)((170, 130, 130), (5.0, 5.0, 4.0)).image((large > 5).astype(np.uint8))
    write_image(pet, tmp_path / "suv.nii.gz")
    write_image(ct, tmp_path / "ct.nii.gz")
    write_image(truth, tmp_path / "truth.nii.gz")
    write_image(truth, tmp_path / "mask.nii.gz")
    clicks = next(b for b in blocks("json") if "tumor" in b)
    (tmp_path / "clicks.json").write_text(clicks)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_is_known() -> None:
    assert all(line in MAKE or line.startswith("sam-pet ") for line in commands())


@pytest.mark.parametrize("line", [c for c in commands() if c.startswith("sam-pet") and " phantom " not in c])
def test_a_command_of_the_readme_runs(line: str, files: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(line)[1:])
    assert ended.value.code in (0, None)


def test_the_python_of_the_readme_runs(files: Path) -> None:
    exec(compile(blocks("python")[0], "README.md", "exec"), {})
    assert (files / "out" / "manifest.json").is_file()


def test_makefile_has_the_targets_of_the_readme() -> None:
    makefile = (README.parent / "Makefile").read_text()
    for target in MAKE:
        assert f"\n{target.split()[1]}:" in makefile
