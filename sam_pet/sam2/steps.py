"""One step of a SAM video model for a batch of lesions: attend to memories, decode the mask, encode the new memory.

The computation is that of SAM 2 (Ravi et al. 2024, arXiv 2408.00714) and its relatives on a model's public
sub-modules; unlike the stock loops it takes many lesions at once and lets gradients through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sam_pet.sam2.families import adapt
from sam_pet.sam2.features import Features
from sam_pet.sam2.memory import Memory, MemoryBank, Prediction
from sam_pet.sam2.memory_filter import MemoryFilter

ABSENT_LOGIT = -1024.0
# SAM 2 feeds earlier logits back as a mask prompt within these bounds.
_PROMPT_LOGIT_LIMIT = 32.0


@dataclass(frozen=True)
class MemorySelection:
    """Which memories a frame attends to, as (slices away, memory): the prompted ones, the recent ones, the pointers."""

    prompted: tuple[Memory, ...]
    recent: tuple[tuple[int, Memory], ...]
    pointers: tuple[tuple[int, Memory], ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Only frames with equal numbers of memories and pointers can be attended in one batch."""
        return len(self.prompted) + len(self.recent), len(self.pointers)


class Sam2Steps:
    """A SAM video model as three batched steps.

    Args:
        model: one of a family in `sam_pet.sam2.families`, on the device and in the mode (train or eval) in which it is
            to run.
        memory_dtype: how memory tokens are kept; None keeps the model's. Meta's predictor keeps bfloat16.
        memory_filter: leaves out memories that say what their neighbour says; None, as in the stock loops, shows all.

    Attributes:
        offered, shown: how many tracked memories there were to show so far, and how many were shown.
    """

    def __init__(
        self, model: Any, memory_dtype: torch.dtype | None = None, memory_filter: MemoryFilter | None = None
    ) -> None:
        self.model = model
        self._family = adapt(model)
        self.memory_dtype = memory_dtype
        self.memory_filter = memory_filter
        self.offered = self.shown = 0

    @property
    def device(self) -> torch.device:
        device: torch.device = next(self.model.parameters()).device
        return device

    @property
    def size(self) -> int:
        """Side of a frame in pixels."""
        return self._family.image_size

    @property
    def multiply_adds(self) -> float:
        """About how many a frame costs: each of the encoder's weights once a patch."""
        weights = sum(parameter.numel() for parameter in self.model.vision_encoder.parameters())
        return float(weights) * (self.size / self._family.stride) ** 2

    def encode(self, frames: Tensor) -> Features:
        """The features of frames (n, 3, S, S); gradients flow."""
        return self._family.encode(frames)

    def select_memories(
        self,
        bank: MemoryBank,
        slice_: int,
        reverse: bool,
        depth: int,
        uptake: Callable[[int], float] | None = None,
    ) -> MemorySelection:
        """The memories a slice is shown: prompted ones, the latest tracked ones, the pointers behind it.

        `uptake` of a slice is what the filter goes by; where it is not known nothing is left out.
        """
        back = 1 if reverse else -1
        prompted = nearest_prompted(bank, slice_, self._family.conditioning_frames)
        recent = self._recent(bank, prompted, slice_, back)
        self.offered += len(recent)
        if self.memory_filter is not None and uptake is not None:
            recent = list(self.memory_filter.kept(recent, lambda away: uptake(slice_ + back * away)))
        self.shown += len(recent)
        pointers = [
            (-back * (slice_ - z), memory) for z, memory in bank.conditioning.items() if -back * (slice_ - z) >= 0
        ]
        pointers += [
            (distance, bank.tracked[slice_ + back * distance])
            for distance in range(1, self._pointer_limit(depth))
            if slice_ + back * distance in bank.tracked
        ]
        return MemorySelection(tuple(prompted.values()), tuple(recent), tuple(pointers))

    def _recent(
        self, bank: MemoryBank, prompted: Mapping[int, Memory], slice_: int, back: int
    ) -> list[tuple[int, Memory]]:
        """The latest memories on the way `back` as (slices away, memory), the farthest first."""
        # A prompted slice that is one too many is still remembered as a recent one.
        others = {**{z: m for z, m in bank.conditioning.items() if z not in prompted}, **bank.tracked}
        return [
            (distance, others[slice_ + back * distance])
            for distance in range(self._family.memory_frames, 0, -1)
            if slice_ + back * distance in others
        ]

    def _pointer_limit(self, depth: int) -> int:
        return min(depth, self._family.pointers)

    def without_memory(self, features: Features) -> Tensor:
        """Coarse features (n, C, h, w) of frames that are the first ones prompted."""
        coarse: Tensor = features.coarse + self.model.no_memory_embedding.view(1, -1, 1, 1)
        return coarse

    def attend(self, features: Features, selections: Sequence[MemorySelection], depth: int) -> Tensor:
        """Coarse features (n, C, h, w) of n frames, conditioned on what each one's lesion remembers.

        `depth` is the number of slices of the volume: it scales the temporal encoding of pointers.
        """
        groups: dict[tuple[int, int], list[int]] = {}
        for row, selection in enumerate(selections):
            groups.setdefault(selection.shape, []).append(row)
        parts = {
            row: part
            for rows in groups.values()
            for row, part in zip(
                rows,
                torch.split(self._attend_equal(features.coarse[rows], [selections[r] for r in rows], depth), 1),
                strict=True,
            )
        }
        return torch.cat([parts[row] for row in range(len(selections))])

    def _attend_equal(self, coarse: Tensor, selections: Sequence[MemorySelection], depth: int) -> Tensor:
        _, channels, height, width = coarse.shape
        spatial, spatial_position = self._spatial_tokens(selections, height, width)
        tokens, position = [spatial], [spatial_position]
        pointers = 0
        if selections[0].pointers:
            pointer_tokens, pointer_position = self._pointer_tokens(selections, channels, depth)
            pointers = pointer_tokens.shape[1]
            tokens.append(pointer_tokens)
            position.append(pointer_position)
        frames = selections[0].shape[0]
        return self._family.attend(coarse, torch.cat(tokens, dim=1), torch.cat(position, dim=1), frames, pointers)

    def _spatial_tokens(self, selections: Sequence[MemorySelection], height: int, width: int) -> tuple[Tensor, Tensor]:
        model = self.model
        tokens = torch.stack(
            [torch.cat([m.tokens for m in r.prompted] + [m.tokens for _, m in r.recent]) for r in selections]
        ).to(model.no_memory_embedding.dtype)
        spatial = self._family.token_positions(height, width)
        # A prompted slice has the last temporal encoding, whatever its distance.
        temporal = model.memory_temporal_positional_encoding[:, 0, 0]
        position = torch.stack(
            [
                torch.cat([spatial + temporal[d - 1] for d in [0] * len(r.prompted) + [d for d, _ in r.recent]])
                for r in selections
            ]
        )
        return tokens, position

    def _pointer_tokens(
        self, selections: Sequence[MemorySelection], channels: int, depth: int
    ) -> tuple[Tensor, Tensor]:
        model = self.model
        pointers = torch.stack([torch.stack([m.pointer for _, m in r.pointers]) for r in selections])
        splits = channels // model.mem_dim
        tokens = pointers.reshape(len(pointers), -1, model.mem_dim)
        if not model.config.enable_temporal_pos_encoding_for_object_pointers:
            return tokens, torch.zeros_like(tokens)
        distances = torch.tensor([[d for d, _ in r.pointers] for r in selections], device=pointers.device)
        scaled = distances.to(pointers.dtype) / max(self._pointer_limit(depth) - 1, 1)
        frequency = 10000 ** (2 * (torch.arange(channels // 2, device=pointers.device) // 2) / (channels // 2))
        angle = scaled.unsqueeze(-1) / frequency
        sine = torch.cat([angle.sin(), angle.cos()], dim=-1).to(pointers.dtype)
        position = model.temporal_positional_encoding_projection_layer(sine)
        return tokens, position.repeat_interleave(splits, dim=1)

    def decode(
        self,
        conditioned: Tensor,
        features: Features,
        points: Tensor | None = None,
        labels: Tensor | None = None,
        earlier: Tensor | None = None,
        first: bool = False,
    ) -> Prediction:
        """Masks of n frames from conditioned features and prompts.

        Args:
            conditioned: (n, C, h, w), from `attend` or `without_memory`.
            features: of the same frames, for their fine levels.
            points: pixels (u, v), (n, p, 2), the same number for each frame, or None where nothing is prompted.
            labels: (n, p): 1 tumor, 0 background, 2 and 3 the corners of a box.
            earlier: logits (n, 1, s, s) of the mask to correct.
            first: the frames are prompted and nothing is remembered yet.
        """
        n = conditioned.shape[0]
        count = 0 if points is None else points.shape[1]
        if points is None or labels is None:
            points = conditioned.new_zeros(n, 1, 2)
            labels = torch.full((n, 1), -1, dtype=torch.int32, device=conditioned.device)
        mask_prompt = None if earlier is None else earlier.clamp(-_PROMPT_LOGIT_LIMIT, _PROMPT_LOGIT_LIMIT)
        prompts = self._family.prompt(points, labels, mask_prompt)
        several = self._several_masks(count, first)
        masks, ious, tokens, score = self._family.decode(conditioned, features, prompts, several)
        best = ious.argmax(dim=1)
        token = tokens[torch.arange(n, device=best.device), best if tokens.shape[1] > 1 else torch.zeros_like(best)]
        return Prediction(masks, ious, best, score, self.model.object_pointer_proj(token))

    def _several_masks(self, points: int, first: bool) -> bool:
        config = self.model.config
        return bool(
            config.multimask_output_in_sam
            and (first or config.multimask_output_for_tracking)
            and config.multimask_min_pt_num <= points <= config.multimask_max_pt_num
        )

    def remember(
        self,
        features: Features,
        prediction: Prediction,
        prompted: bool,
        reverse: Sequence[bool],
        force_present: Sequence[bool] | None = None,
    ) -> list[Memory]:
        """The memories of n frames whose masks are known.

        On a `force_present` frame the lesion is present whatever the object score says: a reader pointed at it.
        """
        model = self.model
        present = prediction.object_score > 0
        if force_present is not None:
            present = present | torch.tensor(force_present, device=present.device)[:, None]
        shown = torch.where(present[:, :, None, None], prediction.logits, ABSENT_LOGIT)
        full = F.interpolate(shown.float(), size=(self.size, self.size), mode="bilinear", align_corners=False)
        side = 4 * prediction.logits.shape[-1]
        if side != self.size:
            # Where patches are not 16 pixels wide, the memory encoder takes a mask of 16 pixels a patch all the same.
            full = F.interpolate(full, size=(side, side), mode="bilinear", align_corners=False, antialias=True)
        # A prompted mask is remembered as it was shown to the reader: yes or no.
        probability = (full > 0).to(full) if prompted and not model.training else full.sigmoid()
        scaled = probability * model.config.sigmoid_scale_for_mem_enc + model.config.sigmoid_bias_for_mem_enc
        tokens = self._family.write_memory(features.coarse, scaled, present)
        if self.memory_dtype is not None:
            tokens = tokens.to(self.memory_dtype)
        pointer = torch.where(present, prediction.pointer, model.no_object_pointer)
        rows = torch.arange(len(prediction.best), device=prediction.best.device)
        ious = prediction.ious[rows, prediction.best]
        return [
            Memory(
                logits=shown[i],
                object_score=prediction.object_score[i],
                iou=ious[i : i + 1],
                pointer=pointer[i],
                tokens=tokens[i],
                reverse=reverse[i],
                prompted=prompted,
            )
            for i in range(len(rows))
        ]


def nearest_prompted(bank: MemoryBank, slice_: int, limit: int | None) -> dict[int, Memory]:
    """The prompted slices that a slice is shown: its neighbours on both sides first, then the nearest of the rest."""
    prompted = bank.conditioning
    if limit is None or len(prompted) <= limit:
        return dict(prompted)
    before = max((z for z in prompted if z < slice_), default=None)
    after = min((z for z in prompted if z >= slice_), default=None)
    neighbours = [z for z in (before, after) if z is not None][:limit]
    rest = sorted((z for z in prompted if z not in neighbours), key=lambda z: abs(z - slice_))
    return {z: prompted[z] for z in [*neighbours, *rest[: limit - len(neighbours)]]}
