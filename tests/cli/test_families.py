"""Every family with random weights on a real tumour: the command line, a session, a replay, the container.

Training by LoRA that is killed and goes on: `tests/train/test_families.py`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from sam_pet.cli.app import main
from sam_pet.geometry import Grid
from sam_pet.models import ModelManifest, save_model
from sam_pet.sam2.clips import ClipRecipe
from sam_pet.segmenter import Segmenter
from sam_pet.session.session import Session
from sam_pet.study import read_study
from tests.challenge.conftest import Step
from tests.sam2.models import TINY, random_model

TUMOR, LATER, BACKGROUND = (20, 25, 40), ((22, 25, 40), (23, 25, 40)), ((18, 25, 40), (18, 26, 40))


@pytest.mark.parametrize("family", sorted(TINY))
def test_a_family_segments_corrects_undoes_saves_replays_and_runs_in_the_container(
    family: str,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "weights"
    record = ModelManifest(name=family, trained=True, clip=ClipRecipe(first_mm=64.0, largest_mm=64.0))
    save_model(random_model(TINY[family]()), record, folder)
    pet, ct = (data / "sts" / "STS_001" / f"{name}.nii.gz" for name in ("SUV", "CTres"))
    (tmp_path / "p.json").write_text(json.dumps({"tumor": [TUMOR], "background": []}))
    command = ["segment", "--pet", str(pet), "--ct", str(ct), "--prompts", str(tmp_path / "p.json")]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--model", str(folder), "--out", str(tmp_path / "m.mha"), "--device", "cpu", "--json"])
    assert ended.value.code in (0, None)
    assert json.loads(capfd.readouterr().out)["model"] == family

    study, segmenter = read_study(ct, pet), Segmenter.from_pretrained(folder, "cpu")
    assert segmenter.core.model.config.model_type == family
    session = segmenter.open(study)
    session.add_click(TUMOR)
    clicked = session.array
    np.testing.assert_array_equal(clicked, sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "m.mha"))))
    session.add_scribble(LATER)
    session.add_scribble(BACKGROUND, "background")
    corrected = session.array
    for drawn, value in (((TUMOR, *LATER), 1), (BACKGROUND, 0)):
        assert {int(corrected[z, y, x]) for x, y, z in drawn} == {value}
    session.save(tmp_path / "session")
    again = Session.replay(tmp_path / "session", study, segmenter)
    np.testing.assert_array_equal(again.array, corrected)
    session.undo()
    session.undo()
    np.testing.assert_array_equal(session.array, clicked)

    step = Step(tmp_path / "container", monkeypatch, capfd)
    images = {place: sitk.ReadImage(str(path)) for place, path in ((step.pet, pet), (step.ct, ct))}
    grid = Grid.of(images[step.pet])
    for place, image in images.items():
        step.write(place, sitk.GetArrayFromImage(image), grid)
    for name in ("output", "cache"):
        (step.root / name).mkdir()
    step.draw([("tumor", TUMOR), *(("background", voxel) for voxel in BACKGROUND)])
    shutil.copytree(folder, step.root / "opt/ml/model")
    assert not step.run()["fallback"], step.log
    assert f"model {family} on" in step.log
    mask = step.mask(grid)
    assert [int(mask[z, y, x]) for x, y, z in (TUMOR, *BACKGROUND)] == [1, 0, 0]
