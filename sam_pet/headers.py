"""MetaImage and NRRD files before ITK sees them: headers that would crash it or take any memory, and checksums.

ITK looks at no checksum of compressed data, and reads whatever file a header names.
"""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sam_pet.sanity import (
    UnsoundError,
    cut_short,
    damaged,
    require_no_more,
    require_one_volume,
    require_room_for,
    require_size,
)

logger = logging.getLogger(__name__)

_MOST_HEADER = 1 << 17
_CHUNK = 1 << 22
# As zlib counts: any header of zlib or gzip is known by itself.
_EITHER = 47
_UNSCALED = (("Slope", 1.0), ("Offset", 0.0))
_META_BYTES = {
    "MET_CHAR": 1,
    "MET_UCHAR": 1,
    "MET_SHORT": 2,
    "MET_USHORT": 2,
    "MET_INT": 4,
    "MET_UINT": 4,
    "MET_LONG": 4,
    "MET_ULONG": 4,
    "MET_LONG_LONG": 8,
    "MET_ULONG_LONG": 8,
    "MET_FLOAT": 4,
    "MET_DOUBLE": 8,
}
# Words of one meaning: what a header says twice must agree.
_META_SAME = (
    ("ElementSpacing", "ElementSize"),
    ("Offset", "Origin", "Position"),
    ("TransformMatrix", "Orientation", "Rotation"),
    ("BinaryDataByteOrderMSB", "ElementByteOrderMSB"),
)
_MILLIMETRES = ("mm", "millimeter", "millimetre", "millimeters", "millimetres", "?", "")
_SPACES = ("ras", "las", "lps")
_VECTOR = re.compile(r"\(([^()]*)\)|none")
# Teem takes some fields without their blank, too.
_NRRD_ALIASES = {
    key.replace(" ", ""): key
    for key in (
        *("space dimension", "space units", "space origin", "space directions", "measurement frame"),
        *("axis mins", "axis maxs", "old min", "old max", "line skip", "byte skip", "data file", "block size"),
        "sample units",
    )
} | {"centers": "centerings"}
_NRRD_BYTES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(
        ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t", "float"), 4
    ),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "signed long long int"), 8),
    **dict.fromkeys(("int64", "int64_t", "ulonglong", "unsigned long long", "unsigned long long int"), 8),
    **dict.fromkeys(("uint64", "uint64_t", "double"), 8),
}


def require_sound_metaimage(path: Path, data: bool = True) -> None:
    """Check a `.mha` or `.mhd` and, unless `data` says no, what it holds, without taking memory for that.

    Raises:
        UnsoundError: what ITK would crash on or pass over.
    """
    with path.open("rb") as stream:
        head = stream.read(_MOST_HEADER)
    fields, start = _meta_fields(head)
    dimensions = _integer(fields, "NDims")
    if not 2 <= dimensions <= 4:
        raise UnsoundError(f"has {dimensions} dimensions in its header (NDims); export a single 3-D series")
    size = _integers(fields, "DimSize")
    if len(size) != dimensions:
        raise UnsoundError(f"has {dimensions} dimensions and {len(size)} sizes in its header; export it again")
    require_size(size)
    kind = fields.get("ElementType", "")
    if kind not in _META_BYTES:
        raise UnsoundError(f"has voxels of type {kind[:40]!r} in its header; export it as integers or floats")
    channels = _integer(fields, "ElementNumberOfChannels", 1)
    require_one_volume(size[:3] if dimensions == 4 and size[3] == 1 else size, channels)
    _require_meta_place(fields, dimensions)
    if data and not fields.keys() & set(_META_SAME[1]):
        _warn_of_no_origin(path, "Offset")
    if data and not fields.keys() & {*_META_SAME[2], "AnatomicalOrientation"}:
        _warn_of_no_axes(path, "TransformMatrix")
    if not _is_true(fields.get("BinaryData", "True")):
        raise UnsoundError("holds its voxels as text (BinaryData); export it as binary")
    if any(not _is_number(fields.get(f"ElementToIntensityFunction{part}"), number) for part, number in _UNSCALED):
        raise UnsoundError(
            "has voxels that are still to be scaled (ElementToIntensityFunctionSlope); export it with its values"
        )
    wanted = _META_BYTES[kind] * _product(size)

    place = fields["ElementDataFile"]
    if place == "LOCAL":
        source, start = path, max(start, _integer(fields, "HeaderSize", 0))
    elif path.suffix.lower() == ".mha":
        raise UnsoundError("names another file for its data (ElementDataFile); export it as one file")
    else:
        source, start = _beside(path, place, "ElementDataFile"), max(_integer(fields, "HeaderSize", 0), 0)
    if not data:
        return
    if _is_true(fields.get("CompressedData")):
        # Without it ITK reads other bytes, where the data lie in the same file; it reads no more than it tells of.
        packed = _integer(fields, "CompressedDataSize", None if place == "LOCAL" else source.stat().st_size)
        _require_unpacked(source, start, wanted, size, packed)
    else:
        # A header size of -1 says that the data end with the file.
        _require_bytes(source, start, wanted, size, exact=_integer(fields, "HeaderSize", 0) >= 0)


