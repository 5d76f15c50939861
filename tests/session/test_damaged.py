"""Saved sessions that are damaged are refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sam_pet.errors import InputError
from sam_pet.session.saved import fingerprint, read_record
from sam_pet.study import Study
from tests.images import GRID, pet_array

STUDY = Study(pet_array(), None, GRID)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = {"source": "default", "sha256": "0", "trained": True}
    manifest = {"version": "1", "model": model, "study": fingerprint(STUDY), "first_answer": None, "mask_sha256": "0"}
    prompts = [
        {"kind": "click", "label": "tumor", "voxels": [[6, 5, 3]], "lesions": [1]},
        {"kind": "box", "label": "tumor", "voxels": [[1, 1, 1], [3, 3, 3]], "lesions": [2]},
    ]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "prompts.json").write_text(json.dumps({"type": "sam_pet prompts", "prompts": prompts}))
    return tmp_path


def refused(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_record(folder, STUDY)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_sound_one_is_read(folder: Path) -> None:
    assert [lesions for _, lesions in read_record(folder, STUDY).drawn] == [(1,), (2,)]


@pytest.mark.parametrize("name", ["manifest.json", "prompts.json"])
@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"{", b"[]", b"7", b"null", b"\xff\xfe", b"{}"])
def test_a_file_that_is_no_session_is_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    assert str(folder / name) in refused(folder)


@pytest.mark.parametrize("lesions", ["x", None, -1, 10**30, 7, {}, ["x"], [[]], [None], [1.5], [True], ["1"]])
def test_lesions_that_are_no_numbers_are_refused(folder: Path, lesions: Any) -> None:
    path = folder / "prompts.json"
    content = json.loads(path.read_text())
    content["prompts"][0]["lesions"] = lesions
    path.write_text(json.dumps(content))
    assert "names lesions that are no numbers" in refused(folder)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("study",), None),
        (("study",), {}),
        (("study", "pet_sha256"), "other"),
        (("model",), None),
        (("model",), []),
        (("model",), {"source": "x"}),
    ],
)
def test_a_manifest_without_its_parts_is_refused(folder: Path, place: tuple[str, ...], value: Any) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    holder = content
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    path.write_text(json.dumps(content))
    assert "session: " in refused(folder)
