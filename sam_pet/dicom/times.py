"""Dates and times of a DICOM data set, each at the UTC offset it has, or at none.

A date-time (DT) may have an offset of its own. Dates and times of day, and date-times without one, are at the Timezone
Offset From UTC (0008,0201) of their data set, or else at that of its acquisition; where neither is told they are what
the clock at the scanner showed.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset

from sam_pet.dicom.tags import described, required, value_of
from sam_pet.errors import InputError

_ZONE = r"([+-]\d{2}:?\d{2}|Z)?"
_DT = re.compile(r"(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\.\d+)?" + _ZONE)
# As ISO 8601 has it, which some exports write.
_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2}))?(\.\d+)?" + _ZONE)
_DA = re.compile(r"(\d{4})([.-]?)(\d{2})\2(\d{2})")
_TM = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(\.\d+)?")


_OFFSET = "TimezoneOffsetFromUTC"


@dataclass(frozen=True)
class Stated:
    """What a date-time tells: it may be without a day or without a time of day."""

    day: datetime.date | None = None
    clock: datetime.time | None = None
    zone: datetime.tzinfo | None = None


def date_time(value: Any) -> Stated:
    """What a date-time value tells, nothing if it is none."""
    text = _text(value)
    found = _DT.fullmatch(text) or _ISO.fullmatch(text)
    if found is None:
        return Stated()
    year, month, day, *clock, zone = found.groups()
    return Stated(_day(year, month, day), _clock(*clock), _zone(zone))


def zone_of(dataset: Dataset, where: Path) -> datetime.tzinfo | None:
    """The offset at which a data set's dates and times are; None where it does not say.

    Raises:
        InputError: what it says is no offset.
    """
    text = _text(value_of(dataset, _OFFSET))
    zone = _zone(text)
    if text and zone is None:
        raise InputError(f"{where} has no usable {described(_OFFSET)}: it is no offset such as +0100; correct it")
    stated = date_time(value_of(dataset, "AcquisitionDateTime"))
    if zone is None and stated.clock is not None and stated.clock == time_of_day(value_of(dataset, "AcquisitionTime")):
        # The same time twice, once with its offset.
        return stated.zone
    return zone


def moment(dataset: Dataset, date: str, time: str, where: Path) -> datetime.datetime:
    """A date and a time attribute together.

    Raises:
        InputError: one is absent, empty, or not of its type.
    """
    day, clock = _date(required(dataset, date, where)), time_of_day(required(dataset, time, where))
    if day is None:
        raise InputError(f"{where} has no usable {described(date)}: it is not a date; correct it")
    if clock is None:
        raise InputError(f"{where} has no usable {described(time)}: it is not a time of day; correct it")
    return datetime.datetime.combine(day, clock, zone_of(dataset, where))


def acquired(dataset: Dataset, where: Path) -> datetime.datetime:
    """When a slice was acquired, by its date, time and date-time, whichever are there.

    Raises:
        InputError: they do not tell date and time.
    """
    day, clock = _date(value_of(dataset, "AcquisitionDate")), time_of_day(value_of(dataset, "AcquisitionTime"))
    stated = date_time(value_of(dataset, "AcquisitionDateTime"))
    zone = zone_of(dataset, where)
    if (day is None or clock is None) and stated.day is not None and stated.clock is not None:
        return datetime.datetime.combine(stated.day, stated.clock, stated.zone or zone)
    day = day or stated.day
    if clock is None and stated.clock is not None:
        clock, zone = stated.clock, stated.zone or zone
    if day is not None and clock is not None:
        return datetime.datetime.combine(day, clock, zone)
    lacking = "AcquisitionDate" if day is None else "AcquisitionTime"
    try:
        required(dataset, lacking, where)
    except InputError as error:
        raise InputError(f"{error}, or with {described('AcquisitionDateTime')}") from None
    raise InputError(f"{where} has no usable {described(lacking)}: it is no date or time; correct it")


def time_of_day(value: Any) -> datetime.time | None:
    """A time attribute's value, None if it is none."""
    found = _TM.fullmatch(_text(value))
    return None if found is None else _clock(*found.groups())


def seconds_between(start: datetime.datetime, end: datetime.datetime) -> float:
    """From one moment to another; if only one has an offset the clocks are taken to be the same."""
    if (start.tzinfo is None) != (end.tzinfo is None):
        start, end = start.replace(tzinfo=None), end.replace(tzinfo=None)
    return (end - start).total_seconds()


def earliest(moments: Sequence[datetime.datetime]) -> datetime.datetime:
    first = moments[0]
    for other in moments[1:]:
        if seconds_between(first, other) < 0:
            first = other
    return first


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return "" if value is None else str(value).strip("\0 ")


def _date(value: Any) -> datetime.date | None:
    found = _DA.fullmatch(_text(value))
    return None if found is None else _day(found[1], found[3], found[4])


def _day(year: str, month: str | None, day: str | None) -> datetime.date | None:
    try:
        return None if month is None or day is None else datetime.date(int(year), int(month), int(day))
    except ValueError:
        return None


def _clock(hour: str | None, minute: str | None, second: str | None, part: str | None) -> datetime.time | None:
    if hour is None:
        return None
    microseconds = round(float(part) * 1e6) if part else 0
    try:
        # A leap second counts as the one before.
        return datetime.time(int(hour), int(minute or 0), min(int(second or 0), 59), min(microseconds, 999_999))
    except ValueError:
        return None


def _zone(text: str | None) -> datetime.tzinfo | None:
    if text == "Z":
        return datetime.UTC
    if not text or not re.fullmatch(r"[+-]\d{2}:?\d{2}", text) or int(text[-2:]) > 59 or int(text[1:3]) > 14:
        return None
    offset = datetime.timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return datetime.timezone(-offset if text[0] == "-" else offset)
