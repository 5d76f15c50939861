"""The factor from pixel values to SUV, branch by branch, against numbers worked out by hand.

The usual case: 70 kg, 350 MBq at 11:00, half-life 2 h, scan at 12:00. Half a half-life has passed, so SUV is the
activity times 70000 g / (350e6 Bq x 0.70710678) = 2.828427e-4 g/Bq; without decay it is 2e-4, after a whole
half-life 4e-4.
"""

from __future__ import annotations

import datetime
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import Dataset, FileDataset

from sam_pet.dicom.read import read_pet
from sam_pet.dicom.series import Series, read_series
from sam_pet.dicom.suv import suv_factor
from sam_pet.dicom.tags import described
from sam_pet.errors import InputError

from .make import PATIENT, Tags, pet_tags, put, save, slices

HALF = 2.828427e-4
NONE = 2e-4
WHOLE = 4e-4


def made(**tags: Any) -> list[FileDataset]:
    stored = np.arange(24, dtype=np.int16).reshape(3, 2, 4) * 100
    return slices(stored, "PT", slopes=[1.0, 2.5, 4.0], **tags)


def read(datasets: list[FileDataset], folder: Path) -> Series:
    save(datasets, folder)
    return read_series(folder, "PET")


def factor(folder: Path, injection: Tags | None = None, **tags: Any) -> float:
    return suv_factor(read(made(**pet_tags(injection, **tags)), folder))


def refused(series: Series, weighting: Any = "bw") -> str:
    with pytest.raises(InputError) as caught:
        suv_factor(series, weighting)
    message = str(caught.value)
    assert "\n" not in message
    assert not any(value in message for value in PATIENT.values())
    return message


def approx(value: float) -> Any:
    return pytest.approx(value, rel=1e-4)


def test_activity_decays_from_the_injection_to_the_series_time(tmp_path: Path) -> None:
    assert factor(tmp_path) == approx(HALF)


def test_the_volume_is_the_rescaled_pixels_times_the_factor(tmp_path: Path) -> None:
    save(made(**pet_tags()), tmp_path)
    volume = sitk.GetArrayFromImage(read_pet(tmp_path))
    # Pixel 17, 21 and 3 hundreds with their slices' slopes of 4, 4 and 1.
    assert volume[2, 0, 1] == approx(1700 * 4.0 * HALF)
    assert volume[2, 1, 1] == approx(2100 * 4.0 * HALF)
    assert volume[1, 0, 0] == approx(800 * 2.5 * HALF)
    assert volume[0, 0, 3] == approx(300 * 1.0 * HALF)


def test_activity_corrected_to_the_injection_is_not_corrected_again(tmp_path: Path) -> None:
    assert factor(tmp_path, DecayCorrection="ADMIN") == approx(NONE)


def test_admin_correction_needs_no_times(tmp_path: Path) -> None:
    injection = {"RadiopharmaceuticalStartTime": None, "RadionuclideHalfLife": None}
    assert factor(tmp_path, injection, DecayCorrection="ADMIN", SeriesTime=None) == approx(NONE)


def test_the_series_time_holds_for_later_bed_positions(tmp_path: Path) -> None:
    datasets = made(**pet_tags())
    datasets[0].AcquisitionTime = "121500"
    datasets[2].AcquisitionTime = "120730.5"
    assert suv_factor(read(datasets, tmp_path)) == approx(HALF)


def with_ge_scan_time(datasets: list[FileDataset], value: str) -> list[FileDataset]:
    for dataset in datasets:
        dataset.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", value)
    return datasets


def test_ge_private_scan_time_replaces_a_later_series_time(tmp_path: Path) -> None:
    late = pet_tags(SeriesTime="150000", AcquisitionTime="121500")
    datasets = with_ge_scan_time(made(**late), "20240229120000.00")
    assert suv_factor(read(datasets, tmp_path)) == approx(HALF)


def test_ge_private_scan_time_is_not_used_for_an_original_series(tmp_path: Path) -> None:
    datasets = with_ge_scan_time(made(**pet_tags()), "20240229130000")
    assert suv_factor(read(datasets, tmp_path)) == approx(HALF)


def test_siemens_frame_reference_time_gives_the_start_of_a_derived_series(tmp_path: Path) -> None:
    # A frame of 120 s has its mean activity after 59.942 s (half a frame less T^2 ln 2 / (24 x 7200 s)); it is that
    # of 31 min after the start, so the acquisition began 30 min after it, at 12:30.
    late = pet_tags(
        SeriesTime="180000",
        AcquisitionTime="123000",
        ActualFrameDuration="120000",
        FrameReferenceTime=str(1_800_000 + 59_942),
    )
    assert suv_factor(read(made(**late), tmp_path)) == approx(HALF)


