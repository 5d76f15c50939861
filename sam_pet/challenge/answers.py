"""What the worker tells the supervisor: the best mask so far."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Answer:
    """A mask, packed; `what` it is, in words for the log, and whether there is a better one to wait for.

    `faults` says what makes even the complete one less than it should be.
    """

    what: str
    packed: bytes
    complete: bool = False
    faults: tuple[str, ...] = ()

    @classmethod
    def of(cls, mask: Mask, what: str, complete: bool = False, faults: tuple[str, ...] = ()) -> Self:
        return cls(what, pack_mask(mask), complete, faults)

    def mask(self, shape: tuple[int, ...]) -> Mask:
        """The mask [z, y, x] of 0 and 1."""
        return unpack_mask(self.packed, shape)


def pack_mask(mask: Mask) -> bytes:
    return zlib.compress(np.packbits(mask).tobytes(), level=1)


def unpack_mask(packed: bytes, shape: tuple[int, ...]) -> Mask:
    """The inverse of `pack_mask`.

    Raises:
        ValueError: the bytes are of a mask of another shape.
    """
    bits = np.frombuffer(zlib.decompress(packed), np.uint8)
    count = int(np.prod(shape))
    if len(bits) != -(-count // 8):
        raise ValueError(f"{len(bits)} bytes do not hold a mask of shape {shape}")
    return np.unpackbits(bits, count=count).reshape(shape)
