from __future__ import annotations

import json
import os
import re

import numpy as np
import pytest
import SimpleITK as sitk

from sam_pet.errors import InputError
from sam_pet.files import image_suffix, read_image, replacing, require_image_name, write_image, write_json
from sam_pet.geometry import Grid
from tests.images import GRID, pet_array, write

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def noise() -> np.ndarray:
    return np.random.default_rng(0).random(GRID.shape, np.float32)


class TestReadImage:
    @pytest.mark.parametrize("compress", [False, True])
    @pytest.mark.parametrize("name", ["a.mha", "a.nii", "a.nii.gz", "a.nrrd", "a.mhd", "a.nhdr"])
    def test_reads_values_type_and_grid(self, tmp_path, name, compress):
        image = read_image(write(tmp_path / name, noise(), compress=compress), "PET")
        assert np.array_equal(sitk.GetArrayFromImage(image), noise())
        assert image.GetPixelID() == sitk.sitkFloat32
        assert Grid.of(image).same_as(GRID)

    def test_keeps_integers(self, tmp_path):
        image = read_image(write(tmp_path / "a.nii.gz", np.full(GRID.shape, -7, np.int16)), "CT")
        assert image.GetPixelID() == sitk.sitkInt16

    @pytest.mark.parametrize("name", ["A.MHA", "A.NII", "A.NII.GZ", "A.NRRD"])
    def test_reads_upper_case_suffixes(self, tmp_path, name):
        write(tmp_path / name.lower(), noise()).rename(tmp_path / name)
        assert read_image(tmp_path / name, "PET").GetSize() == GRID.size

    def test_reads_one_volume_of_four_dimensions(self, tmp_path):
        sitk.WriteImage(sitk.JoinSeries([GRID.image(noise())]), tmp_path / "a.nii.gz")
        image = read_image(tmp_path / "a.nii.gz", "PET")
        assert np.array_equal(sitk.GetArrayFromImage(image), noise())
        assert Grid.of(image).same_as(GRID)

    def test_no_such_file(self, tmp_path):
        with pytest.raises(InputError, match=r"^PET: no such file: .*gone\.mha$"):
            read_image(tmp_path / "gone.mha", "PET")

    def test_a_folder(self, tmp_path):
        with pytest.raises(InputError, match=r"CT: .* is a folder; give an image file"):
            read_image(tmp_path, "CT")

    def test_a_git_lfs_pointer(self, tmp_path):
        (tmp_path / "a.nii.gz").write_text(POINTER)
        with pytest.raises(InputError, match=r"CT: .*a\.nii\.gz is a Git-LFS pointer .*'git lfs pull'"):
            read_image(tmp_path / "a.nii.gz", "CT")

    def test_another_suffix(self, tmp_path):
        (tmp_path / "a.png").write_bytes(b"\x89PNG")
        with pytest.raises(InputError, match=r"CT: .*a\.png has no image suffix; known are \.nii\.gz, "):
            read_image(tmp_path / "a.png", "CT")

    @pytest.mark.parametrize("name", ["a.mha", "a.nii", "a.nii.gz", "a.nrrd"])
    def test_another_content(self, tmp_path, name):
        (tmp_path / name).write_text("hello")
        with pytest.raises(InputError, match=rf"CT: .*{re.escape(name)} cannot be read as an image") as caught:
            read_image(tmp_path / name, "CT")
        assert not re.search(r"\n|0x|ERROR", str(caught.value))

    @pytest.mark.parametrize(
        "values", [noise(), np.round(noise()), (noise() * 99).astype(np.int16)], ids=["", "0", "int"]
    )
    @pytest.mark.parametrize("compress", [False, True])
    @pytest.mark.parametrize("name", ["a.mha", "a.nii", "a.nii.gz", "a.nrrd"])
    def test_a_file_that_is_cut_short(self, tmp_path, name, compress, values):
        path = write(tmp_path / name, values, compress=compress)
        path.write_bytes(path.read_bytes()[:-50])
        with pytest.raises(InputError, match=r"PET: .*(check that it is complete|is cut short: (3232|1792) bytes)"):
            read_image(path, "PET")

    def test_a_gzip_file_of_two_members_is_whole(self, tmp_path):
        """As bgzip writes them: the trailer speaks of the last member alone."""
        import gzip

        content = write(tmp_path / "a.nii", noise()).read_bytes()
        parts = gzip.compress(content[:1000]) + gzip.compress(content[1000:])
        (tmp_path / "b.nii.gz").write_bytes(parts)
        assert np.array_equal(sitk.GetArrayFromImage(read_image(tmp_path / "b.nii.gz", "PET")), noise())

    def test_a_nifti_of_the_other_byte_order(self, tmp_path):
        """Hand-made, since ITK writes the machine's own order: zeros and a NaN among them."""
        import struct

        header = bytearray(352)
        struct.pack_into(">i", header, 0, 348)
        struct.pack_into(">8h", header, 40, 3, 2, 2, 2, 1, 1, 1, 1)
        struct.pack_into(">2h", header, 70, 16, 32)
        struct.pack_into(">8f", header, 76, 1, 1, 1, 1, 0, 0, 0, 0)
        struct.pack_into(">f", header, 108, 352)
        header[344:348] = b"n+1\0"
        values = np.array([0, 1, 2, 3, 4, 5, 6, 7], ">f4")
        (tmp_path / "a.nii").write_bytes(bytes(header) + values.tobytes())
        assert sitk.GetArrayFromImage(read_image(tmp_path / "a.nii", "PET")).ravel().tolist() == list(range(8))
        values[5] = np.nan
        (tmp_path / "a.nii").write_bytes(bytes(header) + values.tobytes())
        with pytest.raises(InputError, match=r"^PET: .*a\.nii has NaN or infinite voxels, 1 of them"):
            read_image(tmp_path / "a.nii", "PET")

    @pytest.mark.parametrize(
        ("image", "size"),
        [
            (sitk.Image([4, 5], sitk.sitkFloat32), "4 x 5, 1 values"),
            (sitk.Image([4, 5, 6, 2], sitk.sitkFloat32), "4 x 5 x 6 x 2, 1 values"),
            (sitk.Image([4, 5, 6], sitk.sitkVectorUInt8, 3), "4 x 5 x 6, 3 values"),
        ],
        ids=["2-D", "4-D", "colour"],
    )
    @pytest.mark.parametrize("name", ["a.mha", "a.nii.gz", "a.nrrd"])
    def test_what_is_not_one_scalar_volume(self, tmp_path, name, image, size):
        sitk.WriteImage(image, tmp_path / name)
        with pytest.raises(InputError, match=rf"CT: .* is not one 3-D volume \({size}"):
            read_image(tmp_path / name, "CT")


