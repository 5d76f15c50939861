"""Colours and names of lesions, the same in every output."""

from __future__ import annotations

from collections.abc import Mapping

Colour = tuple[int, int, int]

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


def lesion_colour(lesion: int) -> Colour:
    """Red, green, blue (0 to 255) of a lesion by its number, from 1; the colours come round."""
    return PALETTE[(lesion - 1) % len(PALETTE)]


def lesion_name(lesion: int, names: Mapping[int, str] | None = None) -> str:
    """The name given to a lesion, or "Lesion N"."""
    return (names or {}).get(lesion, f"Lesion {lesion}")
