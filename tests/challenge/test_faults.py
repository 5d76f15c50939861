"""Whatever is wrong with a step, a valid mask comes out of the entry point."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from sam_pet.challenge import segmenting, state
from sam_pet.geometry import Grid
from sam_pet.session.session import Session
from tests.challenge.conftest import BACKGROUND, GRID, TUMOR, Step
from tests.fakes import two_lesion_study

LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


def at(mask: np.ndarray, voxel: list[int]) -> int:
    x, y, z = voxel
    return int(mask[z, y, x])


# /cache and /output


def test_cache_missing(step: Step) -> None:
    (step.root / "cache").rmdir()
    step.run()
    assert at(step.mask(), TUMOR) == 1


def test_cache_read_only(step: Step) -> None:
    """Root may write anywhere but where the system lets nobody."""
    (step.root / "cache").rmdir()
    (step.root / "cache").symlink_to("/proc")
    assert not step.run()["fallback"]
    assert "nothing can be kept" in step.log
    step.mask()


def test_cache_full(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    replacing = state.replacing

    def full(path: Path) -> AbstractContextManager[Path]:
        if "cache" in path.parts:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return replacing(path)

    monkeypatch.setattr(state, "replacing", full)
    assert not step.run()["fallback"]
    assert "No space left on device" in step.log
    assert (step.root / "output/sam_pet/first").is_file()
    assert at(step.mask(), TUMOR) == 1


def test_cache_damaged(step: Step) -> None:
    step.run()
    for name in ("first", "last"):
        path = step.root / "cache/sam_pet" / name
        path.write_bytes(path.read_bytes()[:-20] + b"\0" * 20)
    assert not step.run()["fallback"]
    assert "damaged" in step.log
    assert at(step.mask(), TUMOR) == 1


def test_cache_of_another_case(step: Step) -> None:
    step.run()
    mask = step.mask()
    study = two_lesion_study()
    step.write(step.pet, np.roll(study.pet, 3, axis=2))
    (step.root / "cache/sam_pet/first").write_bytes((step.root / "cache/sam_pet/first").read_bytes())
    assert not step.run()["fallback"]
    assert "of another case" in step.log
    assert at(step.mask(), TUMOR) == 1
    assert (step.mask() != mask).any()


def test_output_pre_filled(step: Step) -> None:
    step.masks.mkdir(parents=True)
    for name in ("ct-uuid.mha", "earlier.mha", ".partial-half.mha"):
        (step.masks / name).write_text("not a mask")
    step.run()
    assert at(step.mask(), TUMOR) == 1


# Points


def test_points_absent(step: Step) -> None:
    step.points.unlink()
    assert not step.run()["fallback"]
    step.mask()


def test_points_empty(step: Step) -> None:
    step.draw([])
    assert not step.run()["fallback"]
    step.mask()


@pytest.mark.parametrize("damage", [lambda text: text[:-30].encode(), lambda text: text.encode("utf-16")])
def test_points_that_cannot_be_read_are_a_fallback(step: Step, damage: Callable[[str], bytes]) -> None:
    step.points.write_bytes(damage(step.points.read_text()))
    report = step.run()
    assert report["fallback"]
    assert "FALLBACK: the mask is 0 of 0 strokes; the points cannot be read" in step.log
    step.mask()


def test_points_truncated_after_a_good_step_keep_its_mask(step: Step) -> None:
    step.run()
    mask = step.mask()
    step.points.write_text(step.points.read_text()[:-30])
    assert step.run()["fallback"]
    assert "FALLBACK: the mask is the mask of the last step" in step.log
    assert (step.mask() == mask).all()


def test_points_that_are_floats(step: Step) -> None:
    step.draw([("tumor", [v + 0.25 for v in TUMOR])])
    step.run()
    assert at(step.mask(), TUMOR) == 1


def test_points_out_of_the_grid(step: Step) -> None:
    step.draw([("tumor", [64, 0, 0]), ("background", [0, -1, 0]), ("tumor", TUMOR)])
    assert not step.run()["fallback"]
    assert "2 of 3 points dropped" in step.log
    assert at(step.mask(), TUMOR) == 1


def test_ten_thousand_points_stop_in_time_and_are_all_in_the_mask(step: Step) -> None:
    rng = np.random.default_rng(0)
    voxels = np.stack([rng.integers(0, size, 10_000) for size in GRID.size], axis=1)
    step.draw([("tumor", voxel) for voxel in voxels.tolist()])
    began = time.monotonic()
    step.run(limit=8)
    assert time.monotonic() - began < 16
    assert step.mask()[tuple(voxels.T[::-1])].all()


# Images


@pytest.mark.parametrize("points", [True, False])
def test_lfs_pointer_instead_of_the_ct(step: Step, points: bool) -> None:
    step.ct.write_text(LFS_POINTER)
    if not points:
        step.draw([])
    assert step.run()["fallback"]
    assert "FALLBACK" in step.log
    assert "no CT can be read" in step.log
    assert at(step.mask(), TUMOR) >= points


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"DimSize = 64 48 40", b"DimSize = 100000 100000 100"),
        (b"NDims = 3", b"NDims = 100"),
        (b"NDims = 3", b"NDims = -3"),
        (b"ElementType = MET_SHORT", b"ElementType = MET_STRING"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile = /etc/passwd"),
    ],
)
def test_an_absurd_header_of_the_ct_costs_the_ct_and_not_the_mask(step: Step, old: bytes, new: bytes) -> None:
    content = step.ct.read_bytes()
    assert old in content
    step.ct.write_bytes(content.replace(old, new))
    assert step.run()["fallback"]
    assert "FALLBACK" in step.log
    assert at(step.mask(), TUMOR) == 1


def test_a_folder_that_cannot_be_read_costs_the_ct_and_not_the_mask(
    step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    _locked(step.ct.parent, monkeypatch)
    assert step.run()["fallback"]
    assert "no CT can be read" in step.log
    assert at(step.mask(name="pet-uuid.mha"), TUMOR) == 1


def test_a_wrong_byte_in_the_compressed_pet_is_not_taken_for_uptake(step: Step) -> None:
    content = bytearray(step.pet.read_bytes())
    content[-1] ^= 1
    step.pet.write_bytes(content)
    assert step.run()["fallback"]
    assert "do not fit their checksum" in step.log
    assert np.argwhere(step.mask()).tolist() == [TUMOR[::-1]]


def _locked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this user might not read a folder, which root always may."""
    iterdir, glob = Path.iterdir, Path.glob

    def refuse(path: Path) -> None:
        if path == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def locked_iterdir(path: Path) -> object:
        refuse(path)
        return iterdir(path)

    def locked_glob(path: Path, pattern: str) -> object:
        refuse(path)
        return glob(path, pattern)

    monkeypatch.setattr(Path, "iterdir", locked_iterdir)
    monkeypatch.setattr(Path, "glob", locked_glob)


