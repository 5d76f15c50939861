"""The numbers that decide travel with a checkpoint, and a model is used by its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from peft import LoraConfig, get_peft_model

from sam_pet.cli.app import main
from sam_pet.errors import InputError
from sam_pet.models import LoadedModel, ModelManifest, load_model, merge_adapter, save_adapter, save_model
from sam_pet.models.loading import convert_model
from sam_pet.segmenter import Segmenter
from sam_pet.session.session import Session
from sam_pet.settings import DEFAULTS, InferenceSettings, LesionSettings, StrokeSettings
from tests.fakes import random_segmenter, two_lesion_study

OTHER = InferenceSettings(lesions=LesionSettings(neighbourhood_mm=0.0), strokes=StrokeSettings(reach_mm=10.0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(load_model("nano-untrained").model, ModelManifest(name="mine", settings=OTHER), tmp_path / "mine")
    return tmp_path / "mine"


def changed(folder: Path, **settings: Any) -> None:
    path = folder / "sam_pet.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["settings"] = settings
    path.write_text(json.dumps(record), encoding="utf-8")


def verified(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["models", "verify", *map(str, arguments)])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def adapter(base: LoadedModel, folder: Path, record: ModelManifest) -> Path:
    model = get_peft_model(base.model, LoraConfig(r=2, target_modules=["q_proj"]))
    save_adapter(model, base, record, folder)
    return folder


def test_they_are_read_as_they_were_written_and_tell_its_results_apart(folder: Path) -> None:
    loaded = load_model(folder)
    assert loaded.record.settings == OTHER
    assert loaded.facts["settings"] == "strokes.reach_mm=10.0, lesions.neighbourhood_mm=0.0"
    assert "settings" not in load_model("nano-untrained").facts


def test_a_checkpoint_without_them_gets_the_defaults(folder: Path) -> None:
    path = folder / "sam_pet.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    del record["settings"]
    path.write_text(json.dumps(record), encoding="utf-8")
    assert load_model(folder).record.settings == DEFAULTS
    changed(folder, strokes={"reach_mm": 12})
    assert load_model(folder).record.settings.changes == {"strokes.reach_mm": 12.0}


def test_they_go_along_when_a_model_is_converted(folder: Path, tmp_path: Path) -> None:
    convert_model(folder, tmp_path / "again")
    assert load_model(tmp_path / "again").record.settings == OTHER
    changed(folder)
    with pytest.raises(InputError, match="holds another checkpoint"):
        convert_model(folder, tmp_path / "again")


def test_an_adapter_goes_by_its_own_else_by_those_of_its_base(folder: Path, tmp_path: Path) -> None:
    base = load_model(folder)
    silent = adapter(base, tmp_path / "silent", ModelManifest(name="silent", trained=True))
    own = ModelManifest(name="own", trained=True, settings=DEFAULTS)
    merge_adapter(adapter(load_model(folder), tmp_path / "own", own), tmp_path / "merged")
    assert load_model(silent).record.settings == OTHER
    assert load_model(tmp_path / "merged").record.settings == DEFAULTS


def test_the_card_and_verify_show_those_that_differ(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "| `strokes.reach_mm` | 10 | 8 | how far a stroke reaches at least |" in (folder / "README.md").read_text()
    save_model(load_model("nano-untrained").model, ModelManifest(name="plain"), tmp_path / "plain")
    assert "Numbers that decide" not in (tmp_path / "plain" / "README.md").read_text()
    assert "strokes.reach_mm is 10, not the default" in verified(capsys, folder)[1]
    assert json.loads(verified(capsys, folder, "--json")[1])["settings"] == {str(folder): OTHER.changes}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"strokes": {"reach_mm": -1}}, "settings.strokes.reach_mm"),
        ({"strokes": {"reach": 1}}, "settings.strokes.reach"),
        ({"stroke": {}}, "settings.stroke"),
        ({"tracking": {"points_per_slice": 10**9}}, "settings.tracking.points_per_slice"),
    ],
)
def test_a_number_that_is_none_of_them_is_one_line(
    settings: dict[str, Any], named: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(folder, **settings)
    code, _, told = verified(capsys, folder)
    assert code == 2
    (line,) = told.strip().splitlines()
    assert named in line
    assert "sam_pet.json" in line


def opened(settings: InferenceSettings) -> Session:
    segmenter = random_segmenter()
    record = segmenter.record.model_copy(update={"settings": settings})
    loaded = LoadedModel(segmenter.core.model, record, segmenter.sha256, segmenter.source)
    return Segmenter(loaded, "cpu").open(two_lesion_study())


def test_a_session_goes_by_those_of_its_model(tmp_path: Path) -> None:
    beside = []
    for settings in (DEFAULTS, OTHER):
        session = opened(settings)
        session.add_click((20, 24, 10))
        free = np.argwhere(~(session.array > 0) & _near(session.array > 0))[0]
        session.add_click(free[::-1].tolist())
        beside.append(len(session.lesions))
    assert beside == [1, 2]
    session.save(tmp_path / "saved")
    with pytest.raises(InputError, match="saved with another model"):
        Session.replay(tmp_path / "saved", session.study, opened(DEFAULTS).segmenter)
    again = Session.replay(tmp_path / "saved", session.study, session.segmenter)
    assert np.array_equal(again.array, session.array)


def _near(mask: np.ndarray) -> np.ndarray:
    """What has the mask at one of its sides along x."""
    near = np.zeros_like(mask)
    near[:, :, 1:] |= mask[:, :, :-1]
    return near
