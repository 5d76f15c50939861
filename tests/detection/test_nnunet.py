"""An nnU-Net v2 folder, trained here by its own trainer, as the first answer of CLI, session and container."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from sam_pet.challenge.weights import EMBEDDED, Weights, find_weights
from sam_pet.cli.app import main
from sam_pet.detection.nnunet import NnUnet, _lesion_rows, open_detector
from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from sam_pet.models.registry import checkpoints_folder
from sam_pet.segmenter import Segmenter
from sam_pet.session.session import Session
from sam_pet.study import Study
from tests.challenge.conftest import ENTRY, Step
from tests.detection.nnunet_folder import balls, train_folder, write_case

# Odd on purpose: another grid than that of training, stored with y going up.
GRID = Grid((30, 28, 24), (5.5, 5.5, 4.0), (-100.0, 90.0, -50.0), (1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
SEED = 7


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_folder(tmp_path_factory.mktemp("nnunet"))


@pytest.fixture(scope="module")
def case() -> tuple[Study, np.ndarray]:
    return balls(SEED, GRID)


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.from_pretrained("default", "cpu")


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "net"))


def dice(mask: np.ndarray, truth: np.ndarray) -> float:
    return float(2 * (mask & (truth > 0)).sum() / ((mask > 0).sum() + truth.sum()))


def changed(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_the_probability_is_that_of_nnunets_own_prediction(
    folder: Path, case: tuple[Study, np.ndarray], tmp_path: Path
) -> None:
    from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    study, truth = case
    image, properties = SimpleITKIO().read_images(write_case(study, tmp_path, "case"))
    with redirect_stdout(io.StringIO()):
        stock = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False, allow_tqdm=False)
        stock.initialize_from_trained_model_folder(str(folder), (0,))
        _, expected = stock.predict_single_npy_array(image, properties, None, None, True)
    found = NnUnet.open(folder, ("0",)).probability(study)
    np.testing.assert_allclose(found, expected[1], atol=1e-4)
    assert dice(found >= 0.5, truth) > 0.7


def test_what_it_finds_is_corrected_by_strokes_saved_and_replayed_without_it(
    folder: Path, case: tuple[Study, np.ndarray], segmenter: Segmenter, tmp_path: Path
) -> None:
    study, truth = case
    session = segmenter.open(study)
    count = session.first_answer(detector=open_detector(folder))
    assert count == len(session.evidence) > 0
    told = [entry["probability"] for entry in session.evidence.values()]
    assert told == sorted(told, reverse=True)
    assert 0.5 <= told[-1] <= told[0] <= 1
    first, first_labels = session.array, session.labels
    assert dice(first, truth) > 0.7
    missed = np.argwhere((first == 0) & (truth == 0))[0][::-1].tolist()
    session.add_click(missed)
    z, y, x = np.argwhere(first_labels == 1).mean(axis=0).round().astype(int)
    session.add_scribble([(x, y, z), (x + 1, y, z)], "background")
    corrected = session.array
    assert corrected[tuple(missed[::-1])] == 1
    assert corrected[z, y, x] == corrected[z, y, x + 1] == 0
    session.save(tmp_path / "session")
    again = Session.replay(tmp_path / "session", study, segmenter)
    np.testing.assert_array_equal(again.labels, session.labels)
    assert again.state.detector == session.state.detector
    assert again.evidence[1]["probability"] == pytest.approx(told[0], abs=1e-5)
    for _ in range(2):
        session.undo()
    np.testing.assert_array_equal(session.array, first)


def test_the_command_line_starts_from_it(
    folder: Path, case: tuple[Study, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, truth = case
    ct, pet = write_case(study, tmp_path, "case")
    z, y, x = np.argwhere(truth == 0)[-1]
    (tmp_path / "p.json").write_text(json.dumps({"tumor": [[int(x), int(y), int(z)]], "background": []}))
    command = ["segment", "--ct", ct, "--pet", pet, "--detector", str(folder), "--folds", "0", "--json"]
    results, masks = [], []
    for name, more in (("first", []), ("corrected", ["--prompts", str(tmp_path / "p.json")])):
        out = tmp_path / f"{name}.nii.gz"
        with pytest.raises(SystemExit) as ended:
            main([*command, *more, "--out", str(out), "--device", "cpu"])
        assert ended.value.code in (0, None)
        printed = capsys.readouterr().out
        assert printed.count("\n") == 1
        results.append(json.loads(printed))
        masks.append(sitk.GetArrayFromImage(sitk.ReadImage(str(out))))
    assert results[0]["detector"]["sha256"] == NnUnet.open(folder).facts["sha256"]
    assert dice(masks[0], truth) > 0.7
    assert masks[0][z, y, x] == 0
    assert masks[1][z, y, x] == 1
    assert (masks[1] & masks[0]).sum() == masks[0].sum()


@pytest.fixture
def step(
    tmp_path: Path, case: tuple[Study, np.ndarray], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Step:
    made, study = Step(tmp_path, monkeypatch, capfd), case[0]
    assert study.ct is not None
    made.write(made.ct, study.ct.astype(np.int16), GRID)
    made.write(made.pet, study.pet, GRID)
    for folder in ("output", "cache"):
        (tmp_path / folder).mkdir()
    made.draw([])
    return made


def ran(step: Step) -> tuple[dict[str, Any], str]:
    """What the entry point reports in a process of its own, and its log: nnU-Net's threads do not survive a fork."""
    variables = {"SAM_PET_ROOT": str(step.root), "OMP_NUM_THREADS": "1", "PATH": ""}
    done = subprocess.run([sys.executable, ENTRY], env=variables, capture_output=True, text=True, check=True)
    return json.loads(done.stdout), done.stderr


