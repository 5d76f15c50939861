"""`sam-pet report` on small studies, and on a real one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sam_pet.cli.app import main
from sam_pet.files import write_image
from sam_pet.measures import measure_lesions, summarise
from sam_pet.prompts import Click, Scribble
from tests.fakes import random_segmenter, two_lesion_study

Report = Callable[..., dict[str, Any]]
TRUTH = np.where(two_lesion_study().pet > 5, 1, 0).astype(np.uint8)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """CT, PET and a mask of two components."""
    study = two_lesion_study()
    write_image(study.grid.image(study.pet), tmp_path / "pet.nii.gz")
    write_image(study.grid.image(study.ct), tmp_path / "ct.nii.gz")
    write_image(study.grid.image(TRUTH), tmp_path / "mask.nii.gz")
    return tmp_path


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Report:
    def call(*arguments: object) -> dict[str, Any]:
        with pytest.raises(SystemExit) as ended:
            main(["report", *map(str, arguments), "--json"])
        printed = capsys.readouterr()
        assert ended.value.code in (0, None), printed.err
        assert printed.out.count("\n") == 1
        result: dict[str, Any] = json.loads(printed.out)
        return result

    return call


class Tables(HTMLParser):
    """The rows of the tables of a page, as text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:  # noqa: ARG002
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.tables[-1][-1][-1] += data


def test_a_mask_gives_page_sheet_and_measurements(files: Path, report: Report) -> None:
    out = files / "out"
    found = report(
        *("--pet", files / "pet.nii.gz", "--ct", files / "ct.nii.gz", "--mask", files / "mask.nii.gz", "--out", out)
    )
    study = two_lesion_study()
    labels = np.where(np.arange(study.grid.size[2])[:, None, None] < 20, TRUTH, 2 * TRUTH).astype(np.uint16)
    expected = measure_lesions(labels, study.pet, study.grid)
    totals = summarise(expected)
    assert found == {
        "html": str(out / "report.html"),
        "pdf": str(out / "report.pdf"),
        "csv": str(out / "lesions.csv"),
        "json": str(out / "lesions.json"),
        **totals,
    }
    pd.testing.assert_frame_equal(pd.read_csv(out / "lesions.csv"), expected)
    kept = json.loads((out / "lesions.json").read_text())
    assert kept["totals"] == totals
    assert pd.DataFrame(kept["lesions"])["tlg"].tolist() == expected["tlg"].tolist()

    page = (out / "report.html").read_text()
    summary, lesions, _ = Tables(page).tables
    assert dict(row for row in summary) == {
        "lesions": "2",
        "total MTV": f"{totals['total_mtv_ml']:.2f} mL",
        "total TLG": f"{totals['total_tlg']:.1f} g",
        "Dmax": f"{totals['dmax_mm']:.0f} mm",
        "highest SUVmax": "8.00",
    }
    heading, *rows = lesions
    columns = {"lesion": "lesion", "volume, mL": "volume_ml", "SUVmax": "suv_max", "SUVmean": "suv_mean"}
    columns |= {"SUVpeak": "suv_peak", "TLG, g": "tlg", "diameter, mm": "diameter_mm"}
    assert len(rows) == 2
    for row, (_, measured) in zip(rows, expected.iterrows(), strict=True):
        for name, text in zip(heading, row, strict=True):
            if name in columns:
                assert float(text) == pytest.approx(measured[columns[name]], abs=0.051)
    # Centres (20, 24, 10) and (44, 24, 30) of 5 x 5 x 4 mm voxels.
    assert [row[-1] for row in rows] == ["100, 120, 40", "220, 120, 120"]


def test_the_page_needs_nothing_else(files: Path, report: Report) -> None:
    report("--pet", files / "pet.nii.gz", "--mask", files / "mask.nii.gz", "--out", files / "out")
    page = (files / "out" / "report.html").read_text()
    sources = re.findall(r"""(?:src|href)=["']([^"']*)""", page)
    assert len(sources) == 2
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)
    assert "<script" not in page
    assert str(files) not in page


def test_the_sheet_is_one_page_of_a4_with_the_lesions(files: Path, report: Report) -> None:
    report("--pet", files / "pet.nii.gz", "--mask", files / "mask.nii.gz", "--out", files / "out")
    sheet = (files / "out" / "report.pdf").read_bytes()
    assert sheet.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", sheet)) == 1
    (box,) = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", sheet)
    assert [float(side) / 72 for side in box] == pytest.approx([8.27, 11.69], abs=0.01)
    assert b"Date" not in sheet


def test_the_same_study_gives_the_same_bytes(files: Path, report: Report) -> None:
    given = ("--pet", files / "pet.nii.gz", "--mask", files / "mask.nii.gz")
    for name in ("a", "b"):
        report(*given, "--out", files / name)
    for path in sorted((files / "a").iterdir()):
        assert path.read_bytes() == (files / "b" / path.name).read_bytes()


