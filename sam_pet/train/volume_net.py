"""Train the contour network on cubes: a simulated reader draws on them, and the network shows what was meant."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import cc3d
import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import binary_erosion, distance_transform_edt
from skimage.draw import line
from torch import Tensor

from sam_pet.boxes import CONNECTIVITY
from sam_pet.errors import InputError
from sam_pet.proposers.unet import UNet, answer
from sam_pet.proposers.volume_input import OFF_MIDDLE, SIDE, STANDING, VolumeInput, middle_of
from sam_pet.proposers.volume_net import new_network
from sam_pet.readers.scribbles import STRATEGIES, draw_scribble
from sam_pet.study import AIR_HU, Volume
from sam_pet.train.losses import entropy_and_dice
from sam_pet.train.network import TrainSettings, train_network
from sam_pet.train.volume_examples import Cube

Rng = np.random.Generator
Bools = npt.NDArray[np.bool_]
Cells = npt.NDArray[np.int64]
_ANOTHER, _MOST_STROKES = 0.25, 4
_WITH_BACKGROUND, _NEAR = 0.25, 14.0
_GAIN, _NOISY, _NOISE, _WITHOUT_CT = 0.15, 0.4, 0.08, 0.1
_FLIPPED = (0.25, 0.25, 0.5)
# Of a batch, this part corrects a mask that stands: the network's own, or what lies above a level of uptake; half of it
# a second time. Of these, so many are not shown it.
_CORRECTED, _BY_LEVEL, _NOT_SHOWN = 0.5, 0.3, 0.2
_LEVELS = (0.25, 0.7)
# Small lesions are many, and prompted in the narrowest cubes alone.
_SMALL_ML, _SMALL_WEIGHT, _WIDE_WEIGHT = 0.5, 0.4, 0.8
_ENTROPY = 4.0


def train_contour(
    groups: Sequence[tuple[Sequence[Cube], float]],
    training: TrainSettings,
    bfloat16: bool = False,
    start: UNet | None = None,
    **options: Any,
) -> UNet:
    """The moving average of a network's weights over a training, in eval mode; the same arguments give the same.

    Args:
        groups: cubes, and how often each group is drawn from.
        training: how long and how fast.
        bfloat16: a step takes half the time on a device that knows it.
        start: a network to go on from, left as it is; by default a new one.
        options: of `train_network`.

    Raises:
        InputError: a group has no lesion.
    """
    if not groups or not all(cubes for cubes, _ in groups):
        raise InputError("contour: there is no lesion to learn from; give cases with labels")
    chances = np.array([weight for _, weight in groups]) / sum(weight for _, weight in groups)
    weights = [_weights(cubes) for cubes, _ in groups]
    torch.manual_seed(training.seed)

    def loss(network: UNet, step: int) -> Tensor:
        rng = np.random.default_rng([training.seed, step])
        drawings = []
        for _ in range(training.batch):
            group = int(rng.choice(len(groups), p=chances))
            cubes = groups[group][0]
            drawings.append(Drawing.begun(cubes[int(rng.choice(len(cubes), p=weights[group]))], rng))
        device = next(network.parameters()).device

        def logits_of(inputs: Sequence[Volume]) -> Tensor:
            with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
                return answer(network, torch.from_numpy(np.stack(inputs)).to(device)).float()

        for part in (_CORRECTED, _CORRECTED / 2):
            if some := drawings[: int(part * training.batch)]:
                with torch.no_grad():
                    shown = (logits_of([one.inputs() for one in some]) > 0).cpu().numpy()
                for one, mask in zip(some, shown, strict=True):
                    one.corrected(mask, rng)
        inputs, truth = zip(*(one.example(rng) for one in drawings), strict=True)
        entropy, dice = entropy_and_dice(logits_of(inputs), torch.from_numpy(np.stack(truth)).to(device))
        return _ENTROPY * entropy + 1 - dice.mean()

    return train_network(copy.deepcopy(start or new_network()), loss, training, name="contour network", **options)


def _weights(cubes: Sequence[Cube]) -> npt.NDArray[np.float64]:
    volumes, sides = (np.array([getattr(cube, name) for cube in cubes]) for name in ("ml", "mm"))
    chance = np.where(volumes > _SMALL_ML, 1.0, _SMALL_WEIGHT) * np.where(sides > sides.min(), _WIDE_WEIGHT, 1.0)
    normed: npt.NDArray[np.float64] = chance / chance.sum()
    return normed


@dataclass
class Drawing:
    """What has been drawn on a cube so far: arrays [z, y, x] of its cells.

    Attributes:
        cube: the cube.
        pet: its PET, varied at random.
        mask: the cells that are lesion.
        tumor, background: the cells drawn on.
        standing: the mask that the newest stroke corrects.
    """

    cube: Cube
    pet: Volume
    mask: Bools
    tumor: Bools
    background: Bools
    standing: Bools

    @classmethod
    def begun(cls, cube: Cube, rng: Rng) -> Self:
        """A cube with the strokes that a lesion begins with, drawn at random."""
        pet, truth = cube.pet.astype(np.float32), cube.truth.astype(np.float32)
        mask = truth > 0.5
        if not mask.any():
            mask = truth >= truth.max()
        strokes = [_stroke(mask, pet, rng)]
        while len(strokes) < _MOST_STROKES and rng.random() < _ANOTHER:
            strokes.append(_stroke(mask, pet, rng))
        shown = pet * np.float32(np.exp(rng.normal(0, _GAIN)))
        if rng.random() < _NOISY:
            grain = np.float32(rng.uniform(0, _NOISE)) * rng.standard_normal(shown.shape, np.float32)
            shown = np.maximum(shown * (1 + grain), 0)
        drawn = tuple(np.concatenate(strokes).T)
        begun = cls(cube, shown, mask, *(np.zeros(mask.shape, bool) for _ in range(3)))
        begun.tumor[drawn] = True
        if not begun.tumor[begun.window].any():
            return cls.begun(cube, rng)
        if rng.random() < _WITH_BACKGROUND:
            least = rng.uniform(0.2, 0.6) * float(pet[begun.tumor].max())
            beside = (truth < 0.1) & (pet > least) & (distance_transform_edt(~mask) < _NEAR)
            inside = np.zeros(mask.shape, bool)
            inside[begun.window] = beside[begun.window]
            if inside.any():
                begun.background[tuple(_line(inside, _any(inside, rng)[0], rng).T)] = True
        if rng.random() < _WITHOUT_CT:
            begun.cube = replace(cube, ct=None)
        return begun

    @property
    def window(self) -> tuple[slice, slice, slice]:
        """The cells that the network is shown."""
        shape = np.array(self.mask.shape)
        middle = middle_of(np.argwhere(self.tumor), np.argwhere(self.standing), np.full(3, OFF_MIDDLE * SIDE))
        low = np.clip(np.round(middle - SIDE / 2), 0, np.maximum(shape - SIDE, 0)).astype(int)
        z, y, x = (slice(a, a + SIDE) for a in low.tolist())
        return z, y, x

    def seen(self, values: npt.NDArray[np.generic], outside: float = 0.0) -> Volume:
        """Values of the window's cells; beyond the cube there are others."""
        part = values[self.window]
        room = [(0, SIDE - n) for n in part.shape]
        return np.pad(part.astype(np.float32), room, constant_values=outside)

    def inputs(self) -> npt.NDArray[np.float32]:
        """What the network is shown (`CHANNELS`, z, y, x)."""
        ct = None if self.cube.ct is None else self.seen(self.cube.ct, AIR_HU)
        strokes = (self.seen(self.tumor) > 0, self.seen(self.background) > 0)
        return VolumeInput(ct, self.seen(self.pet), *strokes, self.cube.mm, self.seen(self.standing)).inputs()

    def corrected(self, shown: Bools, rng: Rng) -> None:
        """Let the challenge's reader correct what the network has `shown` in the window, or a level of uptake."""
        window = self.window
        standing = np.zeros(self.mask.shape, bool)
        if rng.random() < _BY_LEVEL:
            hot = self.pet >= rng.uniform(*_LEVELS) * float(self.pet[self.tumor].max())
            pieces = cc3d.connected_components(hot, connectivity=CONNECTIVITY)
            standing[window] = np.isin(pieces, np.unique(pieces[self.tumor & hot]))[window] & hot[window]
        else:
            standing[window] = shown[tuple(slice(n) for n in standing[window].shape)]
        standing = (standing | self.tumor) & ~self.background
        strategy = list(STRATEGIES)[int(rng.integers(len(STRATEGIES)))]
        answer, truth = (part[window].astype(np.uint8) for part in (standing, self.mask))
        stroke = draw_scribble(answer, truth, strategy, int(rng.integers(1 << 31)))
        if stroke is None:
            return
        self.standing = standing
        place = stroke.voxels[:, ::-1] + [part.start for part in window]
        (self.tumor if stroke.label == "tumor" else self.background)[tuple(place.T)] = True

    def example(self, rng: Rng) -> tuple[Volume, Volume]:
        """The network's input and the truth, at times mirrored, or without the mask that stands."""
        inputs, meant = self.inputs(), self.seen(self.cube.truth)
        if rng.random() < _NOT_SHOWN:
            inputs[STANDING] = 0
        for axis, chance in enumerate(_FLIPPED):
            if rng.random() < chance:
                inputs, meant = np.flip(inputs, axis + 1), np.flip(meant, axis)
        return np.ascontiguousarray(inputs), np.ascontiguousarray(meant)


