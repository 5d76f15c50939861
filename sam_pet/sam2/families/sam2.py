"""SAM 2 and 2.1 (Ravi et al. 2024, arXiv 2408.00714): `transformers`' `Sam2VideoModel`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from sam_pet.errors import InputError
from sam_pet.sam2.families.library import Sam2VideoConfig, Sam2VideoModel
from sam_pet.sam2.features import Features

DECODER = r"mask_decoder\.(transformer|output_hypernetworks_mlps|pred_obj_score_head)\."


class Sam2:
    """See `SamFamily`."""

    title: ClassVar[str] = "SAM 2"
    model_type: ClassVar[str] = "sam2_video"
    lora_targets: ClassVar[Mapping[str, str]] = {
        "trunk": r"vision_encoder\.backbone\.",
        "memory_attention": r"memory_attention\.",
        "memory_encoder": r"memory_encoder\.",
        "mask_decoder": DECODER,
    }

    def __init__(self, model: Any) -> None:
        self.model = model

    @classmethod
    def read_config(cls, content: dict[str, Any]) -> Any:
        return Sam2VideoConfig.from_dict(content)

    @classmethod
    def set_image_size(cls, config: Any, image_size: int) -> None:
        # The trunk's positional embedding is interpolated to any size, points are embedded relative to the image,
        # and the rotary embedding counts positions of the memory's grid, a sixteenth of the image.
        check_multiple(image_size, 32, 64)
        config.image_size = image_size
        config.prompt_encoder_config.image_size = image_size
        config.vision_config.backbone_config.image_size = [image_size] * 2
        config.vision_config.backbone_feature_sizes = [[image_size // stride] * 2 for stride in (4, 8, 16)]
        config.memory_attention_rope_feat_sizes = [image_size // 16] * 2

    @classmethod
    def build(cls, config: Any) -> Any:
        return Sam2VideoModel(config)

    @classmethod
    def own_name(cls, key: str) -> str | None:
        return key

    @property
    def image_size(self) -> int:
        return int(self.model.config.image_size)

    @property
    def stride(self) -> int:
        return int(self.model.config.prompt_encoder_config.patch_size)

    @property
    def memory_frames(self) -> int:
        return int(self.model.num_maskmem) - 1

    @property
    def conditioning_frames(self) -> int | None:
        limit = int(self.model.config.max_cond_frame_num)
        return None if limit < 0 else limit

    @property
    def pointers(self) -> int:
        return int(self.model.config.max_object_pointers_in_encoder)

    def encode(self, frames: Tensor) -> Features:
        levels = self.model.get_image_features(frames, return_dict=True).fpn_hidden_states
        maps = [
            level.permute(1, 2, 0).unflatten(2, (side, side))
            for level, (side, _) in zip(levels, self.model.backbone_feature_sizes, strict=True)
        ]
        return Features(*maps)

    def prompt(self, points: Tensor, labels: Tensor, logits: Tensor | None) -> tuple[Tensor, Tensor]:
        sparse, dense = self.model.prompt_encoder(
            input_points=points.unsqueeze(1), input_labels=labels.unsqueeze(1), input_boxes=None, input_masks=logits
        )
        return sparse, dense

    def decode(
        self, conditioned: Tensor, features: Features, prompts: tuple[Tensor, Tensor], several: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        model = self.model
        sparse, dense = prompts
        masks, ious, tokens, score = model.mask_decoder(
            image_embeddings=conditioned,
            image_positional_embeddings=model.get_image_wide_positional_embeddings().expand(len(features), -1, -1, -1),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=several,
            high_resolution_features=[features.fine, features.middle],
        )
        return masks[:, 0], ious[:, 0], tokens[:, 0], score[:, 0]

    def attend(self, coarse: Tensor, memory: Tensor, positions: Tensor, frames: int, pointers: int) -> Tensor:
        n, channels, height, width = coarse.shape
        query_positions = sine(self.model.vision_encoder.neck.position_encoding, coarse.shape, coarse)
        # The module squeezes and unsqueezes around sequence-first inputs; its output is (1, n, h * w, C).
        attended = self.model.memory_attention(
            current_vision_features=coarse.flatten(2).permute(2, 0, 1),
            current_vision_position_embeddings=query_positions.flatten(2).permute(2, 0, 1).expand(-1, n, -1),
            memory=memory.transpose(0, 1),
            memory_posision_embeddings=positions.transpose(0, 1),
            num_object_pointer_tokens=pointers,
            **self._frame_count(frames),
        )
        conditioned: Tensor = attended.reshape(n, height * width, channels).transpose(1, 2)
        return conditioned.reshape(n, channels, height, width)

    def _frame_count(self, frames: int) -> dict[str, int]:  # noqa: ARG002
        """What the module wants to know of the number of remembered slices."""
        return {}

    def write_memory(self, coarse: Tensor, mask: Tensor, present: Tensor) -> Tensor:
        model = self.model
        encoded, _ = model.memory_encoder(coarse, mask.to(coarse.dtype))
        if model.occlusion_spatial_embedding_parameter is not None:
            absent = (~present).to(encoded.dtype)
            encoded = encoded + absent[..., None, None] * model.occlusion_spatial_embedding_parameter[..., None, None]
        return self._tokens(encoded)

    def _tokens(self, encoded: Tensor) -> Tensor:
        """The tokens (n, t, D) of an encoded memory (n, D, h, w)."""
        return encoded.flatten(2).transpose(1, 2)

    def token_positions(self, height: int, width: int) -> Tensor:
        shape = (1, self.model.mem_dim, height, width)
        grid = sine(self.model.memory_encoder.position_encoding, shape, self.model.no_memory_embedding)
        return grid[0].flatten(1).transpose(0, 1)


def sine(encoding: Any, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """The sine encoding (1, C, h, w) of a grid."""
    position: Tensor = encoding(torch.Size((1, *shape[1:])), like.device, like.dtype)
    return position


def check_multiple(image_size: int, step: int, smallest: int) -> None:
    """Refuse sides that a model's grids cannot have.

    Raises:
        InputError: not a multiple of `step` from `smallest` on.
    """
    if image_size < smallest or image_size % step:
        raise InputError(f"the image size must be a multiple of {step} from {smallest} on, not {image_size}")
