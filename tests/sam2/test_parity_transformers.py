"""Our tracker against the video loops of transformers, family by family, with the same random weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import Sam2VideoInferenceSession

from sam_pet.sam2.features import EncodedFrames
from sam_pet.sam2.memory import MemoryBank
from sam_pet.sam2.steps import Sam2Steps
from sam_pet.sam2.tracker import SlicePath, SlicePrompt, Tracker, TrackRequest
from tests.sam2.models import TINY, frames, random_model

COUNT, ANCHOR, CORRECTED = 18, 9, 13
Prompt = tuple[torch.Tensor, torch.Tensor]
Masks = dict[int, torch.Tensor]

CLICK = (torch.tensor([[60.0, 70.0]]), torch.tensor([1], dtype=torch.int32))
SCRIBBLE = (torch.tensor([[30.0, 40.0], [36.0, 44.0], [80.0, 90.0]]), torch.tensor([1, 1, 0], dtype=torch.int32))
BOX = (torch.tensor([[30.0, 40.0], [70.0, 90.0]]), torch.tensor([2, 3], dtype=torch.int32))
CORRECTION = (torch.tensor([[90.0, 30.0]]), torch.tensor([0], dtype=torch.int32))


@pytest.fixture(scope="module", params=sorted(TINY))
def model(request: pytest.FixtureRequest) -> Any:
    return random_model(TINY[request.param]())


@pytest.fixture(scope="module")
def video(model: Any) -> torch.Tensor:
    return frames(COUNT, model.config.image_size)


def memory_dtype(model: Any) -> torch.dtype | None:
    """The stock loops keep memories in bfloat16, but for EdgeTAM's."""
    return None if model.config.model_type == "edgetam_video" else torch.bfloat16


class Stock:
    """The loop of transformers: objects one by one, frames one by one."""

    def __init__(self, model: Any, video: torch.Tensor) -> None:
        side = video.shape[-1]
        self.model = model
        self.session = Sam2VideoInferenceSession(video, side, side, dtype=torch.float32)
        self.masks: list[Masks] = []

    def prompt(self, slice_: int, prompts: dict[int, Prompt]) -> None:
        for number, (points, labels) in prompts.items():
            index = self.session.obj_id_to_idx(number)
            given = {"point_coords": points[None, None], "point_labels": labels[None, None]}
            self.session.add_point_inputs(index, slice_, given)
        self.session.obj_with_new_inputs = list(prompts)
        self.masks = self.masks or [{} for _ in prompts]
        self._keep(self.model(self.session, frame_idx=slice_))

    def walk(self, start: int, reverse: bool) -> None:
        for output in self.model.propagate_in_video_iterator(self.session, start_frame_idx=start, reverse=reverse):
            self._keep(output)

    def _keep(self, output: Any) -> None:
        for number, masks in enumerate(self.masks):
            masks[output.frame_idx] = output.pred_masks[number]


def our_tracker(model: Any, video: torch.Tensor) -> Tracker:
    core = Sam2Steps(model, memory_dtype(model))
    return Tracker(core, EncodedFrames(core.encode(video)), COUNT, patience=None)


def walk(tracker: Tracker, banks: list[MemoryBank], slices: range) -> list[MemoryBank]:
    return tracker.track([TrackRequest(bank, [SlicePath(slices)], key=lambda z: z) for bank in banks])


def prompt(tracker: Tracker, banks: list[MemoryBank], slice_: int, prompts: list[Prompt]) -> list[MemoryBank]:
    requests = [TrackRequest(bank, [], key=lambda z: z) for bank in banks]
    return tracker.prompt(requests, [SlicePrompt(slice_, points, labels) for points, labels in prompts])


def assert_close(ours: Masks, theirs: Masks) -> None:
    assert sorted(ours) == sorted(theirs) == list(range(COUNT))
    for z, expected in theirs.items():
        scale = expected.abs().max()
        assert scale < 1000, "the object is absent and nothing is compared"
        assert (ours[z].squeeze() - expected.squeeze()).abs().max() <= 1e-3 * scale, f"slice {z}"


def shown(bank: MemoryBank) -> Masks:
    return {z: memory.logits for z, memory in bank.all().items()}


@pytest.mark.parametrize(
    "prompts", [[CLICK], [SCRIBBLE], [BOX], [CLICK, SCRIBBLE]], ids=["click", "scribble", "box", "two"]
)
@torch.no_grad()
def test_both_directions_match_the_stock_loop(model: Any, video: torch.Tensor, prompts: list[Prompt]) -> None:
    stock = Stock(model, video)
    stock.prompt(ANCHOR, dict(enumerate(prompts)))
    for reverse in (False, True):
        stock.walk(ANCHOR, reverse)
    tracker = our_tracker(model, video)
    banks = prompt(tracker, [MemoryBank() for _ in prompts], ANCHOR, prompts)
    for slices in (range(ANCHOR + 1, COUNT), range(ANCHOR - 1, -1, -1)):
        banks = walk(tracker, banks, slices)
    for bank, theirs in zip(banks, stock.masks, strict=True):
        assert_close(shown(bank), theirs)


@torch.no_grad()
def test_a_corrective_click_on_a_tracked_slice_matches_the_stock_loop(model: Any, video: torch.Tensor) -> None:
    stock = Stock(model, video)
    stock.prompt(ANCHOR, {0: CLICK})
    for reverse in (False, True):
        stock.walk(ANCHOR, reverse)
    stock.prompt(CORRECTED, {0: CORRECTION})
    stock.walk(CORRECTED + 1, reverse=False)

    tracker = our_tracker(model, video)
    banks = prompt(tracker, [MemoryBank()], ANCHOR, [CLICK])
    for slices in (range(ANCHOR + 1, COUNT), range(ANCHOR - 1, -1, -1)):
        banks = walk(tracker, banks, slices)
    corrected = prompt(tracker, banks, CORRECTED, [CORRECTION])[0].conditioning[CORRECTED]
    # The stock loop keeps a correction among what was tracked.
    bank = banks[0].with_memory(CORRECTED, replace(corrected, prompted=False))
    bank = walk(tracker, [bank], range(CORRECTED + 1, COUNT))[0]
    assert_close(shown(bank), stock.masks[0])


@torch.no_grad()
def test_of_many_prompted_slices_the_stock_number_is_shown(model: Any, video: torch.Tensor) -> None:
    anchors = [1, 4, 6, 9, 12]
    stock = Stock(model, video)
    tracker = our_tracker(model, video)
    banks = [MemoryBank()]
    for anchor in anchors:
        stock.prompt(anchor, {0: CLICK})
        # Before anything is tracked, the stock loop shows no memory to a first prompt on a further slice.
        alone = prompt(tracker, [MemoryBank()], anchor, [CLICK])[0].conditioning[anchor]
        banks = [banks[0].with_memory(anchor, alone)]
    stock.walk(0, reverse=False)
    bank = walk(tracker, banks, range(COUNT))[0]
    assert_close(shown(bank), stock.masks[0])