def test_the_container_takes_one_beside_the_trackers_weights(
    folder: Path, case: tuple[Study, np.ndarray], step: Step
) -> None:
    shutil.copytree(folder, step.root / "opt/ml/model/Dataset001_Balls" / folder.name)
    shutil.copytree(checkpoints_folder() / "default", step.root / "opt/ml/model/tracker")
    report, log = ran(step)
    assert not report["fallback"], log
    first = step.mask(GRID)
    assert dice(first, case[1]) > 0.7
    z, y, x = np.argwhere(case[1] == 0)[-1].tolist()
    step.draw([("tumor", [x, y, z])])
    report, log = ran(step)
    assert not report["fallback"], log
    assert "first answer: kept from an earlier step" in log
    corrected = step.mask(GRID)
    assert corrected[z, y, x] == 1
    assert (first & ~corrected & 1).sum() == 0


def test_the_container_answers_itself_where_the_detector_fails(copied: Path, step: Step) -> None:
    changed(copied / "dataset.json", lambda d: d["channel_names"].update({"2": "T1", "3": "T2"}))
    shutil.copytree(copied, step.root / "opt/ml/model")
    report, log = ran(step)
    assert report["fallback"]
    assert "a network of 4 channels" in log
    step.mask(GRID)


def test_its_checkpoints_are_not_taken_for_a_trackers(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "up")
    (found,) = find_weights(tmp_path / "up")
    assert found == Weights(EMBEDDED.source, detector=tmp_path / "up")
    assert found.identity != EMBEDDED.identity


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (("CT", "PET"), ("ct", "pet")),
        (("CT", "CT"), ("ct", "pet")),
        (("SUV", "CT"), ("pet", "ct")),
        (("noNorm", "CT"), ("pet", "ct")),
        (("zscore", "zscore"), ("ct", "pet")),
    ],
)
def test_channels_are_told_by_their_names(copied: Path, names: tuple[str, str], order: tuple[str, str]) -> None:
    changed(copied / "dataset.json", lambda d: d.update(channel_names=dict(zip("01", names, strict=True))))
    assert NnUnet.open(copied).channels == order


