from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sam_pet.cases import find_cases
from sam_pet.models import load_model, untrained
from sam_pet.sam2.clips import ClipRecipe
from sam_pet.sam2.frames import RECIPES
from sam_pet.train.crops import CropFolder
from sam_pet.train.lora import add_lora, parameter_counts
from sam_pet.train.recipe import Lora
from sam_pet.train.samples import ClipDataset, SampleSettings
from sam_pet.train.step import ClipStep
from sam_pet.train.store import ExampleStore
from sam_pet.train.tracker import finetune
from tests.train.cases import recipe, write_cases


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cases(tmp_path_factory.mktemp("cases"))


@pytest.fixture(scope="module")
def samples(cases: Path, tmp_path_factory: pytest.TempPathFactory) -> list:
    crops = CropFolder(ExampleStore(tmp_path_factory.mktemp("store"))).prepare(find_cases(cases))
    settings = SampleSettings(RECIPES["petct"], ClipRecipe(first_mm=64), image_size=64, length=3, lesions=1.0)
    dataset = ClipDataset([(crops, 1.0)], settings, size=4, seed=0)
    return [dataset[0], dataset[1]]


def test_adapters_are_the_identity_before_training(samples: list) -> None:
    plain, adapted = untrained("nano", 64), untrained("nano", 64)
    add_lora(adapted, Lora())
    with torch.no_grad():
        expected = ClipStep(plain)(samples)["loss"]
        assert torch.equal(ClipStep(adapted)(samples)["loss"], expected)


def test_only_adapters_learn_and_those_of_the_memory_do(samples: list) -> None:
    model = untrained("nano", 64)
    adapted = add_lora(model, Lora(rank=4))
    trained, everything = parameter_counts(adapted)
    assert 0 < trained < 0.15 * everything
    # The second factor of an adapter starts at zero, and with it the gradient of the first.
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    ClipStep(model)(samples)["loss"].backward()
    learning = {n for n, p in adapted.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert all("lora_" in name for name in learning)
    for part in ("vision_encoder", "memory_attention", "memory_encoder", "mask_decoder"):
        assert any(part in name for name in learning), part


def test_targets_choose_the_parts() -> None:
    model = add_lora(untrained("nano", 64), Lora(targets=["trunk"]))
    assert all("vision_encoder" in n for n, p in model.named_parameters() if p.requires_grad)


def test_a_lora_run_leaves_a_small_adapter_that_loads(cases: Path, tmp_path: Path) -> None:
    numbers = {"strokes": {"reach_mm": 10}}
    checkpoint = finetune(recipe(cases, tmp_path / "run", mode="lora", lora={"rank": 2}, settings=numbers))
    assert (checkpoint / "adapter_config.json").is_file()
    assert sum(p.stat().st_size for p in checkpoint.rglob("*") if p.is_file()) < 4e6
    loaded = load_model(checkpoint)
    assert loaded.record.settings.changes == {"strokes.reach_mm": 10.0}
    base = untrained("nano", 64)
    changed = [
        name for name, value in loaded.model.state_dict().items() if not torch.equal(value, base.state_dict()[name])
    ]
    assert any("memory_attention" in name for name in changed)


def test_checkpointing_changes_neither_losses_nor_gradients(samples: list) -> None:
    model = untrained("nano", 64)
    gradients = []
    for checkpointing in (False, True):
        model.zero_grad()
        ClipStep(model, checkpointing=checkpointing)(samples)["loss"].backward()
        gradients.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
    kept, recomputed = gradients
    assert kept.keys() == recomputed.keys()
    for name, gradient in kept.items():
        torch.testing.assert_close(recomputed[name], gradient, rtol=1e-4, atol=1e-6)
