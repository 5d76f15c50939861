"""Attributes of a DICOM data set, with errors that name the tag and the file and never show a value."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.config import disable_value_validation
from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.tag import Tag

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


@contextmanager
def guarded(where: str) -> Iterator[None]:
    """Errors of pydicom in the block, which has no common one for damaged data sets, as an InputError that names them.

    The texts of such errors may show values and are left out.
    """
    try:
        yield
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{where} cannot be read ({error.strerror or type(error).__name__})") from None
    except MemoryError:
        raise
    except Exception as error:
        raise InputError(f"{where}: its DICOM header is damaged ({type(error).__name__}); export it again") from None


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
    except Exception:  # pydicom has no common error for values that break their type
        return None
    return None if value is None or value == "" or value == [] else value


def required(dataset: Dataset, keyword: str, where: Path) -> Any:
    """The value of an attribute.

    Raises:
        InputError: it is absent, empty or not of its type, and the message says which.
    """
    value = value_of(dataset, keyword)
    if value is not None:
        return value
    if keyword not in dataset:
        raise InputError(f"{where} has no {described(keyword)}: the tag is missing; export the series with this tag")
    if is_empty(dataset, keyword):
        raise InputError(f"{where} has an empty {described(keyword)}; export the series with its value")
    raise InputError(f"{where} has no usable {described(keyword)}: its value is not of its type; correct it")


def is_empty(dataset: Dataset, keyword: str) -> bool:
    """Whether an attribute is absent or has no value; one that breaks its type has."""
    try:
        return not dataset.get(keyword)
    except Exception:  # as above
        return False


def number(dataset: Dataset, keyword: str, where: Path) -> float:
    """The value of an attribute as one finite number; raises like `required`."""
    value = required(dataset, keyword, where)
    try:
        found = float(value)
    except (ValueError, TypeError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise InputError(f"{where} has no usable {described(keyword)}: it is not a number; correct it")
    return found


def positive(dataset: Dataset, keyword: str, where: Path) -> float:
    """The value of an attribute as a number above 0; raises like `required`."""
    value = number(dataset, keyword, where)
    if value <= 0:
        raise InputError(f"{where} has no usable {described(keyword)}: it must be above 0; correct it")
    return value


def numbers(dataset: Dataset, keyword: str, count: int, where: Path) -> list[float]:
    """The values of an attribute as `count` finite numbers; raises like `required`."""
    value = required(dataset, keyword, where)
    try:
        values = [float(v) for v in value]
    except (ValueError, TypeError, OverflowError):
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        raise InputError(f"{where} has no usable {described(keyword)}: it must hold {count} numbers; correct it")
    return values


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
    return parsed if parsed and math.isfinite(parsed) else None
