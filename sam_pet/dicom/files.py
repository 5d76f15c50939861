"""DICOM files as data sets, also those whose header an export has dropped."""

from __future__ import annotations

import io
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from sam_pet.dicom.signature import starts_dicom

_START = 140
_PREAMBLE = 132


def read_dicom(path: Path, pixels: bool = True) -> Dataset | None:
    """The data set in a DICOM file, None for a file of another kind.

    Where the preamble, the prefix or the file meta information is missing, the encoding is found out from the first
    attribute.

    Args:
        path: of the file.
        pixels: whether pixel data are read.

    Raises:
        Exception: whatever pydicom raises for a damaged file.
    """
    with path.open("rb") as stream:
        start = stream.read(_START)
        offset = starts_dicom(start)
        if offset is None:
            return None
        if offset == _PREAMBLE:
            stream.seek(0)
            # By force it would be silent about a header that is cut short.
            dataset = dcmread(stream, stop_before_pixels=not pixels, force=start[_PREAMBLE:][:2] != b"\2\0")
        else:
            stream.seek(offset)
            whole = stream.read()
            # With a preamble pydicom finds the file meta information, if that is there.
            content = io.BytesIO(b"\0" * 128 + b"DICM" + whole if whole[:2] == b"\2\0" else whole)
            dataset = dcmread(content, stop_before_pixels=not pixels, force=True)
    if not len(dataset):
        raise ValueError("no attribute")
    _complete(dataset)
    return dataset


def _complete(dataset: Dataset) -> None:
    """Give a data set the transfer syntax that it was read by, where its header does not name one."""
    meta = getattr(dataset, "file_meta", None)
    if meta is None:
        meta = dataset.file_meta = FileMetaDataset()
    if "TransferSyntaxUID" in meta:
        return
    implicit, little = dataset.original_encoding
    if implicit:
        meta.TransferSyntaxUID = ImplicitVRLittleEndian
    else:
        meta.TransferSyntaxUID = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