def _stroke(mask: Bools, pet: Volume, rng: Rng) -> Cells:
    """Cells (n, 3) of a click (innermost, anywhere, hottest) or of a stroke in a slice (across, along the rim)."""
    kind = rng.random()
    if kind < 0.25:
        depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1, 1:-1]
        return np.array([np.unravel_index(int(depth.argmax()), depth.shape)])
    if kind < 0.4:
        return _any(mask, rng)[None]
    if kind < 0.52:
        return np.array([np.unravel_index(int(np.where(mask, pet, -1).argmax()), mask.shape)])
    areas = mask.sum(axis=(1, 2))
    z = int(areas.argmax()) if rng.random() < 0.6 else int(rng.choice(np.flatnonzero(areas)))
    if kind < 0.85:
        return _line(mask, z, rng)
    rim = np.argwhere(mask[z] & ~binary_erosion(mask[z]))
    start = rim[int(rng.integers(len(rim)))]
    return _in_slice(z, rim[np.abs(rim - start).sum(axis=1) <= max(2, 0.15 * len(rim))])


def _any(mask: Bools, rng: Rng) -> Cells:
    places = np.argwhere(mask)
    place: Cells = places[int(rng.integers(len(places)))]
    return place


def _line(mask: Bools, z: int, rng: Rng) -> Cells:
    """What a straight line between two cells of a slice has in common with the mask."""
    places = np.argwhere(mask[z])
    (y0, x0), (y1, x1) = places[rng.integers(len(places), size=2)].tolist()
    cells = np.column_stack(line(y0, x0, y1, x1))
    return _in_slice(z, cells[mask[z][tuple(cells.T)]])


def _in_slice(z: int, cells: Cells) -> Cells:
    return np.concatenate([np.full((len(cells), 1), z), cells], axis=1)
