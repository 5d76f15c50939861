"""What tells at a first prompt how well an outline fits a lesion, as numbers; what is not known is NaN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt
from scipy.special import expit

from sam_pet.boxes import LogitBox, MaskBox, Slices, overlap
from sam_pet.prompts import Voxels
from sam_pet.proposers.uptake_levels import LEVELS
from sam_pet.proposers.volume_input import WIDTHS_MM
from sam_pet.study import Study
from sam_pet.uptake.regions import CandidateRegion

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_OF_PROMPT = (
    *("suv", "contrast", "below", "score", "width", "voxel_ml", "drawn", "drawn_mean", "drawn_coldest"),
    "model_volume",
    *(f"{name}_{width:g}" for width in WIDTHS_MM for name in ("contour_volume", "contour_logit", "contour_open")),
)
_OF_OUTLINE = (
    *("level", "volume", "narrower", "wider", "agreement", "in_model", "of_model"),
    *(f"agreement_{width:g}" for width in WIDTHS_MM),
    *("mean", "coldest", "hottest", "rim", "open", "slope", "logit", "rim_logit", "shown"),
    *("depth", "length", "compactness", "hu", "hu_spread", "rim_hu"),
    *(f"contour_{name}_{width:g}" for width in WIDTHS_MM for name in ("likely", "inside", "outside")),
)
FIRST_NAMES = (*_OF_PROMPT, *_OF_OUTLINE)
LEVEL = FIRST_NAMES.index("level")
# The features that all outlines of a prompt share come first.
SHARED = len(_OF_PROMPT)
_MARGIN = 2
_SMALL = 1e-3


@dataclass(frozen=True)
class NetworkOutline:
    """What the contour network makes of a prompt in a cube: its logits there, and the mask that they make."""

    field: LogitBox
    block: MaskBox

    @cached_property
    def volume(self) -> float:
        """The sum of the probabilities, in voxels."""
        return float(expit(self.field.values).sum())


@dataclass(frozen=True)
class OutlineContext:
    """What is known of a lesion that one prompt has started.

    Attributes:
        study: the study.
        drawn: the prompt's axial voxels (n, 3).
        score: the model's object score, a logit.
        width_mm: of the lesion's clip.
        field: the model's logits.
        model: the mask that they make.
        contours: what the contour network makes of it, one for each of its `WIDTHS_MM`, or nothing.
        region: the uptake that the prompt points at.
        hottest: SUV of the peak that the prompt leads up to; above the region's own if that lies on its slope.
    """

    study: Study
    drawn: Voxels
    score: float
    width_mm: float
    field: LogitBox
    model: MaskBox
    contours: Sequence[NetworkOutline]
    region: CandidateRegion
    hottest: float

    def describe_networks(self) -> Floats:
        """The rows of `FIRST_NAMES` for the model's mask and the contour network's."""
        blocks = [self.model, *(contour.block for contour in self.contours)]
        nothing = [0.0] * len(blocks)
        return self._rows([float(-number) for number in range(len(blocks))], blocks, nothing, nothing)

    def describe(self, outlines: Sequence[MaskBox]) -> Floats:
        """The rows of `FIRST_NAMES` for outlines of the region at each of `LEVELS`."""
        sizes = np.array([max(int(block.values.sum()), 1) for block in outlines])
        steps = np.log(sizes[:-2] / sizes[2:]).tolist()
        return self._rows(LEVELS, outlines, [*steps, 0.0, 0.0], [0.0, 0.0, *steps])

    def _rows(
        self, levels: Sequence[float], blocks: Sequence[MaskBox], narrower: Sequence[float], wider: Sequence[float]
    ) -> Floats:
        prompt, tight = self._of_prompt(), [block.trimmed() for block in blocks]
        scene = _Scene.round(self, tight)
        rows = [
            [*prompt, level, self._log_ml(block), up, down, *self._shared(block), *self._look(block, scene)]
            for level, block, up, down in zip(levels, tight, narrower, wider, strict=True)
        ]
        return np.array(rows, np.float32)

    def _log_ml(self, block: MaskBox) -> float:
        return float(np.log(max(int(block.values.sum()), 1) * self.study.grid.voxel_ml))

    @property
    def _suv(self) -> float:
        return max(self.region.candidate.suv, _SMALL)

    def _of_prompt(self) -> list[float]:
        x, y, z = self.drawn.T
        drawn = self.study.axial_pet[z, y, x]
        return [
            np.log(self._suv),
            np.log(self._suv / max(self.region.around, 0.05)),
            np.log(max(self.hottest, _SMALL) / self._suv),
            self.score,
            np.log(self.width_mm),
            np.log(self.study.grid.voxel_ml),
            np.log(len(drawn)),
            float(drawn.mean()) / self._suv,
            float(drawn.min()) / self._suv,
            self._log_ml(self.model),
            *self._of_contours,
        ]

    @cached_property
    def _of_contours(self) -> list[float]:
        """Of each contour its volume, how sure the network is within, and which part of the mask its cube cuts."""
        if not self.contours:
            return [np.nan] * (3 * len(WIDTHS_MM))
        found = []
        for contour in self.contours:
            mask = contour.block.values
            faces = mask.copy()
            faces[1:-1, 1:-1, 1:-1] = False
            logit = float(contour.field.values[mask].mean()) if mask.any() else np.nan
            found += [self._log_ml(contour.block), logit, faces.sum() / max(int(mask.sum()), 1)]
        return found

    def _shared(self, block: MaskBox) -> list[float]:
        """How far an outline agrees with the networks' masks."""
        size = max(int(block.values.sum()), 1)
        shared, model = _shared(block, self.model)
        dice = [np.nan] * len(WIDTHS_MM)
        if self.contours:
            with_contours = [_shared(block, contour.block) for contour in self.contours]
            dice = [2 * both / (size + other) for both, other in with_contours]
        return [2 * shared / (size + model), shared / size, shared / model, *dice]

    def _look(self, block: MaskBox, scene: _Scene) -> list[float]:
        """Uptake, density, logits and shape within an outline, in its smallest box, and at its rim."""
        if not block.values.any():
            return [np.nan] * (len(_OF_OUTLINE) - 7 - len(WIDTHS_MM))
        spacing = np.asarray(self.study.frame_spacing[::-1])
        mask, here, suv = np.pad(block.values, _MARGIN), scene.box(block), self._suv
        pet, logits = scene.pet[here], scene.logits[here]
        rim, edge = _beside(mask) & ~mask, mask & _beside(~mask)
        slope = scene.slope[here][rim | edge]
        inside, at_rim, shown = pet[mask], pet[rim], logits[mask]
        coldest, hottest = np.percentile(inside, (10, 95))
        extent = np.array(block.values.shape) * spacing
        return [
            float(inside.mean()) / suv,
            float(coldest) / suv,
            float(hottest) / suv,
            float(at_rim.mean()) / suv,
            float((at_rim >= coldest).mean()),
            float(slope.mean()) / max(suv - self.region.around, 0.1 * suv),
            float(shown.mean()),
            float(logits[rim].mean()),
            float((shown > 0).mean()),
            float(distance_transform_edt(np.pad(block.values, 1), sampling=spacing).max()),
            float(extent.max()),
            mask.sum() / float(np.prod(extent / spacing)),
            *_density(None if scene.ct is None else scene.ct[here], mask, rim),
            *self._likelihood(scene, here, mask, rim),
        ]

    def _likelihood(self, scene: _Scene, here: Slices, mask: Bools, rim: Bools) -> list[float]:
        """By contour, the Dice that its probabilities let expect of a mask, and its logits within and at the rim."""
        if not self.contours:
            return [np.nan] * (3 * len(WIDTHS_MM))
        found: list[float] = []
        size = int(mask.sum())
        for contour, (logits, probabilities) in zip(self.contours, scene.contours, strict=True):
            likely = 2 * float(probabilities[here][mask].sum()) / (size + contour.volume)
            found += [likely, float(logits[here][mask].mean()), float(logits[here][rim].mean())]
        return found


