"""Standardised uptake values from a PET series, vendor by vendor.

The order of the branches is that of the vendor-neutral recipe of QIBA's FDG-PET/CT committee with the SNMMI ("SUV
calculation", qibawiki.rsna.org): which clock the pixels are decay-corrected to differs between vendors, and more so
after post-processing.
"""

from __future__ import annotations

import datetime
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydicom import Dataset

from sam_pet.dicom.series import Series
from sam_pet.dicom.tags import (
    clock,
    date_time,
    described,
    moment,
    positive,
    private,
    private_number,
    quiet,
    required,
    value_of,
)
from sam_pet.errors import InputError

logger = logging.getLogger(__name__)

Weighting = Literal["bw", "lbm"]

GE_PRIVATE = (0x0009, "GEMS_PETD_01")
PHILIPS_PRIVATE = (0x7053, "Philips PET Private Group")
# After this many half-lives a thousandth is left: no scan, but dates that were shifted apart in de-identification.
_MOST_HALF_LIVES = 10.0
_DAY = datetime.timedelta(days=1)


def suv_factor(series: Series, weighting: Weighting = "bw") -> float:
    """What the rescaled pixel values of a PET series are to be multiplied with to give SUV (g/mL).

    Bq/mL are decay-corrected to the start of the scan (START) or to the injection (ADMIN). The start is the series
    time; where that is later than the acquisition (a derived series), GE's private scan time (0009,100D), else
    the acquisition time less the frame reference time, the mean-activity time of the frame taken into account
    (Siemens), else the earliest acquisition time. Counts take Philips' private SUV factor (7053,1000), or
    its activity factor (7053,1009) and then the way of Bq/mL. Pixels in g/mL are SUV already.

    Args:
        series: a PET series.
        weighting: "bw", body weight, or "lbm", lean body mass by Janmahasatian et al. 2005, Clin Pharmacokinet
            44:1051-1065, doi 10.2165/00003088-200544100-00004.

    Raises:
        InputError: a tag that the calculation needs is missing or unusable (the message names it), or the units or
            the decay correction are ones that give no SUV.
    """
    with quiet():
        return _body_weight_or_lean(series.slices, series.paths, weighting)


def _body_weight_or_lean(slices: Sequence[Dataset], paths: Sequence[Path], weighting: Weighting) -> float:
    first, where = slices[0], paths[0]
    _check_corrections(first, where)
    units = str(required(first, "Units", where)).strip()
    if units == "GML":
        kind = str(value_of(first, "SUVType") or "BW")
        if kind == "LBMJANMA" and weighting == "lbm":
            return 1.0
        if kind != "BW":
            raise InputError(
                f"PET: {where} is in SUV of type {kind} by its {described('SUVType')}; "
                "export the series in Bq/mL or in body-weight SUV"
            )
        factor = 1.0
    elif units == "BQML":
        factor = _per_activity(slices, paths)
    elif units == "CNTS":
        factor = _per_count(slices, paths)
    else:
        raise InputError(f"PET: {where} has {units} for {described('Units')}; SUV needs BQML, GML or Philips' CNTS")
    return factor if weighting == "bw" else factor * _lean_share(first, where)


def _check_corrections(dataset: Dataset, where: Path) -> None:
    corrections = value_of(dataset, "CorrectedImage")
    if corrections is None:
        logger.warning("PET: %s does not say in %s what it is corrected for", where, described("CorrectedImage"))
    elif "ATTN" not in ([corrections] if isinstance(corrections, str) else corrections):
        raise InputError(
            f"PET: {where} is not corrected for attenuation by its {described('CorrectedImage')}; "
            "give the corrected series"
        )


def _per_count(slices: Sequence[Dataset], paths: Sequence[Path]) -> float:
    first, where = slices[0], paths[0]
    suv = private_number(first, *PHILIPS_PRIVATE, 0x00)
    if suv is not None:
        return suv
    activity = private_number(first, *PHILIPS_PRIVATE, 0x09)
    if activity is not None:
        return activity * _per_activity(slices, paths)
    raise InputError(
        f"PET: {where} is in counts and has neither Philips' SUV factor (7053,1000) nor its activity factor "
        "(7053,1009); export the series with its private tags, or in Bq/mL"
    )


