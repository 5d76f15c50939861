"""Writing the measurements of lesions as a DICOM structured report (TID 1500), which refers to a SEG."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import highdicom as hd
import pandas as pd
from highdicom.sr import CodedConcept
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from sam_pet.dicom.seg import MAKER, SERIES_NUMBER, completed, presentable
from sam_pet.dicom.series import Series
from sam_pet.dicom.tags import quiet
from sam_pet.errors import InputError
from sam_pet.files import replacing

_SUV = CodedConcept("126401", "DCM", "SUVbw")
_SUV_UNIT = CodedConcept("{SUVbw}g/ml", "UCUM", "Standardized Uptake Value body weight")
_MILLILITRE = CodedConcept("mL", "UCUM", "milliliter")
_GRAM = CodedConcept("g", "UCUM", "gram")
_DIAMETER = CodedConcept("L0JK", "IBSI", "Maximum 3D Diameter of a Mesh")
_TLG = CodedConcept("126033", "DCM", "Total Lesion Glycolysis")
_PEAK = CodedConcept("126031", "DCM", "Peak Value Within ROI")
_MAXIMUM = CodedConcept("56851009", "SCT", "Maximum")
_MEAN = CodedConcept("373098007", "SCT", "Mean")
_PROCEDURE = CodedConcept("82918005", "SCT", "Positron emission tomography")
_ALL = "All lesions"


def write_sr(
    table: pd.DataFrame,
    totals: Mapping[str, Any],
    series: Series,
    seg: str | os.PathLike[str],
    path: str | os.PathLike[str],
) -> None:
    """Write measurements as a TID 1500 report: one group a lesion, which refers to its segment, and one of all.

    Args:
        table: of `sam_pet.measures.measure_lesions`, in the order of the segments.
        totals: of `sam_pet.measures.summarise`.
        series: what the lesions were drawn on.
        seg: the SEG that `sam_pet.dicom.seg.write_seg` has written of the same lesions.
        path: of the report.

    Raises:
        InputError: table and SEG do not have the same lesions.
    """
    with quiet():
        segmentation = dcmread(seg)
        segments: Sequence[Dataset] = segmentation.SegmentSequence
        if len(segments) != len(table):
            raise InputError(
                f"cannot write {path}: {len(table)} measured lesions, {len(segments)} segments in {seg}; "
                "write both anew"
            )
        groups = [
            _lesion(row, segment, segmentation, series)
            for row, segment in zip(table.to_dict("records"), segments, strict=True)
        ]
        report = hd.sr.MeasurementReport(
            observation_context=hd.sr.ObservationContext(observer_device_context=_device()),
            procedure_reported=_PROCEDURE,
            imaging_measurements=[*groups, _all(totals)],
            title=codes.DCM.ImagingMeasurementReport,
        )
        document = hd.sr.Comprehensive3DSR(
            evidence=[segmentation, presentable(series.slices[0]), *map(completed, series.slices[1:])],
            content=report,
            series_instance_uid=generate_uid(None),
            series_number=SERIES_NUMBER + 2,
            sop_instance_uid=generate_uid(None),
            instance_number=1,
            manufacturer=MAKER,
            manufacturer_model_name=MAKER,
            is_complete=True,
            is_final=False,
            is_verified=False,
            series_description="Lesions (measurements)",
            transfer_syntax_uid=ExplicitVRLittleEndian,
            record_evidence=True,
        )
        with replacing(path) as temporary:
            document.save_as(Path(temporary), enforce_file_format=True)


def _lesion(row: Mapping[Any, Any], segment: Dataset, segmentation: Dataset, series: Series) -> Any:
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=segment.TrackingUID, identifier=segment.TrackingID),
        referenced_segment=hd.sr.ReferencedSegment(
            segmentation.SOPClassUID,
            segmentation.SOPInstanceUID,
            int(segment.SegmentNumber),
            source_series=hd.sr.SourceSeriesForSegmentation(series.slices[0].SeriesInstanceUID),
        ),
        finding_type=codes.SCT.Lesion,
        measurements=[
            _measurement(codes.SCT.Volume, row["volume_ml"], _MILLILITRE),
            _measurement(_SUV, row["suv_max"], _SUV_UNIT, _MAXIMUM),
            _measurement(_SUV, row["suv_mean"], _SUV_UNIT, _MEAN),
            _measurement(_SUV, row["suv_peak"], _SUV_UNIT, _PEAK),
            _measurement(_TLG, row["tlg"], _GRAM),
            _measurement(_DIAMETER, row["diameter_mm"], codes.UCUM.Millimeter),
        ],
    )


def _all(totals: Mapping[str, Any]) -> Any:
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=generate_uid(None), identifier=_ALL),
        finding_type=codes.SCT.Lesion,
        measurements=[
            _measurement(codes.SCT.Volume, totals["total_mtv_ml"], _MILLILITRE),
            _measurement(_TLG, totals["total_tlg"], _GRAM),
        ],
    )


def _measurement(name: Any, value: float, unit: Any, derivation: Any = None) -> Any:
    # 16 characters are all that DICOM gives a number.
    return hd.sr.Measurement(name=name, value=float(f"{value:.8g}"), unit=unit, derivation=derivation)


def _device() -> Any:
    return hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=generate_uid(None), name=MAKER, manufacturer_name=MAKER, model_name=f"{MAKER} {version(MAKER)}"
        ),
    )
