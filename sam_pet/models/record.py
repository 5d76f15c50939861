"""What a checkpoint says of itself in `sam_pet.json`, and the names of its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sam_pet import __version__
from sam_pet.errors import InputError
from sam_pet.files import write_json
from sam_pet.models.hashes import file_sha256
from sam_pet.proposers.refiner_settings import RefinerSettings
from sam_pet.sam2.clips import ClipRecipe
from sam_pet.sam2.frames import RECIPES, FrameRecipe

CONFIG, WEIGHTS, RECORD = "config.json", "model.safetensors", "sam_pet.json"
JUDGE, REFINER, CHOOSER = "first_answer.json", "refiner.safetensors", "chooser.json"
APPEARANCE, CONTOUR = "appearance.safetensors", "contour.safetensors"
# The files that a checkpoint may have beside weights and configuration, by what they hold.
PARTS = {"refiner": REFINER, "contour": CONTOUR, "chooser": CHOOSER, "judge": JUDGE, "appearance": APPEARANCE}
META_SUFFIXES = (".pt", ".pth")
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


class ModelRecord(BaseModel):
    """What must travel with weights: how frames and clips are made for them, and where they come from.

    `sha256` and `config_sha256` are those of the files of weights and configuration, the others those of refiner,
    contour network, chooser of outlines, lesion classifier and the appearance network beside it (None without one); all
    are filled in when these are written. `refiner` is how lesions are shown to it. `base` names the model that training
    started from, in words `load_model` takes, and `base_sha256` its weights. `training` holds what the training wants
    remembered.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    frames: FrameRecipe = RECIPES["petct"]
    clip: ClipRecipe = ClipRecipe()
    refiner: RefinerSettings | None = None
    trained: bool = False
    training: dict[str, Any] = Field(default_factory=dict)
    base: str | None = None
    base_sha256: str | None = None
    sha256: str | None = None
    config_sha256: str | None = None
    judge_sha256: str | None = None
    appearance_sha256: str | None = None
    refiner_sha256: str | None = None
    contour_sha256: str | None = None
    chooser_sha256: str | None = None
    licence: str = "see its source"
    created_by: str = f"sam-pet {__version__}"

    @property
    def parts(self) -> dict[str, str]:
        """The SHA-256 of those of `PARTS` that the checkpoint has."""
        hashes = {part: getattr(self, f"{part}_sha256") for part in PARTS}
        return {part: sha256 for part, sha256 in hashes.items() if sha256 is not None}


def write_record(record: ModelRecord, folder: Path, weights: str) -> ModelRecord:
    """Write the record of a folder's files, with their SHA-256."""
    files = {"sha256": weights, "config_sha256": CONFIG, **{f"{part}_sha256": file for part, file in PARTS.items()}}
    hashes = {name: file_sha256(folder / file) if (folder / file).is_file() else None for name, file in files.items()}
    record = record.model_copy(update=hashes)
    write_json(record.model_dump(mode="json"), folder / RECORD)
    return record


def read_record(folder: Path) -> ModelRecord | None:
    """The record of a checkpoint folder, None where it has none.

    Raises:
        InputError: it is not valid.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        return ModelRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError, RecursionError) as error:
        reason = error.errors()[0] if isinstance(error, ValidationError) else None
        detail = f"{'.'.join(map(str, reason['loc']))}: {reason['msg']}" if reason else str(error)
        raise InputError(f"{path} is not a model record ({detail}); fetch or write the checkpoint again") from error


def require_record(folder: Path) -> ModelRecord:
    """The record of a checkpoint folder.

    Raises:
        InputError: it has none, or it is not valid.
    """
    record = read_record(folder)
    if record is None:
        raise InputError(f"{folder} is no checkpoint of this project")
    return record
