"""The scribble reader of the autoPET V challenge: one stroke on the largest cross-section of the error.

Written after the rules of the challenge's interactive loop (github.com/lab-midas/autoPETV, Apache-2.0); with
its seed 42 the strokes are the same voxels. Pixels are (x, y) throughout: scanning them in another order
would give other strokes.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cc3d
import networkx
import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist
from skimage.draw import line
from skimage.morphology import skeletonize
from skimage.segmentation import find_boundaries

from sam_pet.errors import InputError
from sam_pet.prompts import Voxels
from sam_pet.readers.clicks import ClickReader
from sam_pet.readers.regions import Bools, errors, largest_cross_section
from sam_pet.readers.stroke import Mask, Stroke
from sam_pet.study import Study

CHALLENGE_SEED = 42

Plane = npt.NDArray[np.uint8]
Pixels = npt.NDArray[Any]
_NEIGHBOURS = [(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if (dx, dy) != (0, 0)]


def centerline(component: Plane, seed: int) -> Pixels:  # noqa: ARG001  (one signature for all strategies)
    """The shortest path between the two farthest pixels of the skeleton, 10 % off both ends if it is long.

    A compact component has a skeleton of fewer than two pixels; then all of it is the stroke.
    """
    pieces = cc3d.connected_components(skeletonize(component).astype(np.uint8), connectivity=8)
    sizes = np.bincount(pieces.ravel())[1:]
    if sizes.size == 0 or sizes.max() < 2:
        return np.argwhere(component)
    skeleton = np.argwhere(pieces == int(sizes.argmax()) + 1)
    distances = cdist(skeleton, skeleton)
    start, end = np.unravel_index(int(distances.argmax()), distances.shape)
    pixels: list[tuple[int, int]] = [(x, y) for x, y in skeleton.tolist()]
    on = set(pixels)
    # Which of several shortest paths is taken follows from networkx and the order of the edges.
    graph = networkx.Graph((pixel, other) for pixel in pixels for other in _neighbours(pixel) if other in on)
    path = networkx.shortest_path(graph, pixels[int(start)], pixels[int(end)])
    if len(path) > 10:
        path = path[int(len(path) * 0.1) : int(len(path) * (1 - 0.1))]
    return np.array(sorted(pixel for pixel in path if component[pixel]))


def random_line(component: Plane, seed: int) -> Pixels:
    """A straight line between two pixels drawn at random, where it lies in the component."""
    pixels = np.argwhere(component)
    if len(pixels) < 2:
        return pixels
    generator = random.Random(seed)
    (x0, y0), (x1, y1) = (pixels[generator.randint(0, len(pixels) - 1)] for _ in range(2))
    drawn = np.column_stack(line(x0, y0, x1, y1))
    return np.unique(drawn[component[tuple(drawn.T)] > 0], axis=0)


def boundary(component: Plane, seed: int) -> Pixels:
    """A walk along the inner edge from a pixel drawn at random: at each step to the first neighbour, in the
    order of x then y, not walked on before; at most 20 % of the edge's pixels, but 2, in steps."""
    edge = find_boundaries(component, mode="inner")
    pixels = np.argwhere(edge)
    if len(pixels) < 2:
        return np.argwhere(component)
    here: tuple[int, int] = tuple(pixels[random.Random(seed).randint(0, len(pixels) - 1)].tolist())
    left: set[tuple[int, int]] = {(x, y) for x, y in pixels.tolist()} - {here}
    walked = [here]
    for _ in range(max(2, int(0.2 * len(pixels)))):
        step = next((pixel for pixel in _neighbours(here) if pixel in left), None)
        if step is None:
            break
        here = step
        left.remove(here)
        walked.append(here)
    return np.array(sorted(walked))


def _neighbours(pixel: tuple[int, int]) -> Iterator[tuple[int, int]]:
    x, y = pixel
    return ((x + dx, y + dy) for dx, dy in _NEIGHBOURS)


STRATEGIES: dict[str, Callable[[Plane, int], Pixels]] = {
    "centerline": centerline,
    "random": random_line,
    "boundary": boundary,
}


def known_strategy(strategy: str) -> None:
    """Raise an InputError that lists the strategies if this is none of them."""
    if strategy not in STRATEGIES:
        raise InputError(f"unknown strategy {strategy!r}; known are {', '.join(STRATEGIES)}")


def draw_scribble(prediction: Mask, truth: Mask, strategy: str, seed: int = CHALLENGE_SEED) -> Stroke | None:
    """The next corrective stroke: one on what is too much and one on what is missing, the longer is kept.

    Args:
        prediction: array [z, y, x] of 0 and 1; strokes are drawn on the slices of its first axis.
        truth: the same, of the same shape.
        strategy: `centerline`, `random` or `boundary`.
        seed: of the random draws; the challenge uses 42 at every step.

    Returns:
        The stroke with more voxels, `tumor` if they are equal; None if there is no error or the truth is empty.

    Raises:
        InputError: unknown strategy.

    Examples:
        >>> import numpy as np
        >>> from sam_pet.readers import draw_scribble
        >>> truth = np.zeros((9, 9, 9), np.uint8)
        >>> truth[4, 2:7, 2:7] = 1
        >>> stroke = draw_scribble(np.zeros_like(truth), truth, "centerline")
        >>> stroke.label, bool(truth[tuple(stroke.voxels.T[::-1])].all())
        ('tumor', True)
    """
    known_strategy(strategy)
    over, under = errors(prediction, truth)
    if not truth.any():
        return None
    too_much, missing = (scribble_in(error, strategy, seed) for error in (over, under))
    if len(too_much) == len(missing) == 0:
        return None
    return Stroke("tumor", missing) if len(too_much) <= len(missing) else Stroke("background", too_much)


def scribble_in(error: Bools, strategy: str, seed: int = CHALLENGE_SEED) -> Voxels:
    """The voxels (n, 3) of a stroke on the largest cross-section of an error [z, y, x]; none where there is none."""
    section = largest_cross_section(error)
    if section is None:
        return np.empty((0, 3), np.int64)
    return section.voxels(STRATEGIES[strategy](section.mask, seed))


def mixed_strategy(case_name: str) -> str:
    """The strategy of a case where all three are mixed: a third of the cases each, by the SHA-256 of the name."""
    digest = hashlib.sha256(case_name.encode()).digest()
    return list(STRATEGIES)[int.from_bytes(digest) % len(STRATEGIES)]


@dataclass(frozen=True)
class ScribbleReader:
    """Draws the challenge's strokes; a case started with a click gets one on the centre of its largest lesion."""

    strategy: str
    seed: int = CHALLENGE_SEED

    @property
    def name(self) -> str:
        return f"scribble-{self.strategy}"

    def first(self, truth: Mask, study: Study | None) -> Stroke | None:
        return ClickReader("center").first(truth, study)

    def correct(self, prediction: Mask, truth: Mask, study: Study | None, step: int) -> Stroke | None:  # noqa: ARG002
        return draw_scribble(prediction, truth, self.strategy, self.seed)
