from __future__ import annotations

import json
import runpy
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sam_pet.detection.appearance import Appearance
from sam_pet.detection.appearance_net import AppearanceNetwork
from sam_pet.detection.coarse_batch import SIDE, Stack
from sam_pet.detection.coarse_study import Scene
from sam_pet.detection.features import NAMES
from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from sam_pet.models.checkpoint import save_model, untrained
from sam_pet.models.half import write_half
from sam_pet.models.loading import load_model
from sam_pet.models.parts import APPEARANCE, JUDGE
from sam_pet.models.record import ModelRecord
from sam_pet.models.verify import verify
from sam_pet.phantom.frame import parse_grid
from sam_pet.segmenter import Segmenter
from sam_pet.study import Study
from sam_pet.train import phantom_examples as teach
from sam_pet.train.appearance import Course, Lesson, train_appearance

FINETUNE = Path(__file__).parents[2] / "finetune"


def lesson(seed: int) -> tuple[Scene, Lesson]:
    """Twenty spots, of which those in bone are lesions; features and glances say nothing."""
    rng = np.random.default_rng(seed)
    pet, ct = np.full((60, 60, 60), 1, np.float16), np.zeros((60, 60, 60), np.int8)
    cells = rng.integers(8, 52, (20, 3))
    positive = np.arange(20) < 8
    for (z, y, x), lesion in zip(cells, positive, strict=True):
        part = slice(z - 2, z + 3), slice(y - 2, y + 3), slice(x - 2, x + 3)
        pet[part], ct[part] = 5, 60 if lesion else 0
    features = np.zeros((20, len(NAMES)), np.float32)
    features[:, NAMES.index("suv")] = np.log(5)
    features[:, NAMES.index("hu")] = np.nan
    scene = Scene(pet, ct, np.zeros(3), 2.0, "fdg")
    return scene, Lesson(cells[:, ::-1] * 4.0, features, positive, np.full(20, 0.5))


def trained(course: Course, start: AppearanceNetwork | None = None) -> AppearanceNetwork:
    scenes, lessons = zip(lesson(0), lesson(1), strict=True)
    return train_appearance(Stack.of(scenes), lessons, course, start=start)