def test_lfs_pointer_instead_of_the_pet_leaves_the_drawn_voxels(step: Step) -> None:
    step.pet.write_text(LFS_POINTER)
    assert step.run()["fallback"]
    assert np.argwhere(step.mask()).tolist() == [TUMOR[::-1]]
    assert "FALLBACK" in step.log


def test_image_cut_short(step: Step) -> None:
    step.ct.write_bytes(step.ct.read_bytes()[:-100])
    assert step.run()["fallback"]
    assert "the CT is left out" in step.log
    assert at(step.mask(), TUMOR) == 1


def test_ct_on_another_grid_has_the_mask_and_the_points(step: Step) -> None:
    study = two_lesion_study()
    assert study.ct is not None
    fine = Grid((80, 48, 40), (4.0, *GRID.spacing[1:]), GRID.origin, GRID.direction)
    columns = np.clip(np.round(np.arange(80) * 4.0 / GRID.spacing[0]).astype(int), 0, 63)
    step.write(step.ct, study.ct[:, :, columns].astype(np.int16), fine)
    voxel = [25, 24, 10]
    step.draw([("tumor", voxel)])
    assert not step.run()["fallback"]
    mask = step.mask(fine)
    assert at(mask, voxel) == 1


def test_ct_without_air_is_left_out(step: Step) -> None:
    step.write(step.ct, np.full(GRID.shape, 40, np.int16))
    assert step.run()["fallback"]
    assert "the CT is left out" in step.log
    step.mask()


def test_nan_in_pet(step: Step) -> None:
    pet = two_lesion_study().pet.copy()
    pet[:5] = np.nan
    pet[5, 0, 0] = np.inf
    step.write(step.pet, pet)
    assert not step.run()["fallback"]
    assert "mended" in step.log
    assert at(step.mask(), TUMOR) == 1


def test_pet_all_zero(step: Step) -> None:
    step.write(step.pet, np.zeros(GRID.shape, np.float32))
    step.run()
    assert at(step.mask(), TUMOR) == 1
    step.draw([])
    step.run()
    assert step.mask().sum() == 0


# The work fails, or takes too long


