"""Checkpoints that describe themselves: a folder with `config.json`, `model.safetensors` and `sam_pet.json`."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from sam_pet.errors import InputError, one_line
from sam_pet.files import clear_left, errors_on, file_sha256, partial_prefix, restore
from sam_pet.models.architectures import architecture, set_image_size
from sam_pet.models.bounded import AtMost
from sam_pet.models.card import CARD, model_card
from sam_pet.models.hashes import check_sha256, read_hashes
from sam_pet.models.init import init_weights
from sam_pet.models.manifest import (
    CONFIG,
    RECORD,
    WEIGHTS,
    ModelManifest,
    read_manifest,
    require_manifest,
    write_manifest,
)
from sam_pet.models.parts import ABOUT, PARTS, TRACKER, Part
from sam_pet.models.state import require_numbers, unwrapped
from sam_pet.proposers.volume_net import VolumeNetwork
from sam_pet.sam2.families import adapt, family_of
from sam_pet.sam2.families.library import PreTrainedModel, Sam2VideoConfig, Sam2VideoModel, no_init_weights
from sam_pet.threads import one_thread

_LARGEST, _MOST_BLOCKS, _LONGEST_LIST = 100_000, 256, 256
# Numbers in tensors that no file holds: positions, and what is soon thrown away.
_BESIDE_WEIGHTS = 1 << 24
_BASES = (
    "shared_image_embedding.positional_embedding",
    "prompt_encoder.shared_embedding.positional_embedding",
)


@dataclass(frozen=True)
class LoadedModel:
    """A model ready for inference, its record, the SHA-256 of its weights and the words it was asked for with.

    `parts` are the files of `PARTS` that are stored with it, `contour` is the network in its own.

    Examples:
        >>> from sam_pet.models import load_model
        >>> load_model("nano-untrained").source
        'nano-untrained'
    """

    model: PreTrainedModel
    record: ModelManifest
    sha256: str
    source: str
    parts: Mapping[str, Path] = field(default_factory=dict)
    contour: VolumeNetwork | None = None

    @property
    def facts(self) -> dict[str, str]:
        """What tells its results from another model's, for a manifest."""
        changes = self.record.settings.told
        told = {"settings": changes} if changes else {}
        return {"model": self.record.name, "sha256": self.sha256, **self.record.part_hashes, **told}

    @property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 of its weights, an adapter's own where it is one, and of its parts, by name."""
        return {TRACKER: self.record.sha256 or self.sha256, **self.record.part_hashes}

    @property
    def image_size(self) -> int:
        """The side of the model's square input, in pixels."""
        return adapt(self.model).image_size


def untrained(name: str, image_size: int | None = None, seed: int = 0) -> PreTrainedModel:
    """A model with random weights: the same seed gives the same weights.

    The positions of points and of the image share one Gaussian basis, as in SAM.

    Examples:
        >>> from sam_pet.models import untrained
        >>> round(sum(p.numel() for p in untrained("nano").parameters()) / 1e6, 1)
        2.6
    """
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = architecture(name, image_size)
        model: PreTrainedModel = family_of(config.model_type).build(config)
        init_weights(model)
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


def save_model(
    model: PreTrainedModel, record: ModelManifest, folder: str | Path, parts: Mapping[str, Path] = MappingProxyType({})
) -> ModelManifest:
    """Write a checkpoint folder, whole or not at all, and return its record with the SHA-256 of its files.

    Args:
        model: of one of the families, with its weights.
        record: what the checkpoint says of itself.
        folder: the checkpoint's; one that is there is replaced.
        parts: files of the parts that come with the weights, as in `LoadedModel.parts`.

    Raises:
        InputError: `folder` holds something that is not a checkpoint.

    Examples:
        >>> from sam_pet.models import ModelManifest, load_model, save_model, untrained
        >>> record = save_model(untrained("nano"), ModelManifest(name="mine"), "mine")
        >>> load_model("mine").sha256 == record.sha256
        True
    """
    with replacing_folder(Path(folder)) as temporary:
        (temporary / WEIGHTS).write_bytes(_serialised(model))
        model.config.save_pretrained(temporary)
        return finish_folder(temporary, record, parts)


