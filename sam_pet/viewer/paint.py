"""Views as pictures: fused PET/CT or a maximum-intensity projection, lesions, strokes, a cross at the cursor."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sam_pet.labels import lesion_colour
from sam_pet.prompts import Label, Voxels
from sam_pet.viewer.planes import Pixel, SliceView

RGB = npt.NDArray[np.uint8]
Flat = npt.NDArray[Any]
# How a reading looks at first, here and in the page of `sam-pet serve`. The colours of strokes are told apart with
# every common colour blindness, and are no lesion's.
_LOOK: dict[str, Any] = json.loads((Path(__file__).parent / "look.json").read_text(encoding="utf-8"))
SUV_WINDOW: tuple[float, float] = tuple(_LOOK["suv"])
CT_WINDOW: tuple[float, float] = tuple(_LOOK["ct"])
FUSION: float = _LOOK["fusion"]
STROKES: dict[Label, tuple[int, int, int]] = {label: tuple(rgb) for label, rgb in _LOOK["strokes"].items()}
_CROSS: tuple[int, int, int] = tuple(_LOOK["cross"])
_GAP = 8
_FILL: float = _LOOK["fill"]


def scaled(flat: Flat, view: SliceView, limits: tuple[float, float]) -> npt.NDArray[np.float32]:
    """A shown slice at the canvas's pixels, linear between voxels, as 0..1 of a window of values."""
    # Cut before it is scaled: what lies beyond the window must not shine into its neighbours.
    low, high = limits
    part = np.ascontiguousarray(np.clip((flat - np.float32(low)) / np.float32(high - low), 0, 1), np.float32)
    image = Image.fromarray(part).resize((view.width, view.height), Image.Resampling.BILINEAR, view.box)
    return np.asarray(image)


def fused(
    ct: Flat | None,
    pet: Flat,
    view: SliceView,
    suv: tuple[float, float],
    fusion: float,
    hu: tuple[float, float] = CT_WINDOW,
) -> RGB:
    """CT in grey under PET in colour; `fusion` 0 is CT alone, 1 PET alone, and without CT there is PET alone."""
    share = 1.0 if ct is None else fusion
    rgb = (_hot() * share).astype(np.uint8)[_bytes(scaled(pet, view, suv))]
    if ct is not None:
        grey = (np.arange(256) * (1 - share)).astype(np.uint8)
        rgb += grey[_bytes(scaled(ct, view, hu))][..., None]
    return rgb


def projected(pet: Flat, view: SliceView, suv: tuple[float, float]) -> RGB:
    """A projection as nuclear medicine prints it: high uptake is black."""
    return np.repeat(255 - _bytes(scaled(pet, view, suv))[..., None], 3, axis=2)


def mark_lesions(rgb: RGB, labels: Flat, view: SliceView) -> None:
    """Outline the lesions of a shown slice of lesion numbers in their colours, and tint them."""
    left, upper, right, lower = view.box
    rows = np.floor(upper + (np.arange(view.height) + 0.5) * (lower - upper) / view.height).astype(int)
    columns = np.floor(left + (np.arange(view.width) + 0.5) * (right - left) / view.width).astype(int)
    numbers = labels[np.ix_(rows, columns)]
    if not numbers.any():
        return
    around = np.pad(numbers, 1, mode="edge")
    inner = np.logical_and.reduce(
        [numbers == around[1 + v : 1 + v + view.height, 1 + u : 1 + u + view.width] for v, u in _NEIGHBOURS]
    )
    for number in np.unique(numbers[numbers > 0]).tolist():
        here = numbers == number
        colour = np.array(lesion_colour(number), np.uint8)
        rgb[here & inner] = ((1 - _FILL) * rgb[here & inner] + _FILL * colour).astype(np.uint8)
        rgb[here & ~inner] = colour


def mark_strokes(rgb: RGB, strokes: Iterable[tuple[Voxels, Label]], view: SliceView, index: int) -> None:
    """Dot the voxels of strokes that lie on slice `index`."""
    for voxels, label in strokes:
        for voxel in voxels[voxels[:, view.plane.through] == index].tolist():
            u, v = (int(at) for at in view.pixel(voxel))
            if 0 <= u < view.width and 0 <= v < view.height:
                rgb[max(v - 1, 0) : v + 2, max(u - 1, 0) : u + 2] = STROKES[label]


def mark_cursor(rgb: RGB, pixel: Pixel) -> None:
    """A dashed cross that leaves its middle free."""
    u, v = (int(at) for at in pixel)
    height, width = rgb.shape[:2]
    across, down = np.arange(width), np.arange(height)
    if 0 <= v < height:
        rgb[v, (np.abs(across - u) > _GAP) & (across % 6 < 2)] = _CROSS
    if 0 <= u < width:
        rgb[(np.abs(down - v) > _GAP) & (down % 6 < 2), u] = _CROSS


def png(rgb: RGB, compression: int = 1) -> bytes:
    """The picture as a file; `compression` 0 to 9, where 9 is small and slow."""
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "png", compress_level=compression)
    return stream.getvalue()


def side_by_side(pictures: Sequence[RGB], margin: int = 6) -> RGB:
    """Pictures in a row on white, their feet on one line."""
    height = max(len(p) for p in pictures)
    row = np.full((height, sum(p.shape[1] + margin for p in pictures) - margin, 3), 255, np.uint8)
    left = 0
    for picture in pictures:
        row[height - len(picture) :, left : left + picture.shape[1]] = picture
        left += picture.shape[1] + margin
    return row


_NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def _bytes(part: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    return (part * np.float32(255)).astype(np.uint8)


@lru_cache(maxsize=1)
def _hot() -> RGB:
    from matplotlib import colormaps

    table: RGB = colormaps["hot"](np.arange(256), bytes=True)[:, :3]
    return table
