"""A step of the challenge in a temporary folder, run through the container's entry point."""

from __future__ import annotations

import json
import logging
import runpy
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

import sam_pet.segmenter  # noqa: F401  (loaded once: the workers of the steps are forks of this process)
from sam_pet.geometry import Grid
from tests.fakes import two_lesion_study

ENTRY = Path(__file__).parents[2] / "infer" / "process.py"
# Awkward on purpose: the mask has to have exactly these.
GRID = Grid(
    (64, 48, 40),
    (5.0001234567891, 5.0001234567891, 4.0),
    (-160.123456789012, 121.0987654321, -1000.5),
    (1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0),
)
TUMOR, BACKGROUND = [20, 24, 10], [44, 4, 30]
Drawn = Iterable[tuple[str, Sequence[Any]]]


@dataclass
class Step:
    """The folders of a container, and what the entry point printed when it last ran."""

    root: Path
    monkeypatch: pytest.MonkeyPatch
    capfd: pytest.CaptureFixture[str]
    printed: str = ""
    log: str = ""

    @property
    def ct(self) -> Path:
        return self.root / "input/images/ct/ct-uuid.mha"

    @property
    def pet(self) -> Path:
        return self.root / "input/images/pet/pet-uuid.mha"

    @property
    def points(self) -> Path:
        return self.root / "input/lesion-clicks.json"

    @property
    def masks(self) -> Path:
        return self.root / "output/images/tumor-lesion-segmentation"

    def write(self, path: Path, array: np.ndarray, grid: Grid = GRID) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(grid.image(array), path, useCompression=True)

    def draw(self, points: Drawn) -> None:
        entries = [{"point": list(voxel), "name": name} for name, voxel in points]
        content = {"version": {"major": 1, "minor": 0}, "type": "Multiple points", "points": entries}
        self.points.write_text(json.dumps(content))

    def run(self, limit: float | None = None) -> dict[str, Any]:
        """Run the entry point in this process, expect success, and return its report."""
        assert self.status(limit) == 0, self.log
        return dict(json.loads(self.printed))

    def status(self, limit: float | None = None) -> int:
        self.monkeypatch.setenv("SAM_PET_ROOT", str(self.root))
        self.monkeypatch.setenv("SAM_PET_TIME_LIMIT", "" if limit is None else str(limit))
        # Those of pytest would take what the worker logs with it into its process.
        self.monkeypatch.setattr(logging.getLogger(), "handlers", [])
        self.capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ENTRY), run_name="__main__")
        self.printed, self.log = self.capfd.readouterr()
        return int(ended.value.code or 0)

    def start(self, limit: float) -> subprocess.Popen[str]:
        """The entry point as a process of its own."""
        variables = {"SAM_PET_ROOT": str(self.root), "SAM_PET_TIME_LIMIT": str(limit), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen([sys.executable, ENTRY], env=variables, text=True, stderr=subprocess.PIPE)

    def mask(self, grid: Grid = GRID, name: str = "ct-uuid.mha") -> np.ndarray:
        """The one mask of the step, which must be valid."""
        assert [p.name for p in self.masks.iterdir()] == [name]
        image = sitk.ReadImage(str(self.masks / name))
        assert Grid.of(image) == grid
        assert image.GetPixelID() == sitk.sitkUInt8
        array = sitk.GetArrayFromImage(image)
        assert set(np.unique(array)) <= {0, 1}
        return array


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Step:
    """A sound step with one tumor and one background point, in a container with an empty /cache."""
    made = Step(tmp_path, monkeypatch, capfd)
    study = two_lesion_study()
    assert study.ct is not None
    made.write(made.ct, study.ct.astype(np.int16))
    made.write(made.pet, study.pet)
    made.draw([("tumor", TUMOR), ("background", BACKGROUND)])
    for folder in ("output", "cache"):
        (tmp_path / folder).mkdir()
    return made