def test_the_earliest_acquisition_is_the_start_where_nothing_else_says_it(tmp_path: Path) -> None:
    datasets = made(**pet_tags(SeriesTime="180000", AcquisitionTime="123000"))
    datasets[1].AcquisitionTime = "120000"
    assert suv_factor(read(datasets, tmp_path)) == approx(HALF)


def test_philips_suv_factor_scales_counts(tmp_path: Path) -> None:
    datasets = made(**pet_tags(Units="CNTS"))
    for dataset in datasets:
        block = dataset.private_block(0x7053, "Philips PET Private Group", create=True)
        block.add_new(0x00, "DS", "0.000551")
        block.add_new(0x09, "DS", "1.5")
    assert suv_factor(read(datasets, tmp_path)) == approx(5.51e-4)


def test_philips_activity_factor_serves_where_the_suv_factor_is_zero(tmp_path: Path) -> None:
    datasets = made(**pet_tags(Units="CNTS"))
    for dataset in datasets:
        block = dataset.private_block(0x7053, "Philips PET Private Group", create=True)
        block.add_new(0x00, "DS", "0.0")
        block.add_new(0x09, "DS", "1.5")
    assert suv_factor(read(datasets, tmp_path)) == approx(1.5 * HALF)


def test_philips_factor_is_found_without_its_private_creator(tmp_path: Path) -> None:
    datasets = made(**pet_tags(Units="CNTS"))
    for dataset in datasets:
        dataset.add_new((0x7053, 0x1000), "UN", b"0.000551\0")
    assert suv_factor(read(datasets, tmp_path)) == approx(5.51e-4)


def test_another_vendors_private_group_is_not_taken_for_philips(tmp_path: Path) -> None:
    datasets = made(**pet_tags(Units="CNTS"))
    for dataset in datasets:
        dataset.private_block(0x7053, "SOMEONE ELSE", create=True).add_new(0x00, "DS", "0.000551")
    assert "(7053,1000)" in refused(read(datasets, tmp_path))


def test_philips_bq_ml_take_the_common_way(tmp_path: Path) -> None:
    assert factor(tmp_path, Manufacturer="Philips") == approx(HALF)


def test_grams_per_ml_are_suv_already(tmp_path: Path) -> None:
    assert factor(tmp_path, Units="GML", PatientWeight=None) == 1.0


def test_grams_per_ml_of_another_kind_are_refused(tmp_path: Path) -> None:
    datasets = made(**pet_tags(Units="GML", SUVType="BSA"))
    assert "(0054,1006)" in refused(read(datasets, tmp_path))


def test_lean_suv_in_the_series_is_taken_where_lean_suv_is_wanted(tmp_path: Path) -> None:
    series = read(made(**pet_tags(Units="GML", SUVType="LBMJANMA")), tmp_path)
    assert suv_factor(series, "lbm") == 1.0
    assert "(0054,1006)" in refused(series)


@pytest.mark.parametrize(("sex", "lean_kg"), [("F", 45.19701), ("M", 55.85711)])
def test_lean_body_mass_is_janmahasatians(tmp_path: Path, sex: str, lean_kg: float) -> None:
    # 70 kg at 1.75 m: BMI 22.857143; 9270 x 70 / (8780 + 244 BMI) = 648900 / 14357.143 = 45.19701 kg for a woman,
    # 648900 / (6680 + 216 x 22.857143) = 648900 / 11617.143 = 55.85711 kg for a man.
    series = read(made(**pet_tags(PatientSex=sex)), tmp_path)
    assert suv_factor(series, "lbm") == approx(HALF * lean_kg / 70)


@pytest.mark.parametrize(
    ("tags", "tag"),
    [
        ({"PatientSex": None}, "(0010,0040)"),
        ({"PatientSex": "O"}, "(0010,0040)"),
        ({"PatientSize": None}, "(0010,1020)"),
        ({"PatientSize": "175"}, "(0010,1020)"),
    ],
)
def test_lean_body_mass_names_what_it_misses(tmp_path: Path, tags: Tags, tag: str) -> None:
    assert tag in refused(read(made(**pet_tags(**tags)), tmp_path), "lbm")


def test_an_injection_before_midnight_is_of_the_day_before(tmp_path: Path) -> None:
    times = {"SeriesTime": "003000", "AcquisitionTime": "003000"}
    assert factor(tmp_path, {"RadiopharmaceuticalStartTime": "233000"}, **times) == approx(HALF)


