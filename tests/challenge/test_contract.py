from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from sam_pet.challenge.contract import Inputs, Places, find_inputs, write_mask
from sam_pet.challenge.supervisor import TIME_LIMIT_S, time_limit
from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from tests.challenge.conftest import GRID, TUMOR, Step


def test_the_mask_is_called_after_the_ct_and_has_its_exact_geometry(step: Step) -> None:
    report = step.run()
    mask = step.mask()
    x, y, z = TUMOR
    assert mask[z, y, x] == 1
    assert not report["fallback"]
    assert report["voxels"] == mask.sum()
    assert report["mask"] == str(step.masks / "ct-uuid.mha")


def test_of_several_images_the_first_by_name_that_is_one_is_taken(step: Step) -> None:
    shutil.copy(step.ct, step.ct.parent / "b.mha")
    (step.ct.parent / "a.mha").write_text("version https://git-lfs.github.com/spec/v1\n")
    (step.ct.parent / ".hidden.mha").write_bytes(step.ct.read_bytes())
    (step.ct.parent / "0.txt").write_text("no image")
    assert find_inputs(Places(step.root)).name == "b"


def test_without_any_image_there_is_no_grid_and_no_mask(step: Step) -> None:
    step.ct.unlink()
    step.pet.write_text("version https://git-lfs.github.com/spec/v1\n")
    assert step.status() == 1
    assert "no image can be read" in step.log
    assert not step.masks.exists()


def test_output_that_cannot_be_written_is_said(step: Step) -> None:
    (step.root / "output").rmdir()
    (step.root / "output").write_text("a file")
    assert step.status() == 1
    assert "no mask can be written" in step.log


def test_masks_of_earlier_steps_and_halves_of_them_are_taken_away(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.masks.mkdir(parents=True)
    for name in ("old.mha", "new.mha", ".partial-x.mha", "notes.txt"):
        (places.masks / name).write_text("old")
    path = write_mask(np.zeros(GRID.shape, np.uint8), Inputs(None, None, GRID, "new"), places)
    assert path == places.masks / "new.mha"
    assert sorted(p.name for p in places.masks.iterdir()) == ["new.mha", "notes.txt"]
    assert path.read_bytes()[:10] != b"old"


def test_a_volume_of_one_time_point_is_a_volume(tmp_path: Path) -> None:
    import SimpleITK as sitk

    places = Places(tmp_path)
    places.pet.mkdir(parents=True)
    volume = GRID.image(np.zeros(GRID.shape, np.float32))
    sitk.WriteImage(sitk.JoinSeries([volume]), places.pet / "p.mha")
    found = find_inputs(places).grid
    assert found.size == GRID.size
    assert found.same_as(GRID)


def test_two_values_a_voxel_are_no_volume(tmp_path: Path) -> None:
    import SimpleITK as sitk

    places = Places(tmp_path)
    places.pet.mkdir(parents=True)
    volume = Grid((4, 4, 4)).image(np.zeros((4, 4, 4), np.float32))
    sitk.WriteImage(sitk.Compose([volume, volume]), places.pet / "p.mha")
    with pytest.raises(InputError, match="no image can be read"):
        find_inputs(places)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(None, TIME_LIMIT_S), ("", TIME_LIMIT_S), ("12.5", 12.5), ("soon", TIME_LIMIT_S), ("-3", TIME_LIMIT_S)],
)
def test_a_senseless_time_limit_is_the_default(text: str | None, seconds: float) -> None:
    assert time_limit(text) == seconds
