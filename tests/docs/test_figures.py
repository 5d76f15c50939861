"""Figures in README and docs are those of the files that runs have written, and of the code."""

from __future__ import annotations

import json
import re
import runpy
from typing import Any

import pandas as pd
import pytest

from sam_pet.models import load_model
from sam_pet.proposers.ranker import NAMES as RANKER_NAMES
from sam_pet.proposers.uptake_levels import LEVELS
from sam_pet.proposers.volume_input import WIDTHS_MM
from sam_pet.settings import DEFAULTS
from tests.docs.blocks import ROOT

RESULTS = ROOT / "benchmarks" / "results"
FIVE = 5


def text(page: str) -> str:
    return " ".join((ROOT / page).read_text(encoding="utf-8").split())


def rows(page: str, first: str) -> list[list[str]]:
    """The cells of the table rows whose first cell begins so."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    cells = [
        [cell.strip(" *`") for cell in line.strip().strip("|").split("|")] for line in lines if line.startswith("|")
    ]
    return [row for row in cells if row[0].startswith(first)]


def stored(name: str) -> Any:
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def shown(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}"


def test_the_benchmarks_table_is_that_of_its_csv() -> None:
    table = pd.read_csv(ROOT / "docs" / "benchmark_sts.csv")
    areas = table.pivot_table(index=["method", "case"], columns="step", values=["dice", "dmm"])
    for method, own in table.groupby("method"):
        (row,) = rows("docs/benchmark.md", f"{method}")[-1:]
        assert row[0] == method
        steps = own.groupby("step")["dice"].mean()
        assert row[1:7] == [shown(steps[step], 3) for step in range(6)]
        for place, score in ((7, "dice"), (8, "dmm")):
            curve = areas.loc[method][score]
            area = (curve.sum(axis=1) - (curve[0] + curve[FIVE]) / 2).mean()
            assert row[place] == shown(area)
        assert row[9] == shown(own["seconds"].mean())


def test_the_figures_of_the_sarcomas_are_those_of_the_run() -> None:
    methods = stored("sts.json")["found"]["methods"]
    ours, level = methods["sam-pet"]["dice"], methods["threshold41"]["dice"]
    assert rows("README.md", "11 that")[0][2:] == [shown(ours[0]), shown(ours[FIVE])]
    assert rows("README.md", "the same 11")[0][2:] == [shown(level[0]), shown(level[FIVE])]
    assert rows("docs/model-card.md", "eleven that")[0][1:] == [shown(ours[0]), shown(ours[FIVE])]
    for page in ("docs/model-card.md", "checkpoints/default/README.md"):
        assert re.search(rf"41 % of SUVmax from the same click gives {shown(level[0])}\b", text(page)), page
    assert ", ".join(shown(v, 3) for v in ours) in text("docs/benchmark.md")


@pytest.mark.parametrize(
    ("page", "first", "column", "place"),
    [
        ("README.md", "20 kept apart", 2, "innermost"),
        ("docs/model-card.md", "twenty kept apart", 1, "innermost"),
        ("docs/model-card.md", "the same twenty, hottest", 1, "hottest"),
        ("docs/model-card.md", "the same twenty, a random", 1, "random"),
    ],
)
def test_the_figures_of_patients_kept_apart_are_those_recorded(page: str, first: str, column: int, place: str) -> None:
    found = stored("sarcomas_apart.json")
    row = rows(page, first)[0]
    assert row[column] == shown(found["dice_after_click"][place])
    if place in found["dice_after_five_strokes"]:
        assert row[column + 1] == shown(found["dice_after_five_strokes"][place])


def test_other_clicks_on_patients_kept_apart_are_those_recorded() -> None:
    found = stored("sarcomas_apart.json")
    clicks = {row[1]: row[2] for row in rows("README.md", "") if row[0] == "" and len(row) == 4}
    assert clicks["hottest voxel"] == shown(found["dice_after_click"]["hottest"])
    assert clicks["a random voxel of the lesion"] == shown(found["dice_after_click"]["random"])
    for page in ("README.md", "docs/explain/limits.md"):
        assert f"gives {found['worst_click']['innermost']}" in text(page)


def test_tables_in_the_docs_are_those_of_what_benchmarks_have_kept() -> None:
    maker = runpy.run_path(str(ROOT / "docs" / "result_tables.py"))
    old = [path.name for path, today in maker["pages"]() if path.read_text(encoding="utf-8") != today]
    assert not old, "python docs/result_tables.py writes them anew"


def test_every_kept_table_is_shown() -> None:
    maker = runpy.run_path(str(ROOT / "docs" / "result_tables.py"))
    found = {match[2] for _, page in maker["pages"]() for match in maker["TABLE"].finditer(page)}
    assert found == set(maker["TABLES"])


def test_seconds_in_readme_are_those_of_the_run() -> None:
    found = stored("speed.json")["found"]
    times = {row["what"]: row["cpu_s"] for row in found["operations"]}
    click, stroke, answer = (times[what] for what in ("first click", "tumor stroke", "first answer"))
    assert f"first click takes {click:.1f} s, a corrective one {stroke:.1f} s, a first answer {answer:.0f} s" in text(
        "README.md"
    )
    assert found["grid"].startswith("400x400x326")


def test_counted_work_is_that_of_its_file() -> None:
    counted = json.loads((ROOT / "benchmarks" / "counted_work.json").read_text(encoding="utf-8"))["operations"]
    click, stroke = counted["first click"], counted["background stroke"]
    assert (
        f"{click['encoded']} frames encoded, {click['decoded']} decoded, {click['cubes']} cubes, "
        f"{click['gflop']:.1f} GFLOP"
    ) in text("docs/performance.md")
    assert f"one cube, {stroke['gflop']:.1f} GFLOP, no frame" in text("docs/performance.md")
    assert (stroke["cubes"], stroke["encoded"]) == (1, 0)


def test_the_table_of_agents_is_that_of_its_cases() -> None:
    run = json.loads((ROOT / "docs" / "benchmark_agents.json").read_text(encoding="utf-8"))
    worlds = [run["table"][name] for name in ("A", "B", "all")]
    page = "docs/benchmark.md"
    for row, key in (
        ("Dice, first answer", "dice_first_answer"),
        ("Dice, agent at its stop", "dice_agent"),
        ("Dice, reader after as many", "dice_reader_at_the_agents_turns"),
        ("Dice, reader after all", "dice_reader"),
    ):
        assert rows(page, row)[0][1:] == [shown(world[key], 3) for world in worlds]
    turns = [f"{world['turns_agent']:.1f} / {world['turns_reader']:.1f}" for world in worlds]
    assert rows(page, "turns, agent / reader")[0][1:] == turns
    gains = ["" if world["gain_a_turn_agent"] is None else shown(world["gain_a_turn_agent"], 3) for world in worlds]
    assert rows(page, "gain in Dice a turn")[0][1:] == gains
    assert rows(page, "wrong stops, agent")[0][1:] == [str(world["wrong_stops"]) for world in worlds]
    heads = [row for row in rows(page, "") if row[1:2] == [f"A ({worlds[0]['cases']})"]]
    assert heads[0][1:] == [
        f"{name} ({world['cases']})" for name, world in zip(("A", "B", "both"), worlds, strict=True)
    ]


def test_what_adapters_are_worth_is_what_was_found() -> None:
    dice = {row["variant"]: row["dice_click"] for row in stored("adapters.json")["found"]["variants"]}
    worth = shown(dice["LoRA, trunk + memory + decoder"] - dice["none"])
    assert f"worth {worth} of Dice after the click" in text("docs/finetuning.md")
    assert f"worth {worth} of Dice after a click" in text("docs/weights.md")


def test_what_readme_says_of_worlds_is_what_was_found() -> None:
    found = stored("worlds.json")["found"]
    with_one, without = (found[f"E, {start}"]["auc_dice"] for start in ("first answer", "strokes alone"))
    assert f"studies give an AUC-Dice of {shown(with_one)}, without one {shown(without)}" in text("README.md")


def test_what_the_model_is_made_of_is_what_is_stored() -> None:
    folder = ROOT / "checkpoints" / "default"
    loaded = load_model(folder)
    assert f"{sum(p.numel() for p in loaded.model.parameters()) / 1e6:.1f} M weights" in text("docs/model-card.md")
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    assert f"{size:.1f} MB" in text("docs/model-card.md")
    assert f"{size:.0f} MB" in text("README.md")


def test_the_gate_of_first_answers_is_that_of_the_checkpoint() -> None:
    path = ROOT / "checkpoints" / "default" / "first_answer.json"
    points = json.loads(path.read_text(encoding="utf-8"))["points"]
    page = "docs/first-answer.md"
    assert rows(page, "gate: the best")[0][1] == f"{points['fdg']['open']:g}; {points['psma']['open']:g}"
    assert rows(page, "a lesion of FDG")[0][1] == f"probability {points['fdg']['keep']:g}; {points['psma']['keep']:g}"


def test_the_rules_for_strokes_are_those_of_the_code() -> None:
    page, rules = "docs/explain/mask.md", DEFAULTS.strokes
    assert rows(page, "reach")[0][1:] == [
        f"{rules.reach_lengths:g} of its length, at least {rules.reach_mm:g} mm",
        f"the same; {rules.trim_lengths:g} and {rules.trim_mm:g} mm in a mask that follows uptake",
    ]
    assert rows(page, "uptake")[0][1:] == [
        f"{rules.coldest:g} to {rules.hottest:g} times its own",
        f"up to {rules.hottest:g} times its own; {rules.trim_hottest:g} in a mask that follows uptake",
    ]
    assert f"expect a Dice of each from {len(RANKER_NAMES)} numbers" in text(page)
    assert f"within {DEFAULTS.lesions.neighbourhood_mm:g} mm of one" in text(page)
    assert f"cubes of {WIDTHS_MM[0]:g}, {WIDTHS_MM[1]:g} and {WIDTHS_MM[2]:g} mm" in text(page)
    assert f"{len(LEVELS)} levels of uptake" in text(page)