def test_the_injection_date_is_used_where_it_is_given(tmp_path: Path) -> None:
    # Two days, two half-lives of a day.
    injection = {
        "RadiopharmaceuticalStartDateTime": "20240227120000.00+0100",
        "RadiopharmaceuticalStartTime": "120000",
        "RadionuclideHalfLife": "86400",
    }
    assert factor(tmp_path, injection) == approx(4 * NONE)


def test_an_injection_date_that_was_shifted_apart_gives_its_time_of_day(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    injection = {"RadiopharmaceuticalStartDateTime": "20191103110000", "RadiopharmaceuticalStartTime": None}
    assert factor(tmp_path, injection) == approx(HALF)
    assert "(0018,1078)" in caplog.text
    assert "2019" not in caplog.text


def test_an_injection_after_the_scan_is_refused(tmp_path: Path) -> None:
    datasets = made(**pet_tags({"RadiopharmaceuticalStartTime": "120500"}))
    message = refused(read(datasets, tmp_path))
    assert "(0018,1072)" in message
    assert "1205" not in message


def test_a_series_that_does_not_say_its_corrections_is_read_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert factor(tmp_path, CorrectedImage=None) == approx(HALF)
    assert "(0028,0051)" in caplog.text


@pytest.mark.parametrize(
    ("tags", "tag"),
    [
        ({"Units": None}, "(0054,1001)"),
        ({"Units": "PROPCPS"}, "(0054,1001)"),
        ({"Units": "CNTS"}, "(7053,1000)"),
        ({"Units": "CNTS"}, "(7053,1009)"),
        ({"CorrectedImage": ["DECY", "SCAT"]}, "(0028,0051)"),
        ({"CorrectedImage": "DECY"}, "(0028,0051)"),
        ({"DecayCorrection": None}, "(0054,1102)"),
        ({"DecayCorrection": "NONE"}, "(0054,1102)"),
        ({"PatientWeight": None}, "(0010,1030)"),
        ({"PatientWeight": ""}, "(0010,1030)"),
        ({"PatientWeight": "0"}, "(0010,1030)"),
        ({"PatientWeight": "70000"}, "(0010,1030)"),
        ({"TimezoneOffsetFromUTC": "CET"}, "(0008,0201)"),
        ({"SeriesDate": None}, "(0008,0021)"),
        ({"SeriesDate": "no date"}, "(0008,0021)"),
        ({"SeriesTime": None}, "(0008,0031)"),
        ({"SeriesTime": "noon"}, "(0008,0031)"),
        ({"AcquisitionDate": None}, "(0008,0022)"),
        ({"AcquisitionTime": None}, "(0008,0032)"),
        ({"RadiopharmaceuticalInformationSequence": None}, "(0054,0016)"),
        ({"RadiopharmaceuticalInformationSequence": []}, "(0054,0016)"),
        ({"RadiopharmaceuticalInformationSequence": [Dataset(), Dataset()]}, "(0054,0016)"),
    ],
)
def test_a_missing_or_unusable_tag_is_named(tmp_path: Path, tags: Tags, tag: str) -> None:
    assert tag in refused(read(made(**pet_tags(**tags)), tmp_path))


@pytest.mark.parametrize(
    ("injection", "tag"),
    [
        ({"RadionuclideTotalDose": None}, "(0018,1074)"),
        ({"RadionuclideTotalDose": "0"}, "(0018,1074)"),
        ({"RadionuclideTotalDose": "350"}, "(0018,1074)"),
        ({"RadionuclideTotalDose": "350000"}, "(0018,1074)"),
        ({"RadionuclideTotalDose": "350e9"}, "(0018,1074)"),
        ({"RadionuclideHalfLife": "1.83"}, "(0018,1075)"),
        ({"RadionuclideHalfLife": "1e20"}, "(0018,1075)"),
        ({"RadionuclideHalfLife": None}, "(0018,1075)"),
        ({"RadiopharmaceuticalStartTime": None}, "(0018,1072)"),
    ],
)
def test_a_missing_or_unusable_tag_of_the_injection_is_named(tmp_path: Path, injection: Tags, tag: str) -> None:
    assert tag in refused(read(made(**pet_tags(injection)), tmp_path))


@pytest.mark.parametrize(
    ("injected", "offset", "scan"),
    [
        ("20240229110000+0000", "+0100", "130000"),
        ("20240229110000+00:00", "+01:00", "130000"),
        ("20240229110000Z", "+0100", "130000"),
        ("2024-02-29T11:00:00.0000000+00:00", "+0100", "130000"),
        ("2024-02-29 11:00", "+0530", "120000"),
        ("20240229060000-0500", "+0000", "120000"),
        ("20240229203000+0930", "+0000", "120000"),
        ("20240229110000-0500", None, "120000"),
        ("2024022911", "-0330", "120000"),
    ],
)
def test_an_injection_has_its_own_offset_or_that_of_its_series(
    tmp_path: Path, injected: str, offset: str | None, scan: str
) -> None:
    injection = {"RadiopharmaceuticalStartDateTime": injected, "RadiopharmaceuticalStartTime": None}
    times = {"SeriesTime": scan, "AcquisitionTime": scan, "TimezoneOffsetFromUTC": offset}
    assert factor(tmp_path, injection, **times) == approx(HALF)


@pytest.mark.parametrize("form", [{"SeriesDate": "2024.02.29"}, {"SeriesDate": "2024-02-29", "SeriesTime": "12:00:00"}])
def test_older_forms_of_dates_and_times_are_read(tmp_path: Path, form: Tags) -> None:
    assert factor(tmp_path, **form) == approx(HALF)


def test_a_date_time_of_acquisition_has_its_own_offset(tmp_path: Path) -> None:
    absent = dict.fromkeys(("AcquisitionDate", "AcquisitionTime"))
    acquired = {"AcquisitionDateTime": "20240229110000+0000", "TimezoneOffsetFromUTC": "+0100"}
    # Noon at the scanner, an hour after the injection; the series was made later.
    assert factor(tmp_path, SeriesTime="180000", **absent, **acquired) == approx(HALF)


@pytest.mark.parametrize("half_life", [45723, 53064, 282276, 360806])
def test_a_time_of_day_alone_is_refused_where_days_may_have_passed(tmp_path: Path, half_life: int) -> None:
    injection = {"RadionuclideHalfLife": str(half_life)}
    assert "days" in refused(read(made(**pet_tags(injection)), tmp_path / "clock"))
    stated = {**injection, "RadiopharmaceuticalStartDateTime": "20240228120000"}
    assert factor(tmp_path / "day", stated) == approx(NONE * 2 ** (86400 / half_life))


@pytest.mark.parametrize("keyword", ["FrameReferenceTime", "ActualFrameDuration"])
@pytest.mark.parametrize("value", ["longs", "1e20"])
def test_a_time_of_a_frame_that_is_none_is_named(tmp_path: Path, keyword: str, value: str) -> None:
    late = pet_tags(
        SeriesTime="180000", AcquisitionTime="123000", ActualFrameDuration="120000", FrameReferenceTime="185994"
    )
    for path in save(made(**{**late, keyword: "12121"}), tmp_path):
        path.write_bytes(path.read_bytes().replace(b"12121", value.ljust(5).encode()))
    assert {"FrameReferenceTime": "(0054,1300)", "ActualFrameDuration": "(0018,1242)"}[keyword] in refused(
        read_series(tmp_path, "PET")
    )


def test_corrections_that_disagree_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert factor(tmp_path, CorrectedImage=["ATTN", "SCAT"]) == approx(HALF)
    assert "(0054,1102)" in caplog.text


def test_a_value_that_is_not_a_number_is_not_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    for path in save(made(**pet_tags(PatientWeight="12345")), tmp_path):
        path.write_bytes(path.read_bytes().replace(b"12345", b"heavy"))
    message = refused(read_series(tmp_path, "PET"))
    assert "(0010,1030)" in message
    assert not any("heavy" in text for text in (message, caplog.text, *(str(w.message) for w in recwarn)))


@pytest.mark.parametrize("offset", ["+0000", "-0500", "+0545"])
def test_the_time_of_day_tells_the_clock_of_a_series_without_offset(tmp_path: Path, offset: str) -> None:
    sign = -1 if offset[0] == "-" else 1
    ahead = sign * datetime.timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
    # At the scanner, an hour ahead of UTC, it was 11:00.
    shown = datetime.datetime(2024, 2, 29, 10, 0) + ahead
    injection = {"RadiopharmaceuticalStartDateTime": f"{shown:%Y%m%d%H%M%S}{offset}"}
    assert factor(tmp_path, injection) == approx(HALF)


def test_the_offset_of_the_acquisition_is_that_of_the_series(tmp_path: Path) -> None:
    injection = {
        "RadiopharmaceuticalStartTime": None,
        "RadiopharmaceuticalStartDateTime": "20240229100000+0000",
    }
    assert factor(tmp_path, injection, AcquisitionDateTime="20240229120000.00+0100") == approx(HALF)


def test_an_offset_that_the_series_does_not_tell_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    injection = {
        "RadiopharmaceuticalStartTime": None,
        "RadiopharmaceuticalStartDateTime": "20240229110000+0000",
    }
    factor(tmp_path, injection)
    assert "offset from UTC" in caplog.text


def test_two_times_of_injection_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    factor(tmp_path, {"RadiopharmaceuticalStartDateTime": "20240229113700"})
    assert "two times of injection" in caplog.text


@pytest.mark.parametrize(
    ("of_injection", "keyword", "value"),
    [
        (False, "PatientWeight", "80"),
        (False, "Units", "GML"),
        (False, "DecayCorrection", "ADMIN"),
        (False, "SeriesTime", "123000"),
        (True, "RadionuclideTotalDose", "300000000"),
        (True, "RadiopharmaceuticalStartTime", "103000"),
        (True, "RadionuclideHalfLife", "6586"),
    ],
)
@pytest.mark.parametrize("odd", [0, 1])
def test_slices_that_differ_in_what_suv_is_reckoned_with_are_refused(
    tmp_path: Path, of_injection: bool, keyword: str, value: str, odd: int
) -> None:
    datasets = made(**pet_tags())
    own = pet_tags({keyword: value}) if of_injection else {keyword: value}
    put(datasets[odd], own)
    assert f"differ in {described(keyword)}" in refused(read(datasets, tmp_path))


def test_ways_of_writing_one_dose_are_one_dose(tmp_path: Path) -> None:
    datasets = made(**pet_tags())
    put(datasets[1], pet_tags({"RadionuclideTotalDose": "3.5E+08", "RadiopharmaceuticalStartTime": "110000"}))
    assert suv_factor(read(datasets, tmp_path)) == approx(HALF)


@pytest.mark.parametrize("element", [0x00, 0x09])
def test_a_philips_factor_below_zero_is_none(tmp_path: Path, element: int) -> None:
    datasets = made(**pet_tags(Units="CNTS"))
    for dataset in datasets:
        dataset.private_block(0x7053, "Philips PET Private Group", create=True).add_new(element, "DS", "-0.5")
    assert "(7053,1000)" in refused(read(datasets, tmp_path))


def test_philips_factors_that_differ_are_refused(tmp_path: Path) -> None:
    datasets = made(**pet_tags(Units="CNTS"))
    for dataset, own in zip(datasets, "123", strict=False):
        dataset.private_block(0x7053, "Philips PET Private Group", create=True).add_new(0x00, "DS", own)
    assert "differ in Philips' SUV factor" in refused(read(datasets, tmp_path))


@pytest.mark.parametrize(
    ("meaning", "half_life", "warned"),
    [("^18^Fluorine", "6586.2", False), ("^68^Gallium", "6586.2", True), ("Zr-89", "282240", False)],
)
def test_a_half_life_that_is_not_the_nuclides_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, meaning: str, half_life: str, warned: bool
) -> None:
    code = Dataset()
    put(code, {"CodeValue": "X", "CodingSchemeDesignator": "SRT", "CodeMeaning": meaning})
    injection = {
        "RadionuclideHalfLife": half_life,
        "RadionuclideCodeSequence": [code],
        "RadiopharmaceuticalStartDateTime": "20240229110000",
    }
    factor(tmp_path, injection)
    assert ("where its nuclide has" in caplog.text) == warned


