"""The model card of a checkpoint, from its record."""

from __future__ import annotations

from typing import Any

from sam_pet.models.manifest import ModelManifest
from sam_pet.models.parts import NAMES

CARD = "README.md"
CURVE = "training.png"


def _stages(rows: list[dict[str, Any]]) -> list[str]:
    """The table of what was trained, on how much, and what came of it."""
    lines = ["| stage | key | examples | steps | figures |", "| --- | --- | ---: | ---: | --- |"]
    for row in rows:
        shown = {k: v for k, v in row.items() if k not in ("stage", "key", "examples", "steps") and _is_figure(v)}
        figures = ", ".join(f"{name} {value:.4g}" for name, value in shown.items())
        lines.append(
            f"| {row['stage']} | `{row['key']}` | {row.get('examples', '')} | {row.get('steps', '')} | {figures} |"
        )
    return lines


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parts(record: ModelManifest) -> list[str]:
    """The table of parts."""
    lines = ["| part | what it does | fitted to | SHA-256 |", "| --- | --- | --- | --- |"]
    lines.append(f"| tracker | SAM 2 with its memory | cases | `{record.sha256}` |")
    for name, part in record.parts.items():
        others = record.stale.get(name, [])
        names = [f"{NAMES[other]}{' (another than here)' if other in others else ''}" for other in part.fitted_to or ()]
        fitted = "not recorded" if part.fitted_to is None else ", ".join(names) or "cases"
        lines.append(f"| {NAMES[name]} | {part.about} | {fitted} | `{part.sha256}` |")
    return lines


def _settings(record: ModelManifest) -> list[str]:
    """The table of numbers that differ from the defaults; nothing where none does."""
    changes = record.settings.changes
    if not changes:
        return []
    lines = ["Numbers that decide, where they are not the defaults:", "", "| number | here | default | what it is |"]
    lines.append("| --- | ---: | ---: | --- |")
    for number in record.settings.numbers():
        if number.name in changes:
            lines.append(f"| `{number.name}` | {changes[number.name]:g} | {number.default:g} | {number.about} |")
    return [*lines, ""]


def model_card(record: ModelManifest) -> str:
    """What a user must know of a checkpoint, in Markdown."""
    training = record.training
    recipe: dict[str, Any] = training.get("recipe", {})
    lines = [
        f"# {record.name}",
        "",
        "A SAM 2 model for interactive lesion segmentation in PET/CT. For research, not for clinical use.",
        "",
        f"- licence: {record.licence}",
        f"- frames: {record.frames.name}; first window {record.clip.first_mm:g} mm",
        f"- started from: {record.base or 'nothing'}",
        "",
        *_parts(record),
        "",
        *_settings(record),
    ]
    if not record.trained:
        return "\n".join([*lines, "- untrained: its masks mean nothing", ""])
    lines += [f"- training: {training.get('steps', 'unknown')} steps, mode {recipe.get('mode', 'unknown')}"]
    if training.get("attribution"):
        lines += ["", "## Data", "", str(training["attribution"])]
    if recipe.get("train"):
        lines += ["", "## Cases", ""]
        for data in recipe["train"]:
            cases = data.get("cases")
            lines.append(f"- {len(cases)} named cases" if cases else "- all cases of a folder")
    if training.get("stages"):
        lines += ["", "## Course", "", *_stages(training["stages"])]
        patients = training.get("patients", {})
        lines += ["", f"Networks saw {patients.get('seen')} patients; {patients.get('held')} were kept from them."]
    if training.get("notes"):
        lines += ["", "## Notes", "", str(training["notes"])]
    if training.get("curve"):
        lines += ["", "## Training curve", "", f"![losses over the steps of training]({CURVE})"]
    metrics = {k: v for k, v in training.get("metrics", {}).items() if isinstance(v, int | float)}
    if metrics:
        lines += ["", "## Last figures of the training run", "", "| figure | value |", "| --- | --- |"]
        lines += [f"| {name} | {value:.4g} |" for name, value in metrics.items()]
    return "\n".join([*lines, ""])
