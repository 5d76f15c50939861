"""A draft says all of a run and nothing else: its sentences, its numbers, its gaps."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from sam_pet.audit.log import LOG
from sam_pet.benchmark.statistics import Ranking, rank
from sam_pet.cli.app import main
from sam_pet.files import file_sha256
from sam_pet.manuscript.claim import ITEMS
from sam_pet.manuscript.draft import Draft, Missing
from sam_pet.manuscript.facts import Facts, Sentence
from sam_pet.manuscript.write import draft_of, write_manuscript
from sam_pet.train.tracker import finetune
from tests.benchmark.cases import write_case
from tests.methods.studies import ball
from tests.train.cases import recipe, write_cases

NUMBER = re.compile(r"\d+(?:\.\d+)?")
# They hold a digit and say no number.
NAMES = re.compile(r"SHA-256|SAM 2\b|\bF1\b")


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five cases of four patients by two methods: one without lesions, one that fails."""
    folder = tmp_path_factory.mktemp("evaluation")
    for n, name in enumerate(("fdg_p1_a", "fdg_p1_b", "psma_p2_c")):
        write_case(folder / "cases" / name, truth=ball((12, 11, 8), 9.0 + 1.5 * n))
    write_case(folder / "cases" / "psma_p3_free", truth=ball((0, 0, 0), 0.1) & False)
    options = ["--reader", "scribble-mixed", "--steps", "2", "--start", "click", "--json", "--method", "suv4"]
    command = ["evaluate", "--cases", str(folder / "cases"), "--out", str(folder / "run"), *options]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--method", "threshold50"])
    assert not ended.value.code
    return folder / "run"


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    write_cases(folder / "cases")
    finetune(recipe(folder / "cases", folder / "run", stages=[{"steps": 2, "batch": 1, "length": 1}]), device="cpu")
    return folder / "run"


@pytest.fixture(scope="module")
def written(evaluation: Path, training: Path) -> dict[Path, dict[str, Any]]:
    """What was written of each run, to `drafts` beside it."""
    return {run: write_manuscript(run, run.parent / "drafts") for run in (evaluation, training)}


@pytest.fixture(scope="module")
def drafts(evaluation: Path, training: Path) -> dict[Path, Draft]:
    return {run: draft_of(run) for run in (evaluation, training)}


