"""The whole course, on a folder as autoPET has it: names with double spaces, two studies of a patient, splits."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from sam_pet.cases import Case, find_cases
from sam_pet.errors import InputError
from sam_pet.models import ModelManifest, load_model, save_model
from sam_pet.models.checkpoint import untrained
from sam_pet.models.parts import PARTS
from sam_pet.phantom import make_phantom, write_nnunet
from sam_pet.phantom.frame import parse_grid
from sam_pet.segmenter import Segmenter
from sam_pet.session.session import Session
from sam_pet.train.course import _Course, train
from sam_pet.train.data import split
from sam_pet.train.recipe import read_recipe
from sam_pet.train.store import ExampleStore

TINY = Path(__file__).parents[2] / "finetune" / "tiny.yaml"
GRID = "80x60x110@7x7x8.5"
STAGES = ("tracker", "contour", "appearance", "classifier", "ranker")


def name(seed: int) -> str:
    """A name as autoPET has them; seeds 21000 and 21001 are of one patient."""
    patient = "a1" if seed < 21002 else f"b{seed}"
    return f"{'psma' if seed % 2 else 'fdg'}_{patient}_{seed}-NA-PET  Ganz  mit KM"


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("autopet")
    for seed in range(21000, 21008):
        free = False if seed in (21001, 21002, 21005, 21006) else None
        phantom = make_phantom(seed, "psma" if seed % 2 else "fdg", parse_grid(GRID), lesion_free=free)
        write_nnunet(phantom, name(seed), folder, instances=False)
    names = [name(seed) for seed in range(21000, 21008)]
    (folder / "splits_final.json").write_text(json.dumps([{"train": names[:7], "val": names[7:]}]))
    return folder


def changes(cases: Path, out: Path, store: Path) -> list[str]:
    data = json.dumps([{"folder": str(cases), "splits": str(cases / "splits_final.json")}])
    return [f"out={out}", f"store={store}", f"train={data}", "folds=3"]


@pytest.fixture(scope="module")
def done(cases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run to its end."""
    folder = tmp_path_factory.mktemp("run")
    train(read_recipe(TINY, changes(cases, folder / "out", folder / "store")), device="cpu")
    return folder


def weights(checkpoint: Path) -> dict[str, bytes]:
    return {file: (checkpoint / file).read_bytes() for file in ("model.safetensors", "sam_pet.json", *PARTS.values())}


