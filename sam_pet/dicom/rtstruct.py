"""Regions of interest from, and lesions into, a DICOM RT Structure Set (RTSTRUCT)."""

from __future__ import annotations

import datetime
import logging
import os
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid
from skimage.draw import polygon2mask
from skimage.measure import find_contours

from sam_pet.dicom.files import read_dicom
from sam_pet.dicom.seg import MAKER, SERIES_NUMBER, algorithm_type, lesions_to_write, presentable, tracer_of
from sam_pet.dicom.series import Series
from sam_pet.dicom.tags import guarded, quiet, required, value_of
from sam_pet.errors import InputError
from sam_pet.files import replacing
from sam_pet.geometry import Grid
from sam_pet.labels import Box, Labels, lesion_colour, lesion_name

logger = logging.getLogger(__name__)

_STUDY_MANAGEMENT = "1.2.840.10008.3.1.2.3.1"
_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
_FINE = 3
# In slices: contours closer than this are of one plane.
_ONE_PLANE = 0.1
# No slice that is drawn on is thicker than the one; the other is not taken for a gap though it is met but once.
_THICKEST_MM, _THICK_MM = 12.0, 6.0
# In slices: what is drawn on wider steps skips some; in voxels: how far beyond their centres outermost voxels reach.
_ALL_DRAWN, _EDGE = 1.5, 0.51
Floats = npt.NDArray[np.float64]


def roi_names(path: str | os.PathLike[str]) -> list[str]:
    """The names of the regions of interest in an RTSTRUCT, in its order; raises like `read_rtstruct`."""
    with quiet(), guarded(str(path)):
        return [str(name) for name in _rois(_structure_set(Path(path)), Path(path)).values()]


def read_rtstruct(path: str | os.PathLike[str], roi: str, grid: Grid) -> npt.NDArray[np.uint8]:
    """The mask [z, y, x] of a region of interest on a grid: the voxels whose centre its contours enclose.

    Contours of one plane are combined by exclusive or, so that holes stay. A slice of the grid takes the
    nearest plane, if that is at most half the spacing of the slices away that were drawn on.

    Raises:
        InputError: not an RTSTRUCT, no ROI of that name (those it has are listed), no closed contours, contours that
            are not parallel to the grid's slices, or none of them on the grid.
    """
    path = Path(path)
    with quiet(), guarded(str(path)):
        structure_set = _structure_set(path)
        rois = _rois(structure_set, path)
        wanted = [number for number, name in rois.items() if name == roi]
        if not wanted:
            raise InputError(f"{path} has no ROI {roi}; it has {', '.join(rois.values()) or 'none'}")
        drawn = _closed_contours(structure_set, grid, path)
        if sum(number in drawn for number in wanted) > 1:
            raise InputError(f"{path} has several ROIs called {roi}; give each a name of its own")
        contours = next((drawn[number] for number in wanted if number in drawn), [])
    if not contours:
        raise InputError(f"{path}: the ROI {roi} has no closed planar contours; draw it on slices")
    if any(np.ptp(contour[:, 2]) > 0.5 for contour in contours):
        raise InputError(
            f"{path}: the contours of the ROI {roi} are not parallel to the slices of the image; "
            "give the image that they were drawn on"
        )
    heights = [np.array([c[:, 2].mean() for c in some]) for some in (contours, [c for r in drawn.values() for c in r])]
    step = _drawn_step(heights[0], heights[1], grid.spacing[2])
    if step > _ALL_DRAWN:
        logger.warning(
            "%s: the ROI %s is drawn every %.1f mm, and the image has slices every %.1f mm; those between are filled",
            *(path, roi, step * grid.spacing[2], grid.spacing[2]),
        )
    outside = sum(_leaves(contour, grid) for contour in contours)
    if outside:
        logger.warning(
            "%s: %d of %d contours of the ROI %s reach beyond the image: that part is lost",
            path,
            outside,
            len(contours),
            roi,
        )
    mask = _filled(contours, grid, step)
    if not mask.any():
        raise InputError(f"{path}: the ROI {roi} holds no voxel of the image; give the image it was drawn on")
    return mask


