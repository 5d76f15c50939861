"""`sam-pet models`: output, exit codes, and nothing written on bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from sam_pet.cli.app import main
from sam_pet.models import ModelManifest, load_model, save_adapter, save_model, untrained
from sam_pet.models.convert import renamed
from tests.models.conftest import Hub
from tests.models.conftest import hub as hub  # fixtures
from tests.models.conftest import meta_model as meta_model
from tests.models.test_adapters import adapted


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["models", *map(str, arguments)])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def run_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    code, out, _ = run(capsys, *arguments, "--json")
    assert code == 0
    return json.loads(out)


@pytest.fixture
def meta_file(tmp_path: Path, meta_model: Any) -> Path:
    path = tmp_path / "sam2.1_hiera_tiny.pt"
    torch.save({"model": meta_model("sam2.1/sam2.1_hiera_t", seed=1).state_dict()}, path)
    return path


def test_list_names_every_model_with_licence_and_presence(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    found = run_json(capsys, "list")
    rows = {row["name"]: row for row in found["models"]}
    assert rows["nano-untrained"]["here"] is True
    assert rows["sam2.1-hiera-large"]["here"] is False
    assert rows["sam2.1-hiera-large"]["sha256"] is None
    assert rows["medsam2"]["licence"] == "CC-BY-SA-4.0"
    assert found["default"] in rows
    assert hub.asked == []


def test_list_needs_no_torch() -> None:
    code = (
        "import sys; from sam_pet.cli.app import main\n"
        "try: main(['models', 'list'])\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_fetch_says_where_it_is_and_under_which_licence(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    folder = hub.root / "wanglab" / "MedSAM2"
    folder.mkdir(parents=True)
    (folder / "MedSAM2_latest.pt").write_bytes(b"weights")
    code, out, err = run(capsys, "fetch", "medsam2", "--json")
    found = json.loads(out)
    assert code == 0
    assert Path(found["folder"], "MedSAM2_latest.pt").read_bytes() == b"weights"
    assert list(found["sha256"]) == ["MedSAM2_latest.pt"]
    assert "licence CC-BY-SA-4.0" in err


def test_fetch_of_an_unknown_name_exits_with_2(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "fetch", "sam9", "--json")
    assert (code, out) == (2, "")
    assert err.startswith("sam-pet: no model is named 'sam9'")
    assert err.count("\n") == 1
    assert hub.asked == []


def test_convert_writes_a_checkpoint_that_loads_and_verifies(
    meta_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "converted"
    found = run_json(capsys, "convert", meta_file, "--out", out, "--name", "petct", "--image-size", 256)
    loaded = load_model(out)
    assert (found["name"], found["sha256"]) == ("petct", loaded.sha256)
    assert loaded.image_size == 256
    state = torch.load(meta_file, weights_only=True)["model"]
    key = "memory_attention.layers.2.cross_attn_image.out_proj.weight"
    assert torch.equal(loaded.model.state_dict()[renamed(key)], state[key])
    assert set(run_json(capsys, "verify", out)["verified"][str(out)]) == {"config.json", "model.safetensors"}


def test_convert_of_something_else_exits_with_2_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"model": {"conv.weight": torch.ones(3)}}, tmp_path / "unet.pt")
    code, out, err = run(capsys, "convert", tmp_path / "unet.pt", tmp_path / "converted", "--json")
    assert (code, out) == (2, "")
    assert "unet.pt is no SAM 2 checkpoint: image_encoder.trunk.pos_embed is missing" in err
    assert err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["unet.pt"]


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_verify_finds_a_flipped_byte(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mine"
    save_model(untrained("nano"), ModelManifest(name="mine"), folder)
    assert run(capsys, "verify", folder)[:2] == (0, f"{folder}: model.safetensors, config.json as recorded\n")
    content = bytearray((folder / file).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / file).write_bytes(content)
    code, out, err = run(capsys, "verify", folder, "--json")
    assert (code, out) == (2, "")
    assert f"{file} is damaged or was changed" in err


def test_verify_without_a_record_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "verify", tmp_path)
    assert code == 2
    assert "no SHA-256 is recorded" in err


def test_verify_without_a_name_checks_all_that_are_here(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_json(capsys, "verify")["verified"]["nano-untrained"] == {}
    assert hub.asked == []


def test_merge_writes_a_checkpoint_that_needs_no_base(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_model(untrained("nano", seed=3), ModelManifest(name="base"), tmp_path / "base")
    base = load_model(tmp_path / "base")
    save_adapter(adapted(base, trained=True), base, ModelManifest(name="mine", trained=True), tmp_path / "lora")
    (tmp_path / "base").rename(tmp_path / "moved")
    code, _, err = run(capsys, "merge", tmp_path / "lora", tmp_path / "out")
    assert code == 2
    assert not (tmp_path / "out").exists()
    assert "is an adapter on" in err
    found = run_json(capsys, "merge", tmp_path / "lora", "--out", tmp_path / "out", "--base", tmp_path / "moved")
    assert found["trained"] is True
    assert load_model(tmp_path / "out").sha256 == found["sha256"]


@pytest.mark.parametrize("folders", [[], ["one", "--out", "two"]])
def test_without_one_folder_to_write_nothing_is_read(folders: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "merge", "no-adapter", *folders)
    assert (code, out) == (2, "")
    assert err == "sam-pet: give the checkpoint folder to write once, as --out FOLDER or after the model\n"
