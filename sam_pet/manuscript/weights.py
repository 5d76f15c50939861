"""What is known of weights whose checkpoint is here and has the SHA-256 that a run recorded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sam_pet.errors import InputError
from sam_pet.manuscript.draft import Draft
from sam_pet.models import registry
from sam_pet.models.checkpoint import read_config
from sam_pet.models.manifest import CONFIG, RECORD, ModelManifest, read_manifest
from sam_pet.models.parts import NAMES


def say(draft: Draft, number: int, method: str, cases: Sequence[str]) -> bool:
    """Say what the checkpoint of a method tells of itself; False where it is not here.

    Args:
        draft: to be added to.
        number: of the method among the facts, `method.NUMBER`.
        method: its name.
        cases: names of the cases of the run.
    """
    found = _found(method.partition(":")[2], str(draft.facts[f"method.{number}.sha256"].value))
    if found is None:
        return False
    record, folder = found
    key = f"weights.{number}"
    say_record(draft, key, record, f"{RECORD} of weights {str(record.sha256)[:12]}", folder)
    if f"{key}.training.recipe.stages" in draft.facts:
        draft.say(25, f"The last recipe of {{{key}.name}}, of which its record tells:")
        say_optimization(draft, key, "training.recipe.")
    named = {name for data in _data(record) for name in data.get("cases") or ()}
    if named:
        counts = {"training cases": len(named), "shared": len(named & set(cases))}
        draft.facts.add(f"manifest.json and {RECORD}, counted", counts, f"{key}.")
        text = (
            f"The record of weights {{method.{number}.model}} names {{{key}.training cases}} training cases; "
            f"{{{key}.shared}} of the cases of this run have one of these names."
        )
        draft.say(20, text)
        draft.say(32, text)
    return True


def say_record(draft: Draft, key: str, record: ModelManifest, source: str, folder: Path) -> None:
    """Say what the record of the checkpoint in a folder tells of model and training, with its facts under `key`."""
    facts = draft.facts
    content: dict[str, Any] = record.model_dump(mode="json")
    facts.add(source, content, f"{key}.")
    facts.add(source, {"kinds": ", ".join(NAMES[part] for part in record.parts)} if record.parts else {}, f"{key}.")

    def known(*names: str) -> bool:
        return all(f"{key}.{name}" in facts for name in names)

    def tell(item: int, text: str) -> None:
        draft.say(item, text.replace("{.", f"{{{key}."))

    if (folder / CONFIG).is_file():
        facts.add(CONFIG, {"type": read_config(folder).model_type}, f"{key}.")
        tell(22, "The model {.name} is of the type {.type}.")
    tell(22, "It tracks a lesion over slices; its frames are {.frames.name}.")
    tell(22, "Its first window is {.clip.first_mm} mm wide, its widest {.clip.largest_mm} mm.")
    if known("kinds"):
        tell(22, "Beside the tracker it has these parts: {.kinds}.")
    if known("base"):
        tell(24, "Training of {.name} started from {.base}.")
    if known("training.steps"):
        tell(25, "The tracker of {.name} was trained for {.training.steps} steps in all.")
    if known("training.attribution"):
        tell(25, "Data of its training: {.training.attribution}.")
    if known("training.patients.seen", "training.patients.held"):
        tell(21, "Networks of {.name} saw {.training.patients.seen} patients; {.training.patients.held} were kept.")
    if known("training.notes"):
        tell(25, "Its record says: {.training.notes}")


def say_optimization(draft: Draft, key: str, recipe: str = "") -> None:
    """Say how a recipe trains; its facts stand under `key`, where `recipe` begins."""
    facts, start = draft.facts, f"{key}.{recipe}"
    for n, stage in enumerate(facts[f"{start}stages"].value, 1):
        facts.add(facts[f"{start}stages"].source, stage, f"{start}stages.{n}.")
        place = f"{start}stages.{n}"
        text = (
            f"A stage: steps {{{place}.steps}}, clips in a batch {{{place}.batch}}, "
            f"slices in a clip {{{place}.length}}, corrections at most {{{place}.corrections}}."
        )
        draft.say(25, text)
    place = f"{start}optimization"
    text = (
        f"AdamW: learning rate {{{place}.lr}}, weight decay {{{place}.weight_decay}}, steps of warm-up "
        f"{{{place}.warmup}}, gradients clipped at {{{place}.clip_norm}}, average of weights with factor "
        f"{{{place}.ema}}, seed {{{start}seed}}."
    )
    draft.say(25, text)


def _data(record: ModelManifest) -> list[dict[str, Any]]:
    data = record.training.get("recipe", {}).get("train", [])
    return [one for one in data if isinstance(one, dict)]


def _found(name: str, sha256: str) -> tuple[ModelManifest, Path] | None:
    """Record and folder of the checkpoint with these weights, if it is the named one or one of the registry."""
    folders = [Path(name)] if name else []
    folders += [entry.folder for entry in registry.entries().values() if entry.folder is not None]
    for folder in folders:
        try:
            record = read_manifest(folder)
        except InputError:
            continue
        if record is not None and record.sha256 == sha256:
            return record, folder
    return None
