from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from sam_pet.cli.app import main
from tests.benchmark.cases import TRUTH, write_case
from tests.methods.studies import GRID


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    for name in ("fdg_p1_a", "psma_p2_b", "psma_p3_c"):
        write_case(folder / name)
    write_case(folder / "fdg_p4_free", truth=np.zeros(GRID.shape, np.uint8))
    return folder


def run(capsys, *arguments):
    code = 0
    try:
        main(["evaluate", *map(str, arguments)])
    except SystemExit as stopped:
        code = stopped.code or 0
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_evaluate_prints_one_object_and_writes_page_and_csv(cases, tmp_path, capsys):
    out = tmp_path / "out"
    options = ["--cases", cases, "--reader", "scribble-mixed", "--steps", 2, "--start", "click", "--out", out, "--json"]
    code, printed, _ = run(capsys, *options, "--method", "suv4", "--method", "threshold50")
    assert code == 0
    found = json.loads(printed)
    assert found["cases"] == 4
    assert found["failed"] == []
    assert set(found["methods"]) == {"suv4", "threshold50"}
    for scores in found["methods"].values():
        assert 0 < scores["dice"] <= 1
        assert scores["auc_dice_ci"][0] <= scores["auc_dice"] <= scores["auc_dice_ci"][1]

    table = pd.read_csv(out / "report.csv")
    assert len(table) == 4 * 2 * 3
    assert table.groupby(["method", "step"])["dice"].mean().between(0, 1).all()

    page = (out / "report.html").read_text()
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert page.count("<img") == 4 + 3  # the figures, and the cases that have lesions
    for text in ("Cases without lesions", "tracer: fdg", "centre: LMU", "Kendall", "Worst cases", "Bland-Altman"):
        assert text in page

    # The report is the same when nothing is left to run.
    before = (out / "report.csv").read_bytes()
    assert run(capsys, *options, "--method", "suv4", "--method", "threshold50")[0] == 0
    assert (out / "report.csv").read_bytes() == before
    assert (out / "report.html").read_text() == page


def test_failures_are_listed_and_end_with_exit_code_1(tmp_path, capsys):
    write_case(tmp_path / "cases" / "bad", pet=np.full(GRID.shape, 5000, np.float32))
    write_case(tmp_path / "cases" / "good")
    options = ["--cases", tmp_path / "cases", "--reader", "click-center", "--steps", 1, "--out", tmp_path / "out"]
    code, printed, err = run(capsys, *options, "--method", "suv4", "--json")
    assert code == 1
    assert [f["case"] for f in json.loads(printed)["failed"]] == ["bad"]
    assert "suv4, bad: InputError" in err
    assert "Failures" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("option", "value", "match"),
    [
        ("--method", "magic", "unknown method 'magic'; known are sam-pet"),
        ("--reader", "magic", "unknown reader 'magic'; known are"),
        ("--names", "nobody", "has no case 'nobody'"),
    ],
)
def test_bad_options_are_one_line_and_nothing_is_written(cases, tmp_path, capsys, option, value, match):
    options = {"--cases": cases, "--method": "suv4", "--reader": "box", "--out": tmp_path / "out", option: value}
    code, printed, err = run(capsys, *(part for pair in options.items() for part in pair))
    assert (code, printed) == (2, "")
    assert match in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_case_whose_truth_is_not_binary_is_one_line(tmp_path, capsys):
    write_case(tmp_path / "cases" / "A", truth=5 * TRUTH.astype(np.uint8))
    code, _, err = run(
        capsys, "--cases", tmp_path / "cases", "--method", "suv4", "--reader", "box", "--out", tmp_path / "out"
    )
    assert code == 2
    assert "not a binary mask" in err
    assert err.count("\n") == 1