def test_a_trainer_and_a_head_that_are_not_known_do_not_matter(
    folder: Path, copied: Path, case: tuple[Study, np.ndarray]
) -> None:
    path = copied / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=False)
    content["trainer_name"] = "a_trainer_of_their_own"
    content["network_weights"]["decoder.organ_seg_layers.0.weight"] = torch.zeros(11, 16, 1, 1, 1)
    torch.save(content, path)
    one, two = (NnUnet.open(place).probability(case[0]) for place in (folder, copied))
    np.testing.assert_array_equal(one, two)


def test_of_several_labels_the_lesions_count(copied: Path) -> None:
    changed(copied / "dataset.json", lambda d: d.update(labels={"background": 0, "organ": 1}))
    assert NnUnet.open(copied).rows == (1,)
    heads = {"liver": 1, "tumour": 2, "Metastasis": 3}
    assert _lesion_rows({}, heads, copied) == (2, 3)
    with pytest.raises(InputError, match="is a lesion"):
        _lesion_rows({"labels": {"liver": 1, "spleen": 2}}, {"liver": 1, "spleen": 2}, copied)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda f: shutil.rmtree(f / "fold_0"), "has no fold with a checkpoint_final.pth"),
        (lambda f: (f / "plans.json").unlink(), "has no plans.json"),
        (lambda f: (f / "plans.json").write_text("{"), "is not JSON"),
        (lambda f: (f / "plans.json").write_text('{"plans": []}'), "or of another program"),
        (
            lambda f: changed(
                f / "plans.json",
                lambda p: p["configurations"]["3d_fullres"]["architecture"].update(network_class_name="os.system"),
            ),
            "names os.system",
        ),
        (
            lambda f: changed(
                f / "plans.json",
                lambda p: p["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"].update(
                    features_per_stage=[4, 8, 8]
                ),
            ),
            "is not of these weights",
        ),
        (
            lambda f: changed(f / "dataset.json", lambda d: d["channel_names"].update({"2": "fg", "3": "bg"})),
            "is a network of 4 channels",
        ),
        (
            lambda f: changed(f / "dataset.json", lambda d: d.update(channel_names={"0": "T1", "1": "CT", "2": "PET"})),
            "is a network of 3 channels",
        ),
        (lambda f: (f / "fold_0" / "checkpoint_final.pth").write_bytes(b"x"), "is no checkpoint of nnU-Net v2"),
    ],
)
def test_what_is_wrong_with_a_folder_is_one_line(copied: Path, fault: Callable[[Path], None], words: str) -> None:
    fault(copied)
    with pytest.raises(InputError, match=words) as error:
        NnUnet.open(copied)
    assert str(copied) in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600


def test_code_in_a_checkpoint_is_not_run(copied: Path, tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.write_text, (tmp_path / "harm", "done"))

    path = copied / "fold_0" / "checkpoint_final.pth"
    torch.save({**torch.load(path, weights_only=False), "more": Harm()}, path)
    (tmp_path / "harm").unlink(missing_ok=True)
    with pytest.raises(InputError, match="holds more than weights"):
        NnUnet.open(copied)
    assert not (tmp_path / "harm").exists()


def test_a_missing_fold_and_a_missing_ct_end_the_command_in_one_line(
    folder: Path, case: tuple[Study, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, pet = write_case(case[0], tmp_path, "case")
    out = tmp_path / "m.nii.gz"
    for more, words in (
        (["--folds", "3"], "has no fold 3 with a checkpoint_final.pth (folds that are there: 0)"),
        ([], "needs a CT beside the PET; give --ct"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["segment", "--pet", pet, "--detector", str(folder), *more, "--out", str(out), "--device", "cpu"])
        assert ended.value.code == 2
        printed = capsys.readouterr().err.strip()
        assert words in printed
        assert printed.count("\n") == 0
    assert not out.exists()


def test_without_nnunet_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nnunetv2.inference.predict_from_raw_data", None)
    with pytest.raises(InputError, match=r"pip install 'sam-pet\[nnunet\]'"):
        NnUnet.open(folder)


def test_neither_timm_nor_torchvision_is_loaded(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sam_pet.detection.nnunet import NnUnet; "
        f"NnUnet.open(Path({str(folder)!r})); print([m for m in ('timm', 'torchvision') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
