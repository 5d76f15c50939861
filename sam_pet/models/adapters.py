"""LoRA adapters as `peft` folders that know their base model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import torch
from peft import PeftConfig, PeftModel, get_peft_model_state_dict, set_peft_model_state_dict

from sam_pet.errors import InputError, one_line
from sam_pet.files import file_sha256
from sam_pet.models.checkpoint import (
    LoadedModel,
    finish_folder,
    read_weights,
    replacing_folder,
    weights_sha256,
    with_parts,
)
from sam_pet.models.hashes import check_sha256
from sam_pet.models.manifest import ADAPTER_CONFIG, ADAPTER_WEIGHTS, ModelManifest, read_manifest
from sam_pet.models.state import unwrapped
from sam_pet.sam2.families.library import PreTrainedModel
from sam_pet.settings import InferenceSettings

_PREFIX, _PREFIXES = "base_model.model.", ("base_model.", "model.")
_HIGHEST_RANK = 4096


def save_adapter(
    model: PeftModel,
    base: LoadedModel,
    record: ModelManifest,
    folder: str | Path,
    parts: Mapping[str, Path] = MappingProxyType({}),
) -> ModelManifest:
    """Write the adapter of `model`, which was put on `base`, whole or not at all, and return its record.

    The base brings its own parts; `parts` are those that the adapter brings in their place.

    Raises:
        InputError: `folder` holds something that is not a checkpoint.

    Examples:
        >>> from peft import LoraConfig, get_peft_model
        >>> from sam_pet.models import load_model, save_adapter
        >>> base = load_model("nano-untrained")
        >>> adapted = get_peft_model(base.model, LoraConfig(r=2, target_modules=["q_proj"]))
        >>> save_adapter(adapted, base, base.record, "adapter").base
        'nano-untrained'
    """
    of_base = {"base": base.source, "base_sha256": base.sha256, "settings": _settings(record, base)}
    record = record.model_copy(update=of_base)
    model.active_peft_config.base_model_name_or_path = base.source
    with replacing_folder(Path(folder)) as temporary:
        # Without this argument peft asks the hub for the base's vocabulary.
        model.save_pretrained(temporary, save_embedding_layers=False)
        # It tells the image size that the adapter was trained at, which need not be the base's own.
        model.get_base_model().config.save_pretrained(temporary)
        return finish_folder(temporary, record, parts)


def base_of(folder: Path) -> str:
    """The words for `load_model` that name an adapter's base.

    Raises:
        InputError: the adapter does not say.
    """
    record = read_manifest(folder)
    base = record.base if record is not None else None
    if base is None:
        try:
            base = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))["base_model_name_or_path"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                f"{folder / ADAPTER_CONFIG} is not an adapter's configuration; give an adapter's folder"
            ) from error
    if not isinstance(base, str) or not base:
        raise InputError(f"{folder} is an adapter that does not name its base model; give the base")
    return base


def attach_adapter(base: LoadedModel, folder: Path, trainable: bool = False) -> PeftModel:
    """The base model with an adapter on it; the base's own module is changed in place.

    Raises:
        InputError: the adapter is damaged, or for another base model.

    Examples:
        >>> from pathlib import Path
        >>> from peft import LoraConfig, get_peft_model
        >>> from sam_pet.models import attach_adapter, load_model, save_adapter
        >>> base = load_model("nano-untrained")
        >>> adapted = get_peft_model(base.model, LoraConfig(r=2, target_modules=["q_proj"]))
        >>> _ = save_adapter(adapted, base, base.record, "adapter")
        >>> type(attach_adapter(load_model("nano-untrained"), Path("adapter"))).__name__
        'PeftModel'
    """
    record = read_manifest(folder)
    if record is not None and record.base_sha256 not in (None, base.sha256):
        raise InputError(
            f"{folder} is an adapter for another base model: {record.base} with SHA-256 "
            f"{str(record.base_sha256)[:12]}..., and {base.source} has {base.sha256[:12]}...; give that base"
        )
    weights = folder / ADAPTER_WEIGHTS
    if not weights.is_file():
        raise InputError(f"{folder} is no adapter: it has no {ADAPTER_WEIGHTS}; give an adapter's folder")
    if record is not None and record.sha256 is not None:
        check_sha256(weights, record.sha256)
    state = {f"{_PREFIX}{_inner(key)}": value for key, value in unwrapped(read_weights(weights), weights).items()}
    with _told(folder, base):
        config = PeftConfig.from_pretrained(str(folder))
        config.inference_mode = not trainable
        # The start of an adapter that is about to be filled; some ways of starting change the base.
        config.init_lora_weights = True
        if not 0 < int(getattr(config, "r", 1)) <= _HIGHEST_RANK:
            raise ValueError(f"its rank is {config.r}")
        model = PeftModel(base.model, config)
        _require_keys(state, get_peft_model_state_dict(model, save_embedding_layers=False), weights)
        set_peft_model_state_dict(model, state)
    return model.train(trainable)


@contextmanager
def _told(folder: Path, base: LoadedModel) -> Iterator[None]:
    """Turn what peft raises, which is what its parts raise, into an InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{folder} cannot be put on {base.source} as an adapter ({one_line(error)[:200]}); train or fetch it again"
        ) from error


def _settings(record: ModelManifest, base: LoadedModel) -> InferenceSettings:
    """The numbers that decide: the base's, where an adapter says nothing of them."""
    return record.settings if "settings" in record.model_fields_set else base.record.settings


def _inner(key: str) -> str:
    """A key without what peft puts before the model's own."""
    while key.startswith(_PREFIXES):
        key = key.partition(".")[2]
    return key


def _require_keys(state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], where: Path) -> None:
    """Raise an InputError that names the first key of an adapter that is missing, not known, or of another shape."""
    for key, value in expected.items():
        if key not in state:
            raise InputError(f"{where} does not fit its {ADAPTER_CONFIG}: {key} is missing; save the adapter again")
        if state[key].shape != value.shape:
            raise InputError(
                f"{where} does not fit its {ADAPTER_CONFIG}: {key} is {tuple(state[key].shape)} and not "
                f"{tuple(value.shape)}; save the adapter again"
            )
    extra = next((key for key in state if key not in expected), None)
    if extra is not None:
        raise InputError(f"{where} does not fit its {ADAPTER_CONFIG}: {extra} is not known; save the adapter again")


def merged(base: LoadedModel, folder: Path, source: str) -> LoadedModel:
    """The base with an adapter's weights added in: a plain model, as fast as the base."""
    adapted = attach_adapter(base, folder)
    with _told(folder, base):
        model: PreTrainedModel = adapted.merge_and_unload()
    record = read_manifest(folder)
    if record is None:
        record = base.record.model_copy(
            update={
                "name": folder.name,
                "base": base.source,
                "base_sha256": base.sha256,
                "trained": True,
                "sha256": file_sha256(folder / ADAPTER_WEIGHTS),
            }
        )
    record = record.model_copy(update={"parts": base.record.parts, "settings": _settings(record, base)})
    loaded = replace(base, model=model.eval(), record=record, sha256=weights_sha256(model), source=source)
    return with_parts(loaded, folder)