def logits_of(network: Appearance, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Those of a study's lesions and of its others."""
    scene, unseen = lesson(seed)
    logits = network.look(scene, unseen.places, unseen.features)
    return logits[unseen.positive], logits[~unseen.positive]


@pytest.fixture(scope="module")
def network() -> AppearanceNetwork:
    return trained(Course(steps=30, batch=16))


def test_it_learns_what_the_windows_show(network: AppearanceNetwork, tmp_path: Path) -> None:
    write_half(network, tmp_path / "net.safetensors")
    lesions, others = logits_of(Appearance.read(tmp_path / "net.safetensors"), 7)
    assert (lesions[:, None] > others).mean() > 0.95


def test_it_goes_on_from_what_it_knows(network: AppearanceNetwork, tmp_path: Path) -> None:
    course = Course(steps=2, batch=16, rate=1e-4)
    margins = []
    for start in deepcopy(network), None:
        write_half(trained(course, start), tmp_path / "net.safetensors")
        lesions, others = logits_of(Appearance.read(tmp_path / "net.safetensors"), 7)
        margins.append(lesions.mean() - others.mean())
    assert margins[0] > 10 * abs(margins[1])


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    written = []
    for number, seed in enumerate((0, 0, 1)):
        path = tmp_path / f"{number}.safetensors"
        write_half(trained(Course(steps=3, batch=8, seed=seed)), path)
        written.append(path.read_bytes())
    assert written[0] == written[1] != written[2]


def test_features_left_unheard_change_nothing() -> None:
    torch.manual_seed(0)
    network = AppearanceNetwork(len(NAMES)).eval()
    torch.nn.init.normal_(network.head[-1].weight)
    windows = torch.randn(2, 2, 4, SIDE, SIDE, SIDE)
    one, other = torch.randn(2, 2, len(NAMES))
    deaf = torch.zeros(2, 1)
    assert torch.equal(network(*windows, one, deaf), network(*windows, other, deaf))
    assert not torch.equal(network(*windows, one), network(*windows, other))


@pytest.mark.parametrize("positive", [True, False])
def test_candidates_all_of_one_kind_teach_nothing(positive: bool) -> None:
    scene, one = lesson(0)
    with pytest.raises(InputError, match="lesions and others"):
        train_appearance(Stack.of([scene]), [replace(one, positive=np.full(20, positive))], Course(steps=1))


def test_a_damaged_file_says_so(network: AppearanceNetwork, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    write_half(network, path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="appearance network"):
        Appearance.read(path)


def run(script: str, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
    runpy.run_path(str(FINETUNE / script), run_name="__main__")


def test_the_scripts_store_a_network_and_a_classifier_that_belong_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def coarse(_: int) -> Grid:
        return parse_grid("80x60x110@7x7x8.5")

    monkeypatch.setattr(teach, "_grid", coarse)
    checkpoint, work = tmp_path / "checkpoint", tmp_path / "lessons"
    save_model(untrained("nano", 64), ModelRecord(name="small", trained=True), checkpoint)
    common = ("--checkpoint", checkpoint, "--work", work)
    # The scan is drawn on whatever grid is asked for, so that the whole way takes seconds.
    known = ("--train", "20001:2,20004:2:-1", "--borrowed", "20004")
    run("train_lesion_classifier.py", monkeypatch, *common, *known, "--validation", "20005:2")
    assert json.loads(capsys.readouterr().out)["studies"] >= 4
    assert {path.name for path in work.glob("*20004*")} == {
        "fdg_20004_borrowed-ct.npz",
        "fdg_20004_borrowed-ct-scene.npz",
    }
    assert not list(work.glob("*hot*"))
    made = {path: path.stat().st_mtime_ns for path in work.iterdir()}
    with pytest.raises(SystemExit):
        run("train_appearance.py", monkeypatch, *common, *known, "--steps", 2, "--go-on")
    assert "has no appearance network" in capsys.readouterr().err
    run("train_appearance.py", monkeypatch, *common, *known, "--steps", 2)
    first = (checkpoint / APPEARANCE).read_bytes()
    run("train_appearance.py", monkeypatch, *common, *known, "--steps", 2, "--go-on", "--device", "cpu")
    assert (checkpoint / APPEARANCE).read_bytes() != first
    with pytest.raises(InputError, match="not trained beside the appearance network"):
        _ = Segmenter(load_model(checkpoint), "cpu").judge
    run("train_lesion_classifier.py", monkeypatch, *common, *known, "--validation", "20005:2")
    assert {path: path.stat().st_mtime_ns for path in work.iterdir()} == made
    segmenter = Segmenter(load_model(checkpoint), "cpu")
    assert segmenter.judge is not None
    assert segmenter.judge.appearance is not None
    assert segmenter.facts["appearance"] == verify(checkpoint)[APPEARANCE] == segmenter.judge.content.appearance
    study = Study(np.zeros((8, 40, 40), np.float32), None, Grid((40, 40, 8), (4.0, 4.0, 4.0)))
    assert segmenter.open(study).first_answer() == 0
    (checkpoint / APPEARANCE).unlink()
    with pytest.raises(InputError, match=APPEARANCE):
        load_model(checkpoint)


@pytest.mark.parametrize("script", ["train_appearance.py", "train_lesion_classifier.py"])
def test_the_scripts_say_what_is_wrong_with_their_input(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(script, monkeypatch, "--checkpoint", tmp_path, "--work", tmp_path / "lessons")
    assert ended.value.code == 2
    assert "is no checkpoint" in capsys.readouterr().err
    assert not (tmp_path / JUDGE).exists()
