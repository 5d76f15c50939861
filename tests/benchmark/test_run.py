from __future__ import annotations

import json
import os

import numpy as np
import pytest

from sam_pet.benchmark import run as runs
from sam_pet.benchmark.folder import RESULTS, ResultsFolder, slug
from sam_pet.benchmark.protocol import Protocol
from sam_pet.benchmark.run import evaluate
from sam_pet.cases import find_cases
from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from tests.benchmark.cases import TRUTH, write_case
from tests.methods.studies import GRID

PROTOCOL = Protocol("scribble-centerline", 2, "click", 42)


@pytest.fixture
def cases(tmp_path):
    for name in "AB":
        write_case(tmp_path / "cases" / name)
    return find_cases(tmp_path / "cases")


def scores(results):
    return {(r["case"], r["method"]): [row["dice"] for row in r["rows"]] for r in results}


def test_a_killed_run_goes_on_where_it_was_with_the_same_numbers(cases, tmp_path):
    whole = evaluate(cases, ["suv4", "threshold41"], PROTOCOL, tmp_path / "out")
    path = tmp_path / "out" / RESULTS
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    # Killed while the third result was being written.
    path.write_bytes(b"".join(lines[:2]) + lines[2][:40])
    ran = []
    again = evaluate(cases, ["suv4", "threshold41"], PROTOCOL, tmp_path / "out", workers=2, report=ran.append)
    assert sorted((r["case"], r["method"]) for r in ran) == [("A", "threshold41"), ("B", "threshold41")]
    assert path.read_bytes().startswith(b"".join(lines[:2]))
    assert scores(again) == scores(whole)
    assert len(scores(again)) == 4


def test_the_last_mask_and_the_strokes_are_kept_and_can_be_replayed(cases, tmp_path):
    out = tmp_path / "out"
    first = evaluate(cases[:1], ["suv4"], PROTOCOL, out)
    assert ResultsFolder(out).mask_path("A", "suv4").is_file()
    strokes = out / "strokes" / "suv4" / "A.json"
    assert len(json.loads(strokes.read_text())["prompts"]) == first[0]["rows"][-1]["interactions"]
    replay = Protocol(f"replay:{strokes}", 3, "nothing", 42)
    again = evaluate(cases[:1], ["suv4"], replay, tmp_path / "again")
    assert scores(again)["A", "suv4"][1:] == scores(first)["A", "suv4"]


@pytest.mark.usefixtures("cases")
def test_a_case_that_fails_is_recorded_and_the_others_go_on(tmp_path):
    write_case(tmp_path / "cases" / "AA", pet=np.full(GRID.shape, 5000, np.float32))
    found = find_cases(tmp_path / "cases")
    results = {r["case"]: r for r in evaluate(found, ["suv4"], PROTOCOL, tmp_path / "out")}
    assert sorted(results) == ["A", "AA", "B"]
    assert "looks like Bq/mL" in results["AA"]["error"]
    assert "\n" not in results["AA"]["error"]
    assert all("rows" in results[name] for name in "AB")
    ran = []
    evaluate(found, ["suv4"], PROTOCOL, tmp_path / "out", report=ran.append)
    assert [r["case"] for r in ran] == ["AA"]


def _dies_on_b(case, method, **_):
    if case.name == "B":
        os._exit(9)
    return {"case": case.name, "method": method, "facts": {}, "rows": []}


@pytest.mark.usefixtures("cases")
def test_a_process_that_dies_costs_no_more_than_its_case(tmp_path, monkeypatch):
    write_case(tmp_path / "cases" / "C")
    monkeypatch.setattr(runs, "_run_one", _dies_on_b)
    results = {r["case"]: r for r in evaluate(find_cases(tmp_path / "cases"), ["suv4"], PROTOCOL, tmp_path / "out", 2)}
    assert "the process died" in results["B"]["error"]
    assert "rows" in results["A"]
    assert "rows" in results["C"]


