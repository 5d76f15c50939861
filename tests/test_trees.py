"""Trees say what XGBoost says of the same numbers."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import xgboost

from sam_pet.trees import from_text, to_text


@pytest.mark.parametrize("objective", ["binary:logistic", "reg:squarederror", "reg:pseudohubererror"])
@pytest.mark.parametrize(("depth", "at_once"), [(1, 1), (6, 3)])
def test_what_trees_say_is_what_xgboost_says(objective: str, depth: int, at_once: int) -> None:
    rng = np.random.default_rng(depth)
    rows = rng.normal(size=(400, 5)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    wanted = (np.nan_to_num(rows[:, 0]) + rng.normal(size=400) > 0).astype(np.float32)
    settings = {
        "objective": objective,
        "max_depth": depth,
        "num_parallel_tree": at_once,
        "subsample": 0.7,
        "nthread": 1,
    }
    booster = xgboost.train(settings, xgboost.DMatrix(rows, wanted, missing=np.nan), 20)
    said = from_text(to_text(booster)).predict(rows)
    np.testing.assert_allclose(said, booster.inplace_predict(rows, missing=np.nan), rtol=0, atol=2e-7)
    assert said.std() > 0.01


def test_no_rows_have_no_answers_and_many_rows_all() -> None:
    rows = np.random.default_rng(0).random((60, 3)).astype(np.float32)
    trees = from_text(to_text(xgboost.train({"nthread": 1}, xgboost.DMatrix(rows, rows[:, 0]), 30)))
    assert trees.predict(rows[:0]).shape == (0,)
    many = np.tile(rows, (1000, 1))
    assert np.array_equal(trees.predict(many), np.tile(trees.predict(rows), 1000))


def test_an_outline_ranker_is_read_without_xgboost() -> None:
    unwanted = ["xgboost", "pandas"]
    if importlib.util.find_spec("torchvision") is None:  # which `transformers` takes along, and it the compiler
        unwanted += ["torch._dynamo", "scipy.optimize"]
    code = (
        "import sys; from sam_pet.segmenter import Segmenter; Segmenter.from_pretrained('default').ranker\n"
        f"print([name for name in {unwanted} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
