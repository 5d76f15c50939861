"""What training keeps and goes on from: damaged it is told in one line, foreign it is left alone, finished it stays."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from sam_pet.detection.coarse_study import CoarseStudy
from sam_pet.errors import InputError
from sam_pet.files import write_json
from sam_pet.models.manifest import read_manifest
from sam_pet.processes import end_with_parent
from sam_pet.train.candidate_examples import CandidateExample
from sam_pet.train.course import train
from sam_pet.train.crops import read_crop
from sam_pet.train.prompt_examples import Pointed
from sam_pet.train.ranker_examples import RankerExample
from sam_pet.train.recipe import Recipe
from sam_pet.train.run_folder import RunFolder, read_state
from sam_pet.train.store import ExampleStore
from sam_pet.train.tracker import finetune
from sam_pet.train.volume_examples import load_cubes
from tests.train.cases import recipe, write_cases


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    folder = tmp_path_factory.mktemp("finished")
    settings = recipe(write_cases(folder / "cases", 1), folder / "run")
    finetune(settings, device="cpu")
    return settings


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("changes", [{}, {"workers": 1}, {"save_every": 3}, {"validation": None}])
def test_a_finished_run_is_left_as_it_is(
    finished: Recipe, changes: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    (finished.out / "checkpoint" / "trained_since.safetensors").write_bytes(b"days of work")
    before = contents(finished.out)
    with caplog.at_level(logging.WARNING):
        finetune(finished.model_copy(update=changes), device="cpu")
    assert contents(finished.out) == before
    assert "is left as it is" in caplog.text


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-200] + bytes(200),
        lambda content: content[:0],
        lambda content: content[:400] + bytes([content[400] ^ 1]) + content[401:],
    ],
    ids=["cut", "zeros", "empty", "bit"],
)
def test_a_damaged_state_is_told_with_what_to_do(
    finished: Recipe, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "state.pt"
    path.write_bytes(damage((finished.out / "state.pt").read_bytes()))
    with pytest.raises(InputError, match=r"state\.pt is damaged .*remove it to train from the start") as caught:
        read_state(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [{"model": {}}, [1], {"done": "three"}])
def test_a_state_that_says_nothing_of_its_run_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "state.pt")
    with pytest.raises(InputError, match="does not say how far the run was"):
        read_state(tmp_path / "state.pt")


def test_a_line_of_metrics_that_a_killed_run_left_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1, "loss": 2.0}\n[1]\n\xff\n{"step": "x"}\n{"step": 2, "lo')
    assert RunFolder(tmp_path).metrics == [{"step": 1, "loss": 2.0}]


READERS: dict[str, Callable[[Path], object]] = {
    "crop": read_crop,
    "choices": RankerExample.load,
    "places": Pointed.load,
    "candidates": CandidateExample.load,
    "cubes": load_cubes,
    "coarse": CoarseStudy.load,
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_damaged_example_is_told_with_what_to_do(tmp_path: Path, read: Callable[[Path], object]) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, other=np.zeros(3))
    sound = path.read_bytes()
    for content in (b"", b"junk", sound[:-40], sound):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.npz is damaged .*; remove it to have it made again"):
            read(path)


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "7", "null", '["a", 1]'])
def test_what_a_store_keeps_is_made_again_where_it_is_damaged(tmp_path: Path, content: str) -> None:
    store, file = ExampleStore(tmp_path / "store"), tmp_path / "pet.nii.gz"
    file.write_bytes(b"a study")
    known = store.sha256(file)
    for path in (tmp_path / "store" / "digests").rglob("*.json"):
        path.write_text(content)
    assert store.sha256(file) == known


def test_a_folder_that_no_run_made_is_not_removed(tmp_path: Path) -> None:
    settings = recipe(write_cases(tmp_path / "cases", 1), tmp_path / "run")
    (tmp_path / "run" / "tracker").mkdir(parents=True)
    (tmp_path / "run" / "tracker" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="is no folder of an earlier run"):
        train(settings, device="cpu")
    with pytest.raises(InputError, match="is no folder of an earlier run"):
        train(settings, device="cpu", start="tracker")
    assert (tmp_path / "run" / "tracker" / "thesis.txt").read_text() == "years of work"


def test_a_finished_course_keeps_what_was_trained_into_its_checkpoint(tmp_path: Path) -> None:
    settings = recipe(
        write_cases(tmp_path / "cases", 1), tmp_path / "run", stages=[{"steps": 1, "batch": 1, "length": 1}]
    )
    checkpoint = train(settings, device="cpu")
    record = read_manifest(checkpoint)
    assert record is not None
    changed = record.model_copy(update={"licence": "mine"})
    write_json(changed.model_dump(mode="json"), checkpoint / "sam_pet.json")
    before = contents(checkpoint)
    assert train(settings, device="cpu") == checkpoint
    assert contents(checkpoint) == before
    for name in ("key.json", "done.json"):
        file = tmp_path / "run" / "tracker" / name
        kept = file.read_bytes()
        for damage in (b"", b"[" * 100_000, json.dumps({"key": 1}).encode()):
            file.write_bytes(damage)
            if name == "done.json" or damage[:1] != b"{":
                with pytest.raises(InputError, match=rf"{name} is damaged; restore it, or remove"):
                    train(settings, device="cpu")
        file.write_bytes(kept)
    assert contents(checkpoint) == before


def _wait(number: multiprocessing.Queue[int]) -> None:
    end_with_parent()
    number.put(os.getpid())
    time.sleep(600)


def _parent(number: multiprocessing.Queue[int]) -> None:
    context = multiprocessing.get_context("fork")
    context.Process(target=_wait, args=(number,)).start()
    time.sleep(600)


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_a_worker_ends_when_its_parent_is_killed() -> None:
    context = multiprocessing.get_context("fork")
    number: multiprocessing.Queue[int] = context.Queue()
    parent = context.Process(target=_parent, args=(number,))
    parent.start()
    worker = number.get(timeout=60)
    assert parent.pid is not None
    os.kill(parent.pid, signal.SIGKILL)
    parent.join()
    for _ in range(100):
        if not Path(f"/proc/{worker}").is_dir() or "Z" in Path(f"/proc/{worker}/stat").read_text().split()[2]:
            break
        time.sleep(0.1)
    else:
        os.kill(worker, signal.SIGKILL)
        pytest.fail("the worker is still there")


def test_processes_that_prepare_batches_end_with_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def loader(*arguments: Any, **options: Any) -> Any:
        asked.append((options["num_workers"], options["worker_init_fn"]))
        return DataLoader(*arguments, **{**options, "num_workers": 0, "prefetch_factor": None})

    monkeypatch.setattr("sam_pet.train.tracker.DataLoader", loader)
    finetune(recipe(write_cases(tmp_path / "cases", 1), tmp_path / "run", workers=1), device="cpu")
    assert asked == [(1, end_with_parent)] * 2
