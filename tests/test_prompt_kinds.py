"""Kinds of prompts that other programs write."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from sam_pet.prompt_files import parse_prompts
from sam_pet.prompts import Click

GRID = Grid((12, 10, 6), (4.0, 4.0, 5.0), (-20.0, -18.0, 100.0))


def markup(**changed: Any) -> dict[str, Any]:
    """One list with one point, at voxel (3, 2, 1)."""
    points = [{"label": "F-1", "position": [-8.0, -10.0, 105.0]}]
    return {"markups": [{"type": "Fiducial", "controlPoints": points, **changed}]}


@pytest.mark.parametrize(("unit", "mm"), [("cm", 10), (["m", "UCUM", "meter"], 1000), ("millimeters", 1)])
def test_units_are_heeded(unit: Any, mm: float) -> None:
    points = [{"position": [-8 / mm, -10 / mm, 105 / mm]}]
    assert parse_prompts(markup(coordinateUnits=unit, controlPoints=points), GRID) == [Click((3, 2, 1))]


@pytest.mark.parametrize("unit", ["furlong", 7, [], None, ["", "UCUM"]])
def test_unknown_units_are_refused(unit: Any) -> None:
    with pytest.raises(InputError, match="unknown unit"):
        parse_prompts(markup(coordinateUnits=unit), GRID)


@pytest.mark.parametrize("status", ["undefined", "preview", "missing"])
def test_points_that_were_not_placed_are_no_prompts(status: str) -> None:
    content = markup()
    content["markups"][0]["controlPoints"].append({"position": [0, 0, 0], "positionStatus": status})
    assert parse_prompts(content, GRID) == [Click((3, 2, 1))]


def test_the_name_of_a_list_counts_where_labels_say_nothing() -> None:
    assert parse_prompts(markup(name="background"), GRID) == [Click((3, 2, 1), "background")]


@pytest.mark.parametrize(
    "name",
    [
        *("non-tumor", "nontumor", "not tumor", "no background", "nonbackground", "tumor-free", "tumor background"),
        *("outside the tumour", "healthy, beside tumor"),
    ],
)
def test_a_name_that_denies_a_label_or_says_both_is_refused(name: str) -> None:
    for content in (markup(name=name), markup(controlPoints=[{"label": name, "position": [-8.0, -10.0, 105.0]}])):
        with pytest.raises(InputError, match="could say"):
            parse_prompts(content, GRID)


@pytest.mark.parametrize(
    ("name", "warned"),
    [("negative", True), ("BG", True), ("liver", True), ("F", False), ("lesion-3", False), ("Tumour", False)],
)
def test_names_that_may_mean_background_are_warned_of(
    caplog: pytest.LogCaptureFixture, name: str, warned: bool
) -> None:
    assert parse_prompts(markup(name=name), GRID) == [Click((3, 2, 1))]
    assert ("neither tumor nor background" in caplog.text) == warned


def test_a_curve_of_two_labels_is_refused() -> None:
    points = [
        {"label": "tumor", "position": [-8.0, -10.0, 105.0]},
        {"label": "background", "position": [0.0, -10.0, 105.0]},
    ]
    with pytest.raises(InputError, match="of tumor and of background"):
        parse_prompts(markup(type="Curve", controlPoints=points), GRID)


@pytest.mark.parametrize(
    "stored",
    [
        Grid((12, 10, 6), (4.0, 4.0, 5.0), (24.0, 18.0, 100.0), (-1, 0, 0, 0, -1, 0, 0, 0, 1)),
        Grid((12, 6, 10), (4.0, 5.0, 4.0), (-20.0, 18.0, 125.0), (1, 0, 0, 0, 0, -1, 0, -1, 0)),
    ],
)
def test_a_point_between_two_voxels_falls_to_one_however_the_volume_is_stored(stored: Grid) -> None:
    points = [{"position": [-6.0, -8.0, 107.5]}]
    places = [grid.to_world(parse_prompts(markup(controlPoints=points), grid)[0].voxels) for grid in (GRID, stored)]
    assert places[0] == pytest.approx(places[1])


def test_a_voxel_of_both_labels_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    parse_prompts({"tumor": [[1, 1, 1]], "background": [[2, 1, 1]]}, GRID)
    assert not caplog.text
    parse_prompts({"tumor": [[1, 1, 1]], "background": [[1, 1, 1]]}, GRID)
    assert "as tumor and as background" in caplog.text


@pytest.mark.parametrize("odd", [True, "1", None, 10**400])
def test_what_is_no_number_is_no_coordinate(odd: Any) -> None:
    for content in (
        {"tumor": [[odd, 1, 1]]},
        {"points": [{"point": [1, odd, 1], "name": "tumor"}]},
        markup(controlPoints=[{"position": [odd, 1, 1]}]),
        {"type": "sam_pet prompts", "prompts": [{"kind": "click", "label": "tumor", "voxels": [[1, 1, odd]]}]},
        {"type": "sam_pet prompts", "prompts": [{"kind": "paint", "label": "tumor", "runs": [[1, 1, 1, odd]]}]},
    ):
        with pytest.raises(InputError):
            parse_prompts(content, GRID)


@pytest.mark.parametrize("form", ["lists", "points"])
@pytest.mark.parametrize(
    "stored",
    [
        Grid((12, 6, 10), (4.0, 5.0, 4.0), (-20.0, -18.0, 100.0), (1, 0, 0, 0, 0, 1, 0, 1, 0)),
        Grid((6, 12, 10), (5.0, 4.0, 4.0), (-20.0, -18.0, 100.0), (0, 1, 0, 0, 0, 1, 1, 0, 0)),
    ],
    ids=["coronal", "sagittal"],
)
def test_an_axial_stroke_is_one_stroke_however_the_volume_is_stored(stored: Grid, form: str) -> None:
    axial = [(3, 2, 1), (4, 3, 1), (5, 4, 1), (5, 5, 1)]
    found = []
    for grid in (GRID, stored):
        voxels = np.rint(grid.to_voxel(GRID.to_world(axial))).astype(int).tolist()
        points = {"points": [{"point": voxel, "name": "tumor"} for voxel in voxels]}
        found.append(parse_prompts({"tumor": voxels} if form == "lists" else points, grid))
    assert [len(prompts) for prompts in found] == [1, 1]
    here, there = (grid.to_world(prompts[0].voxels) for grid, prompts in zip((GRID, stored), found, strict=True))
    assert there == pytest.approx(here)