class TestWriting:
    @pytest.mark.parametrize("name", ["m.mha", "m.nii", "m.nii.gz", "m.nrrd", "M.MHA"])
    def test_an_image_comes_back_with_its_grid(self, tmp_path, name):
        write_image(GRID.image(noise()), tmp_path / "new" / name)
        image = read_image(tmp_path / "new" / name, "mask")
        assert np.array_equal(sitk.GetArrayFromImage(image), noise())
        assert Grid.of(image).same_as(GRID)
        assert names(tmp_path / "new") == [name]

    @pytest.mark.parametrize("name", ["m", "m.png", "m.json", "m.gz", "m.mhd", "m.nhdr"])
    def test_a_name_no_image_goes_by_is_refused_and_nothing_written(self, tmp_path, name):
        with pytest.raises(
            InputError, match=rf"cannot write .*{re.escape(name)}: the name must end in one of \.nii\.gz,"
        ):
            write_image(GRID.image(pet_array()), tmp_path / name)
        assert names(tmp_path) == []

    def test_the_name_of_a_folder_is_refused(self, tmp_path):
        (tmp_path / "m.mha").mkdir()
        with pytest.raises(InputError, match="there is a folder of that name"):
            require_image_name(tmp_path / "m.mha")

    def test_a_folder_that_is_a_file_is_refused(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match=r"file is not a folder that can be written to"):
            require_image_name(tmp_path / "file" / "new" / "m.mha")

    def test_json_is_indented_and_ends_a_line(self, tmp_path):
        write_json({"a": [1]}, tmp_path / "a.json")
        text = (tmp_path / "a.json").read_text()
        assert json.loads(text) == {"a": [1]}
        assert text == '{\n  "a": [\n    1\n  ]\n}\n'

    def test_a_failure_leaves_the_earlier_file_and_no_other(self, tmp_path):
        write_json({"a": 1}, tmp_path / "a.json")
        with pytest.raises(TypeError):
            write_json({"a": object()}, tmp_path / "a.json")
        assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}
        assert names(tmp_path) == ["a.json"]

    def test_the_file_is_not_there_before_the_block_ends(self, tmp_path):
        with replacing(tmp_path / "a.nii.gz") as temporary:
            assert temporary.parent == tmp_path
            assert temporary.name.endswith(".nii.gz")
            assert not (tmp_path / "a.nii.gz").exists()
        assert names(tmp_path) == ["a.nii.gz"]

    def test_files_are_as_readable_as_the_umask_says(self, tmp_path):
        earlier = os.umask(0o027)
        try:
            write_json({}, tmp_path / "a.json")
        finally:
            os.umask(earlier)
        assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.nii.gz", ".nii.gz"), ("a.NII.GZ", ".nii.gz"), ("a.b.mha", ".mha"), ("a.gz", None), ("mha", None)],
)
def test_image_suffix(tmp_path, name, suffix):
    assert image_suffix(tmp_path / name) == suffix
