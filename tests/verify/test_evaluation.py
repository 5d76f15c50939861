"""An evaluation agrees with itself run again, and whatever is changed in it is found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sam_pet.audit.log import LOG, read_log
from sam_pet.benchmark.folder import RESULTS, ResultsFolder
from sam_pet.benchmark.protocol import Protocol
from sam_pet.benchmark.report import write_report
from sam_pet.benchmark.run import evaluate
from sam_pet.cases import find_cases
from sam_pet.files import write_image
from sam_pet.geometry import Grid
from sam_pet.models import untrained
from sam_pet.models.checkpoint import save_model
from sam_pet.models.manifest import ModelManifest
from sam_pet.verify import Verification, verify_run
from sam_pet.verify.checks import Asked
from tests.benchmark.cases import write_case
from tests.methods.studies import ball
from tests.verify.runs import differs, edit_log, flip, status

PROTOCOL = Protocol("scribble-centerline", 1, "click", 42)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cases, a checkpoint and an evaluation of it."""
    folder = tmp_path_factory.mktemp("made")
    for name in ("Doe^John", "other"):
        write_case(folder / "cases" / name)
    save_model(untrained("nano"), ModelManifest(name="a", trained=True), folder / "model")
    cases = find_cases(folder / "cases")
    results = evaluate(cases, ["suv4", f"sam-pet:{folder / 'model'}"], PROTOCOL, folder / "run")
    write_report(ResultsFolder(folder / "run"), results, cases, PROTOCOL)
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made / "run", tmp_path / "run")
    return tmp_path / "run"


def verified(run: Path, made: Path, rerun: bool = False) -> Verification:
    return verify_run(run, Asked(cases=made / "cases", rerun=rerun))


def masks(run: Path) -> list[Path]:
    return sorted((run / "masks").rglob("*.nii.gz"))


def test_it_agrees_with_itself_run_again(run: Path, made: Path) -> None:
    found = verified(run, made, rerun=True)
    assert differs(found) == set()
    for method in ("suv4", f"sam-pet:{made / 'model'}"):
        assert status(found, f"weights of {method}") == "agrees"
        assert status(found, f"{method} computed again") == "agrees"
    assert status(found, "seconds and memory") == "unchecked"


def test_its_log_tells_who_did_what_and_names_no_case(run: Path) -> None:
    entries = read_log(run / LOG).entries
    steps = [entry for entry in entries if "step" in entry.get("details", {})]
    assert len(steps) == 2 * 2 * (PROTOCOL.steps + 1)
    assert {entry["actor"]["name"] for entry in steps} == {"scribble-centerline, seed 42"}
    results = ResultsFolder(run).results()
    hashes = {row["mask_sha256"] for result in results for row in result["rows"]}
    assert {entry["mask_sha256"] for entry in steps} == hashes
    assert [entry["action"] for entry in (entries[0], entries[-2], entries[-1])] == ["start", "seal", "seal"]
    assert "Doe" not in (run / LOG).read_text()


@pytest.mark.parametrize("name", [RESULTS, "report.html", "report.csv", "mask", "strokes"])
def test_a_flipped_byte_of_a_file_is_found(run: Path, made: Path, name: str) -> None:
    path = {"mask": masks(run)[0], "strokes": next((run / "strokes").rglob("*.json"))}.get(name, run / name)
    flip(path)
    assert path.relative_to(run).as_posix() in differs(verified(run, made))


def test_an_edited_line_of_the_log_is_found(run: Path, made: Path) -> None:
    last = len(read_log(run / LOG).heads) - 1
    for number in (0, 2, last):
        edit_log(run, number, actor={"kind": "person"})
        assert differs(verified(run, made)) & {"chain of the log", "head of the log"}


def test_a_mask_exchanged_with_its_hash_is_found_by_what_was_scored(run: Path, made: Path) -> None:
    path = masks(run)[0]
    grid = Grid.of(ResultsFolder(run).read_mask("other", "suv4"))
    write_image(grid.image(ball((12, 11, 8), 5.0).astype(np.uint8)), path)
    ResultsFolder(run).seal()
    assert "masks and results" in differs(verified(run, made))


def test_a_better_score_is_found_though_all_hashes_fit(run: Path, made: Path) -> None:
    lines = [json.loads(line) for line in (run / RESULTS).read_text().splitlines()]
    lines[0]["rows"][-1]["dice"] = 0.99
    (run / RESULTS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    folder = ResultsFolder(run)
    folder.told(lines[0], "a case", [])
    folder.seal()
    assert differs(verified(run, made)) == set()
    name = f"{lines[0]['case']} by suv4"
    assert differs(verified(run, made, rerun=True)) == {name}


def test_a_swapped_case_and_other_weights_are_found(run: Path, made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "cases", tmp_path / "cases")
    write_case(tmp_path / "cases" / "new", truth=ball((12, 11, 8), 9.0))
    shutil.rmtree(tmp_path / "cases" / "other")
    (tmp_path / "cases" / "new").rename(tmp_path / "cases" / "other")
    found = verify_run(run, Asked(cases=tmp_path / "cases", rerun=False))
    assert differs(found) == {"case other"}
    model = made / "model"
    before = {path: path.read_bytes() for path in model.iterdir()}
    save_model(untrained("nano", seed=1), ModelManifest(name="a", trained=True), model)
    assert differs(verified(run, made)) == {f"weights of sam-pet:{model}"}
    for path, content in before.items():
        path.write_bytes(content)


def test_a_run_that_was_cut_off_is_not_called_changed(made: Path, tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path / "run")
    folder.open(PROTOCOL, find_cases(made / "cases"), {"suv4": {}})
    found = verified(tmp_path / "run", made)
    assert differs(found) == set()
    assert status(found, "seal") == "unchecked"
