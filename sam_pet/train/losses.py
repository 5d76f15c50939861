"""SAM 2's losses: focal and dice on masks, the expected IoU, and whether the object is on the frame.

Weights as in the SAM 2 paper (Ravi et al. 2024, arXiv 2408.00714, appendix D): focal 20, dice 1, IoU 1, object 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sam_pet.sam2.memory import Prediction

FOCAL, DICE, IOU, OBJECT = 20.0, 1.0, 1.0, 1.0
_ALPHA, _GAMMA = 0.25, 2.0


def clip_loss(predictions: list[Prediction], truths: list[Tensor]) -> dict[str, Tensor]:
    """The mean losses over the frames of one clip; of several candidate masks only the best one learns.

    Args:
        predictions: of one frame each.
        truths: (S, S) each, 0 or 1.

    Returns:
        `focal`, `dice`, `iou`, `object` and their weighted `loss`, scalars.
    """
    groups: dict[int, list[int]] = {}
    for row, prediction in enumerate(predictions):
        groups.setdefault(prediction.masks.shape[1], []).append(row)
    sums: dict[str, list[Tensor]] = {"focal": [], "dice": [], "iou": []}
    for rows in groups.values():
        masks = torch.cat([predictions[r].masks for r in rows])
        ious = torch.cat([predictions[r].ious for r in rows])
        truth = torch.stack([truths[r] for r in rows]).unsqueeze(1)
        for name, values in _mask_losses(masks, ious, truth).items():
            sums[name].append(values)
    present = torch.stack([t.any() for t in truths]).float()
    scores = torch.cat([p.object_score[:, 0] for p in predictions])
    frames = len(predictions)
    losses = {name: torch.cat(parts).sum() / frames for name, parts in sums.items()}
    losses["object"] = F.binary_cross_entropy_with_logits(scores, present)
    losses["loss"] = FOCAL * losses["focal"] + DICE * losses["dice"] + IOU * losses["iou"] + OBJECT * losses["object"]
    return losses


def _mask_losses(masks: Tensor, ious: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """Per frame: (n,) each; frames without the object teach the object score alone."""
    side = masks.shape[-1] * 2
    logits = F.interpolate(masks.float(), size=(side, side), mode="bilinear", align_corners=False)
    target = F.adaptive_avg_pool2d(truth, side).expand_as(logits)
    present = truth.flatten(1).any(dim=1).float()

    probability = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    agreement = probability * target + (1 - probability) * (1 - target)
    weight = _ALPHA * target + (1 - _ALPHA) * (1 - target)
    focal = (weight * (1 - agreement) ** _GAMMA * entropy).mean(dim=(2, 3))
    overlap = (probability * target).sum(dim=(2, 3))
    dice = 1 - (2 * overlap + 1) / (probability.sum(dim=(2, 3)) + target.sum(dim=(2, 3)) + 1)
    best = (FOCAL * focal + DICE * dice).argmin(dim=1, keepdim=True)

    with torch.no_grad():
        shown, there = logits > 0, target > 0.5
        actual = (shown & there).sum(dim=(2, 3)) / (shown | there).sum(dim=(2, 3)).clamp(min=1)
    return {
        "focal": focal.gather(1, best)[:, 0] * present,
        "dice": dice.gather(1, best)[:, 0] * present,
        "iou": (ious.float() - actual).abs().mean(dim=1) * present,
    }


def entropy_and_dice(logits: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy, a scalar, and the soft Dice (n,) of volumes (n, z, y, x); truth between 0 and 1."""
    shown, along = logits.sigmoid(), (1, 2, 3)
    overlap, total = (shown * truth).sum(dim=along), (shown + truth).sum(dim=along)
    return F.binary_cross_entropy_with_logits(logits, truth), (2 * overlap + 1) / (total + 1)
