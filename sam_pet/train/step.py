"""One training step: encode whole clips, prompt, track both ways, correct, track again; losses on every frame."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sam_pet.readers.scribbles import STRATEGIES, draw_scribble
from sam_pet.sam2.features import EncodedFrames, Features
from sam_pet.sam2.memory import MemoryBank, Prediction
from sam_pet.sam2.paths import paths_to_fill, stale_slices
from sam_pet.sam2.points import spread_points
from sam_pet.sam2.steps import Sam2Steps
from sam_pet.sam2.tracker import SlicePrompt, Tracker, TrackRequest
from sam_pet.train.losses import clip_loss
from sam_pet.train.samples import Sample


class ClipStep(nn.Module):
    """The model as training sees it: samples in, losses out, so that it can be wrapped for many processes.

    Args:
        model: of a family in `sam_pet.sam2.families`.
        corrections: strokes a simulated reader draws on the answer, each followed by another pass.
        max_points: of a stroke.
        checkpointing: encode frames a second time in the backward pass rather than keep what led to their features.
    """

    def __init__(self, model: Any, corrections: int = 1, max_points: int = 8, checkpointing: bool = False) -> None:
        super().__init__()
        self.model = model
        self.corrections = corrections
        self.max_points = max_points
        self.checkpointing = checkpointing

    def forward(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        """The losses of `clip_loss`, averaged over the samples."""
        device = self.model.no_memory_embedding.device
        core = Sam2Steps(self.model)
        source = EncodedFrames(self._encode(core, [torch.from_numpy(s.frames).to(device) for s in samples]))
        starts = np.cumsum([0, *(len(s.frames) for s in samples)])
        truths = [torch.from_numpy(s.truth).to(device) for s in samples]
        depth = max(len(s.frames) for s in samples)
        tracker = Tracker(core, source, depth=max(depth, 16), patience=None)

        seen: list[list[tuple[int, Prediction]]] = [[] for _ in samples]
        requests = [self._request(int(starts[i]), seen[i]) for i in range(len(samples))]
        prompts = [
            SlicePrompt(
                s.anchor,
                torch.from_numpy(s.points),
                torch.from_numpy(s.labels),
                force_present=bool(s.truth[s.anchor].any()),
            )
            for s in samples
        ]
        self._pass(tracker, requests, prompts, samples)
        readers = [np.random.default_rng(s.seed) for s in samples]
        strokes = [int(r.integers(self.corrections + 1)) for r in readers]
        for number in range(self.corrections):
            drawn = {
                i: self._correction(requests[i].bank, sample, readers[i])
                for i, sample in enumerate(samples)
                if number < strokes[i]
            }
            rows = [i for i, prompt in drawn.items() if prompt is not None]
            shown = [prompt for prompt in drawn.values() if prompt is not None]
            if rows:
                self._pass(tracker, [requests[i] for i in rows], shown, [samples[i] for i in rows])

        totals: dict[str, list[Tensor]] = defaultdict(list)
        for answers, truth in zip(seen, truths, strict=True):
            for name, value in clip_loss([p for _, p in answers], [truth[z] for z, _ in answers]).items():
                totals[name].append(value)
        return {name: torch.stack(values).mean() for name, values in totals.items()}

    def _encode(self, core: Sam2Steps, clips: Sequence[Tensor]) -> Features:
        if not self.checkpointing:
            return core.encode(torch.cat(list(clips)))
        return Features.join([checkpoint(core.encode, clip, use_reentrant=False) for clip in clips])

    @staticmethod
    def _request(start: int, seen: list[tuple[int, Prediction]]) -> TrackRequest:
        return TrackRequest(MemoryBank(), [], key=lambda z: start + z, observe=lambda z, p: seen.append((z, p)))

    @staticmethod
    def _pass(
        tracker: Tracker, requests: Sequence[TrackRequest], prompts: Sequence[SlicePrompt], samples: Sequence[Sample]
    ) -> None:
        banks = tracker.prompt(requests, prompts)
        for request, bank, prompt, sample in zip(requests, banks, prompts, samples, strict=True):
            last = len(sample.frames) - 1
            request.bank = bank.without_tracked(stale_slices(bank, prompt.slice_))
            request.paths = paths_to_fill(request.bank, 0, last)
        tracker.track(requests)

    def _correction(self, bank: MemoryBank, sample: Sample, rng: np.random.Generator) -> SlicePrompt | None:
        """The stroke of the challenge's reader on the answer so far, with the answer on that slice as mask prompt."""
        side = sample.truth.shape[-1]
        memories = bank.all()
        with torch.no_grad():
            logits = torch.cat([memories[z].logits for z in range(len(sample.frames))]).unsqueeze(1)
            shown = F.interpolate(logits.float(), size=(side, side), mode="bilinear", align_corners=False)[:, 0] > 0
        strategy = list(STRATEGIES)[int(rng.integers(len(STRATEGIES)))]
        stroke = draw_scribble(
            shown.cpu().numpy().astype(np.uint8),
            sample.truth.astype(np.uint8),
            strategy,
            seed=int(rng.integers(1 << 31)),
        )
        if stroke is None or not sample.truth.any():
            return None
        slice_ = int(stroke.voxels[0, 2])
        points = spread_points(stroke.voxels[:, :2], self.max_points)
        tumor = stroke.label == "tumor"
        return SlicePrompt(
            slice_,
            torch.from_numpy(points.astype(np.float32)),
            torch.full((len(points),), int(tumor), dtype=torch.int32),
            earlier=memories[slice_].logits.detach(),
            force_present=tumor,
        )
