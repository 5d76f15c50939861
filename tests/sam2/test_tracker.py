from __future__ import annotations

from typing import Any

import pytest
import torch

from sam_pet.sam2.features import EncodedFrames, FeatureCache
from sam_pet.sam2.memory import Memory, MemoryBank
from sam_pet.sam2.paths import paths_beyond, paths_to_fill, stale_slices
from sam_pet.sam2.steps import Sam2Steps
from sam_pet.sam2.tracker import SlicePath, SlicePrompt, Tracker, TrackRequest
from tests.sam2.models import frames, random_model

COUNT = 12


@pytest.fixture(scope="module")
def model() -> Any:
    return random_model()


@pytest.fixture(scope="module")
def video() -> torch.Tensor:
    return frames(COUNT, 128)


def click(slice_: int, u: float, v: float, label: int = 1) -> SlicePrompt:
    return SlicePrompt(slice_, torch.tensor([[u, v]]), torch.tensor([label], dtype=torch.int32))


def tracked(tracker: Tracker, prompts: list[SlicePrompt]) -> list[MemoryBank]:
    requests = [TrackRequest(MemoryBank(), [], key=lambda z: z) for _ in prompts]
    banks = tracker.prompt(requests, prompts)
    return tracker.track([TrackRequest(b, paths_to_fill(b, 0, COUNT - 1), key=lambda z: z) for b in banks])


@torch.no_grad()
def test_a_batch_of_lesions_gives_what_single_lesions_give(model: Any, video: torch.Tensor) -> None:
    tracker = Tracker(Sam2Steps(model), EncodedFrames(Sam2Steps(model).encode(video)), COUNT, patience=None)
    scribble = SlicePrompt(4, torch.tensor([[30.0, 40.0], [90.0, 80.0]]), torch.tensor([1, 0], dtype=torch.int32))
    prompts = [click(2, 60, 70), click(7, 20, 30), scribble, click(11, 100, 50)]
    together = tracked(tracker, prompts)
    for bank, prompt in zip(together, prompts, strict=True):
        alone = tracked(tracker, [prompt])[0].all()
        assert sorted(alone) == list(range(COUNT))
        for z, memory in bank.all().items():
            scale = alone[z].logits.abs().max()
            assert (memory.logits - alone[z].logits).abs().max() <= 1e-5 * scale


def test_gradients_flow_back_through_the_memory_to_the_prompted_slice(video: torch.Tensor) -> None:
    model = random_model()
    tracker = Tracker(Sam2Steps(model), EncodedFrames(Sam2Steps(model).encode(video)), COUNT, patience=None)
    bank = tracked(tracker, [click(5, 60, 70)])[0]
    bank.tracked[9].logits.mean().backward()
    for part in (model.vision_encoder, model.memory_encoder, model.memory_attention, model.prompt_encoder.point_embed):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())


@torch.no_grad()
def test_paths_end_where_the_lesion_does(video: torch.Tensor) -> None:
    model = random_model()
    model.mask_decoder.pred_obj_score_head.proj_out.weight.zero_()
    model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(-1.0)
    tracker = Tracker(Sam2Steps(model), EncodedFrames(Sam2Steps(model).encode(video)), COUNT, patience=2)
    bank = tracked(tracker, [click(5, 60, 70)])[0]
    assert sorted(bank.tracked) == [3, 4, 6, 7]
    assert not any(memory.present for memory in bank.tracked.values())


@torch.no_grad()
def test_a_prompt_can_be_shown_against_the_object_score(video: torch.Tensor) -> None:
    model = random_model()
    model.mask_decoder.pred_obj_score_head.proj_out.weight.zero_()
    model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(-1.0)
    tracker = Tracker(Sam2Steps(model), EncodedFrames(Sam2Steps(model).encode(video)), COUNT, patience=1)
    request = TrackRequest(MemoryBank(), [], key=lambda z: z)
    plain, forced = (
        tracker.prompt([request], [SlicePrompt(5, torch.tensor([[60.0, 70.0]]), torch.tensor([1]), force_present=b)])[0]
        for b in (False, True)
    )
    assert float(plain.conditioning[5].logits.max()) == -1024
    assert float(forced.conditioning[5].logits.abs().max()) < 1000
    assert float(forced.conditioning[5].object_score) == -1