def _per_activity(slices: Sequence[Dataset], paths: Sequence[Path]) -> float:
    first, where = slices[0], paths[0]
    correction = str(required(first, "DecayCorrection", where)).strip()
    if correction not in ("START", "ADMIN"):
        raise InputError(f"PET: {where} has {correction} for {described('DecayCorrection')}; SUV needs START or ADMIN")
    grams = 1000.0 * positive(first, "PatientWeight", where)
    injection = _injection(first, where)
    dose = positive(injection, "RadionuclideTotalDose", where)
    if dose < 1e4:
        raise InputError(
            f"PET: {where} has a {described('RadionuclideTotalDose')} too small to be in Bq; "
            "it is probably in MBq: correct it"
        )
    if correction == "START":
        half_life = positive(injection, "RadionuclideHalfLife", where)
        start = _scan_start(slices, paths, half_life)
        dose *= 2.0 ** (-_uptake_seconds(start, injection, half_life, where) / half_life)
    return grams / dose


def _injection(dataset: Dataset, where: Path) -> Dataset:
    keyword = "RadiopharmaceuticalInformationSequence"
    items = required(dataset, keyword, where)
    if len(items) != 1:
        raise InputError(f"PET: {where} has {len(items)} items in {described(keyword)}; SUV needs one injection")
    item: Dataset = items[0]
    return item


def _scan_start(slices: Sequence[Dataset], paths: Sequence[Path], half_life: float) -> datetime.datetime:
    series_time = moment(slices[0], "SeriesDate", "SeriesTime", paths[0])
    acquired = [
        moment(dataset, "AcquisitionDate", "AcquisitionTime", path) for dataset, path in zip(slices, paths, strict=True)
    ]
    earliest = min(acquired)
    if series_time <= earliest:
        return series_time
    ge_scan_time = date_time(private(slices[0], *GE_PRIVATE, 0x0D))
    if ge_scan_time is not None:
        return ge_scan_time
    for dataset, at in zip(slices, acquired, strict=True):
        reference = _milliseconds(dataset, "FrameReferenceTime")
        duration = _milliseconds(dataset, "ActualFrameDuration")
        if reference > 0 and duration > 0:
            decay = math.log(2.0) * duration / half_life
            mean_activity = duration / decay * math.log(decay / (1.0 - math.exp(-decay)))
            return at + datetime.timedelta(seconds=mean_activity - reference)
    return earliest


def _milliseconds(dataset: Dataset, keyword: str) -> float:
    value = value_of(dataset, keyword)
    return 0.0 if value is None else float(value) / 1000.0


def _uptake_seconds(start: datetime.datetime, injection: Dataset, half_life: float, where: Path) -> float:
    stated = date_time(value_of(injection, "RadiopharmaceuticalStartDateTime"))
    if stated is not None:
        seconds = (start - stated).total_seconds()
        if 0 <= seconds <= _MOST_HALF_LIVES * half_life:
            return seconds
        logger.warning(
            "PET: %s: %s does not fit the scan's date; its time of day is used",
            *(where, described("RadiopharmaceuticalStartDateTime")),
        )
        at = stated.time()
    else:
        at = clock(injection, "RadiopharmaceuticalStartTime", where)
    injected = datetime.datetime.combine(start.date(), at)
    if injected > start:
        injected -= _DAY
    seconds = (start - injected).total_seconds()
    if seconds > _MOST_HALF_LIVES * half_life:
        raise InputError(
            f"PET: {where} has a {described('RadiopharmaceuticalStartTime')} that is after the start of the scan "
            f"or more than {_MOST_HALF_LIVES:.0f} half-lives before it; correct it"
        )
    return seconds


def _lean_share(dataset: Dataset, where: Path) -> float:
    """Lean body mass over body weight."""
    weight = positive(dataset, "PatientWeight", where)
    height = positive(dataset, "PatientSize", where)
    sex = str(required(dataset, "PatientSex", where))
    if not 0.2 < height < 3.0:
        raise InputError(f"PET: {where} has a {described('PatientSize')} that is not a height in m; correct it")
    body_mass_index = weight / height**2
    if sex == "M":
        return 9270.0 / (6680.0 + 216.0 * body_mass_index)
    if sex == "F":
        return 9270.0 / (8780.0 + 244.0 * body_mass_index)
    raise InputError(f"PET: lean body mass needs M or F for {described('PatientSex')} in {where}")
