"""Our tracker against Meta's `sam2` video predictor, with the same random weights."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from hydra import compose
from hydra.utils import instantiate
from omegaconf import OmegaConf
from transformers import Sam2VideoModel

from sam_pet.models.convert import convert_meta
from sam_pet.sam2.features import EncodedFrames
from sam_pet.sam2.memory import MemoryBank
from sam_pet.sam2.steps import Sam2Steps
from sam_pet.sam2.tracker import SlicePath, SlicePrompt, Tracker, TrackRequest
from tests.sam2.models import frames, shake

SIZE, COUNT, ANCHOR, CORRECTED = 128, 19, 9, 13


def meta_predictor(config: str) -> Any:
    """Meta's predictor with its two correction flags on, as an interactive user needs it.

    `sam2` 1.1.0 calls `_clear_obj_non_cond_mem_around_input` without having it; it is added here as its name says.
    """
    import sam2  # noqa: F401  (registers the configurations)
    from sam2.sam2_video_predictor import SAM2VideoPredictor

    class Predictor(SAM2VideoPredictor):  # type: ignore[misc]
        def _clear_obj_non_cond_mem_around_input(self, state: Any, frame: int, obj: int) -> None:
            reach = self.memory_temporal_stride_for_eval * self.num_maskmem
            for t in range(frame - reach, frame + reach + 1):
                state["output_dict_per_obj"][obj]["non_cond_frame_outputs"].pop(t, None)

    overrides = [
        f"++model.image_size={SIZE}",
        "++model.sam_mask_decoder_extra_args.dynamic_multimask_via_stability=true",
        "++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_delta=0.05",
        "++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_thresh=0.98",
        "++model.binarize_mask_from_pts_for_mem_enc=true",
        "++model.clear_non_cond_mem_around_input=true",
        "++model.add_all_frames_to_correct_as_cond=true",
        *(
            f"++model.memory_attention.layer.{a}.feat_sizes=[{SIZE // 16},{SIZE // 16}]"
            for a in ("self_attention", "cross_attention")
        ),
    ]
    settings = compose(config_name=config, overrides=overrides)
    OmegaConf.resolve(settings)
    settings.model._target_ = "sam2.modeling.sam2_base.SAM2Base"
    arguments = {k: v for k, v in settings.model.items() if k != "_target_"}
    built = {k: instantiate(v, _recursive_=True) if OmegaConf.is_config(v) else v for k, v in arguments.items()}
    torch.manual_seed(0)
    predictor = Predictor(**built).eval()
    shake(predictor, 0)
    with torch.no_grad():
        list(predictor.sam_mask_decoder.pred_obj_score_head.layers)[-1].bias.fill_(20.0)
    return predictor


@pytest.fixture(scope="module", params=["configs/sam2.1/sam2.1_hiera_t.yaml", "configs/sam2/sam2_hiera_t.yaml"])
def pair(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """Meta's predictor and the converted model."""
    predictor = meta_predictor(request.param)
    config, state = convert_meta(predictor.state_dict(), image_size=SIZE)
    model = Sam2VideoModel(config)
    model.load_state_dict(state)
    return predictor, model.eval()


def meta_state(video: torch.Tensor) -> dict[str, Any]:
    """What `init_state` makes of a video file, for frames in memory."""
    state: dict[str, Any] = {
        "images": video,
        "num_frames": len(video),
        "offload_video_to_cpu": False,
        "offload_state_to_cpu": False,
        "video_height": SIZE,
        "video_width": SIZE,
        "device": torch.device("cpu"),
        "storage_device": torch.device("cpu"),
        "obj_id_to_idx": OrderedDict(),
        "obj_idx_to_id": OrderedDict(),
        "obj_ids": [],
    }
    for name in (
        "point_inputs_per_obj",
        "mask_inputs_per_obj",
        "cached_features",
        "constants",
        "output_dict_per_obj",
        "temp_output_dict_per_obj",
        "frames_tracked_per_obj",
    ):
        state[name] = {}
    return state


Prompt = tuple[torch.Tensor, torch.Tensor]
Masks = dict[int, torch.Tensor]