def require_sound_nrrd(path: Path, data: bool = True) -> None:
    """Check a `.nrrd` or `.nhdr` and its data without taking memory for them; raises like the above."""
    with path.open("rb") as stream:
        head = stream.read(_MOST_HEADER)
    if not head.startswith(b"NRRD0"):
        raise UnsoundError("cannot be read as an image: it is no NRRD file; check that it is complete")
    text, end, start = _nrrd_lines(head)
    fields: dict[str, str] = {}
    for line in text.splitlines()[1:]:
        key, colon, value = line.partition(":")
        if colon and not value.startswith("=") and not key.startswith("#"):
            key = key.strip().lower()
            _put(fields, _NRRD_ALIASES.get(key, key), value.strip())
    dimensions = _integer(fields, "dimension")
    if not 1 <= dimensions <= 4:
        raise UnsoundError(f"has {dimensions} dimensions in its header; export a single 3-D series")
    size = _integers(fields, "sizes")
    if len(size) != dimensions:
        raise UnsoundError(f"has {dimensions} dimensions and {len(size)} sizes in its header; export it again")
    require_size(size)
    kind = fields.get("type", "").lower()
    if kind not in _NRRD_BYTES:
        raise UnsoundError(f"has voxels of type {kind[:40]!r} in its header; export it as integers or floats")
    _require_nrrd_place(fields, dimensions)
    if data and not any(word in fields.get("space", "").lower() for word in ("posterior", "anterior", *_SPACES)):
        _warn_of_no_axes(path, "space")
    if data and fields.get("space origin", "none") == "none" and "axis mins" not in fields:
        _warn_of_no_origin(path, "space origin")
    wanted = _NRRD_BYTES[kind] * _product(size)
    place = fields.get("data file")
    source = path if place is None else _beside(path, place, "data file")
    if place is None and not end:
        raise UnsoundError("is no whole NRRD file: its header does not end; check that it is complete")
    skip = _integer(fields, "line skip", 0), _integer(fields, "byte skip", 0)
    encoding = fields.get("encoding", "").lower()
    if any(skip) or encoding not in ("raw", "gzip", "gz"):
        raise UnsoundError(f"has data in encoding {encoding[:40]!r} or with bytes to skip; save it as raw or gzip")
    if not data:
        return
    start = start if place is None else 0
    if encoding == "raw":
        _require_bytes(source, start, wanted, size)
    else:
        _require_unpacked(source, start, wanted, size)


def _warn_of_no_origin(path: Path, key: str) -> None:
    logger.warning(
        "%s does not say where it lies in the patient (%s); its first voxel is taken to be at 0, 0, 0", path, key
    )


def _warn_of_no_axes(path: Path, key: str) -> None:
    logger.warning(
        "%s does not say how its axes lie in the patient (%s); taken as left, posterior, superior", path, key
    )


def _meta_fields(head: bytes) -> tuple[dict[str, str], int]:
    """The fields of a MetaImage header, and where it ends."""
    fields: dict[str, str] = {}
    position = 0
    while position < len(head):
        end = head.find(b"\n", position)
        end = len(head) if end < 0 else end
        key, value = _key_value(head[position:end].decode("latin-1"))
        position = end + 1
        if value is None:
            break
        _put(fields, key, value)
        if key == "ElementDataFile":
            return fields, position
    raise UnsoundError("cannot be read as an image: it has no MetaImage header; check that it is complete")


def _key_value(line: str) -> tuple[str, str | None]:
    # MetaIO takes either sign.
    key, sign, value = re.match(r"([^=:]*)([=:]?)(.*)", line, re.DOTALL).groups()  # type: ignore[union-attr]
    return key.strip(), value.strip() if sign else None


def _put(fields: dict[str, str], key: str, value: str) -> None:
    if key in fields:
        raise UnsoundError(f"says {key[:40]} twice in its header; export it again")
    fields[key] = value


def _nrrd_lines(head: bytes) -> tuple[str, bool, int]:
    """The text of a NRRD header, whether an empty line ends it, and where the data begin."""
    ends = [(head.find(mark), len(mark)) for mark in (b"\n\n", b"\r\n\r\n")]
    found = [(at, length) for at, length in ends if at >= 0]
    if not found:
        return head.decode("latin-1"), False, len(head)
    at, length = min(found)
    return head[:at].decode("latin-1"), True, at + length


def _require_meta_place(fields: Mapping[str, str], dimensions: int) -> None:
    counts = {"ElementSpacing": dimensions, "Offset": dimensions, "TransformMatrix": dimensions**2}
    for name, *others in _META_SAME:
        said = [key for key in (name, *others) if key in fields]
        if name in counts:
            for key in said:
                _floats(fields, key, counts[name])
        if len({tuple(fields[key].split()) for key in said}) > 1:
            raise UnsoundError(f"says {' and '.join(said)} in its header, which differ; correct the one that is wrong")
    told = fields.get("AnatomicalOrientation", "RAI").upper()
    if not fields.keys() & set(_META_SAME[2]) and told not in ("RAI", "???"):
        raise UnsoundError(
            f"says how its axes lie by {told[:10]!r} alone (AnatomicalOrientation), which programs read in two ways; "
            "export it with a TransformMatrix"
        )
    if not fields.keys() & set(_META_SAME[0]):
        raise UnsoundError("does not say in its header how large its voxels are (ElementSpacing); export it again")
    for key in _META_SAME[0]:
        _require_above_zero(fields, key)
    unit = fields.get("DistanceUnits", "mm").lower()
    if unit not in _MILLIMETRES:
        raise UnsoundError(f"is not in mm by its header, but in {unit[:20]!r} (DistanceUnits); export it in mm")


def _require_nrrd_place(fields: Mapping[str, str], dimensions: int) -> None:
    for key in ("space units", "units"):
        units = set(re.findall(r'"([^"]*)"', fields.get(key, "")))
        other = next((unit for unit in sorted(units) if unit.lower() not in _MILLIMETRES), None)
        if other is not None:
            raise UnsoundError(f"is not in mm by its header, but in {other[:20]!r} ({key}); export it in mm")
    if "old min" in fields or "old max" in fields:
        raise UnsoundError("has voxels that are still to be scaled (old min, old max); export it with its values")
    if "space directions" not in fields:
        spacings = fields.get("spacings", "").lower().split()
        if len([word for word in spacings if word != "nan"]) < min(dimensions, 3):
            raise UnsoundError(
                "does not say in its header how large its voxels are (space directions); export it again"
            )
        return
    vectors = [found[1] for found in _VECTOR.finditer(fields["space directions"]) if found[1] is not None]
    if dimensions == 3 and len(vectors) != 3:
        raise UnsoundError("does not have three space directions in its header; export a single 3-D series")
    try:
        columns = np.array([[float(word) for word in vector.split(",")] for vector in vectors])
        spans = dimensions != 3 or bool(np.isfinite(columns).all() and abs(np.linalg.det(columns)) > 0)
    except ValueError:
        spans = False
    if not spans:
        raise UnsoundError("has space directions in its header that do not span space; export it again")


