"""Expert trajectories: episodes by a reader who knows the truth, for those who train agents.

The strategy is hybrid: a box round the lesion's largest cross-section, then points on the largest error, until a point
gains less than its turn costs. Reward follows MedSAM-Agent: progress is a part of each turn's gain in IoU, parsimony a
cost of each turn; at the end counts the IoU less what was better before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
import numpy.typing as npt

from sam_pet.agent.desk import Desk
from sam_pet.agent.tools import call
from sam_pet.boxes import CONNECTIVITY, bounding_box
from sam_pet.cases import Case
from sam_pet.files import replacing
from sam_pet.geometry import Voxel
from sam_pet.readers import Stroke
from sam_pet.readers.box import BoxReader
from sam_pet.readers.clicks import ClickReader
from sam_pet.segmenter import Segmenter
from sam_pet.study import Study

PROGRESS, TURN_COST = 0.1, 0.01
# Of no use to learn from: smaller ones fill no picture.
LEAST_VOXELS = 8
_WIDTHS_MM = (120.0, 160.0, 200.0, 260.0)
_SUV_MAX = (5.0, 7.0, 10.0, 15.0)
# The lesion lies anywhere in this middle part of the picture.
_MIDDLE = 0.5

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class EpisodeSettings:
    """How episodes are made.

    Attributes:
        lesions: at most so many of a case, drawn by the seed.
        turns: at most so many an episode.
        seed: of lesions, windows and places in the picture.
    """

    lesions: int = 3
    turns: int = 5
    seed: int = 0


@dataclass(frozen=True)
class _View:
    """How an episode is looked at: the same in all its pictures, but for the slice."""

    width_mm: float
    suv_max: float
    offset_mm: tuple[float, float]


def episodes(case: Case, segmenter: Segmenter, settings: EpisodeSettings, out: Path) -> Iterator[dict[str, Any]]:
    """The episodes of a case, one a lesion; their pictures are written to `out`/pictures.

    Raises:
        InputError: files of the case cannot be used.
    """
    study = case.study()
    parts = cc3d.connected_components(case.mask(study.grid), connectivity=CONNECTIVITY)
    sizes = np.bincount(parts.ravel())
    large = [n for n in range(1, len(sizes)) if sizes[n] >= LEAST_VOXELS]
    rng = np.random.default_rng([settings.seed, *hashlib.sha256(case.name.encode()).digest()[:8]])
    chosen = sorted(rng.permutation(large)[: settings.lesions].tolist())
    for lesion in chosen:
        reach = rng.uniform(-_MIDDLE / 2, _MIDDLE / 2, 2)
        width = float(rng.choice(_WIDTHS_MM))
        view = _View(width, float(rng.choice(_SUV_MAX)), (float(reach[0] * width), float(reach[1] * width)))
        yield _Episode(case.name, study, parts == lesion, lesion, view, out).run(segmenter, settings)


class _Episode:
    def __init__(self, case: str, study: Study, truth: Bools, lesion: int, view: _View, out: Path) -> None:
        self._case = case
        self._study = study
        self._truth = truth
        self._lesion = lesion
        self._view = view
        self._out = out
        self._name = f"{hashlib.sha256(case.encode()).hexdigest()[:8]}-{lesion:03d}"

    def run(self, segmenter: Segmenter, settings: EpisodeSettings) -> dict[str, Any]:
        desk = Desk(segmenter.open(self._study))
        steps: list[dict[str, Any]] = []
        ious = [0.0]
        reason = "all turns made"
        for turn in range(1, settings.turns + 1):
            stroke = self._next(desk, turn)
            if stroke is None:
                reason = "no error left"
                break
            mark = desk.mark()
            step, files = self._step(desk, stroke, turn)
            iou = self._iou(desk)
            if turn > 1 and iou - ious[-1] < TURN_COST:
                desk.go_back(mark)
                reason = "the next point would have gained less than its turn costs"
                break
            for name, png in files.items():
                with replacing(self._out / name) as temporary:
                    temporary.write_bytes(png)
            gain = iou - ious[-1]
            reward = PROGRESS * gain - TURN_COST
            steps.append(step | {"iou": round(iou, 4), "gain": round(gain, 4), "reward": round(reward, 4)})
            ious.append(iou)
        end = ious[-1] - (max(ious) - ious[-1])
        steps.append({"turn": len(steps) + 1, "tool": "stop", "arguments": {}, "reward": round(end, 4)})
        return {
            "episode": self._name,
            "case": self._case,
            "lesion": self._lesion,
            "lesion_ml": round(float(self._truth.sum() * self._study.grid.voxel_ml), 3),
            "steps": steps,
            "iou": round(ious[-1], 4),
            "dice": round(2 * ious[-1] / (1 + ious[-1]), 4),
            "overshoot": round(max(ious) - ious[-1], 4),
            "reward": round(sum(step["reward"] for step in steps), 4),
            "end": reason,
        }

    def _next(self, desk: Desk, turn: int) -> Stroke | None:
        if turn == 1:
            return BoxReader().first(self._truth, self._study)
        return ClickReader("center").correct(desk.session.array > 0, self._truth, self._study, turn)

    def _step(self, desk: Desk, stroke: Stroke, turn: int) -> tuple[dict[str, Any], dict[str, bytes]]:
        """One look and one action by points of that picture, as an agent would make them, and the pictures."""
        seen = self._arguments(stroke)
        call(desk, "look_slice", seen)
        before = desk.sight.last
        assert before is not None
        points = [list(before.point(self._axial(voxel))) for voxel in stroke.voxels.tolist()]
        arguments: dict[str, Any]
        if stroke.kind == "box":
            tool, arguments = "add_box", {"picture": points}
        else:
            tool, arguments = "add_point", {"picture": points[0], "label": stroke.label, "lesion": 1}
        call(desk, tool, arguments)
        call(desk, "look_slice", seen)
        after = desk.sight.last
        assert after is not None
        names = [f"pictures/{self._name}-{turn}-{when}.png" for when in ("before", "after")]
        step = {
            "turn": turn,
            "look": {"tool": "look_slice", "arguments": seen},
            "picture": names[0],
            "tool": tool,
            "arguments": arguments,
            "voxels": desk.session.prompts[-1].voxels.tolist(),
            "new_picture": names[1],
        }
        return step, {name: look.png for name, look in zip(names, (before, after), strict=True)}

    def _arguments(self, stroke: Stroke) -> dict[str, Any]:
        """The slice of a stroke, shifted so that the lesion is not always in the middle."""
        axial = self._study.order.voxels(stroke.voxels)
        middle = axial.mean(axis=0)
        box = bounding_box(self._study.order.view(self._truth))
        assert box is not None
        size = self._study.axial_pet.shape[::-1]
        place = [round(float(middle[2]))]
        for axis in (1, 0):
            extent = (box[2 - axis].stop - box[2 - axis].start) * self._study.frame_spacing[axis]
            room = max(0.0, self._width - extent) / 2
            shift = float(np.clip(self._view.offset_mm[axis], -room, room))
            at = middle[axis] + shift / self._study.frame_spacing[axis]
            place.insert(0, int(np.clip(round(at), 0, size[axis] - 1)))
        voxel = self._study.order.stored([place])[0].tolist()
        return {"plane": "axial", "voxel": voxel, "width_mm": self._width, "suv_max": self._view.suv_max}

    @property
    def _width(self) -> float:
        """Wide enough for the whole lesion."""
        box = bounding_box(self._study.order.view(self._truth))
        assert box is not None
        _, y, x = (part.stop - part.start for part in box)
        spacing = self._study.frame_spacing
        return float(min(round(max(self._view.width_mm, 1.5 * x * spacing[0], 1.5 * y * spacing[1]), 1), 3000.0))

    def _axial(self, voxel: list[int]) -> Voxel:
        x, y, z = self._study.order.voxels([voxel])[0].tolist()
        return x, y, z

    def _iou(self, desk: Desk) -> float:
        mask = desk.session.array > 0
        either = int((mask | self._truth).sum())
        return float((mask & self._truth).sum() / either) if either else 0.0
