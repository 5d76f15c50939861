"""Headers and data that ITK would crash on, pass over, or take gigabytes for: each is one line."""

from __future__ import annotations

import gzip
import logging
import os
import resource
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from sam_pet.errors import InputError
from sam_pet.files import read_image
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
        ("ElementSpacing = 4 4 5", "ElementSpacing = 4 4 5\nElementSize = 1 1 1", "which differ"),
        ("Offset = -20 -18 100", "Offset = -20 -18 100\nPosition = 0 0 0", "which differ"),
        ("ElementSpacing = 4 4 5\n", "", "how large its voxels are"),
        ("NDims = 3", "NDims = 3\nDistanceUnits = cm", "not in mm by its header, but in 'cm'"),
        ("NDims = 3", "NDims = 3\nElementToIntensityFunctionSlope = 2", "still to be scaled"),
        ("NDims = 3", "NDims = 3\nElementToIntensityFunctionOffset = x", "still to be scaled"),
        ("TransformMatrix = 1 0 0 0 1 0 0 0 1", "TransformMatrix = 2 0 0 0 1 0 0 0 1", "not of length 1"),
        ("TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset", "AnatomicalOrientation = LPI\nOffset", "in two ways|twice"),
        ("BinaryData = True", "BinaryData = False", "as text"),
        ("DimSize = 12 10 6", "DimSize = 12 10 5", "its size or its type of voxel is wrong"),
        ("MET_FLOAT", "MET_SHORT", "its size or its type of voxel is wrong"),
    ],
)
def test_absurd_metaimage_headers(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path / "a.mha", pet_array())
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode()))
    assert any(part in refused(path) for part in message.split("|"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dimension: 3", "dimension: 9", "9 dimensions"),
        ("sizes: 12 10 6", "sizes: 0 10 6", "size of 0 x 10 x 6"),
        ("sizes: 12 10 6", "sizes: 12 10 5", "its size or its type of voxel is wrong"),
        ("type: float", "type: block", "type 'block'"),
        ("encoding: raw", "encoding: ascii", "encoding 'ascii'"),
        ("encoding: raw", "byte skip: -1\nencoding: raw", "bytes to skip"),
        ("encoding: raw", "data file: /etc/passwd\nencoding: raw", "do not lie beside it"),
        ("encoding: raw", "encoding: raw\nencoding: gzip", "says encoding twice"),
        ("encoding: raw", 'space units: "cm" "cm" "cm"\nencoding: raw', "not in mm by its header, but in 'cm'"),
        ("encoding: raw", 'spaceunits: "cm" "cm" "cm"\nencoding: raw', "not in mm by its header, but in 'cm'"),
        ("encoding: raw", 'units: "um" "um" "um"\nencoding: raw', "not in mm by its header, but in 'um'"),
        ("encoding: raw", "old min: 0\nold max: 9\nencoding: raw", "still to be scaled"),
        ("encoding: raw", "oldmin: 0\noldmax: 9\nencoding: raw", "still to be scaled"),
        ("encoding: raw", "byteskip: 4\nencoding: raw", "bytes to skip"),
        ("encoding: raw", "lineskip: 1\nencoding: raw", "bytes to skip"),
        ("encoding: raw", "spacedirections: (1,0,0) (0,1,0) (0,0,1)\nencoding: raw", "says space directions twice"),
        ("(4,0,0) (0,4,0) (0,0,5)", "none (0,4,0) (0,0,5)", "three space directions"),
        ("(4,0,0) (0,4,0) (0,0,5)", "(4,0,0) (4,0,0) (0,0,5)", "do not span space"),
        ("(4,0,0) (0,4,0) (0,0,5)", "(4,0,0) (0,4,0) (0,0,nan)", "do not span space"),
        ("(4,0,0) (0,4,0) (0,0,5)", "(4,0,0) (0,4,0) (2,0,5)", "sheared"),
        ("(4,0,0) (0,4,0) (0,0,5)", "(4e5,0,0) (0,4,0) (0,0,5)", "voxels of 400000 x 4 x 5 mm"),
        ("space directions: (4,0,0) (0,4,0) (0,0,5)\n", "", "how large its voxels are"),
    ],
)
def test_absurd_nrrd_headers(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path / "a.nrrd", pet_array())
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode()))
    assert message in refused(path)


