"""Finding the CT or PET series in a folder, and its slices as one volume."""

from __future__ import annotations

import logging
import math
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import MediaStorageDirectoryStorage

from sam_pet.dicom.files import read_dicom
from sam_pet.dicom.tags import described, guarded, number, numbers, quiet, required, value_of
from sam_pet.errors import InputError, without_native_messages
from sam_pet.files import plain_path
from sam_pet.geometry import Grid
from sam_pet.sanity import UnsoundError, require_size, require_spacing

logger = logging.getLogger(__name__)

MODALITIES = {"CT": "CT", "PET": "PT"}
_SAME_PLACE_MM = 0.01
# Of the slice spacing: scanners round the positions at the seams of their bed positions.
_EVEN = 0.1
_MOST_PIXELS_A_BYTE = 2000


@dataclass(frozen=True)
class Series:
    """The slices of one volume in the order of `grid`'s z axis: headers without pixels, and their files."""

    what: str
    slices: tuple[Dataset, ...]
    paths: tuple[Path, ...]
    grid: Grid

    def array(self) -> npt.NDArray[np.float32]:
        """The volume [z, y, x] in the series' units, with each slice's own rescale slope and intercept.

        Raises:
            InputError: a slice has no pixels that can be decoded, or no rescale slope or intercept.
        """
        _require_pixels(self.grid.size, self.paths)
        volume = np.empty(self.grid.shape, np.float32)
        with quiet():
            for plane, header, path in zip(volume, self.slices, self.paths, strict=True):
                pixels = _rescaled(path, header)
                if pixels.shape != plane.shape:
                    shown = " x ".join(map(str, pixels.shape))
                    raise InputError(
                        f"{path} is damaged: its pixels are {shown}, and its header tells of {plane.shape[0]} x "
                        f"{plane.shape[1]} ({described('Rows')}); export it again"
                    )
                plane[:] = pixels
        return volume


def read_series(path: str | os.PathLike[str], what: str) -> Series:
    """The CT or PET series in a folder, its subfolders included.

    Several of the modality: scouts and single images do not count, a PET with attenuation correction goes before one
    without, and the log says which was taken. Where that leaves more than one, give one of the files instead of
    the folder: the series is then the one that the file belongs to.

    Args:
        path: folder, or one file of a series.
        what: "CT" or "PET".

    Raises:
        InputError: no such series, several of them (they are listed), a multi-frame object, slices of unequal size
            or direction, a missing or a duplicate slice, uneven spacing, or a tilted gantry.
    """
    path = Path(path)
    with quiet(), guarded(f"{what}: {path}"):
        chosen = _choose(_candidates(path, what), path, what)
        return _sorted(chosen, what)


_Slice = tuple[Path, Dataset]


def _candidates(path: Path, what: str) -> list[list[_Slice]]:
    if path.is_dir():
        folder, files = path, sorted(p for p in path.rglob("*") if p.is_file())
    elif path.is_file():
        folder, files = path.parent, sorted(p for p in path.parent.iterdir() if p.is_file())
    else:
        raise InputError(f"{what}: no such file or folder: {path}")
    found: dict[str, list[_Slice]] = defaultdict(list)
    others: set[str] = set()
    for file in files:
        header = header_of(file)
        if header is None:
            continue
        modality = str(required(header, "Modality", file))
        if modality == MODALITIES[what]:
            found[str(required(header, "SeriesInstanceUID", file))].append((file, header))
        else:
            others.add(modality)
    if path.is_file():
        series = [s for s in found.values() if any(file == path for file, _ in s)]
        if not series:
            raise InputError(f"{what}: {path} is not a DICOM image of modality {MODALITIES[what]}; give one")
        return series
    if not found:
        seen = f"only {', '.join(sorted(others))}" if others else "no DICOM file at all"
        raise InputError(
            f"{what}: no DICOM series of modality {MODALITIES[what]} in {folder}, {seen}; give another folder"
        )
    return list(found.values())


def header_of(file: Path) -> Dataset | None:
    """The header of an image or another DICOM object; None for other files and for an index of DICOM files."""
    if file.name.startswith("."):
        return None
    try:
        header = read_dicom(file, pixels=False)
        index = header is None or header.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage
        return None if index else header
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror or type(error).__name__})") from None
    except Exception as error:
        # pydicom has no common error for a damaged file; its text may show values.
        raise InputError(f"{file} is damaged DICOM ({type(error).__name__}); copy it again") from None


