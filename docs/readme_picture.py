"""Draw docs/images/readme.png: a click and a stroke on a real patient whom no part of the model has learned from.

Run from the root of the project, with the folder of a study (CTres.nii.gz, SUV.nii.gz, SEG.nii.gz):

python docs/readme_picture.py STUDY [PICTURE]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt

import sam_pet
from sam_pet import plots
from sam_pet.masks import read_mask
from sam_pet.plots.layout import legend, panels
from sam_pet.plots.planes import View
from sam_pet.plots.slices import draw_slice, pair_of, shown_mm
from sam_pet.readers import draw_scribble
from sam_pet.scores import score

HERE = Path(__file__).parent


def main(folder: Path, picture: Path = HERE / "images" / "readme.png") -> None:
    study = sam_pet.read_study(folder / "CTres.nii.gz", folder / "SUV.nii.gz")
    truth, _ = read_mask(folder / "SEG.nii.gz", "truth")
    depth = distance_transform_edt(np.pad(truth, 1), sampling=study.grid.spacing[::-1])[1:-1, 1:-1, 1:-1]
    z, y, x = (int(i) for i in np.unravel_index(int(depth.argmax()), depth.shape))

    session = sam_pet.Segmenter.from_pretrained("default").open(study)
    session.add_click((x, y, z))
    clicked = session.array
    stroke = draw_scribble(clicked, truth, "centerline")
    if stroke is None:
        raise SystemExit("the click left nothing to correct: take another study")
    session.add(stroke.prompt)
    corrected = session.array

    middle = stroke.voxels[len(stroke.voxels) // 2]
    place = (int(middle[0]), int(middle[1]), int(middle[2]))
    said = [f"Dice {score(mask, truth, study.grid.spacing).dice:.2f}" for mask in (clicked, corrected)]
    shown = [
        ((x, y, z), clicked, session.prompts[:1], f"a click: {said[0]}"),
        (place, clicked, [stroke.prompt], f"another slice; a {stroke.label} stroke"),
        (place, corrected, (), f"the mask obeys: {said[1]}"),
    ]
    view, width = View(study, "axial"), 150.0
    figure, axes = panels([shown_mm(view, width)] * len(shown), 2.6)
    for ax, (at, mask, prompts, title) in zip(axes, shown, strict=True):
        draw_slice(ax, view, at, mask, (0, 10), (-160, 240), truth, prompts, width, title)
    legend(figure, pair_of(study))
    picture.write_bytes(plots.png(figure))
    print(folder.name, *said, stroke.label, len(stroke.voxels))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