@dataclass(frozen=True)
class _Scene:
    """The images in a box that holds some outlines and what is round them, its first voxel at `corner`.

    `contours` are the logits of each and its probabilities, `slope` that of the uptake, per mm.
    """

    corner: Ints
    pet: Floats
    ct: Floats | None
    slope: Floats
    logits: Floats
    contours: Sequence[tuple[Floats, Floats]]

    @classmethod
    def round(cls, known: OutlineContext, blocks: Sequence[MaskBox]) -> _Scene:
        corners = np.array([block.corner for block in blocks])
        low = corners.min(axis=0) - _MARGIN
        high = (corners + [block.values.shape[::-1] for block in blocks]).max(axis=0) + _MARGIN
        shape = tuple((high - low)[::-1].tolist())
        pet, ct = _cut(known.study.axial_pet, low, shape, 0.0), known.study.axial_ct
        contours = [contour.field.within(low, shape) for contour in known.contours]
        return cls(
            low,
            pet,
            None if ct is None else _cut(ct, low, shape, np.nan),
            np.linalg.norm(_gradient(pet, np.asarray(known.study.frame_spacing[::-1])), axis=0),
            known.field.within(low, shape),
            [(logits, expit(logits)) for logits in contours],
        )

    def box(self, block: MaskBox) -> Slices:
        """Where an outline and its margin lie in the arrays."""
        start = (np.asarray(block.corner) - _MARGIN - self.corner)[::-1]
        z, y, x = (slice(int(a), int(a) + n + 2 * _MARGIN) for a, n in zip(start, block.values.shape, strict=True))
        return z, y, x


def _density(ct: Floats | None, mask: Bools, rim: Bools) -> list[float]:
    if ct is None:
        return [np.nan] * 3
    inside = ct[mask]
    return [float(np.nanmean(inside)), float(np.nanstd(inside)), float(np.nanmean(ct[rim]))]


def _shared(block: MaskBox, other: MaskBox) -> tuple[int, int]:
    """Voxels that two masks share, and those of the other one, at least 1."""
    both = overlap(block.corner, block.values.shape, other.corner, other.values.shape)
    shared = 0 if both is None else int((block.values[both[0]] & other.values[both[1]]).sum())
    return shared, max(int(other.values.sum()), 1)


def _beside(mask: Bools) -> Bools:
    """The voxels with one of a mask at one of their six faces, whichever side of it they are on."""
    beside = np.zeros_like(mask)
    for axis in range(mask.ndim):
        near, of = np.moveaxis(beside, axis, 0), np.moveaxis(mask, axis, 0)
        near[1:] |= of[:-1]
        near[:-1] |= of[1:]
    return beside


def _cut(volume: Floats, low: Ints, shape: tuple[int, ...], outside: float) -> Floats:
    """A box of a volume, its first voxel at `low` (x, y, z)."""
    box = np.full(shape, outside, np.float32)
    shared = overlap(low, shape, (0, 0, 0), volume.shape)
    if shared is not None:
        box[shared[0]] = volume[shared[1]]
    return box


def _gradient(pet: Floats, spacing: Floats) -> list[Floats]:
    """Slopes along z, y and x."""
    return [np.gradient(pet, step, axis=axis) for axis, step in enumerate(spacing.tolist())]
