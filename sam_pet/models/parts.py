"""The parts that a checkpoint may have beside SAM 2's weights, and what each of them was fitted to."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

logger = logging.getLogger(__name__)

CONTOUR, APPEARANCE = "contour.safetensors", "appearance.safetensors"
JUDGE, RANKER = "first_answer.json", "ranker.json"
# The files by what they hold, in the order in which they are trained.
PARTS = {
    "contour": CONTOUR,
    "appearance": APPEARANCE,
    "judge": JUDGE,
    "ranker": RANKER,
}
# Parts of earlier versions.
_GONE = ("refiner", "chooser", "strokes")
# SAM 2's own weights, where a part says what it was fitted to.
TRACKER = "tracker"
NAMES = {
    TRACKER: "tracker",
    "contour": "contour network",
    "appearance": "appearance network",
    "judge": "lesion classifier",
    "ranker": "outline ranker",
}
ABOUT = {
    "contour": "draws a lesion from CT, PET and strokes, without the tracker",
    "appearance": "looks at candidates of a first answer and their surroundings",
    "judge": "tells lesions from physiological uptake",
    "ranker": "picks the best of the outlines that a lesion may have, at first and after each stroke; it may be none",
}


class Part(BaseModel):
    """One part of a checkpoint.

    Attributes:
        file: its name in the folder.
        sha256: of the file.
        about: what it is for.
        fitted_to: the SHA-256 of the parts that it learnt from, `tracker` for SAM 2's weights; empty where it learnt
            from cases alone, None where nobody has written it down.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    sha256: str
    about: str = ""
    fitted_to: dict[str, str] | None = None


def from_hashes(record: dict[str, Any]) -> dict[str, Any]:
    """A record with a table of parts, from one whose fields are the parts' hashes, as they were written before."""
    record = dict(record)
    parts = record.get("parts")
    named = parts if isinstance(parts, dict) else {}
    gone = [name for name in _GONE if record.pop(f"{name}_sha256", None) is not None or name in named]
    if gone:
        logger.warning("%s: this version does not use its %s; train a ranker", record.get("name"), " and ".join(gone))
    if named:
        record["parts"] = {name: part for name, part in named.items() if name not in _GONE}
    record.pop("refiner", None)
    hashes = {name: record.pop(f"{name}_sha256", None) for name in PARTS}
    if "parts" not in record:
        record["parts"] = {
            name: {"file": PARTS[name], "sha256": sha256, "about": ABOUT[name]}
            for name, sha256 in hashes.items()
            if sha256 is not None
        }
    return record


def stale(parts: Mapping[str, Part], tracker: str | None) -> dict[str, list[str]]:
    """The parts that were fitted to others than are there now, with the names of those others.

    They are used all the same; whoever retrains one part learns here which ones to train after it.

    Args:
        parts: of a checkpoint, by name.
        tracker: the SHA-256 of its weights.
    """
    present = {TRACKER: tracker, **{name: part.sha256 for name, part in parts.items()}}
    found = {
        name: [other for other, sha256 in (part.fitted_to or {}).items() if present.get(other) != sha256]
        for name, part in parts.items()
    }
    return {name: others for name, others in found.items() if others}
