"""Kinds of prompts that other programs write."""

from __future__ import annotations

from typing import Any

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


@pytest.mark.parametrize("odd", [True, "1", None, 10**400])
def test_what_is_no_number_is_no_coordinate(odd: Any) -> None:
    for content in (
        {"tumor": [[odd, 1, 1]]},
        {"points": [{"point": [1, odd, 1], "name": "tumor"}]},
        markup(controlPoints=[{"position": [odd, 1, 1]}]),
        {"type": "sam_pet prompts", "prompts": [{"kind": "click", "label": "tumor", "voxels": [[1, 1, odd]]}]},
    ):
        with pytest.raises(InputError):
            parse_prompts(content, GRID)