class TestManifest:
    @pytest.fixture
    def out(self, cases, tmp_path):
        ResultsFolder(tmp_path / "out").open(PROTOCOL, cases, {"suv4": {}})
        return ResultsFolder(tmp_path / "out")

    def test_the_same_run_is_taken_up_and_methods_may_be_added(self, out, cases):
        out.open(PROTOCOL, cases, {"sam-pet": {"sha256": "1"}})
        out.open(PROTOCOL, cases, {"suv4": {}})
        manifest = json.loads((out.path / "manifest.json").read_text())
        assert manifest["methods"] == {"suv4": {}, "sam-pet": {"sha256": "1"}}
        assert manifest["protocol"] == {"reader": "scribble-centerline", "steps": 2, "start": "click", "seed": 42}
        assert manifest["packages"]["numpy"] == np.__version__

    @pytest.mark.parametrize(
        ("changed", "what"),
        [
            (Protocol("scribble-random", 2, "click", 42), "protocol reader"),
            (Protocol("scribble-centerline", 3, "click", 42), "protocol steps"),
            (Protocol("scribble-centerline", 2, "click", 0), "protocol seed"),
        ],
    )
    def test_another_protocol_is_an_input_error(self, out, cases, changed, what):
        with pytest.raises(InputError, match=f"holds another run: {what}"):
            out.open(changed, cases, {"suv4": {}})

    def test_other_cases_or_changed_files_are_an_input_error(self, out, cases, tmp_path):
        with pytest.raises(InputError, match=r"cases B was .* and is absent"):
            out.open(PROTOCOL, cases[:1], {})
        write_case(tmp_path / "other" / "A", truth=TRUTH & False)
        (tmp_path / "other" / "A" / "SEG.nii.gz").replace(cases[0].truth)
        with pytest.raises(InputError, match="cases A was"):
            out.open(PROTOCOL, cases, {})

    def test_other_weights_are_an_input_error(self, out, cases):
        out.open(PROTOCOL, cases, {"sam-pet": {"sha256": "1"}})
        with pytest.raises(InputError, match="sam-pet sha256 was 1 and is 2"):
            out.open(PROTOCOL, cases, {"sam-pet": {"sha256": "2"}})

    def test_a_folder_of_something_else_is_left_alone(self, cases, tmp_path):
        (tmp_path / "thesis").mkdir()
        (tmp_path / "thesis" / "chapter.txt").write_text("1")
        with pytest.raises(InputError, match="holds no run"):
            ResultsFolder(tmp_path / "thesis").open(PROTOCOL, cases, {})
        assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]

    def test_a_damaged_line_before_the_last_is_told(self, out):
        (out.path / RESULTS).write_text('{"case": "A"\n{"case": "B", "method": "suv4", "rows": []}\n')
        with pytest.raises(InputError, match="line 1 of"):
            out.results()


class TestBadCases:
    def expect(self, tmp_path, match):
        with pytest.raises(InputError, match=match):
            evaluate(find_cases(tmp_path / "cases"), ["suv4"], PROTOCOL, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_truth_on_another_grid_is_told_before_anything_runs(self, tmp_path):
        write_case(tmp_path / "cases" / "A", grid=Grid(GRID.size, (4.0, 4.0, 5.0)))
        self.expect(tmp_path, "truth and PET are on different grids")

    def test_a_truth_that_is_not_binary_is_told_before_anything_runs(self, tmp_path):
        write_case(tmp_path / "cases" / "A", truth=3 * TRUTH.astype(np.uint8))
        self.expect(tmp_path, "not a binary mask")

    @pytest.mark.parametrize("file", ["SUV.nii.gz", "SEG.nii.gz"])
    def test_a_missing_file_is_named(self, tmp_path, file):
        (write_case(tmp_path / "cases" / "A") / file).unlink()
        self.expect(tmp_path, f"case 'A' lacks {file}")


def test_names_become_different_file_names():
    assert slug("threshold41") == "threshold41"
    odd = [slug(name) for name in ("fdg_1  a", "fdg_1 a", "sam-pet:/tmp/x", "sam-pet:_tmp_x")]
    assert len(set(odd)) == 4
    assert not any(c in name for name in odd for c in " /:")


@pytest.mark.parametrize(
    ("method", "start", "message"),
    [
        ("sam-pet:nano-untrained", "click", "agent:rule starts from the first answer: leave out --start click"),
        ("suv4", "nothing", "agent:rule works in sessions of sam-pet; suv4 has none"),
    ],
)
def test_what_an_agent_cannot_work_with_is_refused_before_anything_is_run(cases, tmp_path, method, start, message):
    with pytest.raises(InputError, match=message):
        evaluate(cases, [method], Protocol("agent:rule", 2, start, 42), tmp_path / "out")
    assert not (tmp_path / "out").exists()
