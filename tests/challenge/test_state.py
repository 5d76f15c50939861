from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sam_pet.challenge import packing, segmenting, state
from sam_pet.challenge.answers import pack_mask, unpack_mask
from sam_pet.challenge.state import Store, case_key
from sam_pet.segmenter import Segmenter
from sam_pet.study import Study
from tests.challenge.conftest import BACKGROUND, TUMOR, Step
from tests.fakes import two_lesion_study

KEPT = "first answer: kept"


@pytest.fixture
def two_lesions_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first answer that finds something, which that on a phantom of two balls need not."""
    plain = segmenting.first_answer

    def clicked(segmenter: Segmenter, study: Study, *_: object) -> bytes:
        session = segmenting.opened(segmenter, study, plain(segmenter, study))
        session.add_click((20, 24, 10))
        session.add_click((44, 24, 30))
        return segmenting.packed(session)

    monkeypatch.setattr(segmenting, "first_answer", clicked)


@pytest.mark.usefixtures("two_lesions_at_first")
def test_a_step_with_state_and_one_without_give_the_same_mask(step: Step) -> None:
    step.draw([])
    step.run()
    first = step.mask()
    assert first.any()
    step.draw([("tumor", TUMOR), ("tumor", [25, 24, 10]), ("background", [18, 24, 10]), ("background", BACKGROUND)])
    step.run()
    assert KEPT in step.log
    with_state = step.mask()
    shutil.rmtree(step.root / "cache")
    step.run()
    assert KEPT not in step.log
    assert (step.mask() == with_state).all()
    assert (with_state != first).any()


def test_state_goes_to_output_where_there_is_no_cache(step: Step) -> None:
    (step.root / "cache").rmdir()
    (step.root / "cache").write_text("in the way")
    step.run()
    assert (step.root / "output/sam_pet/first").is_file()
    step.run()
    assert KEPT in step.log


def test_without_any_place_for_state_the_step_goes_on(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(state, "replacing", full)
    assert not step.run()["fallback"]
    assert "No space left on device" in step.log
    step.mask()


def test_a_folder_that_cannot_be_written_is_passed_over(tmp_path: Path) -> None:
    full, other = Path("/proc/sam_pet"), tmp_path / "b"
    store = Store([full, other], "key")
    store.write("first", b"blob")
    assert store.read("first") == b"blob"
    assert (other / "first").is_file()


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b[:60] + b"\0" + b[61:], lambda b: b[:0], lambda b: b[::-1]]
)
def test_a_damaged_blob_is_not_read(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    store = Store([tmp_path], "key")
    store.write("first", b"a blob of more than ten bytes")
    store.write("first", b"a blob of more than ten bytes")
    path = tmp_path / "first"
    path.write_bytes(damage(path.read_bytes()))
    assert store.read("first") is None
    store.write("first", b"again")
    assert store.read("first") == b"again"


def test_a_blob_of_another_case_is_not_read(tmp_path: Path) -> None:
    Store([tmp_path], "one").write("first", b"blob")
    assert Store([tmp_path], "two").read("first") is None
    assert Store([tmp_path], "one").read("first") == b"blob"


def test_halves_that_a_killed_step_left_are_taken_away(tmp_path: Path) -> None:
    (tmp_path / ".partial-1").write_bytes(b"half")
    Store([tmp_path], "key").write("first", b"blob")
    assert [p.name for p in tmp_path.iterdir()] == ["first"]


def test_the_key_tells_studies_and_weights_apart() -> None:
    study = two_lesion_study()
    other = Study(study.pet + np.float32(0.001), study.ct, study.grid)
    keys = [
        case_key(study, "a"),
        case_key(other, "a"),
        case_key(study, "b"),
        case_key(Study(study.pet, None, study.grid), "a"),
    ]
    assert len(set(keys)) == 4
    assert case_key(two_lesion_study(), "a") == keys[0]


def test_a_packed_session_goes_on_as_the_session_itself() -> None:
    study, segmenter = two_lesion_study(), Segmenter.from_pretrained()
    session = segmenter.open(study)
    session.add_click((20, 24, 10))
    session.add_box((40, 20, 28), (48, 28, 32))
    session.add_scribble([(22, 24, 10), (23, 24, 10)], label="background")
    restored = segmenting.opened(segmenter, study, segmenting.packed(session))
    assert restored.entries == session.entries
    assert (restored.labels == session.labels).all()
    for either in (session, restored):
        either.add_click((44, 22, 30))
    assert (restored.labels == session.labels).all()
    assert restored.scores == session.scores


def test_what_holds_code_is_not_packed() -> None:
    with pytest.raises(TypeError, match="cannot be packed"):
        packing.pack({"f": logging.getLogger()})


def test_a_shared_object_is_packed_once() -> None:
    array = np.arange(1000)
    assert len(packing.pack([array] * 50)) < 2 * array.nbytes
    unpacked = packing.unpack(packing.pack((array, {1: array}, None, 0.1, "s")))
    assert unpacked[1][1] is unpacked[0] or (unpacked[1][1] == unpacked[0]).all()
    assert unpacked[2:] == (None, 0.1, "s")


def test_a_mask_survives_packing() -> None:
    mask = (np.random.default_rng(0).random((3, 5, 7)) > 0.5).astype(np.uint8)
    assert (unpack_mask(pack_mask(mask), mask.shape) == mask).all()
    with pytest.raises(ValueError, match="do not hold"):
        unpack_mask(pack_mask(mask), (30, 5, 7))
