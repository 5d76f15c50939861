"""A session on disk: mask, lesion numbers, prompts, measurements, and a manifest to check a replay against."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_pet import __version__
from sam_pet.errors import InputError
from sam_pet.files import replacing, write_image, write_json
from sam_pet.prompt_files import RECORD_TYPE, parse_prompts, record
from sam_pet.study import Study

if TYPE_CHECKING:
    from sam_pet.session import Entry, Session

PROMPTS, MANIFEST = "prompts.json", "manifest.json"


def write(session: Session, folder: str | os.PathLike[str]) -> None:
    """Write a session to a folder; each file is whole or absent, the manifest comes last."""
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    mask = session.array
    write_image(session.study.grid.image(mask), root / "mask.nii.gz")
    write_image(session.study.grid.image(session.labels), root / "lesions.nii.gz")
    prompts = record(session.prompts)
    for item, entry in zip(prompts["prompts"], session.entries, strict=True):
        item["lesions"] = list(entry.lesions)
    write_json(prompts, root / PROMPTS)
    with replacing(root / "lesions.csv") as temporary:
        session.lesions.to_csv(temporary, index=False)
    write_json(
        {
            "version": __version__,
            "model": {
                "source": session.segmenter.source,
                "sha256": session.segmenter.sha256,
                "trained": session.segmenter.record.trained,
                "frames": session.segmenter.record.frames.model_dump(mode="json"),
                "clip": session.segmenter.record.clip.model_dump(mode="json"),
            },
            "study": fingerprint(session.study),
            "mask_sha256": hashlib.sha256(mask.tobytes()).hexdigest(),
        },
        root / MANIFEST,
    )


def read(folder: str | os.PathLike[str], session: Session) -> list[Entry]:
    """The entries of a saved session.

    Raises:
        InputError: no saved session, or one of another study or model than `session` has.
    """
    from sam_pet.session import Entry

    root = Path(folder)
    manifest, prompts = (_json(root / name) for name in (MANIFEST, PROMPTS))
    try:
        study, model = manifest["study"], manifest["model"]["sha256"]
    except (KeyError, TypeError) as error:
        raise InputError(f"replay: {root / MANIFEST} is not the manifest of a session") from error
    if study != fingerprint(session.study):
        raise InputError(f"replay: {root} was saved from another study; open the one it was made on")
    if model != session.segmenter.sha256:
        raise InputError(f"replay: {root} was saved with another model; load {manifest['model']['source']!r}")
    if not isinstance(prompts, dict) or prompts.get("type") != RECORD_TYPE:
        raise InputError(f"replay: {root / PROMPTS} is not the prompts of a session")
    drawn = parse_prompts(prompts, session.study.grid)
    numbers = [tuple(int(n) for n in item.get("lesions", ())) for item in prompts["prompts"]]
    return [Entry(prompt, lesions) for prompt, lesions in zip(drawn, numbers, strict=True)]


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


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"replay: no such file: {path}; give a folder written by save") from error
    except ValueError as error:
        raise InputError(f"replay: {path} is not JSON ({error})") from error
