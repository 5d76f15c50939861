"""Readers of what training keeps: recipes' data, states, metrics, examples."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sam_pet.detection.coarse_study import CoarseStudy
from sam_pet.train.course import _kept
from sam_pet.train.crops import read_crop
from sam_pet.train.data import cases_of
from sam_pet.train.ranker_examples import RankerExample
from sam_pet.train.recipe import Data
from sam_pet.train.run_folder import RunFolder
from sam_pet.train.store import ExampleStore
from tests.fuzz.target import Target


def of_training(scratch: Path) -> dict[str, Target]:
    torch.save({"done": 3, "model": {"a": torch.ones(5)}}, scratch / "state.pt")
    state = (scratch / "state.pt").read_bytes()
    splits = json.dumps([{"train": ["a"], "val": ["b"]}]).encode()
    cases = tuple((f"{case}/{part}.nii.gz", b"") for case in "ab" for part in ("SUV", "SEG"))
    done = json.dumps({"key": "0" * 64, "seconds": 3, "facts": {"steps": 2}}).encode()
    metrics = json.dumps({"step": 1, "loss": 0.5}).encode() + b"\n"
    return {
        "state": Target("state.pt", state, lambda folder: RunFolder(folder).load_state()),
        "metrics": Target("metrics.jsonl", metrics * 3, lambda folder: RunFolder(folder).metrics),
        "stage": Target("done.json", done, lambda folder: _kept(folder / "done.json", {"key": str, "facts": dict})),
        "splits": Target("splits.json", splits, _cases, cases),
        "crop": Target("c.npz", _crop(), lambda folder: read_crop(folder / "c.npz")),
        "outlines": Target("o.npz", _outlines(), lambda folder: RankerExample.load(folder / "o.npz")),
        "coarse study": Target("s.npz", _coarse(), lambda folder: CoarseStudy.load(folder / "s.npz")),
    }


def _cases(folder: Path) -> Any:
    return cases_of(Data(folder=folder, splits=folder / "splits.json"), ExampleStore(folder / "store"))


def _crop() -> bytes:
    arrays = {"pet": np.ones((4, 4, 4), np.float16), "mask": np.packbits(np.zeros((4, 4, 4), bool))}
    return _packed(**arrays, spacing=(4.0, 4.0, 5.0), case="a", seed=(1, 2, 3))


def _outlines() -> bytes:
    return _packed(features=np.zeros((6, 4)), dice=np.ones(6), choice=np.repeat([0, 1], 3))


def _coarse() -> bytes:
    cells = np.zeros((4, 4, 4))
    return _packed(pet=cells, ct=cells.astype(np.int8), low=np.zeros(3), reference=1.5, tracer="fdg")


def _packed(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()
