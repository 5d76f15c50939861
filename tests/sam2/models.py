"""Models with random weights in which every part has a say."""

from __future__ import annotations

from typing import Any

import torch
from transformers import EdgeTamVideoConfig, EdgeTamVisionConfig, Sam3TrackerVideoConfig

from sam_pet.models.architectures import architecture
from sam_pet.sam2.families import family_of
from sam_pet.sam2.families.repvit import RepVitConfig

_WIDTH = 128
_SMALL_HEADS = {
    "prompt_encoder_config": {"hidden_size": _WIDTH},
    "mask_decoder_config": {
        "hidden_size": _WIDTH,
        "mlp_dim": 128,
        "num_attention_heads": 2,
        "iou_head_hidden_dim": _WIDTH,
    },
    "memory_attention_hidden_size": _WIDTH,
    "memory_attention_num_layers": 2,
    "memory_encoder_hidden_size": _WIDTH,
    "mask_downsampler_embed_dim": _WIDTH,
    "memory_fuser_embed_dim": _WIDTH,
    "memory_fuser_intermediate_dim": 128,
}


def tiny_sam3_tracker(image_size: int = 112) -> Any:
    """A SAM 3 tracker of 14-pixel patches, small enough for a test."""
    backbone = {
        "model_type": "sam3_vit_model",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "window_size": 4,
        "global_attn_indexes": [1],
        "pretrain_image_size": 56,
    }
    config = Sam3TrackerVideoConfig(
        vision_config={"model_type": "sam3_vision_model", "fpn_hidden_size": _WIDTH, "backbone_config": backbone},
        memory_attention_feed_forward_hidden_size=128,
        **_SMALL_HEADS,
    )
    config.prompt_encoder_config.patch_size = 14
    family_of(config.model_type).set_image_size(config, image_size)
    return config


def tiny_edgetam(image_size: int = 128) -> Any:
    """An EdgeTAM with a small RepViT and 4 x 4 resampling windows."""
    vision = EdgeTamVisionConfig(
        backbone_config=RepVitConfig("repvit_nano"), backbone_channel_list=[48, 32, 24, 16], fpn_hidden_size=_WIDTH
    )
    config = EdgeTamVideoConfig(
        vision_config=vision,
        memory_attention_mlp_hidden_size=128,
        perceiver_resampler_num_latents=12,
        perceiver_resampler_num_latents_2d=16,
        memory_attention_rope_k_sizes=[4, 4],
        enable_occlusion_spatial_embedding=False,
        enable_temporal_pos_encoding_for_object_pointers=False,
        **_SMALL_HEADS,
    )
    family_of(config.model_type).set_image_size(config, image_size)
    return config


TINY = {
    "sam2_video": lambda: architecture("nano", 128),
    "sam3_tracker_video": tiny_sam3_tracker,
    "edgetam_video": tiny_edgetam,
}


def shake(model: torch.nn.Module, seed: int) -> None:
    """Move every weight, those that start at zero too, so that no term of a sum can be forgotten unseen."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            spread = 0.5 * parameter.std().item() if parameter.numel() > 1 and parameter.std() > 0 else 0.1
            parameter += spread * torch.randn(parameter.shape, generator=generator)


def random_model(config: Any = None, seed: int = 0) -> Any:
    """A model whose object score says that every lesion is on every frame, so that masks are compared and not -1024."""
    config = architecture("nano", 128) if config is None else config
    torch.manual_seed(seed)
    model = family_of(config.model_type).build(config).eval()
    shake(model, seed)
    with torch.no_grad():
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(20.0)
    return model


def frames(count: int, image_size: int, seed: int = 0) -> torch.Tensor:
    """Frames (count, 3, S, S) of smooth noise that drifts from one to the next."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, 3, count + 2, 8, 8, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(count, image_size, image_size), mode="trilinear")
    return smooth[0].transpose(0, 1).contiguous()