def _choose(candidates: list[list[_Slice]], path: Path, what: str) -> list[_Slice]:
    rules: list[tuple[str, Callable[[list[_Slice]], bool]]] = [
        ("the only one that is not a scout or a single image", is_volume),
    ]
    if what == "PET":
        rules.append(("the only one with attenuation correction", is_attenuation_corrected))
    left, reason = candidates, ""
    for name, holds in rules:
        passing = [s for s in left if holds(s)]
        if len(left) > 1 and passing and len(passing) < len(left):
            left, reason = passing, name
    if len(left) > 1:
        listed = "; ".join(f"{len(s)} images from {s[0][0]}" for s in left)
        raise InputError(
            f"{what}: {path} holds {len(left)} series that it could be: {listed}; "
            "give one file of the series instead of the folder"
        )
    (chosen,) = left
    if len(candidates) > 1:
        logger.warning(
            "%s: of %d series in %s, took the %d images from %s: %s",
            *(what, len(candidates), path, len(chosen), chosen[0][0], reason),
        )
    return chosen


def is_volume(series: Sequence[_Slice]) -> bool:
    kind = value_of(series[0][1], "ImageType") or []
    return len(series) > 1 and "LOCALIZER" not in kind


def is_attenuation_corrected(series: Sequence[_Slice]) -> bool:
    corrections = value_of(series[0][1], "CorrectedImage") or []
    return "ATTN" in ([corrections] if isinstance(corrections, str) else corrections)


def _sorted(series: Sequence[_Slice], what: str) -> Series:
    first_path, first = series[0]
    for path, header in series:
        if _whole(header, "NumberOfFrames", path, missing=1) > 1:
            raise InputError(
                f"{what}: {path} is a multi-frame object; convert it to one file a slice, to NIfTI or to MHA"
            )
    if len(series) == 1:
        raise InputError(f"{what}: {first_path} is the only image of its series; a volume needs all of its slices")

    spacing = numbers(first, "PixelSpacing", 2, first_path)
    if min(spacing) <= 0:
        raise InputError(f"{first_path} has no usable {described('PixelSpacing')}: it must be above 0; correct it")
    orientation = numbers(first, "ImageOrientationPatient", 6, first_path)
    for path, header in series[1:]:
        for keyword, count, expected in (
            ("PixelSpacing", 2, spacing),
            ("ImageOrientationPatient", 6, orientation),
        ):
            if not np.allclose(numbers(header, keyword, count, path), expected, rtol=0, atol=1e-3):
                raise InputError(
                    f"{what}: {first_path} and {path} are of one series and differ in {described(keyword)}; "
                    "split the series"
                )
    size = _size(series, what)
    row, column, normal = _axes(orientation, first_path)

    positions = np.array([numbers(header, "ImagePositionPatient", 3, path) for path, header in series])
    along = positions @ normal
    order = np.argsort(along, kind="stable")
    slices = [series[i] for i in order]
    step = _step(along[order], [path for path, _ in slices], what)
    _check_tilt(positions[order], normal, spacing, what, first_path)
    grid = Grid(
        (*size, len(series)),
        (spacing[1], spacing[0], step),
        _triple(positions[order[0]]),
        tuple(np.stack([row, column, normal], axis=1).ravel().tolist()),
    )
    try:
        require_spacing(grid.spacing, grid.size)
    except UnsoundError as error:
        raise InputError(f"{what}: the series of {first_path} {error}") from error
    return Series(what, tuple(header for _, header in slices), tuple(path for path, _ in slices), grid)


def _size(series: Sequence[_Slice], what: str) -> tuple[int, int]:
    sizes = {(_whole(header, "Columns", path), _whole(header, "Rows", path)): path for path, header in series}
    if len(sizes) > 1:
        one, other, *_ = sizes.values()
        raise InputError(f"{what}: {one} and {other} are of one series and differ in image size; split the series")
    (size,) = sizes
    try:
        require_size((*size, len(series)))
    except UnsoundError as error:
        raise InputError(f"{what}: the series of {series[0][0]} {error}") from error
    return size


