"""Conversion of Meta's state dicts: keys, architectures, and the same numbers from every module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Sam2VideoModel

from sam_pet.errors import InputError
from sam_pet.models.architectures import architecture
from sam_pet.models.checkpoint import build
from sam_pet.models.convert import convert_meta, read_meta

SIZE = 256
META_CONFIGS = {
    f"{version}-hiera-{name}": f"{version}/{version}_hiera_{letter}"
    for version in ("sam2", "sam2.1")
    for name, letter in (("tiny", "t"), ("small", "s"), ("base-plus", "b+"), ("large", "l"))
}


@pytest.mark.parametrize("name", META_CONFIGS)
def test_every_meta_model_converts_without_missing_or_unexpected_keys(
    name: str, meta_model: Callable[..., Any]
) -> None:
    meta = meta_model(META_CONFIGS[name])
    config, state = convert_meta(meta.state_dict())
    assert config.to_dict() == architecture(name).to_dict()
    trunk, ours = meta.image_encoder.trunk, config.vision_config.backbone_config
    assert ours.window_size_per_stage == list(trunk.window_spec)
    assert ours.global_attention_blocks == list(trunk.global_att_blocks)
    assert ours.num_attention_heads_per_stage == [trunk.blocks[i].attn.num_heads for i in trunk.stage_ends]
    with torch.device("meta"):
        expected = Sam2VideoModel(config).state_dict()
    assert {key: value.shape for key, value in state.items()} == {key: value.shape for key, value in expected.items()}


@pytest.fixture(scope="module")
def pair(meta_model: Callable[..., Any]) -> tuple[Any, Sam2VideoModel]:
    """Meta's SAM 2.1 tiny with random weights, and the same model converted, at 256 pixels."""
    meta = meta_model("sam2.1/sam2.1_hiera_t", f"++model.image_size={SIZE}", seed=3)
    config, state = convert_meta(meta.state_dict(), SIZE)
    return meta, build(config, state, "the converted state dict")


def assert_close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert ours.shape == theirs.shape
    assert theirs.abs().max() > 1e-3
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * theirs.abs().max().item())


@torch.no_grad()
def test_image_encoder_gives_the_same_features_and_positions(pair: tuple[Any, Sam2VideoModel]) -> None:
    meta, ours = pair
    images = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    theirs = meta.forward_image(images)
    features = ours.get_image_features(images)
    for level in range(3):
        # transformers gives (pixels, batch, channels).
        assert_close(features.fpn_hidden_states[level], theirs["backbone_fpn"][level].flatten(2).permute(2, 0, 1))
        assert_close(features.fpn_position_encoding[level], theirs["vision_pos_enc"][level].flatten(2).permute(2, 0, 1))