def write_rtstruct(
    labels: Labels,
    series: Series,
    path: str | os.PathLike[str],
    *,
    model: str,
    names: Mapping[int, str] | None = None,
    tracer: str | None = None,
    automatic: bool = False,
) -> None:
    """Write lesions as an RTSTRUCT: one ROI a lesion, with closed planar contours on the slices of a series.

    The contours follow the voxel edges, a hundredth of a voxel inside them, so that readers that fill by voxel centres
    and readers that round to voxels get the same mask back. Holes are contours of their own (exclusive or).

    Args and errors are those of `write_seg`.
    """
    lesions = lesions_to_write(labels, series, path)
    tracer = tracer or tracer_of(series.slices[0])
    with quiet():
        dataset = _frame(series)
        dataset.StructureSetROISequence = Items()
        dataset.ROIContourSequence = Items()
        dataset.RTROIObservationsSequence = Items()
        for number, (lesion, box) in enumerate(lesions.items(), start=1):
            roi = Dataset()
            roi.ROINumber = number
            roi.ReferencedFrameOfReferenceUID = dataset.FrameOfReferenceUID
            roi.ROIName = lesion_name(lesion, names)[:64]
            roi.ROIDescription = f"Lesion on PET, tracer {tracer or 'not stated'}"
            roi.ROIGenerationAlgorithm = algorithm_type(automatic)
            roi.ROIGenerationDescription = f"{MAKER} {version(MAKER)}, model {model}"[:64]
            dataset.StructureSetROISequence.append(roi)

            contours = Dataset()
            contours.ROIDisplayColor = list(lesion_colour(lesion))
            contours.ReferencedROINumber = number
            contours.ContourSequence = Items(_contours(labels[box] == lesion, box, series))
            dataset.ROIContourSequence.append(contours)

            observation = Dataset()
            observation.ObservationNumber = number
            observation.ReferencedROINumber = number
            observation.RTROIInterpretedType = "GTV"
            observation.ROIInterpreter = ""
            dataset.RTROIObservationsSequence.append(observation)
        with replacing(path) as temporary:
            dataset.save_as(temporary, enforce_file_format=True)


def _structure_set(path: Path) -> Dataset:
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    try:
        structure_set = read_dicom(path)
    except Exception as error:
        raise InputError(f"{path} is damaged DICOM ({type(error).__name__}); copy it again") from None
    if structure_set is None:
        raise InputError(f"{path} is not a DICOM file; give an RTSTRUCT")
    if value_of(structure_set, "Modality") != "RTSTRUCT":
        raise InputError(f"{path} is not an RTSTRUCT by its Modality (0008,0060); give one")
    return structure_set


def _closed_contours(structure_set: Dataset, grid: Grid, path: Path) -> dict[int, list[Floats]]:
    """The closed contours, in voxels of the grid (n, 3), by the number of their region."""
    found: dict[int, list[Floats]] = {}
    for item in value_of(structure_set, "ROIContourSequence") or []:
        number = value_of(item, "ReferencedROINumber")
        for contour in value_of(item, "ContourSequence") or []:
            kind = value_of(contour, "ContourGeometricType")
            if kind not in _CLOSED:
                if kind != "POINT":
                    logger.warning("%s has a contour that is not closed (%s): it is left out", path, kind)
                continue
            points = np.array([float(c) for c in required(contour, "ContourData", path)])
            if points.size % 3 or not np.isfinite(points).all():
                raise InputError(f"{path} has a contour that is no list of points (3006,0050); export it again")
            if points.size:
                found.setdefault(number, []).append(grid.to_voxel(points.reshape(-1, 3)))
    return found


def _leaves(contour: Floats, grid: Grid) -> bool:
    """Whether a contour, in voxels (n, 3), reaches beyond the outermost voxels of a grid."""
    return bool((contour < -_EDGE).any() or (contour > np.array(grid.size) - 1 + _EDGE).any())


def _rois(structure_set: Dataset, path: Path) -> dict[int, str]:
    items = required(structure_set, "StructureSetROISequence", path)
    return {int(required(item, "ROINumber", path)): str(value_of(item, "ROIName") or "") for item in items}


def _filled(contours: list[Floats], grid: Grid, step: float) -> npt.NDArray[np.uint8]:
    """The voxels that contours, in voxels (n, 3), enclose; `step` is the spacing of the slices they were drawn on."""
    heights = np.array([contour[:, 2].mean() for contour in contours])
    order = np.argsort(heights)
    starts = np.flatnonzero(np.diff(heights[order], prepend=-np.inf) > _ONE_PLANE)
    planes = np.split(order, starts[1:])
    levels = heights[order][starts]
    mask = np.zeros(grid.shape, np.uint8)
    for z, plane in enumerate(mask):
        nearest = int(np.abs(levels - z).argmin())
        if abs(levels[nearest] - z) > 0.5 * step + _ONE_PLANE:
            continue
        for index in _different(contours, planes[nearest]):
            plane ^= polygon2mask(plane.shape, contours[index][:, 1::-1]).astype(np.uint8)
    return mask