def stamps(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_course_leaves_a_complete_checkpoint_that_answers(done: Path, cases: Path, tmp_path: Path) -> None:
    checkpoint = done / "out" / "checkpoint"
    loaded = load_model(checkpoint)
    assert set(loaded.parts) == set(PARTS)
    assert loaded.record.stale == {}
    study = find_cases(cases)[0].study()
    session = Segmenter(loaded, "cpu").open(study)
    session.first_answer()
    session.add_click((40, 30, 55))
    session.save(tmp_path)
    assert np.array_equal(Session.replay(tmp_path, study, Segmenter(loaded, "cpu")).array, session.array)
    card = (checkpoint / "README.md").read_text()
    for stage in STAGES:
        assert f"| {stage} |" in card
    assert "patients; " in card


def test_a_second_start_does_nothing(done: Path, cases: Path) -> None:
    out, store = done / "out", done / "store"
    before = weights(out / "checkpoint"), stamps(store), {s: stamps(out / s) for s in STAGES}
    train(read_recipe(TINY, changes(cases, out, store)), device="cpu")
    assert (weights(out / "checkpoint"), stamps(store), {s: stamps(out / s) for s in STAGES}) == before


def test_killed_in_every_stage_it_ends_with_the_same_bytes(done: Path, cases: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng()
    arguments = [
        sys.executable,
        "-c",
        "from sam_pet.cli.app import main; main()",
        "train",
        str(TINY),
        "--device",
        "cpu",
    ]
    arguments += changes(cases, tmp_path / "out", done / "store")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = []
    for stage in STAGES:
        process = subprocess.Popen(arguments, env=environment, stderr=subprocess.DEVNULL)
        folder = tmp_path / "out" / stage
        while process.poll() is None and not (folder / "key.json").is_file():
            time.sleep(0.01)
        time.sleep(float(rng.uniform(0, 1.0)))
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed.append(not (folder / "done.json").is_file())
    assert any(killed)
    subprocess.run(arguments, env=environment, check=True, capture_output=True)
    assert weights(tmp_path / "out" / "checkpoint") == weights(done / "out" / "checkpoint")


def test_a_changed_case_makes_its_examples_anew_and_no_others(done: Path, cases: Path, tmp_path: Path) -> None:
    other = tmp_path / "cases"
    shutil.copytree(cases, other)
    changed = find_cases(other)[4]
    image = sitk.ReadImage(str(changed.pet))
    sitk.WriteImage(image * 1.01, str(changed.pet))
    store = tmp_path / "store"
    shutil.copytree(done / "store", store)
    kinds = ("cubes", "candidates")
    before = {kind: set((store / kind).rglob("*.npz")) for kind in kinds}
    train(read_recipe(TINY, [*changes(other, tmp_path / "out", store), "ranker=null"]), device="cpu")
    assert {kind: len(set((store / kind).rglob("*.npz")) - before[kind]) for kind in kinds} == dict.fromkeys(kinds, 1)


def test_only_what_depends_on_a_changed_setting_is_run_again(done: Path, cases: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(done / "out", out)
    before = {stage: stamps(out / stage) for stage in STAGES}
    again = [*changes(cases, out, done / "store"), "contour.steps=3"]
    train(read_recipe(TINY, again), device="cpu")
    after = {stage: stamps(out / stage) for stage in STAGES}
    assert {stage for stage in STAGES if after[stage] != before[stage]} == {"contour", "ranker"}
    train(read_recipe(TINY, again), device="cpu", start="appearance")
    assert {s for s in STAGES if stamps(out / s) != after[s]} == {"appearance", "classifier", "ranker"}


def test_numbers_of_a_recipe_travel_with_the_model_and_what_was_made_by_others_is_made_anew(
    done: Path, cases: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(done / "out", out)
    before = {stage: stamps(out / stage) for stage in STAGES}
    asked = changes(cases, out, done / "store")
    train(read_recipe(TINY, [*asked, "settings.strokes.reach_mm=10"]), device="cpu")
    assert load_model(out / "checkpoint").record.settings.changes == {"strokes.reach_mm": 10.0}
    assert {s for s in STAGES if stamps(out / s) != before[s]} == {"ranker"}
    # What needs no stage is told, too.
    train(read_recipe(TINY, [*asked, "ranker=null", "settings.lesions.mirror_mm=40"]), device="cpu")
    train(read_recipe(TINY, [*asked, "ranker=null", "settings.lesions.mirror_mm=50"]), device="cpu")
    assert load_model(out / "checkpoint").record.settings.changes == {"lesions.mirror_mm": 50.0}


def test_first_trees_stay_the_bases_and_what_weighs_them_is_learned_anew(
    done: Path, cases: Path, tmp_path: Path
) -> None:
    base = done / "out" / "checkpoint"
    own = ["stages=[]", "contour=null", "ranker=null", "appearance=null"]
    asked = [*changes(cases, tmp_path / "out", done / "store"), f"base={base}", *own, "classifier.start=base"]
    made = Segmenter(load_model(train(read_recipe(TINY, asked), device="cpu"))).lesion_classifier
    was = Segmenter(load_model(base)).lesion_classifier
    assert made is not None
    assert was is not None
    assert (made.content.glance, made.content.extent) == (was.content.glance, was.content.extent)
    assert made.content.context != was.content.context
    # All seven cases: no network learns from any of them.
    assert made.content.training["validation"] == 7
    assert made.content.appearance == was.content.appearance
    rows = load_model(tmp_path / "out" / "checkpoint").record.training["stages"]
    before = load_model(base).record.training["stages"]
    # The card still says how the base's other parts were made.
    assert [row["stage"] for row in rows] == [row["stage"] for row in before]
    assert [row["stage"] for row, old in zip(rows, before, strict=True) if row != old] == ["tracker", "classifier"]


def test_a_network_goes_on_from_the_bases(done: Path, cases: Path, tmp_path: Path) -> None:
    base = load_model(done / "out" / "checkpoint").contour
    own = ["stages=[]", "ranker=null", "appearance=null", "classifier=null"]
    # Of another seed than the base, so that a new network would begin elsewhere.
    asked = [*changes(cases, tmp_path / "out", done / "store"), f"base={done / 'out' / 'checkpoint'}", "seed=5", *own]
    stage = "contour={start: base, steps: 1, batch: 1, rate: 1.0e-6}"
    made = load_model(train(read_recipe(TINY, [*asked, stage]), device="cpu")).contour
    assert base is not None
    assert made is not None
    for one, other in zip(made.network.parameters(), base.network.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-3)


def test_without_a_classifier_there_are_no_first_trees_to_keep(cases: Path, tmp_path: Path) -> None:
    save_model(untrained("nano", 64), ModelManifest(name="bare", trained=True), tmp_path / "bare")
    own = ["stages=[]", "contour=null", "ranker=null", "appearance=null"]
    base = [f"base={tmp_path / 'bare'}", "frames=null", "clip=null", "image_size=null"]
    asked = [*changes(cases, tmp_path / "out", tmp_path / "store"), *base, *own, "classifier.start=base"]
    with pytest.raises(InputError, match="the base has no lesion classifier"):
        train(read_recipe(TINY, asked), device="cpu")


def test_a_changed_tracker_names_the_parts_that_were_fitted_to_another(
    done: Path, cases: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = [f"base={done / 'out' / 'checkpoint'}", f"out={tmp_path / 'out'}", f"store={done / 'store'}"]
    recipe += [f"train={json.dumps([{'folder': str(cases)}])}", "stages=[{steps: 1, batch: 1, length: 1}]"]
    recipe += [f"{part}=null" for part in ("contour", "appearance", "classifier", "ranker")]
    loaded = load_model(train(read_recipe(TINY, recipe), device="cpu"))
    assert loaded.record.stale == {"ranker": ["tracker"]}
    Segmenter(loaded, "cpu").warn_of_weights()
    assert "the outline ranker of 'tiny' was fitted to another tracker" in caplog.text


def test_studies_of_a_patient_are_on_one_side(cases: Path) -> None:
    seen, held = split([(find_cases(cases), 1.0)], 3)
    sides = [{case.patient for members, _ in side for case in members} for side in (seen, held)]
    assert not sides[0] & sides[1]
    assert len(sides[0] | sides[1]) == 7


def test_a_patient_in_two_groups_is_on_one_side() -> None:
    case = [Case(f"fdg_{n}_x", None, Path("p"), Path("t")) for n in range(4)]
    seen, held = split([(case, 1.0), (case[::-1], 2.0)], 2)
    assert {c.patient for members, _ in held for c in members} == {"1", "3"}
    assert [weight for _, weight in seen] == [1.0, 2.0]


def test_networks_never_see_what_a_recipe_holds_from_them(cases: Path, tmp_path: Path) -> None:
    names = sorted(case.name for case in find_cases(cases))
    held = {"folder": str(cases), "cases": names[:2], "held": True}
    data = [{"folder": str(cases), "cases": names[2:5], "weight": 2.0}, held]
    recipe = read_recipe(TINY, [f"train={json.dumps(data)}", f"out={tmp_path / 'out'}", f"store={tmp_path / 'store'}"])
    course = _Course(recipe, "cpu")
    found = [[([case.name for case in group], weight) for group, weight in side] for side in (course.seen, course.held)]
    assert found == [[(names[2:5], 2.0)], [(names[:2], 1.0)]]


def test_an_unknown_stage_says_which_there_are(done: Path, cases: Path) -> None:
    recipe = read_recipe(TINY, changes(cases, done / "out", done / "store"))
    with pytest.raises(InputError, match="there is no stage 'judge' in this recipe; it has tracker, contour"):
        train(recipe, device="cpu", only="judge")


def test_too_few_patients_say_so(cases: Path, tmp_path: Path) -> None:
    data = json.dumps([{"folder": str(cases), "cases": [name(21001)]}])
    recipe = read_recipe(TINY, [f"out={tmp_path}", f"train={data}"])
    with pytest.raises(InputError, match="too few patients"):
        train(recipe, device="cpu")


def test_what_is_made_is_kept_by_content_and_not_by_name(tmp_path: Path) -> None:
    store = ExampleStore(tmp_path / "store")
    files = [tmp_path / "a.bin", tmp_path / "b.bin", tmp_path / "c.bin"]
    for path, content in zip(files, (b"1", b"1", b"2"), strict=True):
        path.write_bytes(content)
    marks = [store.fingerprint(Case("case", None, path, path)) for path in files]
    assert marks[0] == marks[1] != marks[2]
    made: list[int] = []

    def make(path: Path) -> None:
        made.append(1)
        path.write_bytes(b"example")

    assert store.get("kind", [1], make) == store.get("kind", [1], make) != store.get("kind", [2], make)
    assert len(made) == 2


def test_killed_while_it_is_made_an_example_leaves_nothing(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    store = ExampleStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        store.get("kind", [], fail)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