@torch.no_grad()
def test_prompt_encoder_gives_the_same_points_and_masks(pair: tuple[Any, Sam2VideoModel]) -> None:
    meta, ours = pair
    random = torch.Generator().manual_seed(1)
    points = torch.rand(2, 3, 2, generator=random) * SIZE
    labels = torch.tensor([[1, 0, -1], [2, 3, 1]], dtype=torch.int32)
    masks = torch.randn(2, 1, SIZE // 4, SIZE // 4, generator=random)
    theirs = meta.sam_prompt_encoder(points=(points, labels), boxes=None, masks=masks)
    sparse, dense = ours.prompt_encoder(points[:, None], labels[:, None], None, masks)
    assert_close(sparse[:, 0], theirs[0])
    assert_close(dense, theirs[1])
    _, without = ours.prompt_encoder(points[:, None], labels[:, None], None, None)
    assert_close(without, meta.sam_prompt_encoder(points=(points, labels), boxes=None, masks=None)[1])
    assert_close(ours.get_image_wide_positional_embeddings(), meta.sam_prompt_encoder.get_dense_pe())


@torch.no_grad()
@pytest.mark.parametrize("several", [True, False])
def test_mask_decoder_gives_the_same_masks_scores_and_pointers(
    several: bool, pair: tuple[Any, Sam2VideoModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    meta, ours = pair
    random = torch.Generator().manual_seed(2)
    grid = SIZE // 16
    image, dense = torch.randn(2, 256, grid, grid, generator=random), torch.randn(2, 256, grid, grid, generator=random)
    sparse = torch.randn(2, 3, 256, generator=random)
    fine = [
        torch.randn(2, 32, 4 * grid, 4 * grid, generator=random),
        torch.randn(2, 64, 2 * grid, 2 * grid, generator=random),
    ]
    positions = meta.sam_prompt_encoder.get_dense_pe()
    masks, scores, tokens, presence = meta.sam_mask_decoder(
        image, positions, sparse, dense, multimask_output=several, repeat_image=False, high_res_features=fine
    )
    # As Meta's bare configuration has it.
    monkeypatch.setattr(ours.mask_decoder, "dynamic_multimask_via_stability", False)
    found = ours.mask_decoder(
        image, positions.expand(2, -1, -1, -1), sparse[:, None], dense, several, high_resolution_features=fine
    )
    for ours_part, theirs_part in zip(found, (masks, scores, tokens, presence), strict=True):
        assert_close(ours_part[:, 0], theirs_part)
    assert_close(ours.object_pointer_proj(found[2]), meta.obj_ptr_proj(tokens)[:, None])


@torch.no_grad()
def test_memory_encoder_gives_the_same_memory(pair: tuple[Any, Sam2VideoModel]) -> None:
    meta, ours = pair
    random = torch.Generator().manual_seed(4)
    features = torch.randn(2, 256, SIZE // 16, SIZE // 16, generator=random)
    masks = torch.rand(2, 1, SIZE, SIZE, generator=random) * 20 - 10
    theirs = meta.memory_encoder(features, masks, skip_mask_sigmoid=True)
    memory, positions = ours.memory_encoder(features, masks)
    assert_close(memory, theirs["vision_features"])
    assert_close(positions, theirs["vision_pos_enc"][0])


@torch.no_grad()
def test_memory_attention_gives_the_same_features(pair: tuple[Any, Sam2VideoModel]) -> None:
    meta, ours = pair
    random = torch.Generator().manual_seed(5)
    pixels, pointers = (SIZE // 16) ** 2, 8
    current, positions = (torch.randn(pixels, 2, 256, generator=random) for _ in range(2))
    memory, memory_positions = (torch.randn(2 * pixels + pointers, 2, 64, generator=random) for _ in range(2))
    theirs = meta.memory_attention([current], memory, [positions], memory_positions, num_obj_ptr_tokens=pointers)
    found = ours.memory_attention(current, memory, positions, memory_positions, num_object_pointer_tokens=pointers)
    assert_close(found[0].transpose(0, 1), theirs)  # transformers gives (1, batch, pixels, channels)


@torch.no_grad()
def test_tokens_of_absence_and_time_are_the_same(pair: tuple[Any, Sam2VideoModel]) -> None:
    meta, ours = pair
    for ours_name, theirs_name in {
        "no_memory_embedding": "no_mem_embed",
        "no_memory_positional_encoding": "no_mem_pos_enc",
        "memory_temporal_positional_encoding": "maskmem_tpos_enc",
        "no_object_pointer": "no_obj_ptr",
        "occlusion_spatial_embedding_parameter": "no_obj_embed_spatial",
    }.items():
        assert torch.equal(getattr(ours, ours_name), getattr(meta, theirs_name))
    times = torch.randn(4, 256, generator=torch.Generator().manual_seed(6))
    assert_close(ours.temporal_positional_encoding_projection_layer(times), meta.obj_ptr_tpos_proj(times))
    masks = torch.rand(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(7))
    assert_close(ours.mask_downsample(masks), meta.mask_downsample(masks))


def test_a_medsam2_file_is_tiny_2_1(tmp_path: Path, pair: tuple[Any, Sam2VideoModel]) -> None:
    path = tmp_path / "MedSAM2_latest.pt"
    torch.save({"model": pair[0].state_dict(), "epoch": 3}, path)
    config, _ = convert_meta(read_meta(path), 512)
    assert config.to_dict() == architecture("tiny", 512).to_dict()


@pytest.mark.parametrize(
    "wrap", [lambda s: s, lambda s: {"model": s}, lambda s: {"module." + k: v for k, v in s.items()}]
)
def test_wrapped_and_bare_state_dicts_are_read_alike(tmp_path: Path, wrap: Callable[[Any], Any]) -> None:
    path = tmp_path / "weights.pt"
    torch.save(wrap({"no_mem_embed": torch.ones(1, 1, 4)}), path)
    assert read_meta(path)["no_mem_embed"].tolist() == [[[1, 1, 1, 1]]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": {"encoder.weight": torch.ones(2)}}, "image_encoder.trunk.pos_embed is missing"),
        ({"image_encoder.trunk.pos_embed": torch.ones(1, 80, 7, 7)}, "80 wide with no blocks, none of SAM 2's"),
        ([1, 2], "holds no state dict"),
        ({"model": {}}, "holds no state dict"),
        (Path("x"), "holds an object that is no tensor .pathlib"),
    ],
)
def test_a_file_that_is_not_sam_2_is_named_with_the_reason(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "weights.pt"
    torch.save(content, path)
    with pytest.raises(InputError, match=message) as error:
        convert_meta(read_meta(path), where=path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_lost_key_is_named(pair: tuple[Any, Sam2VideoModel]) -> None:
    state = dict(pair[0].state_dict())
    del state["memory_encoder.out_proj.weight"]
    with pytest.raises(InputError, match=r"x\.pt .*memory_encoder\.projection\.weight is missing"):
        build(*convert_meta(state, SIZE), "x.pt")


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"model": {"a": torch.ones(1000)}}, path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be loaded"):
        read_meta(path)
