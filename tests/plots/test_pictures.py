"""Figures, seen by what they hold and by the pixels they come out as."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage, imread

from sam_pet import plots
from sam_pet.geometry import Grid
from sam_pet.labels import PALETTE
from sam_pet.plots.panels import _apart, by_size
from sam_pet.prompts import Box, Click, Scribble
from sam_pet.study import Study
from tests.plots.studies import TURNED, UPRIGHT, labels_on, study_on


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def pixels(figure: Figure) -> np.ndarray:
    return imread(io.BytesIO(plots.png(figure)))[..., :3]


def on_paper(figure: Figure, ax: Axes) -> tuple[float, float]:
    """Height and width of what is shown, in pixels of the figure as drawn."""
    figure.canvas.draw()
    (left, top), (right, bottom) = ax.transData.transform(list(zip(ax.get_xlim(), ax.get_ylim(), strict=True)))
    return abs(bottom - top), abs(right - left)


@pytest.mark.parametrize("grid", [UPRIGHT, TURNED], ids=["upright", "turned"])
def test_a_mip_says_sides_window_and_scale(grid: Grid) -> None:
    coronal, sagittal = plots.mip(study_on(grid), suv=(0, 8)).axes
    assert {"R", "L", "H", "F", "SUV 0–8", "coronal"} <= set(texts(coronal))
    assert {"A", "P", "H", "F", "SUV 0–8", "sagittal"} <= set(texts(sagittal))
    # The place of the marks: fractions of the picture, from below.
    at = {text.get_text(): text.xy for text in coronal.texts}
    assert (at["R"], at["L"], at["H"], at["F"]) == ((0, 0.5), (1, 0.5), (0.5, 1), (0.5, 0))
    (bar,) = (artist for artist in coronal.artists)
    # A third of 40 mm is 13.3 mm.
    assert bar.txt_label.get_text() == "10 mm"
    assert bar.size_bar.get_children()[0].get_width() == 10


def test_hot_is_dark_and_the_window_ends_are_black_and_white() -> None:
    (image,) = plots.mip(study_on(UPRIGHT), suv=(1, 9), planes=["coronal"]).axes[0].images
    assert image.get_clim() == (1, 9)
    colours = image.cmap(image.norm(np.array([1.0, 9.0])))
    assert colours[0, :3].min() == 1.0
    assert colours[1, :3].max() == 0.0


def test_anisotropic_voxels_keep_their_proportions() -> None:
    figure = plots.mip(study_on(UPRIGHT))
    coronal, sagittal = figure.axes
    height, width = on_paper(figure, coronal)
    assert height / width == pytest.approx(60 / 40, rel=5e-3)
    height, width = on_paper(figure, sagittal)
    assert height / width == pytest.approx(60 / 24, rel=5e-3)


def test_air_beside_the_patient_is_left_out_but_no_lesion() -> None:
    pet = np.zeros((40, 30, 100), np.float32)
    pet[:, 10:20, 40:60] = 1.0
    study = Study(pet, None, Grid((100, 30, 40), (5.0, 5.0, 5.0)))
    assert plots.mip(study).axes[0].get_xlim() == (180.0, 320.0)
    labels = np.zeros(pet.shape, np.uint8)
    labels[5, 5, 90] = 1
    assert plots.mip(study, labels).axes[0].get_xlim() == (180.0, 475.0)


def test_lesions_have_their_colour_and_their_number_with_a_line_to_it() -> None:
    ax = plots.mip(study_on(UPRIGHT), labels_on(UPRIGHT), planes=["coronal"]).axes[0]
    numbers = {text.get_text(): text for text in ax.texts if text.get_text().isdigit()}
    assert set(numbers) == {"1", "2"}
    # Lesion 1, at the patient's left: columns 7 and 8 of 4 mm, row 1 of 5 mm, its number on the right.
    assert numbers["1"].xy == (36.0, 7.5)
    assert numbers["1"].get_position()[0] == 1
    assert numbers["2"].xy == (8.0, 42.5)
    assert numbers["2"].get_position()[0] == 0
    fills = [image for image in ax.images if image.get_alpha() is not None]
    assert [image.get_extent() for image in fills] == [[24.0, 40.0, 15.0, 0.0], [4.0, 16.0, 50.0, 35.0]]
    shown = [tuple(round(255 * c) for c in image.cmap(0.0)[:3]) for image in fills]
    assert shown == [PALETTE[0], PALETTE[1]]


def test_the_lesions_colour_is_in_the_picture_only_with_labels() -> None:
    colour = np.array(PALETTE[0]) / 255
    plain, marked = (
        pixels(plots.mip(study_on(UPRIGHT), labels, planes=["coronal"])) for labels in (None, labels_on(UPRIGHT))
    )
    assert (np.abs(plain - colour).max(axis=2) < 0.02).sum() == 0
    assert (np.abs(marked - colour).max(axis=2) < 0.02).sum() > 20


def test_more_lesions_than_there_is_room_for_are_numbered_by_size() -> None:
    pet = np.ones((200, 4, 40), np.float32)
    labels = np.zeros(pet.shape, np.uint16)
    for number in range(1, 81):
        labels[2 * number, 1, 5] = number
    labels[160, 1:3, 5] = 80
    ax = plots.mip(Study(pet, None, Grid((40, 4, 200))), labels, planes=["coronal"], height_in=3.0).axes[0]
    numbered = [text.get_text() for text in ax.texts if text.get_text().isdigit()]
    # 3 inches hold 22 lines of 7 points and a third between them.
    assert len(numbered) == 22
    assert "80" in numbered
    assert "coronal, the 22 largest numbered" in texts(ax)


@pytest.mark.parametrize(
    ("wanted", "placed"),
    [([10, 50], [10, 50]), ([10, 11, 12], [10, 20, 30]), ([97, 98, 99], [75, 85, 95]), ([0], [5])],
)
def test_numbers_stand_apart_and_inside(wanted: list[float], placed: list[float]) -> None:
    assert _apart(wanted, gap=10, end=100) == placed


def test_lesions_by_size() -> None:
    labels = np.array([[0, 3, 3, 1, 7, 7, 7]])
    assert by_size(labels) == [7, 3, 1]


def test_a_slice_without_ct_is_inverted_grey_and_with_ct_fused() -> None:
    alone = plots.slice_(study_on(UPRIGHT)).axes[0]
    assert [image.get_cmap().name for image in alone.images] == ["gray_r"]
    assert "SUV 0–10" in texts(alone)
    fused = plots.slice_(study_on(UPRIGHT, ct=True)).axes[0]
    assert [image.get_cmap().name for image in fused.images] == ["gray", "hot"]
    assert "SUV 0–10, HU −160 to 240" in texts(fused)
    ct, heat = fused.images
    assert ct.get_clim() == (-160, 240)
    # No heat where there is no uptake, most at the upper end of the window.
    hot_row, hot_column = 1, 8
    assert heat.get_alpha()[hot_row, hot_column] == pytest.approx(0.8 * np.sqrt(0.9))
    assert plots.slice_(study_on(UPRIGHT, ct=True), suv=(1, 10)).axes[0].images[1].get_alpha()[0, 0] == 0


def test_a_slice_goes_through_the_voxel_asked_for_else_most_of_the_lesion_else_the_hottest() -> None:
    study, labels = study_on(UPRIGHT), labels_on(UPRIGHT)
    assert "axial, z = 3" in texts(plots.slice_(study, (2, 6, 3)).axes[0])
    assert "axial, z = 10" in texts(plots.slice_(study, labels=labels).axes[0])
    assert "axial, z = 3" in texts(plots.slice_(study, labels=labels == 2).axes[0])
    assert "axial, z = 10" in texts(plots.slice_(study).axes[0])
    assert "coronal, y = 6" in texts(plots.slice_(study, (2, 6, 3), plane="coronal").axes[0])


@pytest.mark.parametrize("grid", [UPRIGHT, TURNED], ids=["upright", "turned"])
def test_a_window_is_a_square_about_the_voxel_that_stays_in_the_picture(grid: Grid) -> None:
    study = study_on(grid)
    # The hottest voxel, column 8 of 4 mm and row 1 of 3 mm, is near the corner of 40 mm x 24 mm.
    ax = plots.slice_(study, width_mm=12.0).axes[0]
    assert ax.get_xlim() == (28.0, 40.0)
    assert ax.get_ylim() == (12.0, 0.0)


def test_truth_and_prediction_have_two_colours_two_dashes_and_a_legend() -> None:
    study, labels = study_on(UPRIGHT, ct=True), labels_on(UPRIGHT)
    for figure in (
        plots.mip(study, labels, truth=labels == 1),
        plots.slice_(study, labels=labels, truth=labels == 1),
        plots.strip(study, [labels], truth=labels == 1),
    ):
        (legend,) = figure.legends
        assert [text.get_text() for text in legend.get_texts()] == ["prediction", "truth"]
        colours, dashes = zip(*((line.get_color(), line.get_linestyle()) for line in legend.get_lines()), strict=True)
        assert len(set(colours)) == len(set(dashes)) == 2
        assert not any(text.isdigit() for text in texts(figure.axes[0]))


def test_a_strip_has_a_picture_a_step_of_one_slice_and_rows_of_six() -> None:
    study, labels = study_on(UPRIGHT), labels_on(UPRIGHT)
    steps = [np.zeros_like(labels), *[labels] * 7]
    axes = [ax for ax in plots.strip(study, steps, width_mm=None).axes if ax.images]
    assert [t for ax in axes for t in texts(ax) if t.startswith("step")] == [f"step {n}" for n in range(8)]
    assert len({ax.get_subplotspec().rowspan.start for ax in axes}) == 2
    assert len(axes[0].collections) == 0
    assert len(axes[1].collections) == 1
    first, *others = (ax.images[0].get_array() for ax in axes)
    assert all(np.array_equal(first, other) for other in others)


def test_a_strip_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        plots.strip(study_on(UPRIGHT), [])


def test_prompts_are_shown_on_their_slice_dots_for_tumor_crosses_for_background() -> None:
    prompts = [
        Click((8, 1, 10)),
        Scribble(((2, 6, 10), (3, 6, 10)), "background"),
        Click((8, 1, 4)),
        Box((1, 1, 9), (3, 4, 11)),
    ]
    ax = plots.slice_(study_on(UPRIGHT), (0, 0, 10), prompts=prompts).axes[0]
    drawn = [(line.get_marker(), line.get_xydata().tolist()) for line in ax.lines]
    # Centres of voxels of 4 x 3 mm.
    assert drawn[:2] == [("o", [[34.0, 4.5]]), ("X", [[10.0, 19.5], [14.0, 19.5]])]
    assert drawn[2] == ("o", [])
    (box,) = ax.patches
    assert (box.get_xy(), box.get_width(), box.get_height()) == ((4.0, 3.0), 12.0, 12.0)


def test_a_study_without_uptake_or_lesion_has_pictures() -> None:
    study = Study(np.zeros(UPRIGHT.shape, np.float32), None, UPRIGHT)
    empty = np.zeros(UPRIGHT.shape, np.uint8)
    for figure in (plots.mip(study, empty), plots.slice_(study, labels=empty), plots.mip(study, empty, truth=empty)):
        assert isinstance(figure.axes[0].images[0], AxesImage)
        assert pixels(figure).std() > 0


def test_labels_of_another_grid_are_refused() -> None:
    wrong = np.zeros((2, 3, 4), np.uint8)
    with pytest.raises(ValueError, match="labels of shape"):
        plots.mip(study_on(UPRIGHT), wrong)
    with pytest.raises(ValueError, match="truth of shape"):
        plots.slice_(study_on(UPRIGHT), truth=wrong)


def test_curves_are_told_apart_without_colour() -> None:
    names = [f"method {n}" for n in range(9)]
    ax = plots.dice_curves({name: [0.1 * n, 0.5] for n, name in enumerate(names)}).axes[0]
    assert ax.get_ylabel() == "Dice"
    assert [line.get_ydata().tolist() for line in ax.lines][1] == [0.1, 0.5]
    assert [line.get_xdata().tolist() for line in ax.lines][1] == [0, 1]
    assert len({(line.get_marker(), line.get_linestyle()) for line in ax.lines}) == 9


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_the_same_figure_has_the_same_bytes(kind: str) -> None:
    def drawn() -> bytes:
        figure = plots.mip(study_on(UPRIGHT), labels_on(UPRIGHT), planes=["coronal"])
        return plots.pdf(figure, "title") if kind == "pdf" else getattr(plots, kind)(figure)

    first = drawn()
    assert first == drawn()
    assert b"Date" not in first


def test_drawing_leaves_pyplot_alone() -> None:
    code = (
        "import numpy as np, sys\nfrom sam_pet import plots\nfrom sam_pet.geometry import Grid\n"
        "from sam_pet.study import Study\n"
        "plots.png(plots.mip(Study(np.ones((4, 4, 4), np.float32), None, Grid((4, 4, 4)))))\n"
        "assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
