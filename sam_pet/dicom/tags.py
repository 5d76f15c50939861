"""Attributes of a DICOM data set, with errors that name the tag and the file and never show a value."""

from __future__ import annotations

import datetime
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.config import disable_value_validation
from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.tag import Tag
from pydicom.valuerep import DA, DT, TM

from sam_pet.errors import InputError


@contextmanager
def quiet() -> Iterator[None]:
    """Without pydicom's warnings and log lines about odd values, since they show them."""
    logger = logging.getLogger("pydicom")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings(), disable_value_validation():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


def described(keyword: str) -> str:
    """The name and number of a tag: "Patient's Weight (0010,1030)"."""
    number = tag_for_keyword(keyword)
    if number is None:
        raise ValueError(f"no DICOM attribute is called {keyword}")
    tag = Tag(number)
    return f"{dictionary_description(tag)} ({tag.group:04X},{tag.element:04X})"


def value_of(dataset: Dataset, keyword: str) -> Any:
    """The value of an attribute; None where it is absent, empty or not of its type."""
    try:
        value = dataset.get(keyword)
    except (ValueError, TypeError, OverflowError):
        return None
    return None if value is None or value == "" or value == [] else value


def required(dataset: Dataset, keyword: str, where: Path) -> Any:
    """The value of an attribute.

    Raises:
        InputError: it is absent, empty or not of its type.
    """
    value = value_of(dataset, keyword)
    if value is None:
        raise InputError(f"{where} has no usable {described(keyword)}; export the series with this tag")
    return value


def number(dataset: Dataset, keyword: str, where: Path) -> float:
    """The value of an attribute as one number; raises like `required`."""
    try:
        return float(required(dataset, keyword, where))
    except (ValueError, TypeError):
        raise InputError(f"{where} has no usable {described(keyword)}: it is not a number; correct it") from None


def positive(dataset: Dataset, keyword: str, where: Path) -> float:
    """The value of an attribute as a number above 0; raises like `required`."""
    value = number(dataset, keyword, where)
    if not 0 < value < float("inf"):
        raise InputError(f"{where} has no usable {described(keyword)}: it must be above 0; correct it")
    return value


def numbers(dataset: Dataset, keyword: str, count: int, where: Path) -> list[float]:
    """The values of an attribute as `count` numbers; raises like `required`."""
    try:
        values = [float(v) for v in required(dataset, keyword, where)]
    except (ValueError, TypeError):
        values = []
    if len(values) != count:
        raise InputError(f"{where} has no usable {described(keyword)}: it must hold {count} numbers")
    return values


def moment(dataset: Dataset, date: str, time: str, where: Path) -> datetime.datetime:
    """A date and a time attribute together, as the clock at the scanner had it; raises like `required`."""
    day, clock = required(dataset, date, where), required(dataset, time, where)
    try:
        parsed_day = DA(day)
    except (ValueError, TypeError):
        parsed_day = None
    if parsed_day is None:
        raise InputError(f"{where} has no usable {described(date)}: it is not a date")
    return datetime.datetime.combine(parsed_day, _clock(clock, time, where))


def clock(dataset: Dataset, keyword: str, where: Path) -> datetime.time:
    """The value of a time attribute; raises like `required`."""
    return _clock(required(dataset, keyword, where), keyword, where)


def date_time(value: Any) -> datetime.datetime | None:
    """A date-time value as the clock at the scanner had it, or None if it is not one."""
    try:
        parsed = DT(value.decode("ascii").strip("\0 ") if isinstance(value, bytes) else value)
    except (ValueError, TypeError, UnicodeDecodeError):
        return None
    return None if parsed is None else parsed.replace(tzinfo=None)


def private(dataset: Dataset, group: int, creator: str, element: int) -> Any:
    """The value of a private attribute, or None.

    An export that dropped the private creator leaves the element where the vendor puts it, in block 10.
    """
    try:
        found = dataset.private_block(group, creator)[element]
    except KeyError:
        tag = Tag(group, 0x1000 + element)
        if dataset.get((group, 0x0010)) is not None or tag not in dataset:
            return None
        found = dataset[tag]
    return found.value


def private_number(dataset: Dataset, group: int, creator: str, element: int) -> float | None:
    """The value of a private attribute as a number other than 0, or None."""
    value = private(dataset, group, creator, element)
    try:
        parsed = float(value.decode("ascii").strip("\0 ") if isinstance(value, bytes) else value)
    except (ValueError, TypeError, UnicodeDecodeError):
        return None
    return parsed or None


def _clock(value: Any, keyword: str, where: Path) -> datetime.time:
    try:
        parsed = TM(value)
    except (ValueError, TypeError):
        parsed = None
    if parsed is None:
        raise InputError(f"{where} has no usable {described(keyword)}: it is not a time of day")
    return parsed
