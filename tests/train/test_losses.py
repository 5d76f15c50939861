from __future__ import annotations

import pytest
import torch

from sam_pet.sam2.memory import Prediction
from sam_pet.train.losses import DICE, FOCAL, IOU, OBJECT, clip_loss


def prediction(masks: torch.Tensor, ious: list[float], score: float) -> Prediction:
    """Masks (m, s, s) of one frame."""
    expected = torch.tensor([ious])
    return Prediction(masks[None], expected, expected.argmax(dim=1), torch.tensor([[score]]), torch.zeros(1, 4))


def square(size: int = 32) -> torch.Tensor:
    truth = torch.zeros(size, size)
    truth[8:24, 8:24] = 1
    return truth


def logits(truth: torch.Tensor, strength: float) -> torch.Tensor:
    small = torch.nn.functional.avg_pool2d(truth[None], 4)[0]
    return (small * 2 - 1) * strength


def test_a_right_answer_costs_less_than_a_wrong_one() -> None:
    truth = square()
    right = clip_loss([prediction(logits(truth, 8)[None], [1.0], 8.0)], [truth])
    wrong = clip_loss([prediction(logits(1 - truth, 8)[None], [1.0], -8.0)], [truth])
    assert all(right[name] < wrong[name] for name in right)
    assert right["dice"] < 0.1


def test_only_the_best_of_several_masks_learns() -> None:
    truth = square()
    masks = torch.stack([logits(1 - truth, 4), logits(truth, 4), logits(1 - truth, 4)]).requires_grad_()
    losses = clip_loss([prediction(masks, [0.1, 0.2, 0.3], 1.0)], [truth])
    (losses["focal"] + losses["dice"]).backward()
    assert masks.grad is not None
    used = masks.grad.abs().sum(dim=(1, 2)) > 0
    assert used.tolist() == [False, True, False]


def test_a_frame_without_the_object_teaches_the_object_score_alone() -> None:
    masks = torch.zeros(1, 8, 8, requires_grad=True)
    losses = clip_loss([prediction(masks, [0.5], 2.0)], [torch.zeros(32, 32)])
    assert losses["focal"] == losses["dice"] == losses["iou"] == 0
    assert losses["object"] == pytest.approx(torch.nn.functional.softplus(torch.tensor(2.0)).item())


def test_the_loss_is_the_weighted_sum() -> None:
    truth = square()
    losses = clip_loss([prediction(logits(truth, 1)[None], [0.5], 0.5)], [truth])
    expected = FOCAL * losses["focal"] + DICE * losses["dice"] + IOU * losses["iou"] + OBJECT * losses["object"]
    assert losses["loss"] == pytest.approx(float(expected))


def test_frames_count_alike_whatever_number_of_masks_they_have() -> None:
    truth = square()
    one = prediction(logits(truth, 2)[None], [0.5], 0.5)
    three = prediction(torch.stack([logits(truth, 2)] * 3), [0.5] * 3, 0.5)
    together = clip_loss([one, three], [truth, truth])["dice"]
    assert together == pytest.approx(float(clip_loss([one], [truth])["dice"]))
