"""SAM 2 architectures by name, at any image size, as `transformers` configurations."""

from __future__ import annotations

from dataclasses import dataclass

from transformers import Sam2VideoConfig

from sam_pet.errors import InputError

IMAGE_SIZE_STEP = 32
SMALLEST_IMAGE_SIZE = 64


@dataclass(frozen=True)
class Trunk:
    """A Hiera image encoder: blocks and widths of its four stages."""

    blocks: tuple[int, int, int, int]
    width: int
    heads: int
    global_blocks: tuple[int, ...]
    windows: tuple[int, int, int, int] = (8, 4, 14, 7)
    background: int = 7

    @property
    def widths(self) -> list[int]:
        return [self.width * 2**stage for stage in range(4)]


# Meta's configs/sam2.1/sam2.1_hiera_{t,s,b+,l}.yaml; SAM 2.0 has the same trunks.
TRUNKS: dict[str, Trunk] = {
    "nano": Trunk((1, 2, 3, 1), 24, 1, (5,), windows=(8, 4, 8, 4)),
    "tiny": Trunk((1, 2, 7, 2), 96, 1, (5, 7, 9)),
    "small": Trunk((1, 2, 11, 2), 96, 1, (7, 10, 13)),
    "base-plus": Trunk((2, 3, 16, 3), 112, 2, (12, 16, 20), background=14),
    "large": Trunk((2, 6, 36, 4), 144, 2, (23, 33, 43), windows=(8, 4, 16, 8)),
}

_NANO_WIDTH = 128
_NANO_HEADS = {
    "prompt_encoder_config": {"hidden_size": _NANO_WIDTH},
    "mask_decoder_config": {
        "hidden_size": _NANO_WIDTH,
        "mlp_dim": 4 * _NANO_WIDTH,
        "num_attention_heads": 4,
        "iou_head_hidden_dim": _NANO_WIDTH,
    },
    "memory_attention_hidden_size": _NANO_WIDTH,
    "memory_attention_num_layers": 2,
    "memory_attention_feed_forward_hidden_size": 4 * _NANO_WIDTH,
    "memory_encoder_hidden_size": _NANO_WIDTH,
    "mask_downsampler_embed_dim": _NANO_WIDTH,
    "memory_fuser_embed_dim": _NANO_WIDTH,
    "memory_fuser_intermediate_dim": 2 * _NANO_WIDTH,
}


def architecture(name: str, image_size: int | None = None) -> Sam2VideoConfig:
    """The configuration of a SAM 2 architecture with fresh weights.

    Args:
        name: nano, tiny, small, base-plus (or base_plus), large: SAM 2.1; or in full, as
            `sam2.1-hiera-tiny` and `sam2-hiera-tiny` (SAM 2.0).
        image_size: side of the square input in pixels, a multiple of 32 from 64 on;
            128 for nano and 1024 for the others when not given.

    Raises:
        InputError: no such architecture, or an image size it cannot have.
    """
    short = name.replace("_", "-")
    version_2_0 = short.startswith("sam2-hiera-")
    short = short.removeprefix("sam2-hiera-").removeprefix("sam2.1-hiera-")
    if short not in TRUNKS:
        raise InputError(f"no architecture is named {name!r}; known are {', '.join(TRUNKS)}")
    trunk, nano = TRUNKS[short], short == "nano"
    config = Sam2VideoConfig(
        vision_config={
            "model_type": "sam2_vision_model",
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "hidden_size": trunk.width,
                "num_attention_heads": trunk.heads,
                "blocks_per_stage": list(trunk.blocks),
                "embed_dim_per_stage": trunk.widths,
                "num_attention_heads_per_stage": [trunk.heads * 2**stage for stage in range(4)],
                "window_size_per_stage": list(trunk.windows),
                "window_positional_embedding_background_size": [trunk.background] * 2,
                "global_attention_blocks": list(trunk.global_blocks),
            },
            "backbone_channel_list": trunk.widths[::-1],
            "fpn_hidden_size": _NANO_WIDTH if nano else 256,
        },
        enable_occlusion_spatial_embedding=not version_2_0,
        enable_temporal_pos_encoding_for_object_pointers=not version_2_0,
        **(_NANO_HEADS if nano else {}),
    )
    set_image_size(config, image_size or (128 if nano else 1024))
    return config


def set_image_size(config: Sam2VideoConfig, image_size: int) -> None:
    """Make a configuration take square images of another size; the weights stay valid.

    The trunk's positional embedding is interpolated to any size, points are embedded relative to the image,
    and the rotary embedding counts positions of the memory's grid, a sixteenth of the image.

    Raises:
        InputError: not a multiple of 32 from 64 on.
    """
    if image_size < SMALLEST_IMAGE_SIZE or image_size % IMAGE_SIZE_STEP:
        raise InputError(
            f"the image size must be a multiple of {IMAGE_SIZE_STEP} from {SMALLEST_IMAGE_SIZE} on, not {image_size}"
        )
    config.image_size = image_size
    config.prompt_encoder_config.image_size = image_size
    config.vision_config.backbone_config.image_size = [image_size] * 2
    config.vision_config.backbone_feature_sizes = [[image_size // stride] * 2 for stride in (4, 8, 16)]
    config.memory_attention_rope_feat_sizes = [image_size // 16] * 2