def test_a_scale_that_changes_nothing_is_none(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mha", pet_array())
    scale = b"NDims = 3\nElementToIntensityFunctionSlope = 1.000\nElementToIntensityFunctionOffset = 0.0"
    path.write_bytes(path.read_bytes().replace(b"NDims = 3", scale))
    assert np.array_equal(sitk.GetArrayFromImage(read_image(path, "PET")), pet_array())


@pytest.mark.parametrize("place", ["1 12 10 6", "12 10 6 1"])
def test_a_nrrd_with_an_axis_of_one_value_a_voxel_is_a_volume(tmp_path: Path, place: str) -> None:
    path = write(tmp_path / "a.nrrd", pet_array())
    vectors, kinds = "(4,0,0) (0,4,0) (0,0,5)", "domain domain domain"
    first = place[:2] == "1 "
    for old, new in (
        ("dimension: 3", "dimension: 4"),
        ("sizes: 12 10 6", f"sizes: {place}"),
        (vectors, f"none {vectors}" if first else f"{vectors} none"),
        (kinds, f"list {kinds}" if first else f"{kinds} list"),
    ):
        content = path.read_bytes()
        assert old.encode() in content
        path.write_bytes(content.replace(old.encode(), new.encode()))
    study = read_study(None, path)
    assert np.array_equal(study.pet, pet_array())
    assert study.grid.same_as(GRID)


@pytest.mark.parametrize(("name", "key"), [("a.mha", b"Offset"), ("a.nrrd", b"space origin")])
def test_an_image_that_does_not_say_where_it_lies_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, key: bytes
) -> None:
    path = write(tmp_path / name, pet_array())
    read_image(path, "PET")
    assert not caplog.text
    start, _, rest = path.read_bytes().partition(key)
    path.write_bytes(start + rest.partition(b"\n")[2])
    read_image(path, "PET")
    assert "where it lies in the patient" in caplog.text


@pytest.mark.parametrize("name", ["a.mhd", "a.nhdr"])
def test_data_beside_a_header_are_checked_too(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, pet_array(), compress=True)
    (data,) = (p for p in tmp_path.iterdir() if p != path)
    content = data.read_bytes()
    data.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "damaged" in refused(path) or "cut short" in refused(path)
    data.write_bytes(content[:-30])
    assert "cut short" in refused(path)
    data.unlink()
    assert "lacks the file of its data" in refused(path)


def test_a_nrrd_that_does_not_say_how_it_lies_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a.nrrd", pet_array())
    path.write_bytes(path.read_bytes().replace(b"space: left-posterior-superior", b"space: scanner-xyz"))
    with caplog.at_level(logging.WARNING):
        read_image(path, "PET")
    assert "how its axes lie" in caplog.text


def test_a_metaimage_that_does_not_say_how_it_lies_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "a.mha", pet_array())
    read_image(path, "PET")
    assert not caplog.text
    for key in (b"TransformMatrix", b"AnatomicalOrientation"):
        path.write_bytes(path.read_bytes().replace(key, b"Comment" + key))
    read_image(path, "PET")
    assert "how its axes lie" in caplog.text


@pytest.mark.parametrize("order", ["BinaryDataByteOrderMSB", "ElementByteOrderMSB"])
def test_bytes_in_the_wrong_order_are_not_taken_for_uptake_or_tissue(tmp_path: Path, order: str) -> None:
    for name, array in (("pet.mha", pet_array()), ("ct.mha", ct_array().astype(np.float32))):
        path = write(tmp_path / name, array)
        path.write_bytes(path.read_bytes().replace(b"BinaryDataByteOrderMSB = False", f"{order} = True".encode()))
    with pytest.raises(InputError, match=r"not in SUV|NaN or infinite"):
        read_study(None, tmp_path / "pet.mha")
    with pytest.raises(InputError, match=r"not in HU|NaN or infinite"):
        read_study(tmp_path / "ct.mha", write(tmp_path / "p.mha", pet_array()))


def test_a_pet_without_uptake_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read_study(None, write(tmp_path / "p.mha", np.zeros(GRID.shape, np.float32)))
    assert "no uptake anywhere" in caplog.text


FOREIGN = {
    "HTML": b"<!DOCTYPE html><html><body>Sign in</body></html>",
    "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "nothing": b"",
    "AppleDouble": b"\0\5\x16\7\0\2\0\0Mac OS X        ",
    "zeros": bytes(4096),
}


