from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_pet.detection.features import NAMES
from sam_pet.geometry import Grid
from sam_pet.phantom.frame import parse_grid
from sam_pet.train import phantom_examples as teach
from sam_pet.train.phantom_examples import Lessons, seeds


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    def grid(_: int) -> Grid:
        return parse_grid("80x60x110@7x7x8.5")

    monkeypatch.setattr(teach, "_grid", grid)


def test_seeds_are_listed_counted_and_stepped() -> None:
    assert seeds("7") == [7]
    assert seeds("7:3,20:2:5") == [7, 8, 9, 20, 25]


def test_some_studies_are_also_learnt_from_without_ct(tmp_path: Path) -> None:
    with_ct, odd = Lessons(tmp_path).samples(20010)
    assert np.isfinite(with_ct.features[:, NAMES.index("hu")]).all()
    assert np.isnan(odd.features[:, NAMES.index("hu")]).all()
    assert len(Lessons(tmp_path).scenes(20010)) == 2


def test_what_is_kept_is_not_made_again(tmp_path: Path) -> None:
    lessons = Lessons(tmp_path)
    first = lessons.samples(20010)
    kept = sorted(tmp_path.iterdir())
    times = [path.stat().st_mtime_ns for path in kept]
    for path in kept[:2]:
        path.unlink()
    again = lessons.samples(20010)
    assert [one.features.tobytes() for one in again] == [one.features.tobytes() for one in first]
    assert sum(path.stat().st_mtime_ns != time for path, time in zip(kept, times, strict=True)) == 2
