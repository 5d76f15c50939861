"""Headers and data that ITK would crash on, pass over, or take gigabytes for: each is one line."""

from __future__ import annotations

import errno
import gzip
import logging
import os
import resource
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from sam_pet.errors import InputError
from sam_pet.files import clear_left, partial_prefix, read_image, replacing, require_apart, write_image
from sam_pet.geometry import Grid
from sam_pet.masks import read_labels, read_mask
from sam_pet.study import read_study
from tests.images import GRID, ct_array, pet_array, write

Damage = Callable[[bytes], bytes]


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_image(path, "PET")
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("NDims = 3", "NDims = 100", "100 dimensions"),
        ("NDims = 3", "NDims = -3", "-3 dimensions"),
        ("NDims = 3", "NDims = many", "no whole numbers for NDims"),
        ("DimSize = 12 10 6", "DimSize = 0 0 0", "size of 0 x 0 x 0"),
        ("DimSize = 12 10 6", "DimSize = 12 10", "3 dimensions and 2 sizes"),
        ("DimSize = 12 10 6", "DimSize = 99999 99999 999", "more than the"),
        ("DimSize = 12 10 6", "DimSize = 120 100 60", "is cut short"),
        ("MET_FLOAT", "MET_FLOAT_ARRAY", "type 'MET_FLOAT_ARRAY'"),
        ("MET_FLOAT", "MET_STRING", "type 'MET_STRING'"),
        ("ElementSpacing = 4 4 5", "ElementSpacing = 1e-300 4 4", "voxels of 1e-300 x 4 x 4 mm"),
        ("ElementSpacing = 4 4 5", "ElementSpacing = 1e5 1e5 1e5", "voxels of 100000"),
        ("ElementSpacing = 4 4 5", "ElementSpacing = -4 4 4", "above 0"),
        ("ElementSpacing = 4 4 5", "ElementSpacing = nan 4 4", "numbers for ElementSpacing"),
        ("TransformMatrix = 1 0 0", "TransformMatrix = 1 0.5 0", "sheared|span space"),
        ("ElementDataFile = LOCAL", "ElementDataFile = /etc/passwd", "another file"),
        ("ElementDataFile = LOCAL", "ElementDataFile = other.raw", "another file"),
    ],
)
def test_absurd_metaimage_headers(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path / "a.mha", pet_array())
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode()))
    assert any(part in refused(path) for part in message.split("|"))


@pytest.mark.parametrize("name", ["a.mha", "a.nii.gz", "a.nrrd"])
def test_a_wrong_byte_in_compressed_data_is_never_taken_for_voxels(tmp_path: Path, name: str) -> None:
    values = np.random.default_rng(0).random(GRID.shape, np.float32)
    path = write(tmp_path / name, values, compress=True)
    content = path.read_bytes()
    for at in range(len(content) - 2000, len(content), 37):
        path.write_bytes(content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :])
        try:
            read = sitk.GetArrayFromImage(read_image(path, "PET"))
        except InputError:
            continue
        assert np.array_equal(read, values)


def test_a_checksum_that_does_not_fit_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mha", pet_array(), compress=True)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert "do not fit their checksum" in refused(path)


def nifti(path: Path, **fields: tuple[str, int, tuple[float, ...]]) -> Path:
    """A sound file with some header fields (format, offset, values) changed."""
    content = bytearray(write(path.parent / "sound.nii", pet_array()).read_bytes())
    for kind, offset, values in fields.values():
        struct.pack_into(f"<{kind}", content, offset, *values)
    path.write_bytes(gzip.compress(bytes(content)) if path.suffix == ".gz" else bytes(content))
    return path


NO_QFORM = ("h", 252, (0,))
NO_SFORM = ("h", 254, (0,))


def test_a_sform_counts_where_pixdim_says_nothing(tmp_path: Path) -> None:
    image = read_image(nifti(tmp_path / "a.nii", pixdim=("3f", 80, (4.0, 4.0, 0.0)), qform=NO_QFORM), "PET")
    assert image.GetSpacing() == pytest.approx((4, 4, 5))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pixdim": ("3f", 80, (4.0, 4.0, 3.0))}, "two spacings"),
        ({"pixdim": ("3f", 80, (4.0, 4.0, 0.0)), "sform": NO_SFORM}, "no sform"),
        ({"pixdim": ("3f", 80, (4.0, -4.0, 5.0)), "sform": NO_SFORM}, "no sform"),
        ({"units": ("B", 123, (3,))}, "0.004 x 0.004 x 0.005 mm"),
        ({"units": ("B", 123, (1,))}, "4000 x 4000 x 5000 mm"),
        ({"srow": ("12f", 280, (float("nan"),) * 12)}, "no positions"),
        ({"dim": ("8h", 40, (3, 0, 0, 0, 1, 1, 1, 1))}, "size of 0 x 0 x 0"),
        ({"dim": ("8h", 40, (3, 30000, 30000, 3000, 1, 1, 1, 1))}, "more than the"),
        ({"dim": ("8h", 40, (3, 120, 100, 60, 1, 1, 1, 1))}, "cut short"),
        ({"dim": ("h", 40, (99,))}, "99 dimensions"),
        ({"datatype": ("h", 70, (1,))}, "type 1"),
        ({"offset": ("f", 108, (float("nan"),))}, "vox_offset"),
    ],
)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_nifti_headers_that_disagree_or_cannot_be(tmp_path: Path, name: str, fields: dict, message: str) -> None:
    assert message in refused(nifti(tmp_path / name, **fields))