@pytest.fixture(params=["evaluation", "training"])
def run(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


def text_of(run: Path) -> str:
    return (run.parent / "drafts" / "methods.md").read_text()


def values(content: Any) -> list[str]:
    """All values in a tree, as text."""
    if isinstance(content, dict):
        return [text for value in content.values() for text in values(value)]
    return [text for value in content for text in values(value)] if isinstance(content, list) else [str(content)]


def says(fact: Any, text: str) -> bool:
    """Whether a number in a text is one of a fact's, rounded as the text has it."""
    digits = len(text.partition(".")[2])
    for found in NUMBER.findall(str(fact)) + ([f"{fact:.10f}"] if isinstance(fact, float) else []):
        if found == text or f"{float(found):.{digits}f}" == text:
            return True
    return False


def test_every_sentence_has_sources_and_every_number_in_it_is_one_of_theirs(
    run: Path, drafts: dict[Path, Draft]
) -> None:
    draft = drafts[run]
    sentences = [*draft.sentences]
    assert len(sentences) > 20
    for sentence in sentences:
        facts = [draft.facts[key].value for key in sentence.keys]
        assert facts
        for text in NUMBER.findall(NAMES.sub("", sentence.text)):
            assert any(says(fact, text) for fact in facts), (text, sentence)


def test_the_facts_are_what_the_files_that_they_name_hold(run: Path, drafts: dict[Path, Draft]) -> None:
    draft = drafts[run]
    known: dict[str, set[str]] = {}
    checked = 0
    for key in draft.sources:
        fact = draft.facts[key]
        path = run / fact.source
        if not path.is_file():
            continue
        if fact.source not in known:
            text = path.read_text()
            lines = text.splitlines() if path.suffix == ".jsonl" else [text]
            load = yaml.safe_load if path.suffix == ".yaml" else json.loads
            known[fact.source] = {one for line in lines for one in values(load(line))}
            known[fact.source] |= {str(len(lines)), file_sha256(path), fact.source}
        if isinstance(fact.value, list):
            continue
        value = str(fact.value).replace(" ", "T") if key in ("log.first", "log.last") else str(fact.value)
        derived = key in ("log.starts", "log.head", "recipe.steps") or key.startswith("method.")
        assert derived or any(
            value == one or (len(value) == 19 and one.startswith(value)) for one in known[fact.source]
        ), key
        checked += not derived
    assert checked > 5


def test_the_means_are_those_of_the_table_of_all_steps(evaluation: Path, drafts: dict[Path, Draft]) -> None:
    table = pd.read_csv(evaluation / "report.csv")
    facts = drafts[evaluation].facts
    with_lesions = table[table["lesions"] > 0]
    last = with_lesions[with_lesions["step"] == 2].groupby("method")["dice"].mean()
    areas = with_lesions.groupby(["method", "case"])["dice"].apply(
        lambda d: float((d[:-1] + d[1:].to_numpy()).sum() / 2)
    )
    for n in (1, 2):
        method = facts[f"rank.{n}.name"].value
        assert facts[f"rank.{n}.dice.mean"].value == pytest.approx(last[method])
        assert facts[f"rank.{n}.auc_dice.mean"].value == pytest.approx(areas[method].mean())
    counted = {
        key: facts[f"run.{key}"].value for key in ("cases", "patients", "cases with lesions", "lesions", "failed")
    }
    assert counted == {"cases": 4, "patients": 3, "cases with lesions": 3, "lesions": 3, "failed": 0}


@pytest.mark.usefixtures("written")
def test_every_number_of_the_run_is_in_it(evaluation: Path, training: Path) -> None:
    text = text_of(evaluation)
    page = (evaluation / "report.html").read_text()
    cells = [cell for cell in re.findall(r"<td[^>]*>([^<]*)</td>", page) if NUMBER.search(cell)]
    assert len(cells) > 50
    assert [cell for cell in cells if cell.replace("&lt;", "\\<").replace("&gt;", ">") not in text] == []
    table = pd.read_csv(evaluation / "report.csv")
    for row in table.to_dict("records"):
        assert f"{row['dice']:.3f}" in text
        assert f"{row['seconds']:.3f}" in text
    text = text_of(training)
    for line in (training / "metrics.jsonl").read_text().splitlines():
        for value in json.loads(line).values():
            assert (f"{value:.5g}" if isinstance(value, float) else str(value)) in text
    for value in values(yaml.safe_load((training / "recipe.yaml").read_text())["optimization"]):
        assert f"{float(value):g}" in text


def test_the_checklist_says_where_each_item_is_answered_and_what_is_missing(
    run: Path, written: dict[Path, dict[str, Any]], drafts: dict[Path, Draft]
) -> None:
    said, text = written[run]["claim"], text_of(run)
    assert sorted(item for items in said.values() for item in items) == [*range(1, 43)]
    draft = drafts[run]
    for status, items in said.items():
        for item in items:
            assert re.search(rf"^\| {item} \| {re.escape(ITEMS[item])} \| {status} \| ", text, re.MULTILINE)
            paragraph = next(line for line in text.splitlines() if f"({item}).**" in line)
            assert ("[Missing: " in paragraph) == (status != "answered")
            assert status != "missing" or all(isinstance(content, Missing) for content in draft.of(item))
    order = [int(found) for found in re.findall(r"^\*\*[^*]+\((\d+)\)\.\*\*", text, re.MULTILINE)]
    assert order == sorted(order) == [*range(1, 43)]
    for item in (3, 4, 12, 16, 39, 42):
        assert item in said["missing"]


@pytest.mark.usefixtures("written")
def test_the_footnotes_of_the_text_are_all_there_and_all_used(run: Path) -> None:
    text = text_of(run)
    defined = re.findall(r"^\[\^(\d+)\]: ", text, re.MULTILINE)
    assert defined == [str(n) for n in range(1, len(defined) + 1)]
    assert set(re.findall(r"\[\^(\d+)\](?!:)", text)) == set(defined)
    for name in re.findall(r"\]\((figure_\d+\.png)\)", text):
        assert (run.parent / "drafts" / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("written")
def test_the_same_run_gives_the_same_bytes_and_pages(run: Path, tmp_path: Path) -> None:
    write_manuscript(run, tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (run.parent / "drafts" / path.name).read_bytes()
    sheet = (tmp_path / "methods.pdf").read_bytes()
    assert sheet.startswith(b"%PDF")
    assert sheet.count(b"/Type /Page\n") + sheet.count(b"/Type /Page ") >= 3


def test_a_folder_without_a_run_is_refused_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["methods", str(tmp_path), "--out", str(tmp_path / "none")])
    assert (ended.value.code, "holds no run" in capsys.readouterr().err) == (2, True)
    assert not (tmp_path / "none").exists()


def test_without_a_log_its_time_is_missing_and_names_with_marks_break_nothing(
    tmp_path: Path, evaluation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(evaluation, tmp_path / "run")
    (tmp_path / "run" / LOG).unlink()
    path = tmp_path / "run" / "results.jsonl"
    path.write_text(path.read_text().replace("psma_p2_c", "a|b *c* <i>"))
    with pytest.raises(SystemExit) as ended:
        main(["methods", str(tmp_path / "run"), "--out", str(tmp_path / "out"), "--json"])
    assert not ended.value.code
    assert json.loads(capsys.readouterr().out)["pdf"] == str(tmp_path / "out" / "methods.pdf")
    text = (tmp_path / "out" / "methods.md").read_text()
    assert "[Missing: the run has no log.]" in text
    assert "The run began" not in text
    assert "| a\\|b \\*c\\* \\<i> |" in text


def test_a_sentence_without_a_source_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="without a source"):
        Sentence("Nobody knows.", ())
    facts = Facts()
    facts.add("file", {"a": {"b": 0.12345, "c": None}})
    assert facts.say("It is {a.b|.2f}.") == Sentence("It is 0.12.", ("a.b",))
    with pytest.raises(KeyError):
        facts.say("It is {a.c}.")
    assert Draft(facts, facts.say("{a.b}")).status(1) == "missing"


def test_of_a_ranking_with_ties_alone_no_number_is_said(evaluation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def tied(*given: Any) -> Ranking:
        return replace(rank(*given), tau=np.full(3, np.nan))

    monkeypatch.setattr("sam_pet.manuscript.evaluation.rank", tied)
    draft = draft_of(evaluation)
    assert Missing("whether redrawn patients rank alike: with ties alone Kendall's tau is not defined") in draft.of(30)
    assert not [sentence.text for sentence in draft.sentences if "nan" in sentence.text.split()]
