"""The notebooks run as they are, and are kept with outputs that read well on a code host."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import SimpleITK as sitk
from safetensors.numpy import load_file

from notebooks.run import HERE, WIDGET, run
from sam_pet.scores import score

NOTEBOOKS = sorted(HERE.glob("*.ipynb"))
PATH_OF_A_MACHINE = re.compile(r"(?<![\w.])/(home|root|tmp|work|opt|Users|usr|var)/|[A-Z]:\\\\Users")


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def array(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_these_are_the_notebooks():
    assert [path.stem for path in NOTEBOOKS] == ["bring_your_own_model", "finetune_autopet", "zero_shot"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_kept_small_and_know_nothing_of_the_machine(path: Path):
    notebook = nbformat.read(path, as_version=4)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    kept = outputs(notebook)
    assert any("image/png" in output.get("data", {}) for output in kept)
    assert not any(WIDGET in output.get("data", {}) for output in kept)
    assert not any(output.output_type == "error" or output.get("name") == "stderr" for output in kept)
    assert not PATH_OF_A_MACHINE.search(json.dumps(kept))
    assert path.stat().st_size < 1_000_000


def test_zero_shot_segments_corrects_and_saves(tmp_path: Path):
    notebook = run(HERE / "zero_shot.ipynb", tmp_path)
    folder = tmp_path / "notebooks"
    mask, lesions = (array(folder / name) for name in ("out/mask.nii.gz", "data/study/lesions.nii.gz"))
    truth = (lesions == lesions[13, 42, 75]).astype(np.uint8)
    assert score(mask, truth, (4.07, 4.07, 4.0)).dice > 0.4
    shown = [output.data["text/plain"] for output in outputs(notebook) if "data" in output]
    # Undo is exact, and a session replayed from its folder is the same.
    assert shown.count("True") == 2


def test_finetune_trains_adapters_on_cases_in_autopet_layout(tmp_path: Path):
    run(HERE / "finetune_autopet.ipynb", tmp_path)
    folder = tmp_path / "notebooks" / "runs" / "rehearsal"
    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert metrics[-1]["step"] == 8
    assert metrics[0]["trained_parameters"] < metrics[0]["parameters"] / 10
    assert metrics[-1]["validation_cases"] == 1
    weights = load_file(folder / "checkpoint" / "adapter_model.safetensors")
    # Adapters start with B = 0: those that have learned have left it.
    assert any("lora_B" in name and tensor.any() for name, tensor in weights.items())


def test_bring_your_own_model_compares_two_models_case_by_case(tmp_path: Path):
    run(HERE / "bring_your_own_model.ipynb", tmp_path)
    with (tmp_path / "notebooks" / "results" / "report.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3 * 3 * 3
    assert not any(row["error"] for row in rows)
    dice = {
        method: [row["dice"] for row in rows if row["method"] == method]
        for method in ("sam-pet:default", "sam-pet:models/wide", "threshold41")
    }
    assert all(len(values) == 9 for values in dice.values())
    assert dice["sam-pet:default"] != dice["sam-pet:models/wide"]
    assert max(map(float, dice["sam-pet:default"])) > 0.3
