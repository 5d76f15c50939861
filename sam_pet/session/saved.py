"""A session on disk: mask, lesion numbers, prompts, measurements, and a manifest to check a replay against."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from sam_pet import __version__
from sam_pet.audit.environment import environment
from sam_pet.audit.log import LOG, AuditLog, mask_sha256
from sam_pet.audit.seal import MANIFEST, require_own, seal
from sam_pet.detection.detector import Detection, Detector
from sam_pet.errors import InputError, one_line
from sam_pet.files import file_sha256, read_image, replacing, write_image, write_json
from sam_pet.geometry import Grid
from sam_pet.masks import require_same_grid
from sam_pet.models.parts import PARTS
from sam_pet.prompt_files import RECORD_TYPE, parse_prompts, record
from sam_pet.prompts import Prompt
from sam_pet.session.files import CONTENT, FOUND, LESIONS, LESIONS_TABLE, MASK, PROMPTS, SESSION
from sam_pet.session.state import Entry, State
from sam_pet.slicer import write_colour_table
from sam_pet.study import Study

if TYPE_CHECKING:
    from sam_pet.segmenter import Segmenter
    from sam_pet.session.session import Session

# The parts of a model that make masks of strokes; the others make first answers.
_OF_STROKES = {"contour", "ranker"}


def write(session: Session, folder: str | os.PathLike[str]) -> None:
    """Write a session to a folder; each file is whole or absent, the manifest comes last.

    The log that is in the folder goes on; that of another session is kept, too.
    """
    root = Path(folder)
    require_own(root, SESSION)
    root.mkdir(parents=True, exist_ok=True)
    labels = session.labels
    mask = (labels > 0).astype(np.uint8)
    write_image(session.study.grid.image(mask), root / MASK)
    write_image(session.study.grid.image(labels), root / LESIONS)
    write_colour_table(labels, root / "lesions.ctbl")
    write_json({**record([]), "prompts": [entry.record for entry in session.entries]}, root / PROMPTS)
    with replacing(root / LESIONS_TABLE) as temporary:
        session.lesions.to_csv(temporary, index=False)
    detector, files = session.state.detector, [root / name for name in CONTENT]
    (root / FOUND).unlink(missing_ok=True)
    if detector is not None:
        files.append(root / FOUND)
        write_image(session.study.grid.image(State(found=session.state.found).labels(session.study)), root / FOUND)
    content: dict[str, Any] = {
        "version": __version__,
        "model": model_facts(session.segmenter),
        "study": fingerprint(session.study),
        "first_answer": session.asked,
        "detector": None if detector is None else {**detector, "lesions": _told(session)},
        "look_alikes": session.look_alikes,
        "mask_sha256": mask_sha256(mask),
    }
    log = AuditLog(root / LOG)
    start = {
        "run": SESSION,
        "environment": environment(str(session.segmenter.core.device)),
        # Not its source: a path may name anything.
        "model": {key: value for key, value in content["model"].items() if key != "source"},
        **{key: content[key] for key in ("study", "look_alikes")},
    }
    session.history.write(log, session.study, start)
    seal(log, content, files, session.history.actor)


def model_facts(segmenter: Segmenter) -> dict[str, Any]:
    """What a manifest says of a model."""
    return {
        "source": segmenter.source,
        "sha256": segmenter.sha256,
        "trained": segmenter.record.trained,
        **{f"{part}_sha256": sha256 for part, sha256 in segmenter.record.part_hashes.items()},
        "frames": segmenter.record.frames.model_dump(mode="json"),
        "clip": segmenter.record.clip.model_dump(mode="json"),
        "settings": segmenter.settings.changes,
    }


@dataclass(frozen=True)
class Record:
    """A saved session without its model: what was drawn, the numbers of the lesions each prompt acts on, and by what.

    `model` holds `source`, `sha256`, `trained` and the recipes; `version` is that of the package. `asked` is the tracer
    of the first answer that the prompts correct, None if there was none; for `look_alikes` see `Session`. Where another
    detector than ours found the lesions, `detector` holds its `name`, `sha256` and what it told of the `lesions`.
    """

    drawn: tuple[tuple[Prompt, tuple[int, ...]], ...]
    model: dict[str, Any]
    version: str
    asked: str | None = None
    look_alikes: bool = True
    detector: dict[str, Any] | None = None


@dataclass(frozen=True)
class _Kept:
    """The answer of a detector that need not be there any more."""

    facts: Mapping[str, str]
    detection: Detection

    def detect(self, _: Study) -> Detection:
        return self.detection


def read_record(folder: str | os.PathLike[str], study: Study) -> Record:
    """What a saved session says of itself.

    Raises:
        InputError: no saved session, or one of another study.
    """
    root = Path(folder)
    manifest, prompts = (_json(root / name) for name in (MANIFEST, PROMPTS))
    try:
        saved_study, model, version = manifest["study"], dict(manifest["model"]), str(manifest["version"])
        model = {key: model[key] for key in ("source", "sha256", "trained")} | model
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"session: {root / MANIFEST} is not the manifest of a session; give a saved one") from error
    if saved_study != fingerprint(study):
        raise InputError(f"session: {root} was saved from another study; open the one it was made on")
    if not isinstance(prompts, dict) or prompts.get("type") != RECORD_TYPE:
        raise InputError(f"session: {root / PROMPTS} is not the prompts of a session; give a saved one")
    drawn = parse_prompts(prompts, study.grid)
    numbers = [_lesion_numbers(item, root / PROMPTS) for item in prompts["prompts"]]
    asked = manifest.get("first_answer")
    return Record(
        tuple(zip(drawn, numbers, strict=True)),
        model,
        version,
        None if asked is None else str(asked),
        bool(manifest.get("look_alikes", True)),
        manifest.get("detector"),
    )


def read_labels(folder: str | os.PathLike[str], study: Study) -> npt.NDArray[np.uint16]:
    """The lesion numbers [z, y, x] of a saved session.

    Raises:
        InputError: see `read_image`; also when they are on another grid, or not what was saved.
    """
    image = read_image(Path(folder) / LESIONS, "lesions")
    require_same_grid(Grid.of(image), study.grid, "the lesions of the session", "the PET")
    labels: npt.NDArray[np.uint16] = sitk.GetArrayFromImage(image).astype(np.uint16)
    if mask_sha256((labels > 0).astype(np.uint8)) != _json(Path(folder) / MANIFEST).get("mask_sha256"):
        raise InputError(f"session: {Path(folder) / LESIONS} was changed after it was saved; give it as a mask instead")
    return labels


def read(folder: str | os.PathLike[str], session: Session) -> list[Entry]:
    """The entries of a saved session; `session`, a new one, first gives its first answer again if that one did.

    Raises:
        InputError: no saved session, or one of another study or model than `session` has.
    """
    saved = read_record(folder, session.study)
    record = session.segmenter.record
    of_model = {part: saved.model.get(f"{part}_sha256") for part in PARTS}
    others = {part for part in PARTS if of_model[part] != record.part_hashes.get(part)}
    same = (
        saved.model["sha256"] == session.segmenter.sha256 and saved.model.get("settings", {}) == record.settings.changes
    )
    if not same or others & _OF_STROKES:
        raise InputError(f"session: {folder} was saved with another model; load {saved.model['source']!r}")
    session.look_alikes = saved.look_alikes
    if saved.asked is not None:
        if others:
            raise InputError(f"session: {folder} was saved with another lesion classifier; load the same checkpoint")
        session.first_answer(saved.asked)
    if saved.detector is not None:
        session.first_answer(detector=kept_answer(Path(folder), saved.detector, session.study))
    return [Entry(prompt, lesions) for prompt, lesions in saved.drawn]


def _told(session: Session) -> dict[str, dict[str, float | None]]:
    """What the detector told of its lesions."""
    return {
        str(number): {key: None if math.isnan(value) else round(value, 6) for key, value in told.items()}
        for number, told in session.evidence.items()
    }


def kept_answer(folder: Path, detector: Mapping[str, Any], study: Study) -> Detector:
    """What a saved session keeps of another detector's first answer; `detector` is what its manifest says of that.

    Raises:
        InputError: it is missing, changed, or not of this study.
    """
    image = read_image(folder / FOUND, "first answer")
    require_same_grid(Grid.of(image), study.grid, "the first answer of the session", "the PET")
    sha256 = _json(folder / MANIFEST).get("files", {}).get(FOUND)
    if sha256 is not None and sha256 != file_sha256(folder / FOUND):
        raise InputError(f"session: {folder / FOUND} was changed after it was saved; save the session again")
    try:
        told = {int(n): lesion["probability"] for n, lesion in detector["lesions"].items()}
        facts = {key: str(detector[key]) for key in ("name", "sha256")}
        probabilities = {n: float(p) for n, p in told.items() if p is not None}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"session: {folder / MANIFEST} is not the manifest of a session; give a saved one") from error
    return _Kept(facts, Detection(sitk.GetArrayFromImage(image).astype(np.uint16), probabilities))


def fingerprint(study: Study) -> dict[str, Any]:
    """What tells studies apart: the grid and the SHA-256 of the voxels."""
    digest = hashlib.sha256(study.pet.tobytes())
    if study.ct is not None:
        digest.update(study.ct.tobytes())
    return {
        "size": list(study.grid.size),
        "spacing": list(study.grid.spacing),
        "origin": list(study.grid.origin),
        "direction": list(study.grid.direction),
        "voxels_sha256": digest.hexdigest(),
    }


def _lesion_numbers(item: dict[str, Any], where: Path) -> tuple[int, ...]:
    numbers = item.get("lesions", ())
    if not isinstance(numbers, list | tuple) or not all(type(n) is int and 0 < n < 1 << 16 for n in numbers):
        raise InputError(f"session: {where} names lesions that are no numbers; save the session again")
    return tuple(numbers)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"session: no such file: {path}; give a folder written by save") from error
    except OSError as error:
        raise InputError(f"session: {path} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"session: {path} is not JSON ({one_line(error)[:100]}); save the session again") from error
