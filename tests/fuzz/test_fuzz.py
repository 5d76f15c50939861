"""A little of `make fuzz` at every run of the tests, and all that it has found."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.fuzz.damage import damaged
from tests.fuzz.readers import targets
from tests.fuzz.run import try_one
from tests.fuzz.target import Target

INPUTS, SECONDS = 25, 1.0
CORPUS = Path(__file__).parent / "corpus"


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    return targets(tmp_path_factory.mktemp("sound"))


def test_sound_files_are_read(known: dict[str, Target], tmp_path: Path) -> None:
    for name, target in known.items():
        if name not in ("config", "pt", "session prompts", "session manifest"):
            for other, data in (*target.others, (target.name, target.content)):
                path = tmp_path / name / other
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            target.read(tmp_path / name)


def test_damaged_files_are_refused_in_one_line_or_read(known: dict[str, Target], tmp_path: Path) -> None:
    for name, target in known.items():
        rng, began = random.Random(name), time.process_time()
        for number in range(INPUTS):
            if time.process_time() - began > SECONDS:
                break
            fault = try_one(target, damaged(target.content, rng), tmp_path / "damaged")
            assert fault is None, f"{name}, input {number}: {fault}"


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*")), ids=lambda path: path.name)
def test_what_was_found_stays_mended(known: dict[str, Target], tmp_path: Path, path: Path) -> None:
    name = path.name.rpartition("-")[0].replace("-", " ")
    assert try_one(known[name], path.read_bytes(), tmp_path / "damaged") is None
