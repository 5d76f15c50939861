"""Label maps of lesions: their boxes, and the names and colours that every output gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects

Box = tuple[slice, slice, slice]
Colour = tuple[int, int, int]
Labels = npt.NDArray[np.integer[Any]]

# Told apart with every common colour blindness: Okabe and Ito 2008, jfly.uni-koeln.de/color, less black and the blue
# that is lost on a dark image.
PALETTE: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (213, 94, 0),
    (204, 121, 167),
)


def lesion_boxes(labels: Labels) -> dict[int, Box]:
    """The bounding box, as slices of the array [z, y, x], of each lesion by its number; 0 is background.

    Examples:
        >>> import numpy as np
        >>> from sam_pet.labels import lesion_boxes
        >>> labels = np.zeros((20, 40, 30), np.uint16)
        >>> labels[2, 3:5, 4] = 7
        >>> lesion_boxes(labels)
        {7: (slice(2, 3, None), slice(3, 5, None), slice(4, 5, None))}
    """
    planes = np.flatnonzero(labels.any(axis=(1, 2)))
    if not planes.size:
        return {}
    # Most slices hold nothing, and looking for objects is slow.
    first, last = int(planes[0]), int(planes[-1]) + 1
    boxes: Sequence[Any] = find_objects(labels[first:last])
    return {
        number: (slice(box[0].start + first, box[0].stop + first), box[1], box[2])
        for number, box in enumerate(boxes, start=1)
        if box is not None
    }


def lesion_colour(lesion: int) -> Colour:
    """Red, green, blue (0 to 255) of a lesion by its number, from 1; the colours come round.

    Examples:
        >>> from sam_pet.labels import lesion_colour
        >>> lesion_colour(1)
        (230, 159, 0)
    """
    return PALETTE[(lesion - 1) % len(PALETTE)]


def lesion_name(lesion: int, names: Mapping[int, str] | None = None) -> str:
    """The name given to a lesion, or "Lesion N".

    Examples:
        >>> from sam_pet.labels import lesion_name
        >>> lesion_name(3), lesion_name(3, {3: "Node"})
        ('Lesion 3', 'Node')
    """
    return (names or {}).get(lesion, f"Lesion {lesion}")
