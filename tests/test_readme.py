"""Every command of the README runs as it stands there, on a small study."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from sam_pet.cli.app import main
from sam_pet.files import write_image
from sam_pet.geometry import Grid
from tests.fakes import two_lesion_study

README = Path(__file__).parents[1] / "README.md"
# Those that this suite is run by, or that make it its own job.
MAKE = {"make demo", "make test", "make container-test", "make quality"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def commands() -> list[str]:
    return [line for block in blocks("sh") for line in block.splitlines() if line.strip()]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the README's commands name."""
    grid = Grid((170, 130, 130), (5.0, 5.0, 4.0))
    pet = np.zeros(grid.shape, np.float32)
    pet[:40, :48, :64] = two_lesion_study().pet
    images = {
        "suv": grid.image(pet),
        "ct": grid.image(np.where(pet > 0, 40, -1000).astype(np.float32)),
        "truth": grid.image((pet > 5).astype(np.uint8)),
        "mask": grid.image((pet > 7).astype(np.uint8)),
        "cases/one/SUV": grid.image(pet),
        "cases/one/SEG": grid.image((pet > 5).astype(np.uint8)),
    }
    for name, image in images.items():
        write_image(image, tmp_path / f"{name}.nii.gz")
    clicks = next(b for b in blocks("json") if "tumor" in b)
    (tmp_path / "clicks.json").write_text(clicks)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_is_known() -> None:
    assert all(line in MAKE or line.startswith("sam-pet ") for line in commands())


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("line", [c for c in commands() if c.startswith("sam-pet")])
def test_a_command_of_the_readme_runs(line: str) -> None:
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