def meta_masks(
    predictor: Any, video: torch.Tensor, prompts: dict[int, Prompt], correction: Prompt | None
) -> list[Masks]:
    """Low-resolution logits by lesion and frame, the latest of each frame."""
    state = meta_state(video)
    masks: list[Masks] = [{} for _ in prompts]

    def walk(start: int) -> None:
        for reverse in (False, True):
            for t, _, _ in predictor.propagate_in_video(state, start_frame_idx=start, reverse=reverse):
                for lesion, held in state["output_dict_per_obj"].items():
                    masks[lesion][t] = {**held["non_cond_frame_outputs"], **held["cond_frame_outputs"]}[t][
                        "pred_masks"
                    ][0]

    predictor.clear_non_cond_mem_around_input = False
    for lesion, (points, labels) in prompts.items():
        predictor.add_new_points_or_box(state, ANCHOR, lesion, points, labels)
    walk(ANCHOR)
    if correction is not None:
        predictor.clear_non_cond_mem_around_input = True
        predictor.add_new_points_or_box(state, CORRECTED, 0, *correction)
        walk(CORRECTED)
    return masks


def our_masks(model: Any, video: torch.Tensor, prompts: dict[int, Prompt], correction: Prompt | None) -> list[Masks]:
    tracker = Tracker(
        Sam2Steps(model, torch.bfloat16), EncodedFrames(Sam2Steps(model).encode(video)), COUNT, patience=None
    )
    masks: list[Masks] = [{} for _ in prompts]

    def show(banks: list[MemoryBank], slice_: int, drawn: list[SlicePrompt]) -> list[MemoryBank]:
        banks = tracker.prompt([TrackRequest(bank, [], key=lambda z: z) for bank in banks], drawn)
        for seen, bank in zip(masks, banks, strict=False):
            seen[slice_] = bank.conditioning[slice_].logits
        return banks

    def walk(banks: list[MemoryBank], start: int, clear: bool) -> list[MemoryBank]:
        """Both directions, one after the other; where Meta clears, at every prompted frame it passes, so do we."""
        for slices in (range(start, COUNT), range(start, -1, -1)):
            for z in slices:
                if clear and z in banks[0].conditioning:
                    banks = [bank.without_tracked(range(z - 7, z + 8)) for bank in banks]
                banks = tracker.track(
                    [
                        TrackRequest(bank, [SlicePath(range(z, z + slices.step, slices.step))], lambda z: z)
                        for bank in banks
                    ]
                )
                for seen, bank in zip(masks, banks, strict=False):
                    seen[z] = bank.all()[z].logits
        return banks

    banks = show([MemoryBank() for _ in prompts], ANCHOR, [SlicePrompt(ANCHOR, *p) for p in prompts.values()])
    banks = walk(banks, ANCHOR, clear=False)
    if correction is not None:
        before = banks[0].tracked[CORRECTED].logits
        walk(show(banks, CORRECTED, [SlicePrompt(CORRECTED, *correction, earlier=before)]), CORRECTED, clear=True)
    return masks


CLICK = (torch.tensor([[60.0, 70.0]]), torch.tensor([1], dtype=torch.int32))
SCRIBBLE = (torch.tensor([[30.0, 40.0], [36.0, 44.0], [80.0, 90.0]]), torch.tensor([1, 1, 0], dtype=torch.int32))
CORRECTION = (torch.tensor([[90.0, 30.0]]), torch.tensor([0], dtype=torch.int32))


@pytest.mark.parametrize(
    ("prompts", "correction"),
    [({0: CLICK}, None), ({0: CLICK, 1: SCRIBBLE}, None), ({0: CLICK}, CORRECTION)],
    ids=["one lesion", "two lesions", "corrected"],
)
@torch.no_grad()
def test_logits_match_metas_predictor(
    pair: tuple[Any, Any], prompts: dict[int, Prompt], correction: Prompt | None
) -> None:
    predictor, model = pair
    video = frames(COUNT, SIZE)
    theirs = meta_masks(predictor, video, prompts, correction)
    ours = our_masks(model, video, prompts, correction)
    for mine, expected in zip(ours, theirs, strict=True):
        assert sorted(mine) == sorted(expected) == list(range(COUNT))
        for z, logits in expected.items():
            scale = logits.abs().max()
            assert scale < 1000, "the lesion is absent and nothing is compared"
            assert (mine[z] - logits).abs().max() <= 1e-3 * scale, f"slice {z}"
