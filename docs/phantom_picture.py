"""Draw docs/phantom.png: coronal maximum-intensity projections of six simulated studies, and slices of one.

Run from the root of the project: python docs/phantom_picture.py (about two minutes on two cores, needs matplotlib).
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

from sam_pet.phantom import Phantom, Tracer, make_phantom
from sam_pet.phantom.frame import parse_grid

mpl.use("Agg")
import matplotlib.pyplot as plt

STUDIES: tuple[tuple[Tracer, int], ...] = (("fdg", 2), ("fdg", 7), ("fdg", 16), ("psma", 4), ("psma", 9), ("psma", 12))
GRID = parse_grid("190x120x320@3x3x3")
BRIGHT = {"fdg": 8.0, "psma": 14.0}


def main() -> None:
    figure, axes = plt.subplots(2, 6, figsize=(13, 6.6), height_ratios=(2.6, 1))
    for column, (tracer, seed) in enumerate(STUDIES):
        phantom = make_phantom(seed, tracer, GRID, lesion_free=False)
        top, bottom = axes[:, column]
        top.imshow(phantom.study.axial_pet.max(axis=1)[::-1], cmap="gray_r", vmax=BRIGHT[tracer], vmin=0)
        top.set_title(f"{phantom.facts['ligand']}, seed {seed}: {len(phantom.facts['lesions'])} lesions", fontsize=9)
        fused(bottom, phantom)
    for axis in axes.flat:
        axis.axis("off")
    figure.tight_layout(pad=0.3)
    figure.savefig(Path(__file__).with_name("phantom.png"), dpi=72)


def fused(axis: plt.Axes, phantom: Phantom) -> None:
    """The axial slice through the largest lesion: CT, PET over it, and the truth as an outline."""
    ct, pet = phantom.study.axial_ct, phantom.study.axial_pet
    lesions = phantom.study.order.view(phantom.lesions)
    largest = max(phantom.facts["lesions"], key=lambda lesion: lesion["volume_ml"])
    z = int(np.bincount(np.argwhere(lesions == largest["label"])[:, 0]).argmax())
    assert ct is not None
    axis.imshow(ct[z], cmap="gray", vmin=-160, vmax=240)
    strength = np.clip(pet[z] / BRIGHT[phantom.facts["tracer"]], 0, 1)
    axis.imshow(strength, cmap="hot", vmin=0, vmax=1, alpha=0.75 * strength**0.5)
    axis.contour(lesions[z] > 0, [0.5], colors="cyan", linewidths=0.6)
    axis.set_title(f"{largest['site']}, {largest['volume_ml']:.1f} mL", fontsize=8)


if __name__ == "__main__":
    main()