def test_rounding_in_directions_is_mended_and_a_tilt_is_refused(tmp_path: Path) -> None:
    for degrees in (0.03, 14.0):
        bent = float(np.tan(np.deg2rad(degrees))) * 5
        rows = (-4, 0, 0, 20, 0, -4, bent, 18, 0, 0, 5, 100)
        path = nifti(tmp_path / "a.nii", srow=("12f", 280, rows), qform=NO_QFORM)
        if degrees < 1:
            image = read_image(path, "PET")
            columns = np.asarray(image.GetDirection()).reshape(3, 3)
            assert np.allclose(columns.T @ columns, np.eye(3))
            assert Grid.of(image).same_as(GRID, 0.25)
        else:
            assert "sheared" in refused(path)
            assert "complete" not in refused(path)


def test_two_positions_in_one_header_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read_image(nifti(tmp_path / "a.nii", qoffset=("3f", 268, (50.0, 0.0, 0.0))), "PET")
    assert "two positions" in caplog.text


def test_a_pet_finer_than_any_is_refused(tmp_path: Path) -> None:
    grid = Grid(GRID.size, (0.1, 0.1, 0.1))
    with pytest.raises(InputError, match=r"voxels of 0\.1 x 0\.1 x 0\.1 mm"):
        read_study(None, write(tmp_path / "pet.mha", pet_array(grid), grid))


@pytest.mark.parametrize("value", [0.99999994, 1.0000001])
def test_rounded_masks_are_masks(tmp_path: Path, value: float) -> None:
    array = (pet_array() > 1).astype(np.float32) * np.float32(value)
    path = write(tmp_path / "m.nii.gz", array)
    assert read_mask(path, "mask")[0].sum() == (array > 0).sum()
    assert read_labels(path, "mask")[0].max() == 1


def test_other_values_are_shown_with_their_digits(tmp_path: Path) -> None:
    path = write(tmp_path / "m.nii.gz", (pet_array() > 1).astype(np.float32) * np.float32(0.999))
    with pytest.raises(InputError, match=r"such as 0\.999"):
        read_mask(path, "mask")


LATIN = b"pet_\xe9.nii.gz".decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("suffix", [".nii.gz", ".mha", ".nrrd"])
def test_names_that_are_no_utf8_are_read_and_written(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / LATIN.removesuffix(".nii.gz")
    path = folder / LATIN.replace(".nii.gz", suffix)
    write_image(GRID.image(pet_array()), path)
    assert np.array_equal(sitk.GetArrayFromImage(read_image(path, "PET")), pet_array())


FULL = """
import resource, sys, numpy as np
from sam_pet.errors import reported
from sam_pet.files import write_image
from sam_pet.geometry import Grid
grid = Grid((60, 60, 60))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
with reported("sam-pet"):
    write_image(grid.image(np.random.default_rng(0).random(grid.shape, np.float32)), sys.argv[1])
"""


@pytest.mark.skipif(os.name != "posix", reason="file sizes are limited by POSIX")
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".mha", ".nrrd"])
def test_a_file_that_cannot_be_written_whole_leaves_the_old_one(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"m{suffix}", pet_array())
    before = path.read_bytes()
    done = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert path.name in done.stderr
    # ITK says a line of its own before.
    own = [line for line in done.stderr.splitlines() if line.startswith("sam-pet: ")]
    assert own == done.stderr.splitlines()[-1:]
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 20_000


def test_errors_name_the_file_and_not_the_temporary_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"a\.json") as caught, replacing(tmp_path / "a.json"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.filename == str(tmp_path / "a.json")


def test_what_killed_processes_left_is_taken_away(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    prefix = partial_prefix().replace(f"-{os.getpid()}-", f"-{dead.pid}-")
    (tmp_path / f"{prefix}x.mha").write_text("half")
    (tmp_path / f"{partial_prefix()}mine.mha").write_text("half")
    scratch = tmp_path / f"{prefix}folder"
    (scratch / "old" / "checkpoint").mkdir(parents=True)
    (scratch / "old" / "checkpoint" / "weights").write_text("of a year")
    clear_left(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([f"{partial_prefix()}mine.mha", "checkpoint"])
    assert (tmp_path / "checkpoint" / "weights").read_text() == "of a year"


@pytest.mark.parametrize("way", ["itself", "dots", "symlink", "hard link", "inside"])
def test_no_output_replaces_an_input(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    pet = tmp_path / "in" / "pet.mha"
    pet.write_text("pet")
    given = tmp_path / "in" if way == "inside" else pet
    out: Path = {"dots": Path("in/../in/./pet.mha"), "symlink": Path("s.mha"), "hard link": Path("h.mha")}.get(way, pet)
    if way == "symlink":
        out.symlink_to(pet)
    if way == "hard link":
        out.hardlink_to(pet)
    with pytest.raises(InputError, match="it is the input"):
        require_apart([None, out], [None, given])
    require_apart([tmp_path / "in" / "new.mha", None], [given, "default"])


SLOW = """
import sys, time
from sam_pet.errors import reported
from sam_pet.files import replacing
with reported("sam-pet"), replacing(sys.argv[1]):
    print("begun", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_sigterm_leaves_no_unfinished_file(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", SLOW, tmp_path / "a.json"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143
    assert list(tmp_path.iterdir()) == []


def test_a_ct_of_a_part_of_the_pet_is_told_to_be_worse_than_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    part = Grid((12, 10, 2), GRID.spacing, GRID.origin)
    with caplog.at_level(logging.WARNING):
        study = read_study(write(tmp_path / "c.mha", ct_array(part), part), write(tmp_path / "p.mha", pet_array()))
    assert study.ct_share == pytest.approx(1 / 3, abs=0.01)
    assert "worse than from the PET alone" in caplog.text
