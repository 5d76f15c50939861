from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from sam_pet.cli.app import main
from sam_pet.files import write_image
from sam_pet.geometry import Grid
from tests.fakes import two_lesion_study
from tests.memory import run_and_peak


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, object]:
    """The one JSON object that a command prints."""
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    assert ended.value.code in (0, None)
    printed = capsys.readouterr().out
    result: dict[str, object] = json.loads(printed)
    assert printed.count("\n") == 1
    return result


def inner_voxel(truth: Path) -> tuple[int, int, int]:
    mask = sitk.ReadImage(str(truth)) > 0
    distance = sitk.SignedMaurerDistanceMap(mask, insideIsPositive=True, squaredDistance=False)
    z, y, x = np.unravel_index(int(sitk.GetArrayFromImage(distance).argmax()), mask.GetSize()[::-1])
    return int(x), int(y), int(z)


@pytest.mark.parametrize("case", ["sts/STS_001", "lung/A-IA0002109"])
def test_one_point_in_a_real_tumour_gives_a_mask_on_the_pets_grid(
    case: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = data / case
    voxel = inner_voxel(folder / "SEG.nii.gz")
    prompts = tmp_path / "p.json"
    prompts.write_text(
        json.dumps(
            {
                "version": {"major": 1, "minor": 0},
                "type": "Multiple points",
                "points": [{"point": voxel, "name": "tumor"}],
            }
        )
    )
    out = tmp_path / "m.mha"
    result = run(
        capsys,
        *("segment", "--ct", folder / "CTres.nii.gz", "--pet", folder / "SUV.nii.gz"),
        *("--prompts", prompts, "--out", out, "--device", "cpu", "--json"),
    )
    mask, pet = sitk.ReadImage(str(out)), sitk.ReadImage(str(folder / "SUV.nii.gz"))
    assert Grid.of(mask) == Grid.of(pet)
    assert mask.GetPixelID() == sitk.sitkUInt8
    array = sitk.GetArrayFromImage(mask)
    assert set(np.unique(array)) == {0, 1}
    assert mask[voxel] == 1
    assert result["lesions"] == 1
    assert result["voxels"] == int(array.sum())
    assert result["volume_ml"] == pytest.approx(array.sum() * np.prod(pet.GetSpacing()) / 1000, rel=1e-4)
    assert {"seconds", "model", "trained"} <= set(result)


def test_a_session_is_saved_beside_the_mask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = two_lesion_study()
    write_image(study.grid.image(study.pet), tmp_path / "pet.nrrd")
    (tmp_path / "p.json").write_text('{"tumor": [[20, 24, 10]], "background": [[60, 44, 38]]}')
    result = run(
        capsys,
        *("segment", "--pet", tmp_path / "pet.nrrd", "--prompts", tmp_path / "p.json", "--out", tmp_path / "m.nii.gz"),
        *("--session", tmp_path / "session", "--device", "cpu", "--json"),
    )
    manifest = json.loads((tmp_path / "session" / "manifest.json").read_text())
    assert manifest["model"]["trained"] == result["trained"]
    assert (tmp_path / "session" / "mask.nii.gz").is_file()
    assert len(json.loads((tmp_path / "session" / "prompts.json").read_text())["prompts"]) == 2


def test_a_whole_body_study_of_the_challenges_size_stays_under_3_gb(tmp_path: Path) -> None:
    grid = Grid((400, 400, 326), (2.036, 2.036, 3.0), (-407.0, 407.0, -500.0), (1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
    rng = np.random.default_rng(0)
    pet = rng.random(grid.shape, np.float32)
    z, y, x = np.ogrid[: grid.shape[0], : grid.shape[1], : grid.shape[2]]
    pet[((x - 200) * 2.0) ** 2 + ((y - 180) * 2.0) ** 2 + ((z - 150) * 3.0) ** 2 < 12**2] = 9.0
    ct = rng.integers(-1000, 1000, grid.shape, np.int16)
    write_uncompressed(grid.image(pet), tmp_path / "pet.mha")
    write_uncompressed(grid.image(ct), tmp_path / "ct.mha")
    (tmp_path / "p.json").write_text('{"tumor": [[200, 180, 150]]}')
    script = (
        "import sys\nfrom sam_pet.cli.app import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
    )
    arguments = ["segment", "--ct", "ct.mha", "--pet", "pet.mha", "--prompts", "p.json", "--out", "m.mha"]
    printed, peak = run_and_peak(script, *arguments, "--device", "cpu", "--json", folder=tmp_path)
    assert json.loads(printed)["lesions"] == 1
    assert peak < 3
    mask = sitk.ReadImage(str(tmp_path / "m.mha"))
    assert Grid.of(mask).same_as(grid)
    assert mask[200, 180, 150] == 1


def write_uncompressed(image: sitk.Image, path: Path) -> None:
    sitk.WriteImage(image, str(path), useCompression=False)


def test_untrained_weights_are_named_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    study = two_lesion_study()
    write_image(study.grid.image(study.pet), tmp_path / "pet.mha")
    (tmp_path / "p.json").write_text('{"tumor": [[20, 24, 10]]}')
    result = run(
        capsys,
        *("segment", "--pet", tmp_path / "pet.mha", "--prompts", tmp_path / "p.json", "--out", tmp_path / "m.mha"),
        *("--model", "nano-untrained", "--device", "cpu", "--json"),
    )
    assert result["trained"] is False
    assert "untrained" in caplog.text
