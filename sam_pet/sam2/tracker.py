"""Propagation of lesions through their clips: prompt slices, then track from them, many lesions at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sam_pet.sam2.features import FrameSource, Key
from sam_pet.sam2.memory import Memory, MemoryBank, Prediction
from sam_pet.sam2.steps import Sam2Steps

Observer = Callable[[int, Prediction], None]


@dataclass(frozen=True)
class SlicePrompt:
    """What is drawn on one slice of one lesion: pixels (p, 2) as (u, v) and labels (p,), see `Sam2Steps.decode`.

    `earlier` are the logits (1, s, s) of the mask that is corrected. `force_present` prompts, those of a reader who
    points at the lesion, overrule the object score on their slice.
    """

    slice_: int
    points: Tensor
    labels: Tensor
    earlier: Tensor | None = None
    force_present: bool = False


@dataclass(frozen=True)
class SlicePath:
    """Consecutive slices to track one after the other; `reverse` when they go down."""

    slices: range

    @property
    def reverse(self) -> bool:
        return self.slices.step < 0


@dataclass
class TrackRequest:
    """One lesion to track: its memories, the paths to walk, and the key of each of its slices in the frame source.

    `uptake` of a slice is the hottest near the lesion, for `MemoryFilter`.
    `observe` is called with (slice, prediction of one frame) as slices are tracked; training takes its losses there.
    """

    bank: MemoryBank
    paths: Sequence[SlicePath]
    key: Callable[[int], Key]
    observe: Observer | None = None
    uptake: Callable[[int], float] | None = None


@dataclass
class _Walk:
    request: TrackRequest
    path: SlicePath
    done: int = 0
    misses: int = 0
    ended: bool = field(default=False)

    @property
    def slice_(self) -> int:
        return self.path.slices[self.done]

    def ahead(self, count: int) -> list[Key]:
        return [self.request.key(z) for z in self.path.slices[self.done + 1 : self.done + 1 + count]]

    def skip_prompted(self) -> None:
        while not self.finished and self.slice_ in self.request.bank.conditioning:
            self.done += 1

    @property
    def finished(self) -> bool:
        return self.ended or self.done >= len(self.path.slices)


class Tracker:
    """SAM 2's propagation over clips, batched over lesions and directions.

    Args:
        core: the model's steps.
        source: where the features of frames come from.
        depth: number of slices of the volume.
        patience: a path ends after so many slices in a row without the lesion; None walks every path to its end.
        lookahead: slices per path that may be encoded together with one that is needed.
    """

    def __init__(
        self, core: Sam2Steps, source: FrameSource, depth: int, patience: int | None = None, lookahead: int = 3
    ) -> None:
        self.core = core
        self.source = source
        self.depth = depth
        self.patience = patience
        self.lookahead = lookahead

    def prompt(self, requests: Sequence[TrackRequest], prompts: Sequence[SlicePrompt]) -> list[MemoryBank]:
        """Show one prompted slice to each of n lesions.

        A slice that is prompted first sees no memory; any other one sees what its lesion remembers,
        as in a correction. What the slice itself was before counts only by `SlicePrompt.earlier`.

        Returns:
            The banks with these slices as conditioning ones, nothing dropped.
        """
        banks = [request.bank for request in requests]
        groups: dict[tuple[bool, int, bool], list[int]] = {}
        for row, (request, prompt) in enumerate(zip(requests, prompts, strict=True)):
            known = bool(request.bank.without_prompted(prompt.slice_).conditioning)
            groups.setdefault((known, len(prompt.labels), prompt.earlier is not None), []).append(row)
        for (known, _, corrected), rows in groups.items():
            features = self.source.fetch([requests[r].key(prompts[r].slice_) for r in rows])
            reverse = [_direction(banks[r], prompts[r].slice_) for r in rows]
            if known:
                selections = [
                    self.core.select_memories(
                        banks[r].without_prompted(prompts[r].slice_),
                        prompts[r].slice_,
                        backwards,
                        self.depth,
                        requests[r].uptake,
                    )
                    for r, backwards in zip(rows, reverse, strict=True)
                ]
                conditioned = self.core.attend(features, selections, self.depth)
            else:
                conditioned = self.core.without_memory(features)
            prediction = self.core.decode(
                conditioned,
                features,
                points=torch.stack([prompts[r].points for r in rows]).to(conditioned),
                labels=torch.stack([prompts[r].labels for r in rows]).to(conditioned.device),
                earlier=_stacked([prompts[r].earlier for r in rows]) if corrected else None,
                first=not known,
            )
            memories = self.core.remember(
                features,
                prediction,
                prompted=True,
                reverse=reverse,
                force_present=[prompts[r].force_present for r in rows],
            )
            for i, (row, memory) in enumerate(zip(rows, memories, strict=True)):
                banks[row] = banks[row].with_memory(prompts[row].slice_, memory)
                _report(requests[row], prompts[row].slice_, prediction, i)
        return banks

    def track(self, requests: Sequence[TrackRequest]) -> list[MemoryBank]:
        """Walk all paths of all requests at once, one slice each at a time.

        Prompted slices on the way are passed by. The paths of a lesion share its memories.
        """
        for request in requests:
            request.bank = MemoryBank(request.bank.conditioning, dict(request.bank.tracked))
        walks = [_Walk(request, path) for request in requests for path in request.paths]
        while True:
            for walk in walks:
                walk.skip_prompted()
            walks = [w for w in walks if not w.finished]
            if not walks:
                return [request.bank for request in requests]
            self._step(walks)

    def _step(self, walks: Sequence[_Walk]) -> None:
        slices = [w.slice_ for w in walks]
        features = self.source.fetch(
            [w.request.key(z) for w, z in zip(walks, slices, strict=True)],
            upcoming=[
                k
                for steps in zip(*(_padded(w.ahead(self.lookahead), self.lookahead) for w in walks), strict=True)
                for k in steps
                if k is not None
            ],
        )
        selections = [
            self.core.select_memories(w.request.bank, z, w.path.reverse, self.depth, w.request.uptake)
            for w, z in zip(walks, slices, strict=True)
        ]
        conditioned = self.core.attend(features, selections, self.depth)
        prediction = self.core.decode(conditioned, features)
        memories = self.core.remember(features, prediction, prompted=False, reverse=[w.path.reverse for w in walks])
        for i, (walk, z, memory) in enumerate(zip(walks, slices, memories, strict=True)):
            walk.request.bank = walk.request.bank.with_memory(z, memory)
            _report(walk.request, z, prediction, i)
            walk.done += 1
            self._judge(walk, memory)

    def _judge(self, walk: _Walk, memory: Memory) -> None:
        if self.patience is None:
            return
        walk.misses = 0 if memory.present else walk.misses + 1
        walk.ended = walk.misses >= self.patience


def _direction(bank: MemoryBank, slice_: int) -> bool:
    """Whether a slice was, or would be, reached going down."""
    tracked = bank.tracked.get(slice_)
    if tracked is not None:
        return tracked.reverse
    below, above = bank.neighbours(slice_)
    return below is None or (above is not None and above - slice_ < slice_ - below)


def _stacked(logits: Sequence[Tensor | None]) -> Tensor:
    return torch.stack([x for x in logits if x is not None])


def _padded(keys: list[Key], count: int) -> list[Key | None]:
    return [*keys, *[None] * (count - len(keys))]


def _report(request: TrackRequest, slice_: int, prediction: Prediction, row: int) -> None:
    if request.observe is not None:
        request.observe(
            slice_,
            Prediction(
                prediction.masks[row : row + 1],
                prediction.ious[row : row + 1],
                prediction.best[row : row + 1],
                prediction.object_score[row : row + 1],
                prediction.pointer[row : row + 1],
            ),
        )