def test_features_are_encoded_once_ahead_and_dropped_by_age(model: Any, video: torch.Tensor) -> None:
    loaded: list[int] = []

    def load(keys: Any) -> torch.Tensor:
        loaded.extend(keys)
        return video[list(keys)]

    with torch.no_grad():
        one = Sam2Steps(model).encode(video[:1]).nbytes
        cache = FeatureCache(Sam2Steps(model).encode, load, batch=4, limit=5 * one)
        first = cache.fetch([3, 4], upcoming=[5, 6, 7])
        assert loaded == [3, 4, 5, 6]
        again = cache.fetch([4, 3])
        assert loaded == [3, 4, 5, 6]
        assert torch.equal(again.coarse, first.coarse.flip(0))
        cache.fetch([0], upcoming=[1])
        cache.fetch([3])
        assert loaded == [3, 4, 5, 6, 0, 1]
        cache.fetch([5])
        assert loaded == [3, 4, 5, 6, 0, 1, 5]


def memory(prompted: bool) -> Memory:
    nothing = torch.zeros(1)
    return Memory(nothing, nothing, nothing, nothing, nothing, reverse=False, prompted=prompted)


def bank_of(prompted: list[int], tracked: list[int]) -> MemoryBank:
    return MemoryBank({z: memory(True) for z in prompted}, {z: memory(False) for z in tracked})


def test_a_new_prompt_makes_stale_what_lies_between_its_neighbours() -> None:
    bank = bank_of([2, 6, 10], [0, 1, 3, 4, 5, 7, 8, 9, 11])
    assert sorted(stale_slices(bank, 6)) == [3, 4, 5, 7, 8, 9]
    assert sorted(stale_slices(bank, 2)) == [0, 1, 3, 4, 5]


def test_paths_run_outward_and_meet_in_the_middle_and_skip_what_is_tracked() -> None:
    paths = paths_to_fill(bank_of([2, 7], []), 0, 9)
    assert [list(path.slices) for path in paths] == [[1, 0], [8, 9], [3, 4], [6, 5]]
    assert [path.reverse for path in paths] == [True, False, False, True]
    paths = paths_to_fill(bank_of([2, 7], [8, 9]), 0, 9)
    assert [list(path.slices) for path in paths] == [[1, 0], [3, 4], [6, 5]]


def test_paths_go_on_from_the_outermost_slices() -> None:
    assert [list(path.slices) for path in paths_beyond(bank_of([5], [4, 6, 7]), 2, 9)] == [[3, 2], [8, 9]]


def test_a_bank_is_never_changed() -> None:
    bank = bank_of([5], [4, 6])
    changed = bank.with_memory(6, memory(True)).without_tracked([4])
    assert (sorted(bank.conditioning), sorted(bank.tracked)) == ([5], [4, 6])
    assert (sorted(changed.conditioning), sorted(changed.tracked)) == ([5, 6], [])


@torch.no_grad()
def test_prompted_slices_on_the_way_are_passed_by(model: Any, video: torch.Tensor) -> None:
    tracker = Tracker(Sam2Steps(model), EncodedFrames(Sam2Steps(model).encode(video)), COUNT, patience=None)
    bank = tracked(tracker, [click(3, 60, 70)])[0]
    bank = tracker.prompt([TrackRequest(bank, [], key=lambda z: z)], [click(6, 60, 70)])[0]
    held = bank.conditioning[6]
    bank = tracker.track([TrackRequest(bank, [SlicePath(range(4, 9))], key=lambda z: z)])[0]
    assert bank.conditioning[6] is held
    assert 6 not in bank.tracked
