"""Files whose preamble, prefix or file meta information an export has dropped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from sam_pet.dicom.series import read_series

from .make import save, slices

STORED = np.arange(48, dtype=np.int16).reshape(3, 4, 4)


def bare(path: Path, syntax: str) -> bytes:
    """The data set alone, in a transfer syntax."""
    dataset = dcmread(path)
    dataset.preamble, dataset.file_meta = None, FileMetaDataset()
    implicit = syntax == ImplicitVRLittleEndian
    dataset.save_as(path, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    return path.read_bytes()


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize("before", [b"", b"\0" * 128 + b"DICM", b"\0" * 128], ids=["nothing", "prefix", "preamble"])
def test_a_data_set_without_file_meta_information_is_read(tmp_path: Path, syntax: str, before: bytes) -> None:
    for path in save(slices(STORED, "CT", intercept=-1000.0), tmp_path / "ct"):
        content = bare(path, syntax)
        path.write_bytes(before + content)
    assert np.array_equal(read_series(tmp_path / "ct", "CT").array(), STORED - 1000.0)


def test_a_file_that_lacks_only_the_preamble_is_read(tmp_path: Path) -> None:
    for path in save(slices(STORED, "CT", intercept=-1000.0), tmp_path / "ct"):
        path.write_bytes(path.read_bytes()[132:])
    assert np.array_equal(read_series(tmp_path / "ct", "CT").array(), STORED - 1000.0)
