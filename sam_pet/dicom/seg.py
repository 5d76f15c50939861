"""Writing lesions as a DICOM Segmentation (SEG) object."""

from __future__ import annotations

import copy
import logging
import os
import re
from collections.abc import Mapping
from importlib.metadata import version

import highdicom as hd
import numpy as np
from pydicom import Dataset
from pydicom.config import RAISE
from pydicom.multival import MultiValue
from pydicom.sr.codedict import codes
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import DA, DT, TM, validate_value

from sam_pet.dicom.series import Series
from sam_pet.dicom.tags import described, positive, quiet, required, value_of
from sam_pet.errors import InputError
from sam_pet.files import replacing
from sam_pet.labels import Box, Labels, lesion_boxes, lesion_colour, lesion_name

logger = logging.getLogger(__name__)

MAKER = "sam_pet"
# Types whose values others take apart.
_OF_PATIENT_AND_STUDY = (0x0008, 0x0010)
_SIMPLE = ("AS", "CS", "DA", "DS", "DT", "IS", "TM")
SERIES_NUMBER = 900
_UTF_8 = "ISO_IR 192"
_TEXTS = ("PN", "LO", "SH")
# What switches between character sets, and has no place in UTF-8.
_UNPRINTED = re.compile(r"\x1b[$(),./-]*[0-9A-Za-z]|[\0-\x1f]")
# Type 2 in the patient and study modules: must be there, may be empty. De-identified series often lack some.
_MAY_BE_EMPTY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
)


def write_seg(
    labels: Labels,
    series: Series,
    path: str | os.PathLike[str],
    *,
    model: str,
    names: Mapping[int, str] | None = None,
    tracer: str | None = None,
    automatic: bool = False,
) -> None:
    """Write lesions as a DICOM SEG: one binary segment a lesion, which refers to the slices it was drawn on.

    Patient and study are those of the series. Each segment says that it is a lesion, its tracer, and that
    it was delineated by which model of which version of this package, with a reader's prompts or without.

    Args:
        labels: lesion numbers [z, y, x] on the series' grid, 0 is background.
        series: what the lesions were drawn on, as a rule the PET.
        path: of the file.
        model: name of the model.
        names: of lesions, by their number; "Lesion N" for others.
        tracer: for instance "18F-FDG"; None takes the radiopharmaceutical that the series names.
        automatic: no reader has drawn anything.

    Raises:
        InputError: there is no lesion; a SEG cannot be empty.
        ValueError: the labels are not on the series' grid.
    """
    lesions = list(lesions_to_write(labels, series, path))
    numbers = np.zeros(max(lesions) + 1, np.uint16)
    numbers[lesions] = np.arange(1, len(lesions) + 1)
    tracer = tracer or tracer_of(series.slices[0])
    with quiet():
        segmentation = hd.seg.Segmentation(
            # Patient and study come from the first.
            source_images=[
                _measured(h, series) for h in (presentable(series.slices[0]), *map(completed, series.slices[1:]))
            ],
            pixel_array=numbers[labels],
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=[
                _segment(number, lesion_name(lesion, names), lesion, model, tracer, automatic)
                for number, lesion in enumerate(lesions, start=1)
            ],
            series_instance_uid=generate_uid(None),
            series_number=SERIES_NUMBER,
            sop_instance_uid=generate_uid(None),
            instance_number=1,
            manufacturer=MAKER,
            manufacturer_model_name=MAKER,
            software_versions=version(MAKER),
            device_serial_number="1",
            content_label="LESIONS",
            content_description=f"PET lesions, {tracer}"[:64] if tracer else "PET lesions",
            transfer_syntax_uid=ExplicitVRLittleEndian,
        )
        segmentation.SpecificCharacterSet = _UTF_8
        segmentation.SeriesDescription = "Lesions (segmentation)"
        with replacing(path) as temporary:
            segmentation.save_as(temporary)


def _measured(header: Dataset, series: Series) -> Dataset:
    """The header, or a copy with the thickness of the grid's slices where it tells none that is a number above 0."""
    try:
        positive(header, "SliceThickness", series.paths[0])
    except InputError:
        header = copy.deepcopy(header)
        header.SliceThickness = f"{series.grid.spacing[2]:.6g}"
    return header


