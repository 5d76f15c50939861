"""The families of SAM video models, one adapter each."""

from __future__ import annotations

from typing import Any

from sam_pet.errors import InputError
from sam_pet.sam2.families.edgetam import EdgeTam
from sam_pet.sam2.families.protocol import SamFamily
from sam_pet.sam2.families.sam2 import Sam2
from sam_pet.sam2.families.sam3_tracker import Sam3Tracker

__all__ = ["FAMILIES", "SamFamily", "adapt", "family_of"]

FAMILIES: tuple[type[SamFamily], ...] = (Sam2, Sam3Tracker, EdgeTam)
# A whole SAM 3 holds the weights of its tracker.
_ALIASES = {"sam3_video": Sam3Tracker.model_type}


def family_of(model_type: object) -> type[SamFamily]:
    """The family that a `config.json` names.

    Raises:
        InputError: none that is supported; the supported ones are named.
    """
    wanted = _ALIASES.get(str(model_type), model_type)
    for family in FAMILIES:
        if family.model_type == wanted:
            return family
    known = ", ".join(f"{family.model_type} ({family.title})" for family in FAMILIES)
    raise InputError(f"model_type {model_type!r} is not supported; supported are {known}, and sam3_video (SAM 3)")


def adapt(model: Any) -> SamFamily:
    """A model of `transformers` as the tracker sees it."""
    return family_of(model.config.model_type)(model)
