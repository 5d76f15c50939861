"""How long a reader waits: first click, corrective click, more lesions, on a simulated 400 x 400 x 326 study.

    python benchmarks/interactive.py [--model default] [--device cpu] [--seed 11] [--lesions 6]

Prints seconds, their ratio to the first click of the same run, and the peak memory of the process. Many --lesions, of a
--seed that has them, show how time and memory grow.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from scipy.ndimage import distance_transform_edt

from sam_pet.phantom import make_phantom
from sam_pet.phantom.frame import parse_grid
from sam_pet.segmenter import Segmenter
from sam_pet.session.session import Session


def inner_voxels(lesions: np.ndarray, spacing: tuple[float, float, float], count: int) -> list[tuple[int, int, int]]:
    """The innermost voxel (x, y, z) of the largest lesions."""
    sizes = np.bincount(lesions.ravel())
    sizes[0] = 0
    voxels = []
    for number in np.argsort(sizes)[::-1][:count]:
        if sizes[number]:
            found = np.argwhere(lesions == number)
            low, high = found.min(axis=0), found.max(axis=0) + 1
            block = np.pad(lesions[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] == number, 1)
            depth = distance_transform_edt(block, sampling=spacing[::-1])
            z, y, x = np.unravel_index(int(depth.argmax()), depth.shape) + low - 1
            voxels.append((int(x), int(y), int(z)))
    return voxels


def timed(session: Session, voxel: tuple[int, int, int], label: str = "tumor") -> float:
    started = time.perf_counter()
    session.add_click(voxel, label)
    session.mask  # noqa: B018  (a reader waits for it too)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=11, help="of the study")
    parser.add_argument("--lesions", type=int, default=6, help="how many are clicked, the largest first")
    options = parser.parse_args()

    phantom = make_phantom(options.seed, "fdg", parse_grid("400x400x326@2.036x2.036x3"), lesion_free=False)
    spacing = phantom.study.grid.spacing
    segmenter = Segmenter.from_pretrained(options.model, options.device)
    voxels = inner_voxels(phantom.lesions, spacing, options.lesions)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6

    session = segmenter.open(phantom.study)
    x, y, z = voxels[0]
    rows = {"first click": timed(session, (x, y, z))}
    rows["corrective click, two slices up"] = timed(session, (x, y, z + 2))
    mask = session.array
    inside = np.argwhere(mask[z - 1])
    if len(inside):
        v, u = inside[0]
        rows["background click, one slice down"] = timed(session, (int(u), int(v), z - 1), "background")
    for number, voxel in enumerate(voxels[1:], 2):
        rows[f"click on lesion {number}"] = timed(session, voxel)

    size = " x ".join(map(str, phantom.study.grid.size))
    print(f"{size} voxels (simulated), model {segmenter.record.name}, device {segmenter.core.device}")
    for name, seconds in rows.items():
        print(f"{name:34s} {seconds:7.2f} s   x {seconds / rows['first click']:.2f}")
    print(f"{len(voxels)} lesions in {sum(rows.values()):.0f} s")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory {after:.2f} GB ({before:.2f} GB with the study made and the model loaded)")


if __name__ == "__main__":
    main()
