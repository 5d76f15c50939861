"""LoRA adapters: identity at first, bound to their base, merged without a difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from sam_pet.errors import InputError
from sam_pet.models import (
    LoadedModel,
    ModelManifest,
    attach_adapter,
    load_model,
    merge_adapter,
    save_adapter,
    save_model,
    untrained,
)

TARGETS = (
    r"(memory_attention|mask_decoder|vision_encoder|memory_encoder)\."
    r".*(q_proj|k_proj|v_proj|o_proj|qkv|feature_projection)"
)


def adapted(base: LoadedModel, trained: bool) -> Any:
    torch.manual_seed(0)
    model = get_peft_model(base.model, LoraConfig(r=4, target_modules=TARGETS)).eval()
    if trained:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=0.02)
    return model


@torch.no_grad()
def answers(model: Any) -> list[torch.Tensor]:
    """Features of the image encoder, a memory, and features attended to it."""
    random = torch.Generator().manual_seed(1)
    images = torch.randn(1, 3, 128, 128, generator=random)
    feature = model.get_image_features(images).fpn_hidden_states[-1]
    memory, positions = model.memory_encoder(
        feature.permute(1, 2, 0).view(1, 128, 8, 8), torch.randn(1, 1, 128, 128, generator=random)
    )
    tokens, places = (x.flatten(2).permute(2, 0, 1) for x in (memory, positions))
    return [feature, memory, model.memory_attention(feature, tokens, torch.zeros_like(feature), places)]


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    base = load_model("nano-untrained")
    save_adapter(adapted(base, trained=True), base, ModelManifest(name="mine", trained=True), tmp_path / "adapter")
    return tmp_path / "adapter"


def test_an_adapter_is_the_identity_before_training() -> None:
    plain = answers(load_model("nano-untrained").model)
    fresh = answers(adapted(load_model("nano-untrained"), trained=False))
    assert all(torch.equal(a, b) for a, b in zip(plain, fresh, strict=True))


def test_merged_and_unmerged_answers_are_equal(adapter: Path, tmp_path: Path) -> None:
    unmerged = answers(attach_adapter(load_model("nano-untrained"), adapter).eval())
    record = merge_adapter(adapter, tmp_path / "merged")
    merged = load_model(tmp_path / "merged")
    for other in (merged, load_model(adapter)):
        for a, b in zip(answers(other.model), unmerged, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
    plain = answers(load_model("nano-untrained").model)
    assert all((a - b).abs().max() > 1e-3 for a, b in zip(plain, unmerged, strict=True))
    assert record.trained
    assert record.base == "nano-untrained"
    assert merged.sha256 == load_model(adapter).sha256


def test_an_adapter_folder_is_small_and_says_what_it_stands_on(adapter: Path) -> None:
    assert sum(p.stat().st_size for p in adapter.iterdir()) < 1.5e6
    record = load_model(adapter).record
    assert (record.name, record.base, record.base_sha256) == (
        "mine",
        "nano-untrained",
        load_model("nano-untrained").sha256,
    )


def test_an_adapter_brings_the_image_size_it_was_trained_at(tmp_path: Path) -> None:
    base = load_model("nano-untrained", image_size=192)
    save_adapter(adapted(base, trained=True), base, ModelManifest(name="mine"), tmp_path / "adapter")
    assert load_model(tmp_path / "adapter").image_size == 192
    assert load_model(tmp_path / "adapter", image_size=64).image_size == 64


def test_an_adapter_for_another_base_model_is_refused(adapter: Path, tmp_path: Path) -> None:
    save_model(untrained("nano", seed=9), ModelManifest(name="other"), tmp_path / "other")
    with pytest.raises(InputError, match="an adapter for another base model: nano-untrained with SHA-256"):
        load_model(adapter, base=tmp_path / "other")


def test_a_base_that_moved_can_be_given(tmp_path: Path) -> None:
    save_model(untrained("nano", seed=9), ModelManifest(name="other"), tmp_path / "old")
    base = load_model(tmp_path / "old")
    save_adapter(adapted(base, trained=True), base, ModelManifest(name="mine"), tmp_path / "adapter")
    (tmp_path / "old").rename(tmp_path / "new")
    with pytest.raises(InputError, match=r"adapter is an adapter on .*old: no model is named"):
        load_model(tmp_path / "adapter")
    assert load_model(tmp_path / "adapter", base=tmp_path / "new").record.name == "mine"


def test_a_damaged_adapter_is_refused(adapter: Path) -> None:
    weights = adapter / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(InputError, match="damaged or was changed"):
        load_model(adapter)
    weights.unlink()
    with pytest.raises(InputError, match=r"it has no adapter_model\.safetensors"):
        load_model(adapter)


def test_an_adapter_of_another_tool_loads_on_the_base_it_names(tmp_path: Path) -> None:
    model = adapted(load_model("nano-untrained"), trained=True)
    model.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    with pytest.raises(InputError, match="does not name its base model"):
        load_model(tmp_path / "adapter")
    loaded = load_model(tmp_path / "adapter", base="nano-untrained")
    assert loaded.record.name == "adapter"
    torch.testing.assert_close(answers(loaded.model)[0], answers(model)[0], rtol=1e-5, atol=1e-5)


def test_an_adapter_that_cannot_be_merged_is_refused(tmp_path: Path) -> None:
    lora = LoraConfig(r=2, target_modules=r"mask_decoder\..*q_proj")
    get_peft_model(load_model("nano-untrained").model, lora).save_pretrained(tmp_path, save_embedding_layers=False)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps({**config, "alora_invocation_tokens": [1]}))
    with pytest.raises(InputError, match=r"cannot be put on nano-untrained as an adapter \(aLoRA does not support"):
        load_model(tmp_path, base="nano-untrained")


@pytest.mark.parametrize("name", [[0] * 1000, {"a": 1}, 7, ""])
def test_a_base_that_is_no_name_is_not_one(tmp_path: Path, name: object) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": name}))
    with pytest.raises(InputError, match="does not name its base model; give the base"):
        load_model(tmp_path)


def test_a_base_by_a_name_that_no_file_has_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": 5000 * "a"}))
    with pytest.raises(InputError, match=r"no model is named 'a+'") as raised:
        load_model(tmp_path)
    assert len(str(raised.value)) < 1500


def test_merging_what_is_no_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no adapter: it has no adapter_config\.json"):
        merge_adapter(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
