"""Patients of any script, and headers whose values break their type, in the DICOM objects that are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from sam_pet.dicom.rtstruct import write_rtstruct
from sam_pet.dicom.seg import write_seg
from sam_pet.dicom.series import Series, read_series

from .make import Tags, pet_tags, save, slices

PLACE = "PLACE^OFANYNAME" + "X" * 40
LABELS = np.zeros((3, 4, 4), np.uint16)
LABELS[1, 1:3, 1:3] = 1

NAMES = {
    "none": (None, b"Doe^Jane", "Doe^Jane"),
    "Latin-1": ("ISO_IR 100", "Müller^Jörg".encode("latin-1"), "Müller^Jörg"),
    "Latin-2": ("ISO_IR 101", "Wałęsa^Świt".encode("latin2"), "Wałęsa^Świt"),
    "Cyrillic": ("ISO_IR 144", "Люкceмбypг".encode("iso8859_5"), "Люкceмбypг"),
    "Greek": ("ISO_IR 126", "Διονυσιος".encode("iso8859_7"), "Διονυσιος"),
    "Arabic": ("ISO_IR 127", "قباني^لنزار".encode("iso8859_6"), "قباني^لنزار"),
    "Hebrew": ("ISO_IR 138", "שרון^דבורה".encode("iso8859_8"), "שרון^דבורה"),
    "Thai": ("ISO_IR 166", "นามสกุล".encode("tis_620"), "นามสกุล"),
    "UTF-8": ("ISO_IR 192", "Wang^小東".encode(), "Wang^小東"),
    "UTF-8 by another word": ("UTF-8", "Müller".encode(), "Müller"),
    "Chinese": ("GB18030", "Wang^小东".encode("gb18030"), "Wang^小东"),
    "Chinese, escaped": ("\\ISO 2022 IR 58", b"Zhang=\x1b$)A" + "张^小东".encode("gb2312"), "Zhang=张^小东"),
    "Japanese": (
        "\\ISO 2022 IR 87",
        b"Yamada^Tarou=" + "山田".encode("iso2022_jp") + b"^" + "太郎".encode("iso2022_jp"),
        "Yamada^Tarou=山田^太郎",
    ),
    "Japanese, two sets": (
        "ISO 2022 IR 13\\ISO 2022 IR 87",
        "ﾔﾏﾀﾞ^ﾀﾛｳ".encode("shift_jis") + b"=" + "山田".encode("iso2022_jp"),
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田",
    ),
    "Korean": ("\\ISO 2022 IR 149", b"Hong^Gildong=\x1b$)C" + "洪^길동".encode("euc_kr"), "Hong^Gildong=洪^길동"),
    "unknown": ("KLINGON", b"Doe^Jane", "Doe^Jane"),
    "backslash": (None, b"Doe\\Jane", "Doe Jane"),
    "zero": (None, b"Doe\0^Jane", "Doe^Jane"),
}


def series_of(folder: Path, **tags: object) -> Series:
    save(slices(np.ones((3, 4, 4), np.int16), "PT", **pet_tags(), **tags), folder)
    return read_series(folder, "PET")


@pytest.mark.parametrize("write", [write_seg, write_rtstruct])
@pytest.mark.parametrize(("charset", "stored", "name"), NAMES.values(), ids=NAMES)
@pytest.mark.filterwarnings("ignore:.*[vV]alue.*")
def test_a_patients_name_survives_whatever_its_characters(
    tmp_path: Path, write: Callable[..., None], charset: str | None, stored: bytes, name: str
) -> None:
    tags = {**pet_tags(), "PatientName": PLACE, "SpecificCharacterSet": "ISO_IR 100"}
    for path in save(slices(np.ones((3, 4, 4), np.int16), "PT", **tags), tmp_path / "pet"):
        content = path.read_bytes()
        assert PLACE.encode() in content
        path.write_bytes(_with_charset(content.replace(PLACE.encode(), stored.ljust(len(PLACE))), charset))
    write(LABELS, read_series(tmp_path / "pet", "PET"), tmp_path / "o.dcm", model="default")
    written = dcmread(tmp_path / "o.dcm")
    assert written.SpecificCharacterSet == "ISO_IR 192"
    assert str(written.PatientName) == name


def _with_charset(content: bytes, charset: str | None) -> bytes:
    """The file with another Specific Character Set, which is the first attribute of the object."""
    tag = b"\x08\0\5\0CS"
    at = content.index(tag)
    end = at + 8 + int.from_bytes(content[at + 6 : at + 8], "little")
    value = b"" if charset is None else charset.encode() + b" " * (len(charset) % 2)
    element = b"" if charset is None else tag + len(value).to_bytes(2, "little") + value
    return content[:at] + element + content[end:]


@pytest.mark.parametrize("write", [write_seg, write_rtstruct])
@pytest.mark.parametrize(
    "tags",
    [
        {"PatientBirthDate": "19000000"},
        {"PatientBirthDate": "ANONYMOUS"},
        {"StudyTime": "25:99"},
        {"PatientSex": "X"},
        {"PatientID": "x" * 80},
        {"PatientAge": "sixty"},
        {"StudyDescription": "a\nb"},
        {"PatientName": "", "StudyDate": "", "AccessionNumber": "a" * 40},
    ],
)
@pytest.mark.filterwarnings("ignore:.*[vV]alue.*")
def test_values_that_break_their_type_do_not_cost_the_object(
    tmp_path: Path, write: Callable[..., None], tags: Tags
) -> None:
    made = slices(np.ones((3, 4, 4), np.int16), "PT", **{**pet_tags(), **tags})
    save(made, tmp_path / "pet")
    write(LABELS, read_series(tmp_path / "pet", "PET"), tmp_path / "o.dcm", model="default")
    written = dcmread(tmp_path / "o.dcm")
    assert str(written.get("PatientBirthDate", "")) in ("", "19511130")
    assert str(written.get("PatientSex", "")) in ("", "F")


@pytest.mark.parametrize(("write", "place"), [(write_seg, "seg"), (write_rtstruct, "rt")])
def test_what_nobody_prompted_is_told_to_be_automatic(tmp_path: Path, write: Callable[..., None], place: str) -> None:
    series = series_of(tmp_path / "pet")
    for automatic, word in ((True, "AUTOMATIC"), (False, "SEMIAUTOMATIC")):
        write(LABELS, series, tmp_path / "o.dcm", model="default", automatic=automatic)
        written = dcmread(tmp_path / "o.dcm")
        told = (
            written.SegmentSequence[0].SegmentAlgorithmType
            if place == "seg"
            else written.StructureSetROISequence[0].ROIGenerationAlgorithm
        )
        assert told == word


@pytest.mark.parametrize("write", [write_seg, write_rtstruct])
@pytest.mark.parametrize("keyword", ["PatientID", "StudyID", "AccessionNumber", "StudyDescription"])
@pytest.mark.filterwarnings("ignore:.*[vV]alue.*")
def test_a_text_longer_than_its_type_is_kept(tmp_path: Path, write: Callable[..., None], keyword: str) -> None:
    series = series_of(tmp_path / "pet", **{keyword: "long-" * 20})
    write(LABELS, series, tmp_path / "o.dcm", model="default")
    assert str(dcmread(tmp_path / "o.dcm").get(keyword)) == "long-" * 20


@pytest.mark.parametrize("write", [write_seg, write_rtstruct])
@pytest.mark.filterwarnings("ignore:.*[vV]alue.*")
def test_what_is_left_out_is_told(tmp_path: Path, write: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    series = series_of(tmp_path / "pet", PatientBirthDate="19000000")
    write(LABELS, series, tmp_path / "o.dcm", model="default")
    assert "Patient's Birth Date (0010,0030) is not of its type" in caplog.text
    assert not any("1900" in record.getMessage() for record in caplog.records if record.name.startswith("sam_pet"))


@pytest.mark.parametrize("thickness", [None, "", "0"])
@pytest.mark.filterwarnings("ignore:.*[vV]alue.*")
def test_a_seg_needs_no_thickness_of_slices(tmp_path: Path, thickness: str | None) -> None:
    series = series_of(tmp_path / "pet", SliceThickness=thickness)
    write_seg(LABELS, series, tmp_path / "o.dcm", model="default")
    measures = dcmread(tmp_path / "o.dcm").SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert float(measures.SliceThickness) == pytest.approx(series.grid.spacing[2])
    assert all(header.get("SliceThickness") != measures.SliceThickness for header in series.slices)
