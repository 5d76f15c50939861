"""SAM 2 as its users run it: the video loop of `transformers` on whole slices, one object at a time.

The model and its weights are those of this project's own sessions, so that what is compared is the way to use them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import Sam2VideoInferenceSession

from sam_pet.methods.method import Bools, MethodSession
from sam_pet.methods.objects import ObjectsSession
from sam_pet.methods.whole_slices import WholeSlices
from sam_pet.models.checkpoint import LoadedModel
from sam_pet.models.loading import load_model
from sam_pet.readers.stroke import Stroke
from sam_pet.segmenter import find_device
from sam_pet.study import Study, Volume

_OBJECT = 1


@dataclass(frozen=True)
class Sam2Stock:
    """Prompts are added to the frame they are drawn on, then the object is propagated forward and back."""

    name: str
    loaded: LoadedModel

    @property
    def facts(self) -> Mapping[str, str]:
        return self.loaded.facts

    def open(self, study: Study) -> MethodSession:
        slices = WholeSlices(study, self.loaded.image_size)
        frames = slices.clip.frames(study, self.loaded.record.frames, list(slices.clip.slices))
        model = self.loaded.model.to(find_device("auto"))
        return ObjectsSession(study, lambda: _Stock(model, slices, torch.from_numpy(frames)))


class _Stock:
    def __init__(self, model: Any, slices: WholeSlices, frames: torch.Tensor) -> None:
        self._model = model
        self._slices = slices
        size = slices.clip.size
        self._session = Sam2VideoInferenceSession(
            frames, size, size, inference_device=model.device, dtype=torch.float32
        )
        self._logits: dict[int, Volume] = {}

    @torch.inference_mode()
    def add(self, stroke: Stroke) -> Bools:
        session = self._session
        number = session.obj_id_to_idx(_OBJECT)
        for z, (points, labels) in self._slices.points(stroke).items():
            given = {
                "point_coords": torch.from_numpy(points.astype(np.float32))[None, None],
                "point_labels": torch.from_numpy(labels.astype(np.int32))[None, None],
            }
            earlier = session.point_inputs_per_obj[number].get(z)
            if earlier is not None:
                given = {key: torch.cat([earlier[key], value], dim=2) for key, value in given.items()}
            session.add_point_inputs(number, z, given)
            session.obj_with_new_inputs = [_OBJECT]
            self._keep(self._model(session, frame_idx=z))
        for reverse in (False, True):
            for output in self._model.propagate_in_video_iterator(session, reverse=reverse):
                self._keep(output)
        return self._slices.mask(self._logits)

    def _keep(self, output: Any) -> None:
        self._logits[output.frame_idx] = output.pred_masks[0, 0].float().cpu().numpy()


def make_sam2_stock(name: str, model: str) -> Sam2Stock:
    return Sam2Stock(name, load_model(model))
