"""Small CT and PET series written slice by slice, in no helpful order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    PositronEmissionTomographyImageStorage,
    generate_uid,
)

Tags = dict[str, Any]

PATIENT = {
    "PatientName": "Quillfeather^Zebedee",
    "PatientID": "MRN-918273",
    "PatientBirthDate": "19511130",
}
STUDY = generate_uid(entropy_srcs=["study"])
FRAME_OF_REFERENCE = generate_uid(entropy_srcs=["frame of reference"])
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def slices(
    stored: npt.NDArray[np.int16],
    modality: str,
    *,
    spacing: tuple[float, float, float] = (4.0, 3.0, 5.0),
    origin: tuple[float, float, float] = (-20.0, 30.0, -100.0),
    orientation: tuple[float, ...] = AXIAL,
    slopes: float | list[float] = 1.0,
    intercept: float = 0.0,
    **tags: Any,
) -> list[FileDataset]:
    """One data set for each slice of `stored` [z, y, x]; a tag of value None is left out."""
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    normal = np.cross(row, column)
    slopes = [slopes] * len(stored) if isinstance(slopes, float) else slopes
    series = generate_uid()
    made = []
    for z, plane in enumerate(stored):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage if modality == "CT" else PositronEmissionTomographyImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        content: Tags = {
            **PATIENT,
            "PatientSex": "F",
            "SOPClassUID": meta.MediaStorageSOPClassUID,
            "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
            "Modality": modality,
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "StudyInstanceUID": STUDY,
            "SeriesInstanceUID": series,
            "FrameOfReferenceUID": FRAME_OF_REFERENCE,
            "StudyDate": "20240229",
            "StudyTime": "113000",
            "StudyID": "1",
            "AccessionNumber": "",
            "ReferringPhysicianName": "",
            "SeriesNumber": "3",
            "InstanceNumber": str(len(stored) - z),
            "ImagePositionPatient": [f"{c:.6f}" for c in np.array(origin) + z * spacing[2] * normal],
            "ImageOrientationPatient": [f"{c:.8f}" for c in orientation],
            "PixelSpacing": [str(spacing[1]), str(spacing[0])],
            "SliceThickness": str(spacing[2]),
            "Rows": plane.shape[0],
            "Columns": plane.shape[1],
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "BitsAllocated": 16,
            "BitsStored": 16,
            "HighBit": 15,
            "PixelRepresentation": 1,
            "RescaleSlope": str(slopes[z]),
            "RescaleIntercept": str(intercept),
            "PixelData": plane.astype("<i2").tobytes(),
        } | tags
        put(dataset, content)
        made.append(dataset)
    return made


def put(dataset: Dataset, tags: Tags) -> None:
    """Set attributes; those of value None are removed."""
    for keyword, value in tags.items():
        if value is not None:
            setattr(dataset, keyword, value)
        elif keyword in dataset:
            delattr(dataset, keyword)


def pet_tags(injection: Tags | None = None, **tags: Any) -> Tags:
    """Of a Bq/mL series that began an hour after the injection of 350 MBq into 70 kg, half-life 2 h."""
    item = Dataset()
    put(
        item,
        {
            "RadiopharmaceuticalStartTime": "110000.00",
            "RadionuclideTotalDose": "350000000",
            "RadionuclideHalfLife": "7200",
            "Radiopharmaceutical": "Fluorodeoxyglucose",
        }
        | (injection or {}),
    )
    return {
        "Units": "BQML",
        "DecayCorrection": "START",
        "CorrectedImage": ["DECY", "ATTN", "SCAT"],
        "PatientWeight": "70",
        "PatientSize": "1.75",
        "SeriesDate": "20240229",
        "SeriesTime": "120000.00",
        "AcquisitionDate": "20240229",
        "AcquisitionTime": "120000.00",
        "RadiopharmaceuticalInformationSequence": [item],
    } | tags


def save(datasets: list[FileDataset], folder: Path) -> list[Path]:
    """Write the slices under names whose order says nothing about their place."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index, dataset in enumerate(datasets):
        path = folder / f"{(index * 7 + 3) % 11:02d}-{index}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths
