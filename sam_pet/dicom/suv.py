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
from typing import Any, Literal

from pydicom import Dataset
from pydicom.sequence import Sequence as Items

from sam_pet.dicom.injection import half_life_of, injection_of, uptake_seconds
from sam_pet.dicom.series import Series
from sam_pet.dicom.tags import (
    described,
    guarded,
    is_empty,
    number,
    positive,
    private,
    private_number,
    quiet,
    required,
    value_of,
)
from sam_pet.dicom.times import acquired, date_time, earliest, moment, seconds_between, zone_of
from sam_pet.errors import InputError

logger = logging.getLogger(__name__)

Weighting = Literal["bw", "lbm"]

GE_PRIVATE = (0x0009, "GEMS_PETD_01")
PHILIPS_PRIVATE = (0x7053, "Philips PET Private Group")
# In seconds: the longest that a frame or what comes before it lasts.
_LONGEST_S = 1e6
# Scans are made before so many half-lives have passed; times of injection that were blanked are midnight's.
_LATEST_HALF_LIVES = 4.0
# Of a series before its first acquisition: a decay of 5 % and more.
_WAIT_HALF_LIVES = 0.075
_DOSES_BQ, _LIGHTEST_KG, _HEAVIEST_KG = (1e6, 1e11), 1.0, 700.0
# What a series says once.
_OF_SERIES = ("Units", "DecayCorrection", "PatientWeight", "SeriesDate", "SeriesTime")
_OF_INJECTION = (
    *("RadionuclideTotalDose", "RadionuclideHalfLife"),
    *("RadiopharmaceuticalStartTime", "RadiopharmaceuticalStartDateTime"),
)


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
    with quiet(), guarded(f"PET: {series.paths[0]}"):
        return _body_weight_or_lean(series.slices, series.paths, weighting)


def _body_weight_or_lean(slices: Sequence[Dataset], paths: Sequence[Path], weighting: Weighting) -> float:
    first, where = slices[0], paths[0]
    _require_one_dose(slices, paths)
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


def _require_one_dose(slices: Sequence[Dataset], paths: Sequence[Path]) -> None:
    """Raise an InputError if slices differ in what their SUVs are reckoned with, as those of two scans in one do."""
    told = [_dose_facts(dataset) for dataset in slices]
    for facts, path in zip(told[1:], paths[1:], strict=True):
        for name, value in facts.items():
            if value != told[0][name]:
                raise InputError(
                    f"PET: {paths[0]} and {path} are of one series and differ in {name}; "
                    "split the series, or export it again"
                )


def _dose_facts(dataset: Dataset) -> dict[str, Any]:
    units = value_of(dataset, "Units")
    if units == "GML":
        return {described(keyword): value_of(dataset, keyword) for keyword in ("Units", "SUVType")}
    items = value_of(dataset, "RadiopharmaceuticalInformationSequence")
    injection = items[0] if isinstance(items, Items) and len(items) else Dataset()
    facts: dict[str, Any] = {described(keyword): _plain(value_of(dataset, keyword)) for keyword in _OF_SERIES}
    facts |= {described(keyword): _plain(value_of(injection, keyword)) for keyword in _OF_INJECTION}
    if units == "CNTS":
        facts["Philips' SUV factor (7053,1000)"] = private_number(dataset, *PHILIPS_PRIVATE, 0x00)
        facts["Philips' activity factor (7053,1009)"] = private_number(dataset, *PHILIPS_PRIVATE, 0x09)
    return facts


def _plain(value: Any) -> float | str:
    """A value so that ways of writing one number are equal."""
    try:
        return float(value)
    except (ValueError, TypeError, OverflowError):
        return str(value).strip()


def _check_corrections(dataset: Dataset, where: Path) -> None:
    corrections = value_of(dataset, "CorrectedImage")
    if corrections is None:
        logger.warning("PET: %s does not say in %s what it is corrected for", where, described("CorrectedImage"))
        return
    named = [corrections] if isinstance(corrections, str) else list(corrections)
    if "ATTN" not in named:
        raise InputError(
            f"PET: {where} is not corrected for attenuation by its {described('CorrectedImage')}; "
            "give the corrected series"
        )
    if "DECY" not in named and value_of(dataset, "DecayCorrection") in ("START", "ADMIN"):
        logger.warning(
            "PET: %s is not corrected for decay by its %s, and is by its %s, which counts",
            *(where, described("CorrectedImage"), described("DecayCorrection")),
        )


def _per_count(slices: Sequence[Dataset], paths: Sequence[Path]) -> float:
    first, where = slices[0], paths[0]
    suv = private_number(first, *PHILIPS_PRIVATE, 0x00)
    if suv is not None and suv > 0:
        return suv
    activity = private_number(first, *PHILIPS_PRIVATE, 0x09)
    if activity is not None and activity > 0:
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
    kilograms = positive(first, "PatientWeight", where)
    if kilograms > _HEAVIEST_KG:
        raise InputError(
            f"PET: {where} has a {described('PatientWeight')} that nobody has in kg; it is probably in g: correct it"
        )
    if kilograms < _LIGHTEST_KG:
        logger.warning("PET: %s has a %s below 1 kg; check that it is in kg", where, described("PatientWeight"))
    injection = injection_of(first, where)
    dose = positive(injection, "RadionuclideTotalDose", where)
    if not _DOSES_BQ[0] <= dose <= _DOSES_BQ[1]:
        raise InputError(
            f"PET: {where} has a {described('RadionuclideTotalDose')} that nobody is given in Bq; "
            "it is probably in another unit, such as MBq: correct it"
        )
    if correction == "START":
        half_life = half_life_of(injection, where)
        start = _scan_start(slices, paths, half_life)
        passed = uptake_seconds(start, injection, half_life, zone_of(first, where), where) / half_life
        if passed > _LATEST_HALF_LIVES:
            logger.warning(
                "PET: %s was acquired %.1f half-lives after the injection by its header, later than scans are; "
                "check the time of injection, SUVs may be far too high",
                *(where, passed),
            )
        dose *= 2.0**-passed
    return 1000.0 * kilograms / dose


def _scan_start(slices: Sequence[Dataset], paths: Sequence[Path], half_life: float) -> datetime.datetime:
    series_time = moment(slices[0], "SeriesDate", "SeriesTime", paths[0])
    times = [acquired(dataset, path) for dataset, path in zip(slices, paths, strict=True)]
    first = earliest(times)
    waited = seconds_between(series_time, first)
    if waited >= 0:
        if waited / half_life > _WAIT_HALF_LIVES:
            logger.warning(
                "PET: %s was acquired %.0f minutes after its %s, to which its activity is taken to be decay-corrected; "
                "check that it is, else SUVs are too low",
                *(paths[0], waited / 60, described("SeriesTime")),
            )
        return series_time
    ge_scan_time = date_time(private(slices[0], *GE_PRIVATE, 0x0D))
    if ge_scan_time.day is not None and ge_scan_time.clock is not None:
        zone = ge_scan_time.zone or zone_of(slices[0], paths[0])
        began = datetime.datetime.combine(ge_scan_time.day, ge_scan_time.clock, zone)
        # A time after the acquisition is not that of its start.
        if seconds_between(began, first) >= 0:
            return began
    for dataset, at, path in zip(slices, times, paths, strict=True):
        reference = _frame_seconds(dataset, "FrameReferenceTime", path)
        duration = _frame_seconds(dataset, "ActualFrameDuration", path)
        if reference > 0 and duration > 0:
            decay = math.log(2.0) * duration / half_life
            mean_activity = duration / decay * math.log(decay / -math.expm1(-decay))
            return at + datetime.timedelta(seconds=mean_activity - reference)
    return first


def _frame_seconds(dataset: Dataset, keyword: str, where: Path) -> float:
    """A time of a frame that is in ms; 0 where there is none."""
    if is_empty(dataset, keyword):
        return 0.0
    seconds = number(dataset, keyword, where) / 1e3
    if seconds > _LONGEST_S:
        raise InputError(f"PET: {where} has a {described(keyword)} longer than any scan in ms; correct it")
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
    raise InputError(f"PET: lean body mass needs M or F for {described('PatientSex')} in {where}; correct it")
