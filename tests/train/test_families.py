"""Training of every family: adapters by role, a run that is killed, a merge."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from sam_pet.cases import find_cases
from sam_pet.files import file_sha256
from sam_pet.models import ModelManifest, load_model, merge_adapter, save_model
from sam_pet.models.architectures import architecture
from sam_pet.sam2.clips import ClipRecipe
from sam_pet.sam2.frames import RECIPES
from sam_pet.train.crops import CropFolder
from sam_pet.train.lora import add_lora
from sam_pet.train.recipe import Lora
from sam_pet.train.run_folder import RunFolder
from sam_pet.train.samples import ClipDataset, SampleSettings
from sam_pet.train.step import ClipStep
from sam_pet.train.store import ExampleStore
from sam_pet.train.tracker import finetune
from tests.conftest import DATA
from tests.sam2.models import TINY, random_model
from tests.train.cases import recipe, write_cases

SIDES = {"sam2_video": 64, "sam3_tracker_video": 112, "edgetam_video": 64}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real tumour where there is one, else simulated ones."""
    folder, real = tmp_path_factory.mktemp("cases"), DATA / "sts" / "STS_001"
    if not real.is_dir():
        return write_cases(folder)
    (folder / real.name).symlink_to(real)
    return folder


@pytest.fixture(params=sorted(SIDES))
def family(request: pytest.FixtureRequest) -> tuple[str, int]:
    return request.param, SIDES[request.param]


def a_model(family: tuple[str, int]) -> Any:
    config = architecture("nano", family[1]) if family[0] == "sam2_video" else TINY[family[0]](family[1])
    return random_model(config)


def test_every_role_learns_through_the_memory(family: tuple[str, int], cases: Path, tmp_path: Path) -> None:
    crops = CropFolder(ExampleStore(tmp_path)).prepare(find_cases(cases))
    settings = SampleSettings(RECIPES["petct"], ClipRecipe(first_mm=64), image_size=family[1], length=3, lesions=1.0)
    samples = [ClipDataset([(crops, 1.0)], settings, size=2, seed=0)[n] for n in range(2)]
    model = a_model(family).train()
    adapted = add_lora(model, Lora(rank=2))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    ClipStep(model)(samples)["loss"].backward()
    learning = {n for n, p in adapted.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert all("lora_" in name for name in learning)
    parts = ["vision_encoder.backbone", "memory_attention", "memory_encoder", "mask_decoder"]
    for part in [*parts, *(["spatial_perceiver"] if family[0] == "edgetam_video" else [])]:
        assert any(part in name for name in learning), part


def test_a_lora_run_killed_and_started_again_gives_the_same_bytes(
    family: tuple[str, int], cases: Path, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    save_model(a_model(family), ModelManifest(name="base", trained=True), base)
    changes: dict[str, Any] = {
        "base": str(base),
        "image_size": family[1],
        "mode": "lora",
        "lora": {"rank": 2},
        "stages": [{"steps": 3, "batch": 1, "length": 2, "corrections": 1}],
    }
    settings = recipe(cases, tmp_path / "run", **changes)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    command = f"from sam_pet.cli.app import main; main({['finetune', str(tmp_path / 'recipe.yaml')]!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", command],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 300
    while not (tmp_path / "run" / "state.pt").is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    held = RunFolder(tmp_path / "run").load_state()
    assert held is not None
    assert held["done"] < 3, "the run ended before it could be killed"
    resumed = finetune(settings)
    unbroken = finetune(recipe(cases, tmp_path / "unbroken", **changes))
    weights = [file_sha256(checkpoint / "adapter_model.safetensors") for checkpoint in (resumed, unbroken)]
    assert weights[0] == weights[1]

    adapted = load_model(resumed).model.state_dict()
    merge_adapter(resumed, tmp_path / "merged")
    merged = load_model(tmp_path / "merged").model.state_dict()
    assert all(torch.equal(merged[key], value) for key, value in adapted.items())
    assert any(not torch.equal(value, load_model(base).model.state_dict()[key]) for key, value in merged.items())


def test_full_training_leaves_a_checkpoint_that_loads(family: tuple[str, int], cases: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    save_model(a_model(family), ModelManifest(name="base", trained=True), base)
    stages = [{"steps": 1, "batch": 1, "length": 2}]
    checkpoint = finetune(recipe(cases, tmp_path / "run", base=str(base), image_size=family[1], stages=stages))
    assert load_model(checkpoint).model.config.model_type == family[0]
