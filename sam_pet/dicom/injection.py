"""The injection that a PET series tells of: what, and how long before the scan."""

from __future__ import annotations

import datetime
import logging
import re
from pathlib import Path

from pydicom import Dataset
from pydicom.sequence import Sequence as Items

from sam_pet.dicom.tags import described, positive, required, value_of
from sam_pet.dicom.times import Stated, date_time, seconds_between, time_of_day
from sam_pet.errors import InputError

logger = logging.getLogger(__name__)

# After this many half-lives a thousandth is left: no scan, but dates that were shifted apart in de-identification.
_MOST_HALF_LIVES = 10.0
# In seconds: from less than rubidium's to months.
_HALF_LIVES_S = (30.0, 1e7)
# Half-lives in seconds by mass number (NNDC, NuDat 3), and how far from them a header's may be.
_NUCLIDES_S = {
    11: 1220.0,
    13: 597.9,
    15: 122.2,
    18: 6584.0,
    44: 14292.0,
    64: 45721.0,
    68: 4070.0,
    82: 75.5,
    86: 53064.0,
    89: 282276.0,
    124: 360806.0,
}
_HALF_LIFE_OFF = 0.05
_DAY = datetime.timedelta(days=1)
# Offsets from UTC are made of the one; two times are one if they differ by less than the other.
_QUARTER, _SAME_TIME = datetime.timedelta(minutes=15), datetime.timedelta(minutes=1)


def injection_of(dataset: Dataset, where: Path) -> Dataset:
    """The one injection that a PET slice tells of.

    Raises:
        InputError: it tells of none, or of several.
    """
    keyword = "RadiopharmaceuticalInformationSequence"
    items = required(dataset, keyword, where)
    if not isinstance(items, Items):
        raise InputError(f"PET: {where} has no usable {described(keyword)}: it is no sequence; export it again")
    if len(items) != 1:
        raise InputError(f"PET: {where} has {len(items)} items in {described(keyword)}; SUV needs one injection")
    item: Dataset = items[0]
    return item


def half_life_of(injection: Dataset, where: Path) -> float:
    """In seconds; a warning says where it is not that of the nuclide.

    Raises:
        InputError: there is none, or none that a tracer has.
    """
    half_life = positive(injection, "RadionuclideHalfLife", where)
    if not _HALF_LIVES_S[0] <= half_life <= _HALF_LIVES_S[1]:
        raise InputError(
            f"PET: {where} has a {described('RadionuclideHalfLife')} that no tracer has in seconds; correct it"
        )
    known = _nuclide_half_life(injection)
    if known is not None and abs(half_life / known - 1) > _HALF_LIFE_OFF:
        logger.warning(
            "PET: %s has a %s of %.0f s where its nuclide has %.0f s; it is used all the same, so SUVs may be wrong",
            *(where, described("RadionuclideHalfLife"), half_life, known),
        )
    return half_life


def _nuclide_half_life(injection: Dataset) -> float | None:
    """That of the nuclide that an injection names, by its mass number; None where it names none that is known."""
    for code in value_of(injection, "RadionuclideCodeSequence") or []:
        numbers = re.findall(r"\d+", str(value_of(code, "CodeMeaning") or ""))
        if len(numbers) == 1:
            return _NUCLIDES_S.get(int(numbers[0]))
    return None


def uptake_seconds(
    start: datetime.datetime, injection: Dataset, half_life: float, zone: datetime.tzinfo | None, where: Path
) -> float:
    """From the injection to the start of the scan.

    Args:
        start: of the scan, at the offset from UTC that the series has, or at none.
        injection: what was injected.
        half_life: in seconds.
        zone: the offset of the series' dates and times, None where it tells none.
        where: the file that errors name.

    Raises:
        InputError: there is no time, or none that fits the start.
    """
    stated = date_time(value_of(injection, "RadiopharmaceuticalStartDateTime"))
    at = time_of_day(value_of(injection, "RadiopharmaceuticalStartTime"))
    if stated.day is not None and (stated.clock or at) is not None:
        injected = _injected(stated, at, zone, where)
        seconds = seconds_between(injected, start)
        if 0 <= seconds <= _MOST_HALF_LIVES * half_life:
            return seconds
        logger.warning(
            "PET: %s: %s does not fit the scan's date; its time of day is used",
            *(where, described("RadiopharmaceuticalStartDateTime")),
        )
    if zone is not None and start.tzinfo is not None:
        start = start.astimezone(zone)
    if stated.clock is not None:
        at = stated.clock
        if stated.zone is not None and start.tzinfo is not None:
            at = datetime.datetime.combine(start.date(), at, stated.zone).astimezone(start.tzinfo).time()
    if at is None:
        required(injection, "RadiopharmaceuticalStartTime", where)
        raise InputError(
            f"PET: {where} has no usable {described('RadiopharmaceuticalStartTime')}: it is not a time of day; "
            "correct it"
        )
    if _MOST_HALF_LIVES * half_life > _DAY.total_seconds():
        raise InputError(
            f"PET: {where} has only a time of day for the injection, and with a half-life of {half_life / 3600:.0f} h "
            "the number of days since then is not known; export it with a "
            f"{described('RadiopharmaceuticalStartDateTime')} that fits the scan's date"
        )
    injected = datetime.datetime.combine(start.date(), at, start.tzinfo)
    if injected > start:
        injected -= _DAY
    seconds = seconds_between(injected, start)
    if seconds > _MOST_HALF_LIVES * half_life:
        raise InputError(
            f"PET: {where} has a {described('RadiopharmaceuticalStartTime')} that is after the start of the scan "
            f"or more than {_MOST_HALF_LIVES:.0f} half-lives before it; correct it, or the "
            f"{described('RadionuclideHalfLife')}, which is in seconds"
        )
    return seconds


def _injected(stated: Stated, at: datetime.time | None, zone: datetime.tzinfo | None, where: Path) -> datetime.datetime:
    """The moment of the injection by its date-time, which tells the day, and its time of day, which may be absent.

    Where the date-time has an offset and the series has none, the time of day shows what the series' clock showed.
    """
    if stated.day is None or (stated.clock or at) is None:
        raise ValueError("a date-time without a day or without any time of day tells no moment")
    if stated.clock is None:
        return datetime.datetime.combine(stated.day, at or datetime.time(), zone)
    moment = datetime.datetime.combine(stated.day, stated.clock, stated.zone or zone)
    foreign = stated.zone is not None and zone is None
    if at is None:
        if foreign:
            logger.warning(
                "PET: %s has an offset from UTC in its %s and none in its series; the two clocks are taken for one",
                *(where, described("RadiopharmaceuticalStartDateTime")),
            )
        return moment
    shown = moment.astimezone(zone) if zone is not None else moment.replace(tzinfo=None)
    days = (shown.date() + datetime.timedelta(days=n) for n in (-1, 0, 1))
    local = min((datetime.datetime.combine(day, at, zone) for day in days), key=lambda other: abs(other - shown))
    apart = abs(local - shown)
    if apart < _SAME_TIME:
        return moment
    if foreign and min(apart % _QUARTER, -apart % _QUARTER) < _SAME_TIME:
        return local
    logger.warning(
        "PET: %s has two times of injection, by its %s and by its %s; the first counts",
        *(where, described("RadiopharmaceuticalStartDateTime"), described("RadiopharmaceuticalStartTime")),
    )
    return moment
