"""Our tracker against the video loop of transformers, with the same random weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import Sam2VideoInferenceSession

from sam_pet.sam2.features import EncodedFrames
from sam_pet.sam2.steps import Core
from sam_pet.sam2.tracker import Job, Lane, MemoryBank, SlicePrompt, Tracker
from tests.sam2.models import frames, random_model

COUNT, ANCHOR = 18, 9


@pytest.fixture(scope="module")
def model() -> Any:
    return random_model()


@pytest.fixture(scope="module")
def video() -> torch.Tensor:
    return frames(COUNT, 128)


def stock_masks(
    model: Any, video: torch.Tensor, prompts: list[tuple[torch.Tensor, torch.Tensor]], reverse_too: bool = True
) -> list[dict[int, torch.Tensor]]:
    """Logits per object and frame of the stock loop: prompt the middle slice, go forward, then back."""
    session = Sam2VideoInferenceSession(video, 128, 128, dtype=torch.float32)
    for number, (points, labels) in enumerate(prompts):
        index = session.obj_id_to_idx(number)
        session.add_point_inputs(
            index, ANCHOR, {"point_coords": points[None, None], "point_labels": labels[None, None]}
        )
    session.obj_with_new_inputs = list(range(len(prompts)))
    outputs: list[dict[int, torch.Tensor]] = [{} for _ in prompts]
    model(session, frame_idx=ANCHOR)
    for reverse in (False, True) if reverse_too else (False,):
        for output in model.propagate_in_video_iterator(session, start_frame_idx=ANCHOR, reverse=reverse):
            for number in range(len(prompts)):
                outputs[number][output.frame_idx] = output.pred_masks[number]
    return outputs


def our_masks(
    model: Any, video: torch.Tensor, prompts: list[tuple[torch.Tensor, torch.Tensor]]
) -> list[dict[int, torch.Tensor]]:
    tracker = Tracker(Core(model, torch.bfloat16), EncodedFrames(Core(model).encode(video)), COUNT, patience=None)
    jobs = [Job(MemoryBank(), [], key=lambda z: z) for _ in prompts]
    banks = tracker.prompt(jobs, [SlicePrompt(ANCHOR, points, labels) for points, labels in prompts])
    for slices in (range(ANCHOR + 1, COUNT), range(ANCHOR - 1, -1, -1)):
        banks = tracker.track([Job(bank, [Lane(slices)], key=lambda z: z) for bank in banks])
    return [{z: memory.logits for z, memory in bank.all().items()} for bank in banks]


def assert_close(ours: dict[int, torch.Tensor], theirs: dict[int, torch.Tensor]) -> None:
    assert sorted(ours) == sorted(theirs) == list(range(COUNT))
    for z, expected in theirs.items():
        scale = expected.abs().max()
        assert scale < 1000, "the object is absent and nothing is compared"
        assert (ours[z].squeeze() - expected.squeeze()).abs().max() <= 1e-3 * scale, f"slice {z}"


CLICK = (torch.tensor([[60.0, 70.0]]), torch.tensor([1], dtype=torch.int32))
SCRIBBLE = (torch.tensor([[30.0, 40.0], [36.0, 44.0], [80.0, 90.0]]), torch.tensor([1, 1, 0], dtype=torch.int32))
BOX = (torch.tensor([[30.0, 40.0], [70.0, 90.0]]), torch.tensor([2, 3], dtype=torch.int32))


@pytest.mark.parametrize(
    "prompts", [[CLICK], [SCRIBBLE], [BOX], [CLICK, SCRIBBLE]], ids=["click", "scribble", "box", "two"]
)
@torch.no_grad()
def test_both_directions_match_the_stock_loop(
    model: Any, video: torch.Tensor, prompts: list[tuple[torch.Tensor, torch.Tensor]]
) -> None:
    for ours, theirs in zip(our_masks(model, video, prompts), stock_masks(model, video, prompts), strict=True):
        assert_close(ours, theirs)