def test_a_session_tells_its_model_and_prompts(files: Path, report: Report) -> None:
    study = two_lesion_study()
    session = random_segmenter().open(study)
    session.add(Click((20, 24, 10)))
    session.add(Click((44, 24, 30)))
    session.add(Scribble(((19, 24, 10), (21, 24, 10))))
    session.save(files / "session")
    found = report(
        *("--pet", files / "pet.nii.gz", "--ct", files / "ct.nii.gz", "--session", files / "session"),
        *("--out", files / "out"),
    )
    assert found["lesions"] == len(session.lesions)
    assert found["total_mtv_ml"] == pytest.approx(session.lesions["volume_ml"].sum())
    *_, facts, prompts = Tables((files / "out" / "report.html").read_text()).tables
    told = dict(row for row in facts)
    assert told["model"].startswith("random, SHA-256 random-0")
    assert told["prompts"] == "2 tumor clicks, 1 tumor scribble"
    assert told["versions"].startswith("sam_pet 0.")
    assert prompts[1] == ["0", "click", "tumor", "1", "1", "20, 24, 10"]
    assert prompts[3] == ["2", "scribble", "tumor", "1", "2", "19, 24, 10"]


def test_a_label_map_keeps_its_numbers(files: Path, report: Report) -> None:
    study = two_lesion_study()
    labels = np.where(np.arange(study.grid.size[2])[:, None, None] < 20, 7 * TRUTH, 3 * TRUTH).astype(np.uint8)
    write_image(study.grid.image(labels), files / "labels.nrrd")
    report("--pet", files / "pet.nii.gz", "--mask", files / "labels.nrrd", "--out", files / "out")
    assert pd.read_csv(files / "out" / "lesions.csv")["lesion"].tolist() == [3, 7]


def test_a_study_without_lesions_has_a_report(files: Path, report: Report) -> None:
    write_image(two_lesion_study().grid.image(0 * TRUTH), files / "none.mha")
    found = report("--pet", files / "pet.nii.gz", "--mask", files / "none.mha", "--out", files / "out")
    assert (found["lesions"], found["total_mtv_ml"], found["dmax_mm"], found["suv_max"]) == (0, 0.0, None, None)
    assert "There is none." in (files / "out" / "report.html").read_text()
    assert (files / "out" / "report.pdf").stat().st_size > 10_000


def test_the_pictures_take_the_window_asked_for(files: Path, report: Report) -> None:
    given = ("--pet", files / "pet.nii.gz", "--mask", files / "mask.nii.gz", "--out", files / "out")
    report(*given, "--suv-max", 20)
    assert "SUV 0 (white) to 20 (black)" in (files / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ([], "one of --session and --mask"),
        (["--mask", "mask.nii.gz", "--session", "session"], "one of --session and --mask"),
        (["--mask", "mask.nii.gz", "--suv-max", "0"], "--suv-max is 0; give a positive SUV"),
        (["--mask", "pet.nii.gz"], "pet.nii.gz is no mask or label map"),
        (["--mask", "small.nii.gz"], "different grids"),
        (["--session", "session"], "no such file: session/manifest.json"),
        (["--mask", "mask.nii.gz", "--out", "pet.nii.gz"], "pet.nii.gz is not a folder"),
    ],
)
def test_input_at_fault_is_one_line_and_nothing_is_written(
    arguments: list[str],
    match: str,
    files: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(files)
    write_image(two_lesion_study().grid.image(TRUTH)[:5, :5, :5], files / "small.nii.gz")
    before = sorted(files.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        main(["report", "--pet", "pet.nii.gz", "--out", "out", *arguments])
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert match in printed.err
    assert printed.err.count("\n") == 1
    assert sorted(files.rglob("*")) == before


def test_a_session_of_another_study_or_with_other_lesions_is_refused(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = two_lesion_study()
    session = random_segmenter().open(study)
    session.add(Click((20, 24, 10)))
    session.save(files / "session")
    write_image(study.grid.image(study.pet + 1), files / "other.nii.gz")
    given = ["--ct", str(files / "ct.nii.gz"), "--session", str(files / "session"), "--out", str(files / "out")]
    write_image(study.grid.image(TRUTH), files / "session" / "lesions.nii.gz")
    for pet, match in (("other", "saved from another study"), ("pet", "was changed after it was saved")):
        with pytest.raises(SystemExit) as ended:
            main(["report", "--pet", str(files / f"{pet}.nii.gz"), *given])
        assert ended.value.code == 2
        assert match in capsys.readouterr().err
    assert not (files / "out").exists()


def test_a_real_study_is_measured_as_it_is(data: Path, tmp_path: Path, report: Report) -> None:
    folder = data / "wholebody" / "STS_001"
    found = report("--pet", folder / "SUV.nii.gz", "--mask", folder / "SEG.nii.gz", "--out", tmp_path)
    # 5,095 voxels of 4.6875 x 4.6875 x 3.27 mm.
    assert found["lesions"] == 1
    assert found["total_mtv_ml"] == pytest.approx(5095 * 4.6875**2 * 3.27 / 1000, rel=1e-4)
