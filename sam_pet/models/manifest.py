"""What a checkpoint says of itself in `sam_pet.json`, and the names of its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sam_pet import __version__
from sam_pet.errors import InputError
from sam_pet.files import file_sha256, write_json
from sam_pet.models.parts import ABOUT, PARTS, TRACKER, Part, from_hashes, stale
from sam_pet.sam2.clips import ClipRecipe
from sam_pet.sam2.frames import RECIPES, FrameRecipe
from sam_pet.sam2.memory_filter import MemoryFilter
from sam_pet.settings import DEFAULTS, InferenceSettings

CONFIG, WEIGHTS, RECORD = "config.json", "model.safetensors", "sam_pet.json"
META_SUFFIXES = (".pt", ".pth")
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


class ModelManifest(BaseModel):
    """What must travel with weights: how frames and clips are made for them, and where they come from.

    `sha256` and `config_sha256` are those of the files of weights and configuration, `parts` the table of the parts
    beside them; all are filled in when these are written. `memory_filter`
    says which memories the tracker leaves out; None shows all, as in training. `settings` are
    the numbers that decide in use. `base` names the model that training started from, in words `load_model` takes, and
    `base_sha256` its weights. `training` holds what the training wants remembered.

    Examples:
        >>> from sam_pet.models import ModelManifest
        >>> ModelManifest(name="mine").clip.first_mm
        100.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    frames: FrameRecipe = RECIPES["petct"]
    clip: ClipRecipe = ClipRecipe()
    memory_filter: MemoryFilter | None = None
    settings: InferenceSettings = DEFAULTS
    trained: bool = False
    training: dict[str, Any] = Field(default_factory=dict)
    base: str | None = None
    base_sha256: str | None = None
    sha256: str | None = None
    config_sha256: str | None = None
    parts: dict[str, Part] = Field(default_factory=dict)
    licence: str = "see its source"
    created_by: str = f"sam-pet {__version__}"

    @model_validator(mode="before")
    @classmethod
    def _older_forms(cls, values: Any) -> Any:
        return from_hashes(values) if isinstance(values, dict) else values

    @property
    def part_hashes(self) -> dict[str, str]:
        """The SHA-256 of the parts that the checkpoint has, by name."""
        return {name: part.sha256 for name, part in self.parts.items()}

    @property
    def hashes(self) -> dict[str, str | None]:
        """The SHA-256 of its weights and of its parts, by name."""
        return {TRACKER: self.sha256, **self.part_hashes}

    @property
    def stale(self) -> dict[str, list[str]]:
        """The parts that were fitted to other weights than these, see `parts.stale`."""
        return stale(self.parts, self.sha256)


def weights_name(folder: Path) -> str:
    """The file of a checkpoint folder's own weights: an adapter's, where it is one."""
    return ADAPTER_WEIGHTS if (folder / ADAPTER_CONFIG).is_file() else WEIGHTS


def write_manifest(record: ModelManifest, folder: Path) -> ModelManifest:
    """Write the record of a folder's files, with their SHA-256.

    What is known of a part stands as long as its file does; one that has come is taken up, one that has gone is not.
    """

    def hashed(file: str) -> str | None:
        return file_sha256(folder / file) if (folder / file).is_file() else None

    parts = {}
    for name, file in PARTS.items():
        sha256 = hashed(file)
        if sha256 is not None:
            known = record.parts.get(name, Part(file=file, sha256=sha256, about=ABOUT[name]))
            parts[name] = known.model_copy(update={"sha256": sha256})
    files = {"sha256": hashed(weights_name(folder)), "config_sha256": hashed(CONFIG)}
    record = record.model_copy(update={**files, "parts": parts})
    write_json(record.model_dump(mode="json"), folder / RECORD)
    return record


def read_manifest(folder: Path) -> ModelManifest | None:
    """The record of a checkpoint folder, None where it has none.

    Raises:
        InputError: it is not valid.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        return ModelManifest.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError, RecursionError) as error:
        reason = error.errors()[0] if isinstance(error, ValidationError) else None
        detail = f"{'.'.join(map(str, reason['loc']))}: {reason['msg']}" if reason else str(error)
        raise InputError(f"{path} is not a model record ({detail}); fetch or write the checkpoint again") from error


def require_manifest(folder: Path) -> ModelManifest:
    """The record of a checkpoint folder.

    Raises:
        InputError: it has none, or it is not valid.
    """
    record = read_manifest(folder)
    if record is None:
        raise InputError(f"{folder} is no checkpoint of this project; write one with models convert")
    return record