def _whole(header: Dataset, keyword: str, path: Path, missing: int | None = None) -> int:
    """A whole number above 0, `missing` where there is none.

    Raises:
        InputError: it is absent, if that may not be, or is no such number.
    """
    if missing is not None and value_of(header, keyword) is None:
        return missing
    value = number(header, keyword, path)
    if value < 1 or value != int(value):
        raise InputError(f"{path} has no usable {described(keyword)}: it must be a whole number above 0; correct it")
    return int(value)


def _require_pixels(size: tuple[int, int, int], paths: Sequence[Path]) -> None:
    """Refuse headers that claim far more pixels than the files have bytes for, before memory is asked for."""
    stored = sum(path.stat().st_size for path in paths)
    # A compressed slice of air has hardly any.
    if math.prod(size) > _MOST_PIXELS_A_BYTE * stored:
        raise InputError(f"{paths[0]} is cut short: its header tells of {size[0]} x {size[1]} pixels; copy it again")


def _axes(orientation: list[float], path: Path) -> tuple[npt.NDArray[np.float64], ...]:
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if min(lengths) < 0.99 or max(lengths) > 1.01 or abs(row @ column) > 0.01:
        raise InputError(
            f"{path} has no usable {described('ImageOrientationPatient')}: not two perpendicular directions; correct it"
        )
    row = row / lengths[0]
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    return row, column, np.cross(row, column)


def _step(along: npt.NDArray[np.float64], paths: Sequence[Path], what: str) -> float:
    steps = np.diff(along)
    same = np.flatnonzero(steps < _SAME_PLACE_MM)
    if same.size:
        one, other = paths[same[0]], paths[same[0] + 1]
        raise InputError(
            f"{what}: {one} and {other} are slices at one position ({same.size} such pairs); "
            "remove duplicate files, or export one time frame of a dynamic or gated series"
        )
    step = float(along[-1] - along[0]) / len(steps)
    if np.abs(along - np.linspace(along[0], along[-1], len(along))).max() <= _EVEN * step:
        return step
    usual = float(np.median(steps))
    ratio = steps / usual
    widest = int(ratio.argmax())
    between = f"between {paths[widest]} and {paths[widest + 1]}"
    if (np.abs(ratio - np.round(ratio)) <= _EVEN).all():
        missing = int((np.round(ratio) - 1).sum())
        raise InputError(f"{what}: slices are missing ({missing}), the first {between}; export the whole series")
    raise InputError(
        f"{what}: the slices are not evenly spaced: {steps[widest]:.2f} mm {between}, {usual:.2f} mm elsewhere; "
        "resample the series to even spacing"
    )


def _check_tilt(
    positions: npt.NDArray[np.float64],
    normal: npt.NDArray[np.float64],
    spacing: list[float],
    what: str,
    path: Path,
) -> None:
    drift = positions - positions[0]
    sideways = np.linalg.norm(drift - np.outer(drift @ normal, normal), axis=1).max()
    if sideways > 0.5 * min(spacing):
        raise InputError(
            f"{what}: the slices of the series of {path} are sheared by {sideways:.1f} mm (tilted gantry); "
            "resample the series to an untilted one"
        )


def _rescaled(path: Path, header: Dataset) -> npt.NDArray[np.float64]:
    slope = number(header, "RescaleSlope", path)
    intercept = number(header, "RescaleIntercept", path)
    pixels: npt.NDArray[np.float64]
    # Decoders raise whatever they like, with texts that may show values.
    try:
        dataset = read_dicom(path)
        if dataset is None:
            raise ValueError("no DICOM")
        syntax = dataset.file_meta.TransferSyntaxUID
        if syntax.is_compressed and not get_decoder(syntax).is_available:
            # ITK knows more compressions, and rescales by itself.
            with plain_path(path) as plain, without_native_messages():
                pixels = sitk.GetArrayFromImage(sitk.ReadImage(plain))[0]
        else:
            pixels = dataset.pixel_array * slope + intercept
    except Exception as error:
        raise InputError(
            f"{path}: its pixels cannot be decoded ({type(error).__name__}); check that the file is complete, "
            "or decompress it"
        ) from None
    return pixels


def _triple(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return x, y, z