def test_a_crash_of_the_worker_leaves_the_best_mask_at_hand(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmenting, "apply", lambda *_: os.kill(os.getpid(), signal.SIGSEGV))
    assert step.run()["answer"] == "the first answer, without strokes"
    assert at(step.mask(), TUMOR) == 1


def test_a_stroke_that_fails_does_not_cost_the_others(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    from sam_pet.session.session import Session

    add = Session.add

    def failing(session: Session, prompt: object) -> int:
        if prompt.label == "background":  # type: ignore[attr-defined]
            raise RuntimeError("no")
        return add(session, prompt)  # type: ignore[arg-type]

    monkeypatch.setattr(Session, "add", failing)
    step.run()
    assert "stroke 2 of 2 failed" in step.log
    assert step.mask().sum() > 1


def test_a_first_answer_that_never_comes_ends_with_the_drawn_voxels(
    step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(*_: object) -> bytes:
        time.sleep(600)
        raise AssertionError

    monkeypatch.setattr(segmenting, "first_answer", endless)
    report = step.run(limit=4)
    assert report["fallback"]
    assert report["seconds"] < 8
    assert np.argwhere(step.mask()).tolist() == [TUMOR[::-1]]
    assert at(step.mask(), BACKGROUND) == 0


def test_a_model_that_never_answers_leaves_what_the_study_alone_leads_to(
    step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = np.zeros(GRID.shape, bool)
    found[29:32, 24, 44] = True
    monkeypatch.setattr(segmenting, "quick_mask", lambda *_: found)
    monkeypatch.setattr(Session, "first_answer", lambda *_, **__: time.sleep(600))
    assert step.run(limit=10)["answer"] == "the proposals, of which the model was not asked"
    assert step.mask()[found].all()
    assert at(step.mask(), TUMOR) == 1


def test_a_crash_after_a_good_step_leaves_its_mask(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    step.run()
    mask = step.mask()
    monkeypatch.setattr(segmenting, "apply", lambda *_: os.kill(os.getpid(), signal.SIGSEGV))
    assert step.run()["answer"] == "the mask of the last step"
    assert (step.mask() == mask).all()


def test_a_time_limit_of_5_s_gives_a_mask_in_10_s(step: Step) -> None:
    """With nothing loaded, as in the container."""
    process = step.start(limit=5)
    began = time.monotonic()
    assert process.wait(30) == 0
    assert time.monotonic() - began < 10
    assert at(step.mask(), TUMOR) == 1


def test_sigterm_in_the_middle(step: Step) -> None:
    process = step.start(limit=500)
    assert process.stderr is not None
    first = process.stderr.readline()
    assert "64 x 48 x 40 voxels" in first
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert "FALLBACK" in process.stderr.read()
    assert at(step.mask(), TUMOR) == 1


def test_killed_in_the_middle_leaves_no_half_mask_and_no_worker(step: Step) -> None:
    process = step.start(limit=500)
    assert process.stderr is not None
    process.stderr.readline()
    process.kill()
    process.wait(30)
    assert not step.masks.exists()
    step.run()
    assert at(step.mask(), TUMOR) == 1


# Weights


@pytest.mark.parametrize("damage", ["locked", "junk", "NaN"])
def test_uploaded_weights_that_cannot_be_used_leave_those_inside(
    step: Step, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    model = step.root / "opt/ml/model"
    model.mkdir(parents=True)
    if damage == "locked":
        _locked(model, monkeypatch)
    elif damage == "junk":
        (model / "weights.pt").write_bytes(b"junk" * 1000)
    else:
        from sam_pet.models import ModelManifest, save_model, untrained

        network = untrained("nano")
        next(network.parameters()).data.flatten()[0] = np.nan
        save_model(network, ModelManifest(name="mine", trained=True), model / "mine")
    report = step.run()
    assert report["fallback"]
    assert "the uploaded weights cannot be used" in step.log
    assert report["answer"] == "2 of 2 strokes"
    assert at(step.mask(), TUMOR) == 1


def test_a_worker_that_is_killed_is_logged_with_the_likely_reason(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmenting, "first_answer", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    assert step.run()["fallback"]
    assert "killed, as the system does where memory runs out" in step.log


def test_missing_weights_are_an_error_when_the_container_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sam_pet.challenge.check import main
    from sam_pet.models import registry

    monkeypatch.setenv("SAM_PET_ROOT", str(tmp_path))
    assert main() == 0
    assert "weights: nano from default" in capsys.readouterr().out
    monkeypatch.setattr(registry, "checkpoints_folder", lambda: tmp_path / "none")
    assert main() == 1
    assert "put trained weights into checkpoints/default" in capsys.readouterr().err
