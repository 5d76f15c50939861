"""Architectures by name and image size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import Sam2VideoConfig, Sam2VideoModel

from sam_pet.errors import InputError
from sam_pet.models.architectures import architecture, set_image_size
from sam_pet.models.checkpoint import untrained


@pytest.mark.parametrize(
    ("name", "millions"),  # Meta's table of SAM 2.1 says 38.9, 46, 80.8 and 224.4
    [("nano", 2.56), ("tiny", 38.96), ("small", 46.06), ("base_plus", 80.85), ("large", 224.45)],
)
def test_architectures_have_their_published_number_of_parameters(name: str, millions: float) -> None:
    with torch.device("meta"):
        model = Sam2VideoModel(architecture(name))
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)


def test_names_in_full_and_in_short_mean_the_same() -> None:
    assert architecture("base_plus").to_dict() == architecture("sam2.1-hiera-base-plus").to_dict()


def test_sam_2_0_lacks_what_2_1_brought() -> None:
    old, new = architecture("sam2-hiera-tiny"), architecture("sam2.1-hiera-tiny")
    assert not old.enable_occlusion_spatial_embedding
    assert not old.enable_temporal_pos_encoding_for_object_pointers
    assert new.enable_occlusion_spatial_embedding
    assert new.enable_temporal_pos_encoding_for_object_pointers


@pytest.mark.parametrize("name", ["nano", "sam2-hiera-base-plus", "large"])
@pytest.mark.parametrize("size", [256, 512])
def test_a_configuration_survives_a_save_and_load(tmp_path: Path, name: str, size: int) -> None:
    config = architecture(name, size)
    config.save_pretrained(tmp_path)
    assert Sam2VideoConfig.from_pretrained(tmp_path).to_dict() == config.to_dict()


@pytest.mark.parametrize("size", [64, 96, 192, 256])
def test_all_parts_follow_the_image_size(size: int) -> None:
    model = untrained("nano", size)
    with torch.no_grad():
        features = model.get_image_features(torch.zeros(1, 3, size, size))
    pixels = [feature.shape[0] for feature in features.fpn_hidden_states]
    assert pixels == [(size // stride) ** 2 for stride in (4, 8, 16)]
    assert model.backbone_feature_sizes == [[size // stride] * 2 for stride in (4, 8, 16)]
    assert model.get_image_wide_positional_embeddings().shape == (1, 128, size // 16, size // 16)
    assert model.prompt_encoder.input_image_size == size
    assert model.memory_attention.position_ids.shape == ((size // 16) ** 2, 2)
    assert model.memory_attention.position_ids.max() == size // 16 - 1


@pytest.mark.parametrize("size", [0, 32, 100, -64])
def test_an_impossible_image_size_is_refused(size: int) -> None:
    with pytest.raises(InputError, match=f"multiple of 32 from 64 on, not {size}"):
        set_image_size(architecture("nano"), size)


def test_an_unknown_architecture_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="'huge'; known are nano, tiny, small, base-plus, large"):
        architecture("huge")


def test_the_untrained_model_shares_one_basis_for_points_and_image() -> None:
    model = untrained("nano")
    assert torch.equal(
        model.shared_image_embedding.positional_embedding,
        model.prompt_encoder.shared_embedding.positional_embedding,
    )


def test_random_weights_leave_the_global_random_state_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    untrained("nano", seed=7)
    assert torch.equal(torch.rand(1), expected)
