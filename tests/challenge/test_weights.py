from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sam_pet.challenge.weights import EMBEDDED, Weights, find_weights
from sam_pet.errors import InputError
from sam_pet.models.registry import checkpoints_folder
from tests.challenge.conftest import TUMOR, Step

DEFAULT = checkpoints_folder() / "default"


def made(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("")
    return folder


def test_without_an_upload_the_embedded_weights_are_taken(tmp_path: Path) -> None:
    assert find_weights(tmp_path / "none") == find_weights(tmp_path) == [EMBEDDED]


@pytest.mark.parametrize("below", ["", "my-model"])
def test_an_uploaded_checkpoint_comes_before_the_embedded_one(tmp_path: Path, below: str) -> None:
    folder = made(tmp_path / below, "config.json", "model.safetensors")
    assert find_weights(tmp_path) == [Weights(str(folder)), EMBEDDED]


def test_an_uploaded_adapter_brings_its_base(tmp_path: Path) -> None:
    folder = made(tmp_path, "adapter_config.json", "config.json")
    assert find_weights(tmp_path) == [Weights(str(folder)), EMBEDDED]
    base = made(tmp_path / "base", "config.json")
    assert find_weights(tmp_path) == [Weights(str(folder), base), EMBEDDED]


def test_a_file_of_metas_is_taken(tmp_path: Path) -> None:
    made(tmp_path, "MedSAM2_latest.pt", "notes.txt")
    assert find_weights(tmp_path)[0] == Weights(str(tmp_path / "MedSAM2_latest.pt"))


def test_an_upload_that_is_no_model_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made(tmp_path, "notes.txt")
    assert find_weights(tmp_path) == [EMBEDDED]
    assert "holds no model that is known" in caplog.text


def test_weights_are_told_apart_by_their_bytes(tmp_path: Path) -> None:
    one, two = (made(tmp_path / name, "config.json") for name in ("one", "two"))
    assert Weights(str(one)).identity == Weights(str(two)).identity
    (two / "config.json").write_text("{}")
    assert Weights(str(one)).identity != Weights(str(two)).identity
    assert Weights(str(one), two).identity != Weights(str(one)).identity
    assert EMBEDDED.identity == EMBEDDED.identity


def test_untrained_weights_are_refused() -> None:
    with pytest.raises(InputError, match="untrained"):
        Weights("nano-untrained").load()


def test_a_step_with_uploaded_weights_uses_them(step: Step) -> None:
    shutil.copytree(DEFAULT, step.root / "opt/ml/model/mine")
    assert not step.run()["fallback"]
    x, y, z = TUMOR
    assert step.mask()[z, y, x] == 1
    assert "the step failed" not in step.log


def test_a_damaged_upload_falls_back_to_the_embedded_weights(step: Step) -> None:
    folder = step.root / "opt/ml/model"
    shutil.copytree(DEFAULT, folder)
    (folder / "model.safetensors").write_bytes(b"cut short")
    assert step.run()["fallback"]
    assert f"the weights {folder} cannot be used" in step.log
    step.mask()
