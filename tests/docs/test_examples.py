"""The examples in the docstrings of all that the reference shows: there is one, and it runs."""

from __future__ import annotations

import doctest
import inspect
import re
from functools import lru_cache, wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import sam_pet
from sam_pet import phantom
from sam_pet.phantom import make
from tests.docs.blocks import ROOT

# Each runs elsewhere.
WITHOUT = {
    "sam_pet.dicom.read.read_ct": "needs a series; docs/howto/dicom.md",
    "sam_pet.dicom.read.read_pet": "needs a series; docs/howto/dicom.md",
    "sam_pet.dicom.series.read_series": "needs a series; docs/howto/dicom.md",
    "sam_pet.dicom.series.Series": "needs a series; docs/howto/dicom.md",
    "sam_pet.dicom.seg.write_seg": "needs a series; docs/howto/dicom.md",
    "sam_pet.dicom.rtstruct.write_rtstruct": "needs a series; docs/howto/dicom.md",
    "sam_pet.dicom.sr.write_sr": "needs a series; tests/app/test_exports.py",
    "sam_pet.dicom.rtstruct.read_rtstruct": "needs a series; docs/howto/dicom.md",
    "sam_pet.dicom.rtstruct.roi_names": "needs a series; docs/howto/dicom.md",
    "sam_pet.readers.Reader": "a protocol",
    "sam_pet.methods.Method": "a protocol",
    "sam_pet.methods.MethodSession": "a protocol",
    "sam_pet.train.tracker.finetune": "a training; docs/finetuning.md",
    "sam_pet.train.course.train": "a training; docs/howto/finetune.md",
}


def names() -> list[str]:
    """What the reference pages show."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "reference").glob("*.md"))]
    return [name for text in texts for name in re.findall(r"^::: (\S+)$", text, re.MULTILINE)]


def found(name: str) -> Any:
    home, _, last = name.rpartition(".")
    return getattr(import_module(home), last)


def examples(name: str) -> list[doctest.DocTest]:
    thing = found(name)
    tests = doctest.DocTestFinder(exclude_empty=True).find(thing, name, module=inspect.getmodule(thing))
    return [test for test in tests if test.examples]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Examples write where they run; a phantom of the same arguments, which has the same bytes, is made once."""
    monkeypatch.chdir(tmp_path)
    for module in (phantom, make):
        monkeypatch.setattr(module, "make_phantom", _made)


_original = make.make_phantom


@lru_cache(maxsize=4)
def _once(seed: int, tracer: Any, grid: Any, lesion_free: bool | None) -> phantom.Phantom:
    return _original(seed, tracer, grid, lesion_free=lesion_free)


@wraps(_original)
def _made(seed: int, tracer: Any = "fdg", grid: Any = None, **others: Any) -> phantom.Phantom:
    if set(others) <= {"lesion_free"}:
        return _once(seed, tracer, grid, others.get("lesion_free"))
    return _original(seed, tracer, grid, **others)


def test_the_reference_shows_all_that_is_public() -> None:
    shown = names()
    assert len(shown) == len(set(shown)) > 80
    homes = {found(name) for name in shown}
    assert [n for n in sam_pet.__all__ if n != "__version__" and getattr(sam_pet, n) not in homes] == []


def test_exceptions_are_shown_and_have_no_example() -> None:
    assert [name for name in WITHOUT if name not in names() or examples(name)] == []


@pytest.mark.parametrize("name", [name for name in names() if name not in WITHOUT])
def test_the_example_runs(name: str) -> None:
    tests = examples(name)
    assert tests, f"{name} has no example"
    said: list[str] = []
    for test in tests:
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(test, out=said.append)
    assert said == []