def lesions_to_write(labels: Labels, series: Series, path: str | os.PathLike[str]) -> dict[int, Box]:
    """The lesions, with their boxes, of labels that are to be written with reference to a series.

    Raises:
        InputError: there is none, or the series lacks a tag to refer to it by.
        ValueError: the labels are not on the series' grid.
    """
    if labels.shape != series.grid.shape:
        raise ValueError(f"labels of shape {labels.shape} are not on a grid of shape {series.grid.shape}")
    lesions = lesion_boxes(labels)
    if not lesions:
        raise InputError(f"no lesion to write to {path}: this DICOM object cannot be empty; leave the option out")
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        required(series.slices[0], keyword, series.paths[0])
    return lesions


def completed(header: Dataset) -> Dataset:
    """The header, or if need be a copy, with all patient and study attributes, some of them empty."""
    lacking = [keyword for keyword in _MAY_BE_EMPTY if keyword not in header]
    if lacking:
        # A shallow copy has its attributes in common with the header.
        header = copy.deepcopy(header)
        for keyword in lacking:
            setattr(header, keyword, "")
    return header


def presentable(header: Dataset) -> Dataset:
    """As `completed`, with texts in UTF-8 whatever their character set was, and without values that break their type.

    De-identified series have such dates as 19000000.
    """
    header = copy.deepcopy(header)
    # First: the words for a character set may break their type, too.
    header.decode()
    for element in list(header):
        told = element.tag.group in _OF_PATIENT_AND_STUDY or element.keyword in _MAY_BE_EMPTY
        if told and element.VR in _SIMPLE and not _is_valid(header, element.tag):
            _leave_out(header, element.tag)
    if str(value_of(header, "PatientSex") or "") not in ("", "M", "F", "O"):
        _leave_out(header, header["PatientSex"].tag)
    for element in header:
        if element.VR in _TEXTS and element.value:
            parts = element.value if isinstance(element.value, MultiValue) else [element.value]
            texts = [_UNPRINTED.sub("", str(part)) for part in parts]
            # A name is one, though somebody wrote a backslash into it.
            element.value = " ".join(texts) if element.VR == "PN" or len(texts) == 1 else texts
    for dataset in (header, *_items(header)):
        if "SpecificCharacterSet" in dataset:
            del dataset["SpecificCharacterSet"]
    header.SpecificCharacterSet = _UTF_8
    return completed(header)


def _leave_out(header: Dataset, tag: BaseTag) -> None:
    logger.warning("%s is not of its type and is left out of what is written", described(header[tag].keyword))
    del header[tag]


def _is_valid(header: Dataset, tag: BaseTag) -> bool:
    try:
        value, vr = header[tag].value, header[tag].VR
        for part in value if isinstance(value, MultiValue) else [value]:
            if isinstance(part, str) and part:
                validate_value(vr, part, RAISE)
                # The pattern of a date lets some pass that no calendar has.
                {"DA": DA, "TM": TM, "DT": DT}.get(vr, str)(part)
    except Exception:  # pydicom has no common error for values that break their type
        return False
    return True


def _items(dataset: Dataset) -> list[Dataset]:
    """The items of all sequences in a data set, however deep."""
    found = [item for element in dataset if element.VR == "SQ" for item in element.value]
    return found + [inner for item in found for inner in _items(item)]


def tracer_of(header: Dataset) -> str | None:
    """The radiopharmaceutical that a PET slice names, or None."""
    with quiet():
        for injection in value_of(header, "RadiopharmaceuticalInformationSequence") or []:
            for code in value_of(injection, "RadiopharmaceuticalCodeSequence") or []:
                meaning = value_of(code, "CodeMeaning")
                if meaning is not None:
                    return str(meaning)
            name = value_of(injection, "Radiopharmaceutical")
            if name is not None:
                return str(name)
    return None


def algorithm_type(automatic: bool) -> str:
    """What DICOM calls how a region came about."""
    return "AUTOMATIC" if automatic else "SEMIAUTOMATIC"


def _segment(
    number: int, name: str, lesion: int, model: str, tracer: str | None, automatic: bool
) -> hd.seg.SegmentDescription:
    segment = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:64],
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues[algorithm_type(automatic)],
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=f"{MAKER} {model}"[:64],
            family=codes.DCM.ArtificialIntelligence,
            version=version(MAKER),
            source=MAKER,
        ),
        tracking_uid=generate_uid(None),
        tracking_id=name[:64],
        display_color=hd.color.CIELabColor.from_rgb(*lesion_colour(lesion)),
    )
    segment.SegmentDescription = f"Lesion on PET, tracer {tracer or 'not stated'}; {MAKER} with model {model}"
    return segment
