"""A saved session agrees with itself, and whatever is changed in it is found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sam_pet.audit import PERSON, Actor
from sam_pet.audit.log import LOG, read_log
from sam_pet.cli.app import main
from sam_pet.errors import InputError
from sam_pet.files import write_image
from sam_pet.models import untrained
from sam_pet.models.checkpoint import save_model
from sam_pet.models.manifest import ModelManifest
from sam_pet.segmenter import Segmenter
from sam_pet.study import read_study
from sam_pet.verify import Verification, verify_run
from sam_pet.verify.checks import Asked
from tests.fakes import two_lesion_study
from tests.verify.runs import differs, edit_log, flip, forge_log, status

FIRST, SECOND = (20, 24, 10), (44, 24, 30)
# The lines of the log: start, two clicks, undo, redo, a stroke, delete, seal, rejection, seal.
ADD, REJECT, SEALS = 2, 8, (7, 9)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study, a checkpoint and a session that was saved twice."""
    folder = tmp_path_factory.mktemp("made")
    study = two_lesion_study()
    assert study.ct is not None
    write_image(study.grid.image(study.pet), folder / "pet.nii.gz")
    write_image(study.grid.image(study.ct), folder / "ct.nii.gz")
    for seed in (0, 1):
        save_model(untrained("nano", seed=seed), ModelManifest(name="a", trained=True), folder / f"model {seed}")
    segmenter = Segmenter.from_pretrained(folder / "model 0", "cpu")
    session = segmenter.open(read_study(folder / "ct.nii.gz", folder / "pet.nii.gz"))
    session.history.actor = PERSON
    session.add_click(FIRST)
    session.add_click(SECOND)
    session.undo()
    session.redo()
    session.add_scribble([(44 + k, 24, 31) for k in range(3)])
    session.delete(0)
    session.save(folder / "session")
    session.history.actor = Actor("agent", "agent:llm", model="some-model-7b")
    session.reject(2)
    session.save(folder / "session")
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made / "session", tmp_path / "session")
    return tmp_path / "session"


def verified(run: Path, made: Path, rerun: bool = True, pet: str = "pet.nii.gz") -> Verification:
    return verify_run(run, Asked(made / pet, made / "ct.nii.gz", device="cpu", rerun=rerun))


def test_it_agrees_with_itself_act_by_act(run: Path, made: Path) -> None:
    found = verified(run / "manifest.json", made)
    assert differs(found) == set()
    assert {check.status for check in found.checks} == {"agrees"}
    assert status(found, "masks computed again") == "agrees"
    entries = read_log(run / LOG).entries
    actions = ["start", "add", "add", "undo", "redo", "add", "delete", "seal", "reject", "seal"]
    assert [entry["action"] for entry in entries] == actions
    assert entries[1]["mask_sha256"] == entries[3]["mask_sha256"] != entries[2]["mask_sha256"]
    assert [entries[n]["actor"]["kind"] for n in (1, 8)] == ["person", "agent"]
    assert "pet.nii.gz" not in (run / LOG).read_text()


def test_saved_over_another_session_the_log_of_both_stays(run: Path, made: Path) -> None:
    before = (run / LOG).read_bytes()
    segmenter = Segmenter.from_pretrained(made / "model 0", "cpu")
    session = segmenter.open(read_study(made / "ct.nii.gz", made / "pet.nii.gz"))
    session.add_click(SECOND)
    session.save(run)
    assert (run / LOG).read_bytes().startswith(before)
    assert differs(verified(run, made)) == set()


@pytest.mark.parametrize("name", ["mask.nii.gz", "lesions.nii.gz", "prompts.json", "lesions.csv", "lesions.ctbl"])
def test_a_flipped_byte_of_a_file_is_found(run: Path, made: Path, name: str) -> None:
    flip(run / name)
    assert name in differs(verified(run, made, rerun=False))


