from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_pet.cases import Case, find_cases
from sam_pet.demo import small_phantom
from sam_pet.errors import InputError
from sam_pet.files import write_image
from sam_pet.study import Study
from sam_pet.train.case_examples import candidates_file, cubes_file, scene_file
from sam_pet.train.crops import CropFolder
from sam_pet.train.data import cases_of, example_store
from sam_pet.train.recipe import Data
from sam_pet.train.store import ExampleStore, made
from sam_pet.train.tracker import finetune
from tests.train.cases import recipe, write_cases


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cases(tmp_path_factory.mktemp("cases"))


def counted(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> list[Any]:
    calls: list[Any] = []
    kept: Callable[..., Any] = getattr(owner, name)

    def counting(*arguments: Any) -> Any:
        calls.append(arguments)
        return kept(*arguments)

    monkeypatch.setattr(owner, name, counting)
    return calls


def test_a_second_run_of_another_folder_cuts_nothing(
    cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAM_PET_HOME", str(tmp_path / "home"))
    stages = [{"steps": 1, "batch": 1, "length": 1}]
    cut = counted(monkeypatch, CropFolder, "_make")
    finetune(recipe(cases, tmp_path / "a", stages=stages), device="cpu")
    assert len(cut) == 2
    assert not list((tmp_path / "a").rglob("*.npz"))
    finetune(recipe(cases, tmp_path / "b", stages=stages), device="cpu")
    assert len(cut) == 2
    # The same files under other names are the same cases; another margin is another crop.
    moved = write_cases(tmp_path / "moved")
    (moved / "case 0").rename(moved / "another name")
    finetune(recipe(moved, tmp_path / "c", stages=stages), device="cpu")
    assert len(cut) == 2
    finetune(recipe(cases, tmp_path / "d", stages=stages, samples={"margin_mm": 40.0}), device="cpu")
    assert len(cut) == 4


def test_a_recipe_may_have_a_store_of_its_own(cases: Path, tmp_path: Path) -> None:
    assert example_store(recipe(cases, tmp_path, store=tmp_path / "store")).folder == tmp_path / "store"


def test_examples_of_a_case_are_made_once(cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ExampleStore(tmp_path / "store")
    tasks = (partial(cubes_file, store, 0), partial(candidates_file, store), partial(scene_file, store))
    found = find_cases(cases)
    first = [made(found, task, 0, "examples") for task in tasks]
    read = counted(monkeypatch, Case, "study")
    assert [made(found, task, 0, "examples") for task in tasks] == first
    assert read == []
    first[0][0].unlink()
    assert made(found, tasks[0], 0, "examples") == first[0]
    assert len(read) == 1


def test_processes_cut_what_one_does(cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_cases(cases)
    alone = CropFolder(ExampleStore(tmp_path / "alone")).prepare(found)
    # Whatever this process would read is not read.
    read = counted(monkeypatch, Study, "__init__")
    shared = CropFolder(ExampleStore(tmp_path / "shared")).prepare(found, workers=2)
    assert read == []
    assert [path.name for path in shared] == [path.name for path in alone]
    assert [path.read_bytes() for path in shared] == [path.read_bytes() for path in alone]


def test_a_faulty_case_ends_the_processes_with_its_error(tmp_path: Path) -> None:
    found = find_cases(write_cases(tmp_path / "cases", 3))
    found[1].pet.write_bytes(b"none")
    with pytest.raises(InputError, match="SUV"):
        CropFolder(ExampleStore(tmp_path / "store")).prepare(found, workers=2)


def test_phantoms_are_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ExampleStore(tmp_path)
    data = Data(phantoms="3", grid="24x24x24@16x16x40")

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("sam_pet.phantom.write.write_image", fail)
        with pytest.raises(KeyboardInterrupt):
            cases_of(data, store)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    (case,) = cases_of(data, store)
    written = case.truth.stat().st_mtime_ns
    assert cases_of(data, store) == [case]
    assert case.truth.stat().st_mtime_ns == written


def test_phantoms_are_painted_on_organ_maps_and_made_anew_where_these_change(tmp_path: Path) -> None:
    phantom = small_phantom()
    organs = np.where(phantom.organs <= 10, phantom.organs, 0).astype(np.uint8)
    for name in ("fdg_a", "psma_b"):
        write_image(phantom.study.grid.image(organs), tmp_path / "maps" / "organs" / f"{name}.nii.gz")
    store = ExampleStore(tmp_path / "store")
    data = Data(phantoms="4:3", variant="wide", maps=tmp_path / "maps")
    cases = cases_of(data, store)
    assert [case.tracer for case in cases] == ["fdg", "psma", "fdg"]
    assert sorted(json.loads((case.pet.parent / "phantom.json").read_text())["patient"] for case in cases) == [
        *("fdg_a", "fdg_a", "psma_b")
    ]
    moved = data.model_copy(update={"maps": (tmp_path / "maps").rename(tmp_path / "elsewhere")})
    assert cases_of(moved, store) == cases
    organs[organs == 4] = 0
    write_image(phantom.study.grid.image(organs), tmp_path / "elsewhere" / "organs" / "psma_b.nii.gz")
    changed = cases_of(moved, store)
    assert changed[0].pet.parent.parent != cases[0].pet.parent.parent


def _nothing_of_odd(number: int) -> int | None:
    return None if number % 2 else number


def test_of_some_items_nothing_is_made_by_processes_too() -> None:
    assert made(range(4), _nothing_of_odd, 2, "numbers") == [0, None, 2, None]