@pytest.mark.parametrize("name", ["a.mha", "a.mhd", "a.nii", "a.nii.gz", "a.nrrd", "a.nhdr"])
@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_files_of_other_kinds_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    message = refused(tmp_path / name)
    assert "cannot be read as an image" in message or "cut short" in message


@pytest.mark.parametrize("own", ["a.mha", "a.nii", "a.nrrd"])
@pytest.mark.parametrize("named", ["b.mha", "b.nii.gz", "b.nrrd"])
def test_an_image_under_the_name_of_another_kind_is_read_as_it_is_or_refused(
    tmp_path: Path, own: str, named: str
) -> None:
    write(tmp_path / own, pet_array()).rename(tmp_path / named)
    if Path(own).suffix in named:
        assert np.array_equal(sitk.GetArrayFromImage(read_image(tmp_path / named, "PET")), pet_array())
    else:
        assert "cannot be read as an image" in refused(tmp_path / named)


@pytest.mark.skipif(os.name != "posix", reason="devices are POSIX's")
def test_devices_and_pipes_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mha")
    for path in (tmp_path / "pipe.mha", Path("/dev/zero")):
        assert "no such file" in refused(path)


def test_a_gzip_of_a_billion_zeros_takes_no_memory(tmp_path: Path) -> None:
    content = zlib.compressobj(9, wbits=31)
    packed = content.compress(write(tmp_path / "a.nii", pet_array()).read_bytes())
    (tmp_path / "b.nii.gz").write_bytes(
        packed + b"".join(content.compress(bytes(1 << 20)) for _ in range(1000)) + content.flush()
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "its size or its type of voxel is wrong" in refused(tmp_path / "b.nii.gz")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


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


@pytest.mark.parametrize("size", [None, "0", "100", "-1", "many", "99999999"])
def test_compressed_data_are_as_long_as_the_header_says(tmp_path: Path, size: str | None) -> None:
    path = write(tmp_path / "a.mha", np.random.default_rng(0).random(GRID.shape, np.float32), compress=True)
    start, key, rest = path.read_bytes().partition(b"CompressedDataSize = ")
    assert key
    rest = rest.partition(b"\n")[2]
    path.write_bytes(start + (b"" if size is None else key + size.encode() + b"\n") + rest)
    assert refused(path)


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
        ({"pixdim": ("3f", 80, (4.0, 4.0, -3.0))}, "two spacings"),
        ({"pixdim": ("3f", 80, (0.0, 4.0, 3.0))}, "two spacings"),
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
        ({"bitpix": ("h", 72, (64,))}, "of 64 bits"),
        ({"type": ("2h", 70, (4, 16))}, "its size or its type of voxel is wrong"),
        ({"dim": ("8h", 40, (3, 12, 10, 5, 1, 1, 1, 1))}, "its size or its type of voxel is wrong"),
        ({"slope": ("2f", 112, (float("inf"), 0.0))}, "scl_slope"),
        ({"slope": ("2f", 112, (2.0, float("nan")))}, "scl_inter"),
        ({"units": ("B", 123, (5,))}, "no known unit"),
        ({"quatern": ("3f", 256, (2.0, 0.0, 0.0)), "sform": NO_SFORM}, "no rotation"),
        ({"magic": ("4s", 344, (b"ni1\0",))}, "no NIfTI file of one part"),
    ],
)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_nifti_headers_that_disagree_or_cannot_be(tmp_path: Path, name: str, fields: dict, message: str) -> None:
    assert message in refused(nifti(tmp_path / name, **fields))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_an_offset_before_the_voxels_does_not_shift_them(tmp_path: Path, name: str) -> None:
    for offset in (0.0, 300.0, 348.0):
        image = read_image(nifti(tmp_path / name, offset=("f", 108, (offset,))), "PET")
        assert np.array_equal(sitk.GetArrayFromImage(image), pet_array())


def test_a_nifti_without_a_place_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read_image(nifti(tmp_path / "a.nii", q=NO_QFORM, s=NO_SFORM), "PET")
    assert "where it lies in the patient" in caplog.text


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


def test_a_ct_of_a_part_of_the_pet_is_told_to_be_worse_than_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    part = Grid((12, 10, 2), GRID.spacing, GRID.origin)
    with caplog.at_level(logging.WARNING):
        study = read_study(write(tmp_path / "c.mha", ct_array(part), part), write(tmp_path / "p.mha", pet_array()))
    assert study.ct_share == pytest.approx(1 / 3, abs=0.01)
    assert "worse than from the PET alone" in caplog.text