def _require_above_zero(fields: Mapping[str, str], key: str) -> None:
    # ITK would take the size of a negative spacing.
    if any(float(word) <= 0 for word in fields.get(key, "").split()):
        raise UnsoundError(f"has {fields[key][:60]} for {key} in its header, which must be above 0; correct the header")


def _beside(path: Path, name: str, key: str) -> Path:
    if "/" in name or "\\" in name or name in ("", ".", "..") or name.split()[0] == "LIST" or "%" in name:
        raise UnsoundError(f"names data that do not lie beside it in one file ({key}); export it as one file")
    data = path.parent / name
    if not data.is_file():
        raise UnsoundError(f"lacks the file of its data, {data}; copy that too")
    return data


def _require_bytes(data: Path, start: int, wanted: int, size: Sequence[int], exact: bool = True) -> None:
    found = data.stat().st_size - start
    if found < wanted:
        raise cut_short(wanted)
    if exact:
        require_no_more(found, wanted, size)


def _require_unpacked(data: Path, start: int, wanted: int, size: Sequence[int], packed: int | None = None) -> None:
    require_room_for(wanted, data.stat().st_size - start)
    with data.open("rb") as stream:
        stream.seek(start)
        found = unpacked_size(stream if packed is None else _Part(stream, packed), wanted)
    if found < wanted:
        raise cut_short(wanted)
    require_no_more(found, wanted, size)


class _Part:
    """A stream that ends after so many bytes."""

    def __init__(self, stream: BinaryIO, length: int) -> None:
        self._stream, self._left = stream, length

    def read(self, most: int) -> bytes:
        data = self._stream.read(max(min(most, self._left), 0))
        self._left -= len(data)
        return data


def unpacked_size(stream: BinaryIO | _Part, wanted: int) -> int:
    """How many bytes the compressed data in a stream unpack to, their checksums looked at.

    Raises:
        UnsoundError: they end too early, do not fit a checksum, or are far more than wanted.
    """
    found, packed = 0, stream.read(_CHUNK)
    while packed and found < wanted:
        unpacker = zlib.decompressobj(_EITHER)
        while not unpacker.eof:
            try:
                unpacked = unpacker.decompress(packed, _CHUNK)
            except zlib.error:
                raise damaged() from None
            found += len(unpacked)
            if found > 2 * wanted + _CHUNK:
                raise UnsoundError("holds far more data than its header says; export it again")
            rest = unpacker.unconsumed_tail or (b"" if unpacker.eof else stream.read(_CHUNK))
            if not (unpacker.eof or rest or packed or unpacked):
                raise cut_short(wanted)
            packed = rest
        packed = unpacker.unused_data or stream.read(_CHUNK)
    return found


def _integer(fields: Mapping[str, str], key: str, missing: int | None = None) -> int:
    if missing is not None and key not in fields:
        return missing
    values = _integers(fields, key)
    if len(values) != 1:
        raise UnsoundError(f"has no one number for {key} in its header; export it again")
    return values[0]


def _integers(fields: Mapping[str, str], key: str) -> list[int]:
    try:
        return [int(word) for word in fields[key][:1000].split()]
    except (KeyError, ValueError):
        raise UnsoundError(f"has no whole numbers for {key} in its header; export it again") from None


def _floats(fields: Mapping[str, str], key: str, count: int) -> None:
    if key not in fields:
        return
    try:
        values = [float(word) for word in fields[key][:1000].split()]
    except ValueError:
        values = []
    if len(values) != count or not all(abs(value) < float("inf") for value in values):
        raise UnsoundError(f"has no {count} numbers for {key} in its header; export it again")


def _is_number(text: str | None, number: float) -> bool:
    """Whether a field, if it is there, says this number."""
    try:
        return text is None or float(text) == number
    except ValueError:
        return False


def _product(size: list[int]) -> int:
    product = 1
    for n in size:
        product *= n
    return product


def _is_true(text: str | None) -> bool:
    # MetaIO looks at the first letter alone.
    return text is not None and text[:1] in ("T", "t", "1")
