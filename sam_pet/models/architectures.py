"""Architectures of SAM video models by name, at any image size, as `transformers` configurations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sam_pet.errors import InputError
from sam_pet.sam2.families import family_of
from sam_pet.sam2.families.library import (
    EdgeTamVideoConfig,
    EdgeTamVisionConfig,
    Sam2VideoConfig,
    Sam3TrackerVideoConfig,
)
from sam_pet.sam2.families.repvit import RepVitConfig


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


def architecture(name: str, image_size: int | None = None) -> Any:
    """The configuration of an architecture with fresh weights.

    Args:
        name: nano, tiny, small, base-plus (or base_plus), large: SAM 2.1; or in full, as
            `sam2.1-hiera-tiny` and `sam2-hiera-tiny` (SAM 2.0); sam3-tracker; edgetam.
        image_size: side of the square input in pixels; 128 for nano, 1008 for sam3-tracker and 1024 for the others
            when not given. What each can have, see `set_image_size`.

    Raises:
        InputError: no such architecture, or an image size it cannot have.

    Examples:
        >>> from sam_pet.models import architecture
        >>> architecture("tiny").image_size
        1024
    """
    short = name.replace("_", "-")
    if short in _OTHERS:
        config, usual = _OTHERS[short]()
    else:
        config, usual = _sam2(short, name), 128 if short == "nano" else 1024
    set_image_size(config, image_size or usual)
    return config


def _sam2(short: str, name: str) -> Sam2VideoConfig:
    version_2_0 = short.startswith("sam2-hiera-")
    short = short.removeprefix("sam2-hiera-").removeprefix("sam2.1-hiera-")
    if short not in TRUNKS:
        raise InputError(f"no architecture is named {name!r}; known are {', '.join((*TRUNKS, *_OTHERS))}")
    trunk, nano = TRUNKS[short], short == "nano"
    return Sam2VideoConfig(
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


def _sam3_tracker() -> tuple[Any, int]:
    return Sam3TrackerVideoConfig(), 1008


def _edgetam() -> tuple[Any, int]:
    config = EdgeTamVideoConfig(
        vision_config=EdgeTamVisionConfig(backbone_config=RepVitConfig("repvit_m1")),
        enable_occlusion_spatial_embedding=False,
        enable_temporal_pos_encoding_for_object_pointers=False,
    )
    return config, 1024


_OTHERS = {"sam3-tracker": _sam3_tracker, "edgetam": _edgetam}


def set_image_size(config: Any, image_size: int) -> None:
    """Make a configuration take square images of another size; the weights stay valid.

    | family | sides |
    | --- | --- |
    | SAM 2 | multiples of 32 from 64 on |
    | SAM 3 tracker | multiples of its patch (14) from 8 patches on |
    | EdgeTAM | multiples of 256, of which its 16 x 16 resampling windows need one each |

    Raises:
        InputError: the family cannot have that side.

    Examples:
        >>> from sam_pet.models import architecture, set_image_size
        >>> config = architecture("tiny")
        >>> set_image_size(config, 512)
        >>> config.image_size
        512
    """
    family_of(config.model_type).set_image_size(config, image_size)