def _different(contours: list[Floats], indices: Iterable[int]) -> list[int]:
    """The contours of a plane without those that are there again: by exclusive or they would take away themselves."""
    found: dict[bytes, int] = {}
    for index in indices:
        points = np.unique(np.round(contours[index][:, :2], 2) + 0.0, axis=0)
        found.setdefault(points.tobytes(), int(index))
    return list(found.values())


def _drawn_step(own: Floats, all_of_file: Floats, slice_mm: float) -> float:
    """The spacing, in slices of the grid, of the slices that regions were drawn on, from the heights of their planes.

    The narrowest gap tells it, in the region or else in all of the file. One that is wider than slices are, or wide and
    met but once, lies between two parts: then the grid's own slices are taken to be what was drawn on.
    """
    for heights in (own, all_of_file):
        gaps = np.diff(np.sort(heights))
        gaps = gaps[gaps > _ONE_PLANE]
        if not gaps.size:
            continue
        step = float(gaps.min())
        often = np.count_nonzero(gaps < step + _ONE_PLANE) > 1
        if step * slice_mm <= (_THICKEST_MM if often else max(_THICK_MM, 1.1 * slice_mm)):
            return step
    return 1.0


def _contours(mask: npt.NDArray[np.bool_], box: Box, series: Series) -> list[Dataset]:
    corner = np.array([part.start for part in box[1:]])
    items: list[Dataset] = []
    for z, plane in enumerate(mask, start=box[0].start):
        for outline in _outlines(plane):
            voxels = np.column_stack([(outline + corner)[:, ::-1], np.full(len(outline), z)])
            item = Dataset()
            item.ContourImageSequence = Items([_reference(series.slices[z])])
            item.ContourGeometricType = "CLOSED_PLANAR"
            item.NumberOfContourPoints = len(voxels)
            item.ContourNumber = len(items) + 1
            item.ContourData = [f"{c:.4f}" for c in series.grid.to_world(voxels).ravel()]
            items.append(item)
    return items


def _outlines(plane: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.float64]]:
    """The outlines (y, x), without the closing point, of the regions and holes of one slice."""
    # On a finer grid the contours keep to the voxel edges and do not cut their corners.
    fine = np.pad(plane, 1).repeat(_FINE, axis=0).repeat(_FINE, axis=1).astype(np.float64)
    outlines = []
    for contour in find_contours(fine, 0.5 + 0.01 * _FINE):
        outline = contour[:-1]
        before, after = outline - np.roll(outline, 1, axis=0), np.roll(outline, -1, axis=0) - outline
        bends = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) > 1e-9
        outline = outline[bends]
        outlines.append((outline + 0.5) / _FINE - 1.5)
    return outlines


def _reference(header: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = header.SOPClassUID
    item.ReferencedSOPInstanceUID = header.SOPInstanceUID
    return item


def _frame(series: Series) -> FileDataset:
    """A structure set without regions, of the patient and study of the series."""
    source = presentable(series.slices[0])
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(None)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    for keyword in (
        "SpecificCharacterSet",
        "PatientID",
        "PatientName",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "StudyID",
        "StudyDate",
        "StudyTime",
        "StudyDescription",
        "AccessionNumber",
        "ReferringPhysicianName",
        "FrameOfReferenceUID",
    ):
        if keyword in source:
            dataset[keyword] = source[keyword]
    now = datetime.datetime.now()
    day, time = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = day, time
    dataset.Modality = "RTSTRUCT"
    dataset.Manufacturer = MAKER
    dataset.ManufacturerModelName = MAKER
    dataset.SoftwareVersions = version(MAKER)
    dataset.SeriesInstanceUID = generate_uid(None)
    dataset.SeriesNumber = SERIES_NUMBER + 1
    dataset.SeriesDescription = "Lesions (structure set)"
    dataset.OperatorsName = ""
    dataset.PositionReferenceIndicator = ""
    dataset.StructureSetLabel = "Lesions"
    dataset.StructureSetDate, dataset.StructureSetTime = day, time

    slices = Dataset()
    slices.SeriesInstanceUID = source.SeriesInstanceUID
    slices.ContourImageSequence = Items([_reference(header) for header in series.slices])
    study = Dataset()
    study.ReferencedSOPClassUID = _STUDY_MANAGEMENT
    study.ReferencedSOPInstanceUID = source.StudyInstanceUID
    study.RTReferencedSeriesSequence = Items([slices])
    frame_of_reference = Dataset()
    frame_of_reference.FrameOfReferenceUID = source.FrameOfReferenceUID
    frame_of_reference.RTReferencedStudySequence = Items([study])
    dataset.ReferencedFrameOfReferenceSequence = Items([frame_of_reference])
    return dataset
