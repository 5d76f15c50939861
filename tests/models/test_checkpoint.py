"""Checkpoint folders: whole or absent, self-describing, and checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from sam_pet.errors import InputError
from sam_pet.files import file_sha256
from sam_pet.models import ModelManifest, load_model, save_model, untrained
from sam_pet.models.bounded import AtMost
from sam_pet.models.checkpoint import weights_sha256
from sam_pet.sam2.clips import ClipRecipe
from sam_pet.sam2.frames import RECIPES

RECORD = ModelManifest(
    name="mine",
    frames=RECIPES["pet"],
    clip=ClipRecipe(first_mm=80),
    trained=True,
    training={"epochs": 3},
    base="nano-untrained",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(untrained("nano", seed=5), RECORD, tmp_path / "mine")
    return tmp_path / "mine"


def test_a_checkpoint_gives_back_weights_and_record(folder: Path) -> None:
    loaded = load_model(folder)
    assert loaded.record.frames == RECIPES["pet"]
    assert loaded.record.clip.first_mm == 80
    assert loaded.record.training == {"epochs": 3}
    assert loaded.record.trained
    assert loaded.sha256 == loaded.record.sha256 == file_sha256(folder / "model.safetensors")
    assert not loaded.model.training
    expected = untrained("nano", seed=5).state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in loaded.model.state_dict().items())
    files = ["README.md", "config.json", "model.safetensors", "sam_pet.json"]
    assert sorted(p.name for p in folder.iterdir()) == files
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert loaded.sha256 in card
    assert "not for clinical use" in card
    assert [p.name for p in folder.parent.iterdir()] == ["mine"]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert weights_sha256(untrained("nano", seed=5)) == weights_sha256(untrained("nano", seed=5))
    assert weights_sha256(untrained("nano", seed=5)) != weights_sha256(untrained("nano", seed=6))


def test_the_image_size_of_a_checkpoint_can_be_changed_on_loading(folder: Path) -> None:
    assert load_model(folder).image_size == 128
    assert load_model(folder, image_size=192).image_size == 192


def test_a_checkpoint_is_replaced_whole(folder: Path) -> None:
    (folder / "notes.txt").write_text("old")
    save_model(untrained("nano", seed=6), RECORD.model_copy(update={"name": "second"}), folder)
    assert load_model(folder).record.name == "second"
    assert not (folder / "notes.txt").exists()


def test_a_folder_that_is_no_checkpoint_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="exists and is no checkpoint"):
        save_model(untrained("nano"), RECORD, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_an_interrupted_save_leaves_the_old_checkpoint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_model(folder).sha256
    model = untrained("nano", seed=6)
    monkeypatch.setattr(type(model.config), "save_pretrained", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_model(model, RECORD, folder)
    assert load_model(folder).sha256 == before
    assert [p.name for p in folder.parent.iterdir()] == ["mine"]


def flip(path: Path, at: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_a_flipped_byte_is_refused(folder: Path) -> None:
    flip(folder / "model.safetensors")
    with pytest.raises(InputError, match=r"model\.safetensors is damaged or was changed"):
        load_model(folder)


def test_a_truncated_file_without_a_record_is_refused(folder: Path) -> None:
    (folder / "sam_pet.json").unlink()
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        load_model(folder)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(InputError, match=f"is no checkpoint: it has no {file}"):
        load_model(folder)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"model_type": "bert"}', '{"model_type": "sam2_video", "image_size": "x"}']
)
def test_a_configuration_of_something_else_is_refused(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)
    with pytest.raises(InputError, match="does not describe a SAM video model") as error:
        load_model(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"frames": None}, "frames"), ({"colour": "blue"}, "colour"), ({"clip": {"first_mm": -1}}, "clip.first_mm")],
)
def test_a_record_that_is_not_valid_is_named_with_its_field(
    folder: Path, change: dict[str, object], message: str
) -> None:
    path = folder / "sam_pet.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=message) as error:
        load_model(folder)
    assert "\n" not in str(error.value)


def test_weights_of_another_architecture_are_refused_with_the_first_key_that_differs(folder: Path) -> None:
    (folder / "sam_pet.json").unlink()
    state = safetensors.torch.load_file(folder / "model.safetensors")
    del state["no_memory_embedding"]
    safetensors.torch.save_file(state, folder / "model.safetensors")
    with pytest.raises(InputError, match="no_memory_embedding is missing"):
        load_model(folder)
    state["no_memory_embedding"] = torch.zeros(1, 1, 7)
    safetensors.torch.save_file(state, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"no_memory_embedding is \(1, 1, 7\) and not \(1, 1, 128\)"):
        load_model(folder)
    state["no_memory_embedding"] = torch.zeros(1, 1, 128)
    state["extra"] = torch.zeros(1)
    safetensors.torch.save_file(state, folder / "model.safetensors")
    with pytest.raises(InputError, match="extra is not known"):
        load_model(folder)


def test_a_plain_transformers_folder_loads_in_float32(tmp_path: Path) -> None:
    untrained("nano", seed=5).to(torch.bfloat16).save_pretrained(tmp_path)
    loaded = load_model(tmp_path)
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}
    assert loaded.record.trained
    assert loaded.sha256 == file_sha256(tmp_path / "model.safetensors")


def test_a_file_that_holds_the_shared_basis_once_loads(folder: Path) -> None:
    (folder / "sam_pet.json").unlink()
    state = safetensors.torch.load_file(folder / "model.safetensors")
    del state["prompt_encoder.shared_embedding.positional_embedding"]
    safetensors.torch.save_file(state, folder / "model.safetensors")
    model = load_model(folder).model
    assert torch.equal(
        model.prompt_encoder.shared_embedding.positional_embedding,
        untrained("nano", seed=5).shared_image_embedding.positional_embedding,
    )


def test_a_configuration_cannot_ask_for_more_memory_than_its_weights_fill() -> None:
    with AtMost(20):
        assert torch.zeros(2, 3).sum() == torch.ones((3,)).sum() - 3
        with pytest.raises(ValueError, match="far more than there are weights"):
            torch.empty(1 << 40)
