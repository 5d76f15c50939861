"""EdgeTAM (Zhou et al. 2025, arXiv 2501.07256): `transformers`' `EdgeTamVideoModel`, with resampled memories."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sam_pet.sam2.families.library import EdgeTamVideoConfig, EdgeTamVideoModel
from sam_pet.sam2.families.repvit import RepVitConfig
from sam_pet.sam2.families.sam2 import Sam2, check_multiple, sine


class _Model(EdgeTamVideoModel):  # type: ignore[misc]
    """`peft` asks where pictures come in, which the stock model leaves open."""

    def get_input_embeddings(self) -> nn.Module:
        embeddings: nn.Module = self.vision_encoder.backbone.get_input_embeddings()
        return embeddings


class EdgeTam(Sam2):
    """See `SamFamily`."""

    title: ClassVar[str] = "EdgeTAM"
    model_type: ClassVar[str] = "edgetam_video"
    lora_targets: ClassVar[Mapping[str, str]] = {
        **Sam2.lora_targets,
        "memory_encoder": r"(memory_encoder|spatial_perceiver)\.",
    }

    @classmethod
    def read_config(cls, content: dict[str, Any]) -> Any:
        vision = content.get("vision_config") or {}
        backbone = vision.get("backbone_config") or {}
        if backbone.get("model_type") == "timm_wrapper":
            vision = {**vision, "backbone_config": RepVitConfig.of(backbone)}
            content = {**content, "vision_config": vision}
        return EdgeTamVideoConfig.from_dict(content)

    @classmethod
    def set_image_size(cls, config: Any, image_size: int) -> None:
        # Each two-dimensional latent resamples a window of its own: the windows must tile the memory.
        windows = math.isqrt(config.perceiver_resampler_num_latents_2d)
        step = math.lcm(32, 16 * windows)
        check_multiple(image_size, step, max(64, step))
        config.image_size = image_size
        config.prompt_encoder_config.image_size = image_size
        config.vision_config.backbone_feature_sizes = [[image_size // stride] * 2 for stride in (4, 8, 16)]
        if not isinstance(config.vision_config.backbone_config, RepVitConfig):
            config.vision_config.backbone_config.image_size = [image_size] * 2
        config.memory_attention_rope_feat_sizes = [image_size // 16] * 2

    @classmethod
    def build(cls, config: Any) -> Any:
        return _Model(config)

    def _frame_count(self, frames: int) -> dict[str, int]:
        return {"num_spatial_memory_tokens": frames}

    def _tokens(self, encoded: Tensor) -> Tensor:
        # The resampler as it stands takes one lesion at a time.
        position = sine(self.model.memory_encoder.position_encoding, encoded.shape, encoded)
        return torch.cat([self.model.spatial_perceiver(one[None], position)[0] for one in encoded])

    def token_positions(self, height: int, width: int) -> Tensor:  # noqa: ARG002
        resampler, like = self.model.spatial_perceiver, self.model.no_memory_embedding
        side = math.isqrt(resampler.num_latents_2d)
        grid = sine(resampler.positional_encoding, (1, self.model.mem_dim, side, side), like)
        # Latents without a place come first.
        placeless = like.new_zeros(resampler.num_latents_1d, self.model.mem_dim)
        return torch.cat([placeless, grid[0].flatten(1).transpose(0, 1)])
