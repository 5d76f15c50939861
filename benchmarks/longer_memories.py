"""Other choices of what SAM 2 remembers: slices by their own score, near-duplicate neighbours left out.

    python benchmarks/longer_memories.py DATA/sts --out memories.csv [--first STS_001 --last STS_020]
        [--phantoms 40100:3] [--model default] [--variants stock,score,pruned,both]

Every tumour is clicked at its innermost voxel. `stock` shows a slice the six latest slices behind it. `score` passes
over slices that expect an IoU below --least-iou of themselves, as SAMURAI (Yang et al. 2024, arXiv 2411.11922) does,
and looks further back instead. `pruned` leaves out a slice whose memory is nearly that of the neighbour shown before
(cosine similarity from --alike on), but never one where uptake changes by more than --change, and shows no other in its
place; prompted slices are always shown. `both` does both. Prints, for each variant, the mean Dice of the tracker's mask
and of the session's, and the share of tracked memories kept; writes a row a lesion and variant.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from sam_pet.cases import find_cases
from sam_pet.phantom import make_phantom
from sam_pet.prompts import Click
from sam_pet.sam2.memory import Memory, MemoryBank
from sam_pet.sam2.memory_filter import MemoryFilter
from sam_pet.sam2.steps import Sam2Steps
from sam_pet.segmenter import Segmenter
from sam_pet.study import Study

NOTHING = np.zeros((0, 3), np.int64)
SMALLEST_ML = 0.5


class ByScore(Sam2Steps):
    """The model's steps with slices that expect little of themselves passed over."""

    least_iou = 0.0

    def _recent(
        self, bank: MemoryBank, prompted: Mapping[int, Memory], slice_: int, back: int
    ) -> list[tuple[int, Memory]]:
        others = {**{z: m for z, m in bank.conditioning.items() if z not in prompted}, **bank.tracked}
        away = {back * (z - slice_): memory for z, memory in others.items()}
        behind = [away[distance] for distance in sorted(away) if distance > 0]
        good = [memory for memory in behind if memory.present and float(memory.iou) >= self.least_iou]
        # Places in time are those that the model was trained with: the first to the last.
        return list(enumerate(good[: self._family.memory_frames], 1))[::-1]


def innermost(mask: npt.NDArray[np.bool_], spacing: tuple[float, ...]) -> tuple[int, int, int]:
    from scipy.ndimage import distance_transform_edt

    depth = distance_transform_edt(np.pad(mask, 1), sampling=spacing[::-1])
    z, y, x = np.array(np.unravel_index(int(depth.argmax()), depth.shape)) - 1
    return int(x), int(y), int(z)


def lesions(options: argparse.Namespace) -> Iterator[tuple[str, Study, npt.NDArray[np.bool_]]]:
    for case in find_cases(options.cases):
        if options.first <= case.name <= options.last:
            study = case.study()
            yield case.name, study, study.order.view(case.mask(study.grid)) > 0
    first, _, count = options.phantoms.partition(":")
    for seed in range(int(first), int(first) + int(count or 0)):
        phantom = make_phantom(seed, "fdg", lesion_free=False)
        numbers = phantom.study.order.view(phantom.lesions)
        sizes = np.bincount(numbers.ravel())
        sizes[0] = 0
        for number in np.argsort(-sizes, kind="stable")[: options.most]:
            if sizes[number] * phantom.study.grid.voxel_ml >= SMALLEST_ML:
                yield f"phantom {seed} {number}", phantom.study, numbers == number


def dice(block: Any, truth: npt.NDArray[np.bool_]) -> float:
    mask = np.zeros(truth.shape, bool)
    mask[block.slices] = block.values
    return float(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))


@torch.no_grad()
def rows_of(
    name: str, study: Study, truth: npt.NDArray[np.bool_], segmenters: dict[str, Segmenter]
) -> Iterator[dict[str, Any]]:
    voxel = innermost(truth, study.frame_spacing)
    for variant, segmenter in segmenters.items():
        core = segmenter.core
        core.offered = core.shown = 0
        tracker, began = segmenter.tracker(study), time.process_time()
        sketch = tracker.track([Click(voxel)], NOTHING)[0]
        seconds = time.process_time() - began
        outlined = tracker.select_outline(sketch, NOTHING)
        yield {
            "lesion": name,
            "variant": variant,
            "slices": len(sketch.bank.all()),
            "tracker_dice": dice(sketch.block, truth),
            "session_dice": dice(outlined.block, truth),
            "kept": core.shown / max(core.offered, 1),
            "seconds": seconds,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--first", default="STS_001")
    parser.add_argument("--last", default="STS_020")
    parser.add_argument("--phantoms", default="40100:3", help="FIRST:COUNT seeds")
    parser.add_argument("--most", type=int, default=6, help="lesions of a simulated study, the largest first")
    parser.add_argument("--model", default="default")
    parser.add_argument("--variants", default="stock,score,pruned,both")
    parser.add_argument("--least-iou", type=float, default=0.5)
    parser.add_argument("--alike", type=float, default=0.95)
    parser.add_argument("--change", type=float, default=0.2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    segmenters = {name: Segmenter.from_pretrained(options.model, "cpu") for name in options.variants.split(",")}
    pruning = MemoryFilter(alike=options.alike, change=options.change)
    for name, segmenter in segmenters.items():
        kind = ByScore if name in ("score", "both") else Sam2Steps
        segmenter.core = kind(segmenter.core.model, memory_filter=pruning if name in ("pruned", "both") else None)
        if isinstance(segmenter.core, ByScore):
            segmenter.core.least_iou = options.least_iou
    rows = [row for name, study, truth in lesions(options) for row in rows_of(name, study, truth, segmenters)]
    frame = pd.DataFrame(rows)
    frame["kind"] = np.where(frame["lesion"].str.startswith("phantom"), "simulated", "real")
    if options.out is not None:
        frame.to_csv(options.out, index=False)
    for kind, part in frame.groupby("kind"):
        mean = part.groupby("variant", sort=False)[["tracker_dice", "session_dice", "kept", "seconds"]].mean()
        stock = part[part["variant"] == "stock"].set_index("lesion")["tracker_dice"]
        for variant, values in mean.iterrows():
            own = part[part["variant"] == variant].set_index("lesion")["tracker_dice"]
            changed = (own - stock)[lambda d: d.abs() > 0.001]
            better = int((changed > 0).sum())
            line = {"kind": kind, "variant": variant, "lesions": len(own), "better": better}
            print(json.dumps({**line, "worse": len(changed) - better, **values.round(4).to_dict()}))


if __name__ == "__main__":
    main()
