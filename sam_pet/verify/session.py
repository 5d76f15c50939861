"""A saved session, acted out again line by line."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from sam_pet.audit.log import mask_sha256
from sam_pet.errors import InputError
from sam_pet.prompt_files import RECORD_TYPE, parse_prompts
from sam_pet.session.files import CONTENT
from sam_pet.session.saved import fingerprint, kept_answer
from sam_pet.session.state import Entry, State
from sam_pet.study import Study, read_study
from sam_pet.verify.checks import NOT_RERUN, Asked, Check, compared
from sam_pet.verify.trail import Trail
from sam_pet.verify.weights import check_facts

if TYPE_CHECKING:
    from sam_pet.segmenter import Segmenter
    from sam_pet.session.session import Session

_AGAIN = "masks computed again"


def check_session(trail: Trail, asked: Asked) -> Iterator[Check]:
    """Inputs, weights, and the mask after every line of the log."""
    study = None
    if asked.pet is None:
        yield Check("inputs", "unchecked", "give the study with --pet and --ct")
    else:
        study, check = _study(trail, asked.pet, asked.ct)
        yield check
    segmenter, checks = _segmenter(trail, asked)
    yield from checks
    if not asked.rerun:
        yield NOT_RERUN
    elif study is None or segmenter is None:
        yield Check(_AGAIN, "unchecked", "it takes the study and the weights of the session")
    else:
        yield from _acted_out(trail, study, segmenter)


def _study(trail: Trail, pet: Path, ct: Path | None) -> tuple[Study | None, Check]:
    study = read_study(ct, pet)
    # A CT that covers too little was left out where no prompts were given.
    for candidate in (study, replace(study, ct=None)):
        if fingerprint(candidate) == trail.manifest.get("study"):
            return candidate, Check("inputs", "agrees", "the voxels of the study")
    return None, Check("inputs", "differs", "the session was made on another study")


def _segmenter(trail: Trail, asked: Asked) -> tuple[Segmenter | None, list[Check]]:
    recorded = trail.manifest.get("model")
    if not isinstance(recorded, dict):
        return None, [Check("weights", "unchecked", "they are not recorded")]
    source = asked.model or str(recorded.get("source"))
    from sam_pet.segmenter import Segmenter
    from sam_pet.session.saved import model_facts

    def facts() -> tuple[Segmenter, Mapping[str, Any]]:
        segmenter = Segmenter.from_pretrained(source, asked.device)
        return segmenter, {**model_facts(segmenter), "source": recorded.get("source")}

    return check_facts("weights", source, facts, recorded)


def _acted_out(trail: Trail, study: Study, segmenter: Segmenter) -> Iterator[Check]:
    session = segmenter.open(study, bool(trail.manifest.get("look_alikes", True)))
    states: list[State] = []
    for line in trail.acts:
        if line.get("action") == "seal":
            continue
        what = f"line {line.get('line')} ({line.get('action')})"
        try:
            if not _act(session, line, states, trail):
                yield Check(_AGAIN, "unchecked", f"{what} restores a state that no line led to")
                return
        except (InputError, KeyError, TypeError, ValueError, IndexError) as error:
            yield Check(_AGAIN, "differs", f"{what} cannot be done: {error}")
            return
        states.append(session.state)
        if mask_sha256(session.array) != line.get("mask_sha256"):
            yield Check(_AGAIN, "differs", f"the mask after {what} is another")
            return
    yield Check(_AGAIN, "agrees", f"after each of {len(states)} acts")
    yield from _outputs(trail, session)


def _act(session: Session, line: Mapping[str, Any], states: list[State], trail: Trail) -> bool:
    """Do what a line says; False if the log does not hold what it takes."""
    details: Mapping[str, Any] = line.get("details", {})
    match line.get("action"):
        case "first answer" if "detector" in details:
            # The detector itself is not asked again: what it said is one of the run's files.
            session.first_answer(detector=kept_answer(trail.folder, trail.manifest["detector"], session.study))
        case "first answer":
            session.first_answer(details["tracer"])
        case "add" | "reject":
            session.take(*_entries([details], session.study))
        case "paint":
            session.take(*_entries(details["entries"], session.study))
        case "undo":
            session.undo()
        case "redo":
            session.redo()
        case "delete":
            session.delete(details["prompt"])
        case "restore":
            if details.get("line") is None:
                return False
            session.restore(states[details["line"]])
    return True


def _entries(records: Sequence[Any], study: Study) -> list[Entry]:
    prompts = parse_prompts({"type": RECORD_TYPE, "prompts": list(records)}, study.grid)
    return [Entry(prompt, tuple(item["lesions"])) for prompt, item in zip(prompts, records, strict=True)]


def _outputs(trail: Trail, session: Session) -> Iterator[Check]:
    """Every output, written again: images by their voxels, which compression has no part in, the others by bytes."""
    yield compared("mask of the manifest", mask_sha256(session.array) == trail.manifest.get("mask_sha256"))
    with tempfile.TemporaryDirectory(prefix="sam-pet-") as scratch:
        session.save(scratch)
        for name in CONTENT:
            old, new = trail.folder / name, Path(scratch) / name
            yield compared(f"{name} computed again", old.is_file() and _same(old, new))


def _same(old: Path, new: Path) -> bool:
    if not old.name.endswith(".nii.gz"):
        return old.read_bytes() == new.read_bytes()
    try:
        image = sitk.ReadImage(str(old))
    except RuntimeError:
        return False
    return bool(np.array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(sitk.ReadImage(str(new)))))
