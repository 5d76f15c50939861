"""SAM 2's image predictor on each slice by itself, its prompts carried from slice to slice outside the model.

After RadioActive (github.com/MIC-DKFZ/radioactive): between prompted slices points are interpolated, beyond them the
middle of a slice's mask prompts the next one, until the object is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from sam_pet.methods.method import Bools, MethodSession
from sam_pet.methods.objects import ObjectsSession
from sam_pet.methods.whole_slices import SlicePoints, WholeSlices
from sam_pet.models.checkpoint import LoadedModel
from sam_pet.models.loading import load_model
from sam_pet.readers.stroke import Stroke
from sam_pet.sam2.features import FeatureCache
from sam_pet.sam2.steps import Sam2Steps
from sam_pet.segmenter import find_device
from sam_pet.study import Study, Volume


@dataclass(frozen=True)
class Sam2Slices:
    """Every slice is segmented from points alone; nothing is remembered of its neighbours."""

    name: str
    loaded: LoadedModel

    @property
    def facts(self) -> Mapping[str, str]:
        return self.loaded.facts

    def open(self, study: Study) -> MethodSession:
        slices = WholeSlices(study, self.loaded.image_size)
        core = Sam2Steps(self.loaded.model.to(find_device("auto")))

        def load(keys: Sequence[Any]) -> torch.Tensor:
            frames = slices.clip.frames(study, self.loaded.record.frames, [int(key) for key in keys])
            return torch.from_numpy(frames).to(core.device)

        predictor = _Predictor(core, FeatureCache(core.encode, load))
        return ObjectsSession(study, lambda: _SliceBySlice(predictor, slices))


class _Predictor:
    """SAM 2 for images: points in, the likeliest mask out."""

    def __init__(self, core: Sam2Steps, features: FeatureCache) -> None:
        self._core = core
        self._features = features

    @torch.inference_mode()
    def __call__(self, z: int, prompt: SlicePoints) -> Volume | None:
        """Logits (s, s) of a slice; None if the model finds no object there."""
        points, labels = (torch.from_numpy(part)[None].to(self._core.device) for part in prompt)
        features = self._features.fetch([z])
        prediction = self._core.decode(
            self._core.without_memory(features), features, points.float(), labels.int(), first=True
        )
        logits: Volume = prediction.logits[0, 0].float().cpu().numpy()
        return logits if float(prediction.object_score) > 0 and (logits > 0).any() else None


class _SliceBySlice:
    def __init__(self, predictor: _Predictor, slices: WholeSlices) -> None:
        self._predict = predictor
        self._slices = slices
        self._prompts: dict[int, SlicePoints] = {}

    def add(self, stroke: Stroke) -> Bools:
        for z, prompt in self._slices.points(stroke).items():
            earlier = self._prompts.get(z)
            self._prompts[z] = prompt if earlier is None else _joined(earlier, prompt)
        # A slice with nothing but background takes its tumor point from where the others lead.
        anchors = sorted(z for z, (_, labels) in self._prompts.items() if (labels > 0).any())
        logits: dict[int, Volume | None] = {}
        for z in range(anchors[0], anchors[-1] + 1):
            logits[z] = self._predict(z, self._prompt_at(z, _interpolated(z, anchors, self._prompts)))
        for start, step in ((anchors[0], -1), (anchors[-1], 1)):
            self._carry_on(logits, start, step)
        return self._slices.mask({z: plane for z, plane in logits.items() if plane is not None})

    def _prompt_at(self, z: int, led: SlicePoints) -> SlicePoints:
        drawn = self._prompts.get(z)
        if drawn is None:
            return led
        return drawn if (drawn[1] > 0).any() else _joined(led, drawn)

    def _carry_on(self, logits: dict[int, Volume | None], start: int, step: int) -> None:
        z, plane = start, logits[start]
        while plane is not None and 0 <= z + step < self._slices.depth:
            z += step
            plane = logits[z] = self._predict(z, self._prompt_at(z, self._middle(plane)))

    def _middle(self, plane: Volume) -> SlicePoints:
        """The innermost pixel of a mask as a tumor point."""
        depth = distance_transform_edt(np.pad(plane > 0, 1))
        row, column = np.unravel_index(int(depth.argmax()), depth.shape)
        pixel = (np.array([[column - 1.0, row - 1.0]]) + 0.5) * (self._slices.clip.size / plane.shape[0]) - 0.5
        return pixel, np.array([1])


def _joined(one: SlicePoints, other: SlicePoints) -> SlicePoints:
    return np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])


def _interpolated(z: int, anchors: Sequence[int], prompts: Mapping[int, SlicePoints]) -> SlicePoints:
    """A tumor point on the straight line between the middles of the tumor points on the prompted slices around z."""
    middles = [prompts[a][0][prompts[a][1] > 0].mean(axis=0) for a in anchors]
    pixel = np.array([[np.interp(z, anchors, [m[axis] for m in middles]) for axis in (0, 1)]])
    return pixel, np.array([1])


def make_sam2_slices(name: str, model: str) -> Sam2Slices:
    return Sam2Slices(name, load_model(model))
