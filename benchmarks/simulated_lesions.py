"""What one click makes of each lesion of simulated studies, and whether the model tells lesions from physiology.

    python benchmarks/simulated_lesions.py [--model default] [--first 40000] [--n 20] [--out clicks.csv]

Every lesion above 0.5 mL is clicked at its innermost voxel, each by itself; so are the hottest places outside lesions.
Prints one JSON object: mean Dice over lesions, and the area under the ROC curve of what `Session.scores` tells of a
click, and of the tracker's object score alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
import pandas as pd
from rich.progress import track
from scipy.ndimage import distance_transform_edt
from scipy.stats import mannwhitneyu

from sam_pet.detection.detect import find_candidates
from sam_pet.detection.prompt_score import prompt_scores
from sam_pet.phantom import Phantom, make_phantom
from sam_pet.prompts import Click
from sam_pet.proposers.lesion import Lesion
from sam_pet.segmenter import Segmenter
from sam_pet.session.engine import LesionSegmenter
from sam_pet.train.crops import hottest_places

SMALLEST_ML = 0.5
HOT_SPOTS = 10
BATCH = 16
NOTHING = np.zeros((0, 3), np.int64)


def clicked(tracker: LesionSegmenter, voxels: list[tuple[int, int, int]]) -> list[Lesion]:
    clicks = [Click(voxel) for voxel in voxels]
    return [x for i in range(0, len(clicks), BATCH) for x in tracker.start(clicks[i : i + BATCH], NOTHING)]


def innermost(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    depth = distance_transform_edt(np.pad(mask, 1), sampling=spacing[::-1])
    return np.array(np.unravel_index(int(depth.argmax()), depth.shape)) - 1


def rows_of(phantom: Phantom, segmenter: Segmenter) -> Iterator[dict[str, Any]]:
    study = phantom.study
    spacing = study.frame_spacing
    tracker = segmenter.tracker(study)
    numbers = study.order.view(phantom.lesions)
    boxes = cc3d.statistics(np.ascontiguousarray(numbers))
    kept, voxels = [], []
    for number in range(1, int(numbers.max()) + 1):
        if boxes["voxel_counts"][number] * study.grid.voxel_ml < SMALLEST_ML:
            continue
        box = boxes["bounding_boxes"][number]
        z, y, x = innermost(numbers[box] == number, spacing) + [s.start for s in box]
        kept.append(number)
        voxels.append((int(x), int(y), int(z)))
    places = hottest_places(study.axial_pet, (numbers > 0).astype(np.uint8), spacing, HOT_SPOTS)
    others = [(int(x), int(y), int(z)) for z, y, x in places]
    words = prompt_scores(
        study, segmenter.lesion_classifier, find_candidates(study), [np.array([v]) for v in [*voxels, *others]]
    ).tolist()
    for number, lesion, word in zip(kept, clicked(tracker, voxels), words[: len(kept)], strict=True):
        size = int(boxes["voxel_counts"][number])
        shared = int((numbers[lesion.block.slices][lesion.block.values] == number).sum())
        dice = 2 * shared / (size + int(lesion.block.values.sum()))
        yield {"lesion": True, "ml": size * study.grid.voxel_ml, "dice": dice, "tracker": lesion.score, "score": word}
    for lesion, word in zip(clicked(tracker, others), words[len(kept) :], strict=True):
        yield {"lesion": False, "tracker": lesion.score, "score": word}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--first", type=int, default=40000, help="seed of the first study; the next ones count up")
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--out", type=Path, help="a CSV with a row for each click")
    options = parser.parse_args()
    segmenter = Segmenter.from_pretrained(options.model)
    rows = []
    for seed in track(range(options.first, options.first + options.n), "studies", transient=True):
        tracer = "fdg" if seed % 2 else "psma"
        phantom = make_phantom(seed, tracer, lesion_free=False)
        rows += [{"seed": seed, "tracer": tracer, **row} for row in rows_of(phantom, segmenter)]
    table = pd.DataFrame(rows)
    lesions, others = table[table.lesion], table[~table.lesion]

    def area(name: str) -> float:
        return round(float(mannwhitneyu(lesions[name], others[name]).statistic) / (len(lesions) * len(others)), 4)

    print(
        json.dumps(
            {
                "studies": options.n,
                "lesions": len(lesions),
                "mean_lesion_dice": round(float(lesions.dice.mean()), 4),
                "physiology_clicks": len(others),
                "score_auc": area("score"),
                "tracker_object_score_auc": area("tracker"),
            }
        )
    )
    if options.out is not None:
        table.to_csv(options.out, index=False)


if __name__ == "__main__":
    main()
