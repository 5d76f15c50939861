from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_pet.challenge.points import read_points
from sam_pet.geometry import Grid

GRID = Grid((10, 8, 6))


def read(tmp_path: Path, content: Any) -> tuple[list[list[int]], list[list[int]], bool]:
    path = tmp_path / "p.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    points = read_points(path, GRID)
    return points.tumor.tolist(), points.background.tolist(), points.readable


def entry(point: Any, name: Any = "tumor") -> dict[str, Any]:
    return {"point": point, "name": name}


def test_points_are_sorted_by_name_and_counted_once(tmp_path: Path) -> None:
    points = [entry([1, 2, 3]), entry([4, 5, 0], "background"), entry([1, 2, 3]), entry([0, 0, 0])]
    assert read(tmp_path, {"points": points}) == ([[1, 2, 3], [0, 0, 0]], [[4, 5, 0]], True)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"points": []}', '{"tumor": [], "background": []}', "null"])
def test_nothing_drawn_is_nothing_drawn(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content) == ([], [], True)


def test_an_absent_file_is_nothing_drawn(tmp_path: Path) -> None:
    points = read_points(tmp_path / "none.json", GRID)
    assert len(points) == 0
    assert points.readable


@pytest.mark.parametrize(
    "content", ['{"points": [{"point": [1, 2', '{"clicks": []}', '"points"', "\x00\x01", "[" * 5000]
)
def test_a_file_that_is_not_understood_is_told_from_an_empty_one(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content) == ([], [], False)


def test_floats_are_rounded(tmp_path: Path) -> None:
    assert read(tmp_path, {"points": [entry([1.9, 2.2, 3.0])]})[0] == [[2, 2, 3]]


def test_what_is_no_voxel_is_dropped_and_the_rest_kept(tmp_path: Path) -> None:
    unusable = (
        [10, 0, 0],
        [-1, 0, 0],
        [1, 2],
        "abc",
        None,
        [1, 2, "3"],
        [True, 0, 0],
        [1e300, 0, 0],
        [float("nan"), 0, 0],
    )
    points = [
        *(entry(point) for point in unusable),
        entry([9, 7, 5]),
        entry([1, 1, 1], "lesion"),
        "tumor",
        entry([0, 0, 0], 3),
    ]
    assert read(tmp_path, {"points": points}) == ([[9, 7, 5]], [], True)


def test_lists_by_label_are_understood(tmp_path: Path) -> None:
    assert read(tmp_path, {"tumor": [[1, 2, 3]], "background": [[3, 2, 1]]}) == ([[1, 2, 3]], [[3, 2, 1]], True)


def test_an_imposed_mask_holds_what_was_drawn_and_leaves_the_given_one(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"tumor": [[1, 2, 3]], "background": [[9, 7, 5]]}))
    before = np.zeros(GRID.shape, np.uint8)
    before[5, 7, 9] = before[0, 0, 0] = 1
    after = read_points(path, GRID).imposed(before)
    assert np.argwhere(after).tolist() == [[0, 0, 0], [3, 2, 1]]
    assert before[5, 7, 9] == 1