def finish_folder(folder: Path, record: ModelManifest, parts: Mapping[str, Path]) -> ModelManifest:
    """Give a folder that holds weights its parts, record and card."""
    for name, path in parts.items():
        shutil.copyfile(path, folder / PARTS[name])
    record = write_manifest(record, folder)
    (folder / CARD).write_text(model_card(record), encoding="utf-8")
    return record


def add_part(
    folder: Path,
    name: str,
    write: Callable[[Path], object],
    fitted_to: Mapping[str, str] = MappingProxyType({}),
    **changes: Any,
) -> ModelManifest:
    """Give a checkpoint or adapter folder a part, in place of the one that it may have, and return its new record.

    Args:
        folder: the checkpoint's.
        name: one of `PARTS`.
        write: writes the part's file.
        fitted_to: the SHA-256 of what it learnt from, by name, see `LoadedModel.hashes`.
        changes: of the record.

    Raises:
        InputError: `folder` is no checkpoint of this project.
    """
    record = require_manifest(folder)
    part = Part(file=PARTS[name], sha256="", about=ABOUT[name], fitted_to=dict(fitted_to))
    record = record.model_copy(update={"parts": {**record.parts, name: part}, **changes})
    with replacing_folder(folder) as temporary:
        shutil.copytree(folder, temporary, dirs_exist_ok=True)
        write(temporary / PARTS[name])
        return finish_folder(temporary, record, {})


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder` when the block ends without an error.

    Raises:
        InputError: `folder` holds something that is not a checkpoint.
    """
    if folder.exists() and not (folder / RECORD).is_file() and (folder.is_file() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is no checkpoint; give another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    clear_left(folder.parent)
    scratch = Path(tempfile.mkdtemp(prefix=partial_prefix(), dir=folder.parent))
    temporary, old = scratch / "new", scratch / "old"
    temporary.mkdir()
    old.mkdir()
    try:
        with errors_on(folder):
            yield temporary
            if folder.exists():
                folder.rename(old / folder.name)
            temporary.rename(folder)
    finally:
        # Whatever has happened, one of the two is in its place before anything is taken away.
        restore(scratch)
        if folder.exists() or not any(old.iterdir()):
            shutil.rmtree(scratch, ignore_errors=True)


def read_config(folder: Path, image_size: int | None = None) -> Any:
    """The configuration in a checkpoint folder, for another image size if one is given.

    Raises:
        InputError: no `config.json`, or not that of a SAM video model that is supported.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise InputError(f"{folder} is no checkpoint: it has no {CONFIG}; give a checkpoint's folder")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it is no mapping")
        _require_sane(content)
        config = family_of(content.get("model_type")).read_config(content)
        size = int(config.image_size)
        set_image_size(config, image_size or size)
    except Exception as error:
        raise InputError(
            f"{path} does not describe a SAM video model ({one_line(error)[:200]}); fetch the model again"
        ) from error
    return config


def _require_sane(value: Any, key: str = "") -> None:
    """Raise a ValueError at the first number that no configuration of SAM 2 has: it would ask for any memory."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _require_sane(inner, str(name))
    elif isinstance(value, list):
        if len(value) > _LONGEST_LIST:
            raise ValueError(f"{key} has {len(value)} values")
        for inner in value:
            _require_sane(inner, key)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        most = _MOST_BLOCKS if "blocks" in key or "layers" in key else _LARGEST
        if not abs(value) <= most:
            raise ValueError(f"{key} is {value:.3g}" if isinstance(value, float) else f"{key} is larger than {most}")


def require_working(config: Any, path: Path) -> None:
    """Raise an InputError if the parts of a model of this configuration do not fit each other; it takes no memory."""
    if config.model_type != Sam2VideoConfig.model_type:
        return
    size = int(config.image_size)
    try:
        with torch.device("meta"), no_init_weights(), torch.no_grad():
            model = Sam2VideoModel(config)
            image = torch.empty(1, int(config.vision_config.backbone_config.num_channels), size, size)
            coarse = model.vision_encoder(image).fpn_hidden_states[-1]
            model.memory_encoder(coarse, torch.empty(1, 1, size, size))
    except Exception as error:  # as in `build`
        raise InputError(
            f"{path} describes a model whose parts do not fit each other ({one_line(error)[:120]}); fetch it again"
        ) from error


def build(config: Any, state: dict[str, torch.Tensor], where: str | Path) -> PreTrainedModel:
    """A model in eval mode with these weights; every key must be there, and no other.

    Raises:
        InputError: keys or shapes do not fit; `where` says whose they are.
    """
    held = sum(tensor.numel() for tensor in state.values())
    try:
        with AtMost(2 * held + _BESIDE_WEIGHTS), no_init_weights():
            model: PreTrainedModel = family_of(config.model_type).build(config)
    except Exception as error:  # transformers and torch raise what they like for numbers that do not fit each other
        raise InputError(
            f"{where}: no model can be made as its {CONFIG} says ({one_line(error)[:120]}); fetch it again"
        ) from error
    expected = model.state_dict()
    for key, value in expected.items():
        if key not in state:
            raise InputError(f"{where} does not hold the weights of this model: {key} is missing; fetch it again")
        if state[key].shape != value.shape:
            shapes = f"{tuple(state[key].shape)} and not {tuple(value.shape)}"
            raise InputError(f"{where} does not hold the weights of this model: {key} is {shapes}; fetch it again")
    extra = next((key for key in state if key not in expected), None)
    if extra is not None:
        raise InputError(f"{where} does not hold the weights of this model: {extra} is not known; fetch it again")
    model.load_state_dict(state)
    return model.float().eval()


def load_folder(folder: Path, source: str, image_size: int | None = None) -> LoadedModel:
    """The model in a checkpoint folder, ours or a plain one of `transformers`.

    Raises:
        InputError: a file is missing, damaged, or does not fit the others.
    """
    config = read_config(folder, image_size)
    record = read_manifest(folder)
    path = folder / WEIGHTS
    if not path.is_file():
        raise InputError(f"{folder} is no checkpoint: it has no {WEIGHTS}; give a checkpoint's folder")
    expected = record.sha256 if record is not None else read_hashes(folder).get(WEIGHTS)
    sha256 = check_sha256(path, expected) if expected is not None else file_sha256(path)
    state = unwrapped(read_weights(path, family_of(config.model_type).own_name), path)
    # Written by versions of `transformers` that tie the two, the file holds the Gaussian basis once.
    for one, other in (_BASES, _BASES[::-1]):
        if one in state:
            state.setdefault(other, state[one])
    if record is None or record.config_sha256 is None:
        require_working(config, folder / CONFIG)
    else:
        check_sha256(folder / CONFIG, record.config_sha256)
    model = build(config, state, path)
    record = record or ModelManifest(name=folder.name, trained=True, sha256=sha256)
    return with_parts(LoadedModel(model, record, sha256, source), folder)


def with_parts(loaded: LoadedModel, folder: Path) -> LoadedModel:
    """The model with the parts that a checkpoint or adapter folder has, beside or in place of those that it brings."""
    own = read_manifest(folder)
    if own is None or not own.parts:
        return loaded
    parts = {name: _checked(folder / part.file, part.sha256) for name, part in own.parts.items()}
    record = loaded.record.model_copy(update={"parts": {**loaded.record.parts, **own.parts}})
    contour = (
        VolumeNetwork.of(read_weights(parts["contour"]), parts["contour"]) if "contour" in parts else loaded.contour
    )
    return replace(loaded, record=record, parts={**loaded.parts, **parts}, contour=contour)


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
            state = {name: file.get_tensor(key) for key, name in names.items() if name is not None}
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{path} is not a whole safetensors file ({one_line(error)}); fetch it again") from error
    require_numbers(state, path)
    return state
