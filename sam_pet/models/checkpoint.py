"""Checkpoints that describe themselves: a folder with `config.json`, `model.safetensors` and `sam_pet.json`."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel
from transformers.initialization import no_init_weights

from sam_pet.errors import InputError
from sam_pet.models.architectures import architecture, set_image_size
from sam_pet.models.card import CARD, model_card
from sam_pet.models.hashes import check_sha256, file_sha256, read_hashes
from sam_pet.models.record import (
    CONFIG,
    PARTS,
    RECORD,
    WEIGHTS,
    ModelRecord,
    read_record,
    write_record,
)
from sam_pet.models.start import start_weights
from sam_pet.proposers.refiner import Refiner
from sam_pet.proposers.volume_net import Contour
from sam_pet.sam2.families import adapt, family_of
from sam_pet.threads import one_thread

_BASES = (
    "shared_image_embedding.positional_embedding",
    "prompt_encoder.shared_embedding.positional_embedding",
)


@dataclass(frozen=True)
class LoadedModel:
    """A model ready for inference, its record, the SHA-256 of its weights and the words it was asked for with.

    `parts` are the files of `PARTS` that are stored with it, `refiner` and `contour` the networks in theirs.
    """

    model: PreTrainedModel
    record: ModelRecord
    sha256: str
    source: str
    parts: Mapping[str, Path] = field(default_factory=dict)
    refiner: Refiner | None = None
    contour: Contour | None = None

    @property
    def facts(self) -> dict[str, str]:
        """What tells its results from another model's, for a manifest."""
        return {"model": self.record.name, "sha256": self.sha256, **self.record.parts}

    @property
    def image_size(self) -> int:
        """The side of the model's square input, in pixels."""
        return adapt(self.model).image_size


def untrained(name: str, image_size: int | None = None, seed: int = 0) -> PreTrainedModel:
    """A model with random weights: the same seed gives the same weights.

    The positions of points and of the image share one Gaussian basis, as in SAM.
    """
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = architecture(name, image_size)
        model: PreTrainedModel = family_of(config.model_type).build(config)
        start_weights(model)
    basis = model.shared_image_embedding.positional_embedding
    with torch.no_grad():
        model.prompt_encoder.shared_embedding.positional_embedding.copy_(basis)
    return model.eval()


def weights_sha256(model: torch.nn.Module) -> str:
    """The SHA-256 of the file that `save_model` writes for these weights."""
    return hashlib.sha256(_serialised(model)).hexdigest()


def _serialised(model: torch.nn.Module) -> bytes:
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    return safetensors.torch.save(state, metadata={"format": "pt"})


def save_model(model: PreTrainedModel, record: ModelRecord, folder: str | Path) -> ModelRecord:
    """Write a checkpoint folder, whole or not at all, and return its record with the weights' SHA-256.

    Raises:
        InputError: `folder` holds something that is not a checkpoint.
    """
    with replacing_folder(Path(folder)) as temporary:
        (temporary / WEIGHTS).write_bytes(_serialised(model))
        model.config.save_pretrained(temporary)
        record = write_record(record, temporary, WEIGHTS)
        (temporary / CARD).write_text(model_card(record), encoding="utf-8")
        return record


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder` when the block ends without an error.

    Raises:
        InputError: `folder` holds something that is not a checkpoint.
    """
    if folder.exists() and not (folder / RECORD).is_file() and (folder.is_file() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is no checkpoint; give another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    try:
        temporary = scratch / "new"
        temporary.mkdir()
        yield temporary
        if folder.exists():
            folder.rename(scratch / "old")
        temporary.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def read_config(folder: Path, image_size: int | None = None) -> Any:
    """The configuration in a checkpoint folder, for another image size if one is given.

    Raises:
        InputError: no `config.json`, or not that of a SAM video model that is supported.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise InputError(f"{folder} is no checkpoint: it has no {CONFIG}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        config = family_of(content.get("model_type")).read_config(content)
        size = int(config.image_size)
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{path} does not describe a SAM video model: {reason}") from error
    set_image_size(config, image_size or size)
    return config


def build(config: Any, state: dict[str, torch.Tensor], where: str | Path) -> PreTrainedModel:
    """A model in eval mode with these weights; every key must be there, and no other.

    Raises:
        InputError: keys or shapes do not fit; `where` says whose they are.
    """
    with no_init_weights():
        model: PreTrainedModel = family_of(config.model_type).build(config)
    expected = model.state_dict()
    for key, value in expected.items():
        if key not in state:
            raise InputError(f"{where} does not hold the weights of this model: {key} is missing")
        if state[key].shape != value.shape:
            shapes = f"{tuple(state[key].shape)} and not {tuple(value.shape)}"
            raise InputError(f"{where} does not hold the weights of this model: {key} is {shapes}")
    extra = next((key for key in state if key not in expected), None)
    if extra is not None:
        raise InputError(f"{where} does not hold the weights of this model: {extra} is not known")
    model.load_state_dict(state)
    return model.float().eval()


def load_folder(folder: Path, source: str, image_size: int | None = None) -> LoadedModel:
    """The model in a checkpoint folder, ours or a plain one of `transformers`.

    Raises:
        InputError: a file is missing, damaged, or does not fit the others.
    """
    config = read_config(folder, image_size)
    record = read_record(folder)
    path = folder / WEIGHTS
    if not path.is_file():
        raise InputError(f"{folder} is no checkpoint: it has no {WEIGHTS}")
    expected = record.sha256 if record is not None else read_hashes(folder).get(WEIGHTS)
    sha256 = check_sha256(path, expected) if expected is not None else file_sha256(path)
    state = read_weights(path, family_of(config.model_type).own_name)
    # Written by versions of `transformers` that tie the two, the file holds the Gaussian basis once.
    for one, other in (_BASES, _BASES[::-1]):
        if one in state:
            state.setdefault(other, state[one])
    model = build(config, state, path)
    record = record or ModelRecord(name=folder.name, trained=True, sha256=sha256)
    parts = {part: _checked(folder / PARTS[part], sha256) for part, sha256 in record.parts.items()}
    refiner = _refiner(parts["refiner"], record) if "refiner" in parts else None
    contour = Contour.of(read_weights(parts["contour"]), parts["contour"]) if "contour" in parts else None
    return LoadedModel(model, record, sha256, source, parts, refiner, contour)


def _refiner(path: Path, record: ModelRecord) -> Refiner:
    if record.refiner is None:
        raise InputError(
            f"{path.parent / RECORD} does not say how {path.name} is to be used; fetch the checkpoint again"
        )
    return Refiner.of(read_weights(path), record.refiner, path)


def _checked(path: Path, sha256: str) -> Path:
    """The path of a file that a checkpoint has beside its weights."""
    if not path.is_file():
        raise InputError(f"{path} is missing; fetch or write the checkpoint again")
    check_sha256(path, sha256)
    return path


def read_weights(path: Path, named: Callable[[str], str | None] = str) -> dict[str, torch.Tensor]:
    """The tensors in a safetensors file, as `named` renames them; those it has no name for are not read.

    Raises:
        InputError: the file is not whole.
    """
    try:
        with safe_open(path, framework="pt") as file:
            names = {key: named(key) for key in file.keys()}  # noqa: SIM118 (it is no mapping)
            return {name: file.get_tensor(key) for key, name in names.items() if name is not None}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is not a whole safetensors file ({error}); fetch it again") from error