def test_a_weight_below_a_kilogram_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    factor(tmp_path, PatientWeight="0.07")
    assert "(0010,1030)" in caplog.text


@pytest.mark.parametrize(("injected", "warned"), [("000000", True), ("080000", False), ("110000", False)])
def test_an_injection_so_long_ago_that_nobody_would_scan_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, injected: str, warned: bool
) -> None:
    hours = 12 - int(injected[:2])
    assert factor(tmp_path, {"RadiopharmaceuticalStartTime": injected}) == approx(NONE * 2 ** (hours / 2))
    assert ("half-lives after the injection" in caplog.text) == warned


def test_ge_private_scan_time_after_the_acquisition_is_not_its_start(tmp_path: Path) -> None:
    late = pet_tags(SeriesTime="150000", AcquisitionTime="120000")
    datasets = with_ge_scan_time(made(**late), "20240229140000.00")
    assert suv_factor(read(datasets, tmp_path)) == approx(HALF)


@pytest.mark.parametrize(("acquired", "warned"), [("140000", True), ("120500", False), ("120000", False)])
def test_a_series_that_begins_long_before_its_first_acquisition_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, acquired: str, warned: bool
) -> None:
    assert factor(tmp_path, AcquisitionTime=acquired) == approx(HALF)
    assert ("(0008,0031), to which its activity" in caplog.text) == warned
