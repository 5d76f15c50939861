"""Image features of frames: encoded once, in batches, and reused by every lesion, direction and interaction."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Features:
    """What an image encoder makes of n frames: three levels, each half as fine as the one before.

    `fine` (n, C/8, 4h, 4h) and `middle` (n, C/4, 2h, 2h) are already projected for the mask decoder,
    `coarse` is (n, C, h, h).
    """

    fine: Tensor
    middle: Tensor
    coarse: Tensor

    def __len__(self) -> int:
        return self.coarse.shape[0]

    @property
    def nbytes(self) -> int:
        return sum(level.nbytes for level in (self.fine, self.middle, self.coarse))

    def take(self, rows: Sequence[int]) -> Features:
        index = torch.as_tensor(rows, device=self.coarse.device)
        return Features(self.fine[index], self.middle[index], self.coarse[index])

    @staticmethod
    def join(parts: Sequence[Features]) -> Features:
        return Features(
            torch.cat([p.fine for p in parts]),
            torch.cat([p.middle for p in parts]),
            torch.cat([p.coarse for p in parts]),
        )


Key = Hashable


class FrameSource(Protocol):
    """Where a tracker gets the features of a path's frames from."""

    def fetch(self, keys: Sequence[Key], upcoming: Sequence[Key] = ()) -> Features:
        """The features of the frames `keys`, in this order; `upcoming` ones will probably be asked for next."""
        ...


class FeatureCache:
    """Features by key, encoded on demand in batches; the least recently used go when `limit` bytes are passed."""

    def __init__(
        self,
        encode: Callable[[Tensor], Features],
        load: Callable[[Sequence[Key]], Tensor],
        batch: int = 8,
        limit: int = 1 << 30,
    ) -> None:
        self._encoded = encode
        self._load = load
        self._batch = batch
        self._limit = limit
        self._held: OrderedDict[Key, Features] = OrderedDict()
        self._bytes = 0

    @property
    def nbytes(self) -> int:
        return self._bytes

    def fetch(self, keys: Sequence[Key], upcoming: Sequence[Key] = ()) -> Features:
        missing = [k for k in dict.fromkeys(keys) if k not in self._held]
        if missing:
            ahead = [k for k in dict.fromkeys(upcoming) if k not in self._held and k not in missing]
            # Frames ahead only fill up a batch that has to be encoded anyway.
            missing += ahead[: -len(missing) % self._batch]
            for start in range(0, len(missing), self._batch):
                self._encode(missing[start : start + self._batch])
        for key in keys:
            self._held.move_to_end(key)
        features = Features.join([self._held[k] for k in keys])
        self._evict()
        return features

    def _encode(self, keys: Sequence[Key]) -> None:
        features = self._encoded(self._load(keys))
        for row, key in enumerate(keys):
            # Copies, so that dropping one frame gives its memory back.
            single = Features(
                *(level[row : row + 1].clone() for level in (features.fine, features.middle, features.coarse))
            )
            self._held[key] = single
            self._bytes += single.nbytes

    def _evict(self) -> None:
        while self._bytes > self._limit and len(self._held) > 1:
            _, dropped = self._held.popitem(last=False)
            self._bytes -= dropped.nbytes


class EncodedFrames:
    """A source whose frames are all encoded beforehand, as training does; keys are row numbers."""

    def __init__(self, features: Features) -> None:
        self._features = features

    def fetch(self, keys: Sequence[Key], upcoming: Sequence[Key] = ()) -> Features:  # noqa: ARG002
        return self._features.take([int(k) for k in keys])  # type: ignore[call-overload]
