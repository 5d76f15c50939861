"""LoRA adapters as `peft` folders that know their base model."""

from __future__ import annotations

import json
from pathlib import Path

from peft import PeftModel
from transformers import PreTrainedModel

from sam_pet.errors import InputError
from sam_pet.models.card import CARD, model_card
from sam_pet.models.checkpoint import LoadedModel, replacing_folder, weights_sha256
from sam_pet.models.hashes import check_sha256
from sam_pet.models.record import ADAPTER_CONFIG, ADAPTER_WEIGHTS, ModelRecord, read_record, write_record


def save_adapter(model: PeftModel, base: LoadedModel, record: ModelRecord, folder: str | Path) -> ModelRecord:
    """Write the adapter of `model`, which was put on `base`, whole or not at all, and return its record.

    Raises:
        InputError: `folder` holds something that is not a checkpoint.
    """
    record = record.model_copy(update={"base": base.source, "base_sha256": base.sha256})
    model.active_peft_config.base_model_name_or_path = base.source
    with replacing_folder(Path(folder)) as temporary:
        # Without this argument peft asks the hub for the base's vocabulary.
        model.save_pretrained(temporary, save_embedding_layers=False)
        # It tells the image size that the adapter was trained at, which need not be the base's own.
        model.get_base_model().config.save_pretrained(temporary)
        record = write_record(record, temporary, ADAPTER_WEIGHTS)
        (temporary / CARD).write_text(model_card(record), encoding="utf-8")
        return record


def base_of(folder: Path) -> str:
    """The words for `load_model` that name an adapter's base.

    Raises:
        InputError: the adapter does not say.
    """
    record = read_record(folder)
    base = record.base if record is not None else None
    if base is None:
        try:
            base = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))["base_model_name_or_path"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{folder / ADAPTER_CONFIG} is not an adapter's configuration") from error
    if not base:
        raise InputError(f"{folder} is an adapter that does not name its base model; give the base")
    return str(base)


def attach_adapter(base: LoadedModel, folder: Path, trainable: bool = False) -> PeftModel:
    """The base model with an adapter on it; the base's own module is changed in place.

    Raises:
        InputError: the adapter is damaged, or for another base model.
    """
    record = read_record(folder)
    if record is not None and record.base_sha256 not in (None, base.sha256):
        raise InputError(
            f"{folder} is an adapter for another base model: {record.base} with SHA-256 "
            f"{str(record.base_sha256)[:12]}..., and {base.source} has {base.sha256[:12]}..."
        )
    weights = folder / ADAPTER_WEIGHTS
    if not weights.is_file():
        raise InputError(f"{folder} is no adapter: it has no {ADAPTER_WEIGHTS}")
    if record is not None and record.sha256 is not None:
        check_sha256(weights, record.sha256)
    try:
        model = PeftModel.from_pretrained(base.model, folder, is_trainable=trainable)
    except Exception as error:  # peft raises what its parts raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{folder} cannot be put on {base.source} as an adapter: {reason}") from error
    return model


def merged(base: LoadedModel, folder: Path, source: str) -> LoadedModel:
    """The base with an adapter's weights added in: a plain model, as fast as the base."""
    model: PreTrainedModel = attach_adapter(base, folder).merge_and_unload()
    record = read_record(folder)
    if record is None:
        record = base.record.model_copy(
            update={"name": folder.name, "base": base.source, "base_sha256": base.sha256, "trained": True}
        )
    return LoadedModel(model.eval(), record, weights_sha256(model), source)