@pytest.mark.parametrize("number", range(10))
def test_an_edited_line_of_the_log_is_found(run: Path, made: Path, number: int) -> None:
    edit_log(run, number, time="2026-01-01T00:00:00+00:00")
    assert differs(verified(run, made, rerun=False)) & {"chain of the log", "head of the log"}


def test_a_changed_manifest_is_found(run: Path, made: Path) -> None:
    path = run / "manifest.json"
    sound = path.read_text()
    for changed in (sound.replace('"look_alikes": true', '"look_alikes": false'), sound + " ", sound[:-30]):
        assert changed != sound
        path.write_text(changed)
        assert differs(verified(run, made, rerun=False))
    path.write_text(sound)
    (run / LOG).unlink()
    assert differs(verified(run, made, rerun=False)) == {LOG}


@pytest.mark.parametrize(
    ("number", "changes"),
    [(ADD, {"details": {"kind": "click", "label": "tumor", "voxels": [[40, 24, 30]], "lesions": [2]}}),
     (REJECT, {"mask_sha256": "0" * 64})],
)  # fmt: skip
def test_a_forged_log_whose_chain_fits_is_found_by_acting_it_out(
    run: Path, made: Path, number: int, changes: dict[str, object]
) -> None:
    forge_log(run, number, **changes)
    assert differs(verified(run, made, rerun=False)) == set()
    assert "masks computed again" in differs(verified(run, made))


def test_another_study_and_other_weights_are_found(run: Path, made: Path) -> None:
    study = two_lesion_study()
    write_image(study.grid.image(study.pet * 1.01), made / "other.nii.gz")
    found = verified(run, made, pet="other.nii.gz")
    assert differs(found) == {"inputs"}
    assert status(found, "masks computed again") == "unchecked"
    found = verify_run(run, Asked(model=str(made / "model 1"), device="cpu"))
    assert differs(found) == {"weights"}
    damaged = run.parent / "damaged"
    shutil.copytree(made / "model 0", damaged)
    flip(damaged / "model.safetensors")
    assert differs(verify_run(run, Asked(model=str(damaged), device="cpu"))) == {"weights"}


def test_the_command_says_it_as_json_and_by_its_exit_code(
    run: Path, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(*arguments: object) -> tuple[object, str]:
        with pytest.raises(SystemExit) as ended:
            main(["verify", *map(str, arguments)])
        return ended.value.code or 0, capsys.readouterr().out

    code, printed = command(run, "--hashes-only", "--json")
    said = json.loads(printed)
    assert (code, said["differs"], said["run"]) == (0, 0, "session")
    assert said["head"] == json.loads((run / "manifest.json").read_text())["audit"]["head"]
    flip(run / "mask.nii.gz")
    code, printed = command(run, "--hashes-only")
    assert code == 3
    assert "DIFFERS" in printed
    assert command(made / "nowhere")[0] == 2


def test_a_session_of_before_the_log_is_not_called_changed(run: Path, made: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    del manifest["audit"], manifest["files"]
    (run / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    (run / LOG).unlink()
    found = verified(run, made, rerun=False)
    assert differs(found) == set()
    assert status(found, LOG) == "unchecked"
    with pytest.raises(InputError, match="holds no run"):
        verify_run(made / "model 0")


def test_paint_is_acted_out_too(made: Path, tmp_path: Path) -> None:
    segmenter = Segmenter.from_pretrained(made / "model 0", "cpu")
    session = segmenter.open(read_study(made / "ct.nii.gz", made / "pet.nii.gz"))
    session.paint([FIRST, (21, 24, 10)])
    session.redraw(1, [(22, 24, 10)])
    session.paint_lesions([np.array([SECOND]), np.array([(50, 24, 30)])])
    session.paint([SECOND], "background")
    session.undo()
    session.save(tmp_path / "session")
    found = verified(tmp_path / "session", made)
    assert {check.status for check in found.checks} == {"agrees"}
    assert [entry["action"] for entry in read_log(tmp_path / "session" / LOG).entries][1:4] == ["add", "paint", "paint"]
