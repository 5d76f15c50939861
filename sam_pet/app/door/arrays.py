"""Arrays as nnInteractive's clients send them: a header that says what follows, then chunks of blosc2.

Header: "NNIA", version 1, codec (1 ZSTD, 2 LZ4), dimensions, length of the type's name (a byte each), the name, each
dimension as int64; then the number of chunks as uint32 and of each its plain and its packed length as uint64, and its
bytes. All little-endian.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import blosc2
import numpy as np
import numpy.typing as npt

from sam_pet.app.problems import AppError, TooLargeError

_MAGIC = b"NNIA"
_VERSION = 1
_ZSTD, _LZ4 = 1, 2
_HEAD, _LENGTHS = struct.Struct("<4sBBBB"), struct.Struct("<QQ")
_KINDS = "biuf"
# blosc2 takes no more at once.
_CHUNK = 1 << 30


class DamagedError(AppError):
    """Bytes that are no such array."""

    status = 400


def unpack_array(packed: bytes, most_bytes: int) -> npt.NDArray[Any]:
    """The array in a message.

    Raises:
        TooLargeError: it unpacks to more than so many bytes.
        DamagedError: it is damaged.
    """
    try:
        magic, version, codec, dimensions, length = _HEAD.unpack_from(packed)
        if magic != _MAGIC or version != _VERSION or codec not in (_ZSTD, _LZ4) or not 0 < dimensions <= 4:
            raise DamagedError("these bytes are no array of nnInteractive's protocol, version 1")
        at = _HEAD.size
        dtype = np.dtype(packed[at : at + length].decode("ascii"))
        at += length
        shape = struct.unpack_from(f"<{dimensions}q", packed, at)
        at += 8 * dimensions
        if dtype.kind not in _KINDS or min(shape) < 0:
            raise DamagedError("an array must hold numbers")
        if math.prod(shape) * dtype.itemsize > most_bytes:
            raise TooLargeError(f"the array holds more than {most_bytes >> 20} MB")
        flat = np.empty(math.prod(shape), dtype)
        room = flat.view(np.uint8)
        (chunks,) = struct.unpack_from("<I", packed, at)
        at, done = at + 4, 0
        for _ in range(chunks):
            plain, small = _LENGTHS.unpack_from(packed, at)
            at += _LENGTHS.size
            chunk = packed[at : at + small]
            at += small
            # blosc2 trusts what the frame says of itself.
            if (
                len(chunk) != small
                or done + plain > room.nbytes
                or blosc2.get_cbuffer_sizes(chunk)[:2] != (plain, small)
            ):
                raise DamagedError("a chunk of the array is not as long as it says")
            room[done : done + plain] = np.frombuffer(blosc2.decompress2(chunk), np.uint8)
            done += plain
    except (struct.error, TypeError, ValueError, RuntimeError, UnicodeDecodeError) as error:
        raise DamagedError("the array is damaged") from error
    if done != room.nbytes:
        raise DamagedError("the array is cut short")
    return flat.reshape(shape)


def pack_array(array: npt.NDArray[Any]) -> bytes:
    """An array as a message."""
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    name = array.dtype.name.encode("ascii")
    raw = array.reshape(-1).view(np.uint8)
    chunks = [raw[start : start + _CHUNK] for start in range(0, raw.nbytes, _CHUNK)]
    parts = [
        _HEAD.pack(_MAGIC, _VERSION, _ZSTD, array.ndim, len(name)),
        name,
        struct.pack(f"<{array.ndim}q", *array.shape),
        struct.pack("<I", len(chunks)),
    ]
    for chunk in chunks:
        packed = blosc2.compress2(
            chunk.data,
            typesize=array.dtype.itemsize,
            codec=blosc2.Codec.ZSTD,
            clevel=1,
            filters=[blosc2.Filter.NOFILTER],
            nthreads=1,
        )
        parts += [_LENGTHS.pack(chunk.nbytes, len(packed)), packed]
    return b"".join(parts)
