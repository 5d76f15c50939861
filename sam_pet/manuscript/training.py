"""The draft of a training run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sam_pet.errors import InputError, one_line
from sam_pet.manuscript.draft import Draft, Figure, ShownTable
from sam_pet.manuscript.facts import Facts, shown
from sam_pet.manuscript.log import log_facts, say_of_log
from sam_pet.manuscript.weights import say_optimization, say_record
from sam_pet.models.card import CURVE
from sam_pet.models.manifest import RECORD, require_manifest
from sam_pet.page import Cell, Table
from sam_pet.train.recipe import Recipe
from sam_pet.train.run_folder import RunFolder

_RECIPE, _METRICS, _ENVIRONMENT, _DATA = "recipe.yaml", "metrics.jsonl", "environment.json", "data.json"


def draft_training(folder: Path) -> Draft:
    """The draft of the run of `finetune` or `train` in a folder.

    Raises:
        InputError: its records are damaged, or it has no checkpoint yet.
    """
    tracker = folder / "tracker" if (folder / "tracker" / _RECIPE).is_file() else folder
    run = RunFolder(tracker)
    recipe = run.recipe()
    if recipe is None:
        raise InputError(f"methods: {folder} has no recipe; give the folder of a training run")
    record = require_manifest(folder / "checkpoint")
    facts = _facts(folder, tracker, recipe)
    draft = Draft(
        facts, facts.say("Training of {recipe.name}, a network for interactive lesion segmentation in PET/CT")
    )
    draft.say(1, "The model {recipe.name} is a neural network that segments what prompts point at.")
    draft.say(2, "The model {recipe.name} was trained from {recipe.base} for {recipe.steps} steps ({recipe.mode}).")
    draft.miss(2, "background, results on test data and conclusions")
    say_of_log(draft, 5)
    draft.miss(5, "whether the data were collected before the study or for it")
    draft.say(6, "The goal was to train the model {recipe.name}.")
    _data(draft)
    _record(draft, folder)
    draft.say(9, "Frames: {frames}; CT and PET go in on the grid of the PET.")
    draft.say(23, "Python {environment file.python} on {environment file.system}; device {environment file.device}.")
    _packages(draft)
    say_optimization(draft, "recipe")
    draft.say(26, "The final weights are the average, with factor {recipe.optimization.ema}, after the last step.")
    say_record(draft, "record", record, f"checkpoint/{RECORD}", folder / "checkpoint")
    _settings(draft, recipe)
    draft.say(28, "Loss and its parts, as the network was trained on them, at each step that was logged ({logged}).")
    _measures(draft, run, folder)
    kind = "training" if recipe.validation is None else "training and of validation during it"
    draft.say(38, f"All figures of {{recipe.name}} are of {kind}; there is no test on other cases.", "logged")
    say_of_log(draft, 41, sealed=True)
    draft.miss(41, "where protocol, code, weights and data can be had")
    return draft


def _facts(folder: Path, tracker: Path, recipe: Recipe) -> Facts:
    facts = Facts()
    facts.add(_RECIPE, {**recipe.model_dump(mode="json", exclude={"out", "store"}), "steps": recipe.steps}, "recipe.")
    facts.add(_ENVIRONMENT, _json(tracker / _ENVIRONMENT), "environment file.")
    facts.add(_DATA, _json(tracker / _DATA), "data file.")
    metrics = RunFolder(tracker).metrics
    facts.add(_METRICS, {"logged": len(metrics)})
    log_facts(facts, folder)
    return facts


def _json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"methods: {path} cannot be read ({one_line(error)[:100]})") from error
    if not isinstance(content, dict):
        raise InputError(f"methods: {path} is no mapping; restore it")
    return content


def _data(draft: Draft) -> None:
    facts = draft.facts
    for n, data in enumerate(facts["recipe.train"].value, 1):
        known = {key: value for key, value in data.items() if value is not None}
        cases = known.pop("cases", None)
        facts.add(_RECIPE, {**known, "named": cases and len(cases)}, f"train.{n}.")
        if "phantoms" in known:
            draft.say(7, f"Simulated studies: phantoms of seeds {{train.{n}.phantoms}} ({{train.{n}.variant}}).")
        elif cases:
            draft.say(7, f"{{train.{n}.named}} named cases of a folder were taken.")
        else:
            draft.say(7, "All cases of a folder were taken.", f"train.{n}.folder")
    draft.say(7, "They gave {data file.crops} crops to learn from.")
    draft.miss(7, "where and when real data were acquired, and under which licence and approval they are used")
    draft.say(11, "Crops have a margin of {recipe.samples.margin_mm} mm; of each case up to {recipe.samples.hot_spots} "
              "hot spots without a lesion were kept.")  # fmt: skip
    draft.say(13, "The CT was left out of a share of {recipe.samples.without_ct} of the clips.")
    draft.miss(14)
    draft.say(19, "There were {data file.crops} crops.")
    draft.miss(19, "how this number was chosen")


def _record(draft: Draft, folder: Path) -> None:
    record = require_manifest(folder / "checkpoint")
    draft.facts.add(f"checkpoint/{RECORD}", {"frames": record.frames.name})
    patients = record.training.get("patients")
    if isinstance(patients, dict):
        draft.facts.add(f"checkpoint/{RECORD}", patients, "patients.")
        draft.say(20, "Kept from the networks was one patient in {recipe.folds} of each group, {patients.held} in all.")
        draft.say(20, "The networks saw {patients.seen} patients.")
        draft.say(21, "Studies of a patient stayed on one side ({patients.seen} and {patients.held} patients).")
    else:
        draft.say(20, "All {data file.crops} crops were trained on.")
    if draft.facts["recipe.mode"].value == "lora":
        draft.say(22, "Low-rank adapters of rank {recipe.lora.rank} and alpha {recipe.lora.alpha} on "
                  "{recipe.lora.targets} were trained.")  # fmt: skip


def _packages(draft: Draft) -> None:
    versions = [f for f in draft.facts.below("environment file.packages") if f.value is not None]
    rows = [[Cell(fact.key.rpartition("packages.")[2]), Cell(str(fact.value))] for fact in versions]
    caption = draft.facts.say("Versions of packages.", *(fact.key for fact in versions))
    draft.add(23, ShownTable(caption, Table(["package", "version"], rows)))


def _settings(draft: Draft, recipe: Recipe) -> None:
    """Every value of the recipe but the lists of cases, which have their own file."""
    left_out = ("recipe.train", "recipe.stages", "recipe.attribution")
    rows = [
        [Cell(fact.key.partition(".")[2]), Cell(shown(fact.value))]
        for fact in draft.facts.below("recipe")
        if not fact.key.startswith(left_out)
    ]
    caption = draft.facts.say("The recipe of {recipe.name}.")
    draft.appendix.append(ShownTable(caption, Table(["setting", "value"], rows)))
    stages = [[Cell(str(n)), *(Cell(str(v)) for v in stage.model_dump().values())]
              for n, stage in enumerate(recipe.stages, 1)]  # fmt: skip
    names = list(type(recipe.stages[0]).model_fields)
    draft.add(25, ShownTable(draft.facts.say("Stages of the tracker, {recipe.steps} steps in all."), Table(
        ["stage", *names], stages)))  # fmt: skip


def _measures(draft: Draft, run: RunFolder, folder: Path) -> None:
    facts, metrics = draft.facts, run.metrics
    columns = list(dict.fromkeys(key for line in metrics for key in line))
    rows = [[Cell(_figure(line[key]) if key in line else "–") for key in columns] for line in metrics]
    draft.appendix.append(ShownTable(facts.say("All {logged} lines of figures of the tracker's training."), Table(
        columns, rows)))  # fmt: skip
    last = {key: value for line in metrics for key, value in line.items() if key not in ("seconds", "lr")}
    facts.add(_METRICS, last, "last.")
    if "last.loss" in facts:
        draft.say(35, "At step {last.step} the loss was {last.loss|.4f}.")
    figures = facts.below("last")
    if figures:
        cells = [[Cell(fact.key.partition(".")[2]), Cell(_figure(fact.value))] for fact in figures]
        caption = facts.say("The last figures of the tracker's training, at step {last.step}.")
        draft.add(35, ShownTable(caption, Table(["figure", "value"], cells)))
    draft.miss(35, "performance on test data")
    if "last.parameters" in facts:
        draft.say(22, "It has {last.parameters} parameters; {last.trained_parameters} were trained.")
    curve = folder / "checkpoint" / CURVE
    if curve.is_file():
        draft.add(35, Figure(facts.say("Losses over {last.step} steps of training."), curve.read_bytes()))
    _stages(draft, folder)


def _figure(value: Any) -> str:
    return shown(value, ".5g" if isinstance(value, float) else "")


def _stages(draft: Draft, folder: Path) -> None:
    """What the other parts were trained on, and what came of it."""
    rows = []
    for path in sorted(folder.glob("*/done.json")):
        done = _json(path)
        for key, value in done.get("facts", {}).items():
            rows.append([Cell(path.parent.name), Cell(key), Cell(_figure(value))])
        rows.append([Cell(path.parent.name), Cell("seconds"), Cell(shown(done["seconds"]))])
    if rows:
        draft.facts.add("STAGE/done.json", {"stages": len({row[0].text for row in rows})}, "course.")
        caption = draft.facts.say("What each of {course.stages} stages was made from, and what came of it.")
        draft.add(35, ShownTable(caption, Table(["stage", "figure", "value"], rows)))
