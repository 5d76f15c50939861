"""One verb for every kind of weights."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

from sam_pet.errors import InputError
from sam_pet.files import file_sha256
from sam_pet.models import hub, registry
from sam_pet.models.checkpoint import (
    LoadedModel,
    build,
    load_folder,
    read_config,
    save_model,
    untrained,
    weights_sha256,
)
from sam_pet.models.convert import convert_meta, read_meta
from sam_pet.models.hashes import check_sha256, read_hashes
from sam_pet.models.manifest import (
    ADAPTER_CONFIG,
    CONFIG,
    META_SUFFIXES,
    WEIGHTS,
    ModelManifest,
    read_manifest,
    require_manifest,
)
from sam_pet.models.parts import TRACKER

logger = logging.getLogger(__name__)

_MEDSAM2_IMAGE_SIZE = 512
# The adapters that are being loaded, one the base of the other.
_LOADING: list[Path] = []


def load_model(source: str | Path, image_size: int | None = None, base: str | Path | None = None) -> LoadedModel:
    """A model in eval mode on the CPU, in float32.

    Args:
        source: a name of the registry ("default"); a checkpoint folder, of this project or of `transformers`; a `peft`
            adapter's folder; a `.pt` or `.pth` file of Meta's or MedSAM2's; or a hub id "organisation/name".
        image_size: side of the square input in pixels, when not the checkpoint's own.
        base: the base model of an adapter, when it is not where the adapter says.

    Raises:
        InputError: no such model, or its files are missing, damaged, or do not fit each other.

    Examples:
        >>> from sam_pet.models import load_model
        >>> loaded = load_model("default")
        >>> loaded.record.trained, sorted(loaded.parts)
        (True, ['appearance', 'contour', 'judge', 'ranker'])
    """
    entry = registry.find(source) if isinstance(source, str) else None
    path = Path(source).expanduser()
    if entry is not None:
        return _load_entry(entry, str(source), image_size)
    try:
        here = path.is_dir()
    except OSError as error:  # no file has so long a name
        raise registry.unknown(source) from error
    if here:
        return _load_folder(path, str(source), image_size, base)
    if path.suffix in META_SUFFIXES:
        return _load_meta(path, str(source), image_size)
    if isinstance(source, str) and hub.HUB_ID.fullmatch(source):
        return _load_folder(_fetch(source), source, image_size, base)
    raise registry.unknown(source)


def checkpoint_folder(source: str) -> Path:
    """The folder of a checkpoint of this project, by its path or its name in the registry.

    Raises:
        InputError: there is none.
    """
    entry = registry.find(source)
    folder = Path(source).expanduser() if entry is None or entry.folder is None else entry.folder
    require_manifest(folder)
    return folder


def _load_entry(entry: registry.ModelEntry, source: str, image_size: int | None) -> LoadedModel:
    if entry.repository is not None:
        if not entry.here:
            logger.warning("%s: licence %s. %s", entry.name, entry.licence, entry.note or "")
        folder = hub.fetch(entry.repository, entry.files)
        image_size = image_size or entry.image_size
        if entry.files == (CONFIG, WEIGHTS):
            loaded = load_folder(folder, source, image_size)
        else:
            loaded = _load_meta(folder / entry.files[0], source, image_size)
        record = loaded.record.model_copy(update={"name": entry.name, "licence": entry.licence})
        return dataclasses.replace(loaded, record=record)
    if entry.folder is not None:
        return _load_folder(entry.folder, source, image_size, None)
    model = untrained("nano", image_size)
    sha256 = weights_sha256(model)
    return LoadedModel(model, ModelManifest(name=entry.name, sha256=sha256, licence=entry.licence), sha256, source)


def _fetch(source: str) -> Path:
    try:
        return hub.fetch_checkpoint(source)
    except InputError as error:
        raise InputError(f"there is no folder {source} here, and as a hub id: {error}") from error


def _load_folder(folder: Path, source: str, image_size: int | None, base: str | Path | None) -> LoadedModel:
    if not (folder / ADAPTER_CONFIG).is_file():
        return load_folder(folder, source, image_size)
    if folder.resolve() in _LOADING:
        raise InputError(f"{folder} is an adapter that names itself as its base model; give the base")
    _LOADING.append(folder.resolve())
    try:
        return _load_adapter(folder, source, image_size, base)
    finally:
        _LOADING.pop()


def _load_adapter(folder: Path, source: str, image_size: int | None, base: str | Path | None) -> LoadedModel:
    from sam_pet.models import adapters  # peft takes a second to import

    if image_size is None and (folder / CONFIG).is_file():
        image_size = int(read_config(folder).image_size)
    named = base or adapters.base_of(folder)
    try:
        foundation = load_model(named, image_size)
    except InputError as error:
        raise InputError(f"{folder} is an adapter on {str(named)[:200]}: {error}") from error
    return adapters.merged(foundation, folder, source)


def _load_meta(path: Path, source: str, image_size: int | None) -> LoadedModel:
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    if image_size is None and path.name.startswith("MedSAM2"):
        # Nothing inside its files tells the size that MedSAM2 was trained at; their published names do.
        image_size = _MEDSAM2_IMAGE_SIZE
    expected = read_hashes(path.parent).get(path.name)
    sha256 = check_sha256(path, expected) if expected is not None else file_sha256(path)
    config, state = convert_meta(read_meta(path), image_size, path)
    model = build(config, state, path)
    return LoadedModel(model, ModelManifest(name=path.stem, trained=True, sha256=sha256), sha256, source)


def convert_model(
    source: str | Path, folder: str | Path, name: str | None = None, image_size: int | None = None
) -> ModelManifest:
    """Write any model that can be loaded, a `.pt` of Meta's above all, as a checkpoint folder of its own."""
    _require_other_folder(folder, source)
    loaded = load_model(source, image_size)
    record = loaded.record.model_copy(update={"name": name or loaded.record.name})
    return _kept(loaded, record, folder) or save_model(loaded.model, refitted(loaded, record), folder, loaded.parts)


def refitted(loaded: LoadedModel, record: ModelManifest) -> ModelManifest:
    """The record of the same model stored otherwise: what was fitted to its weights is fitted to those it then has."""
    old, new = loaded.hashes[TRACKER], weights_sha256(loaded.model)
    parts = {
        name: part.model_copy(update={"fitted_to": {**part.fitted_to, TRACKER: new}})
        if part.fitted_to is not None and part.fitted_to.get(TRACKER) == old
        else part
        for name, part in loaded.record.parts.items()
    }
    return record.model_copy(update={"parts": parts})


def merge_adapter(folder: str | Path, out: str | Path, base: str | Path | None = None) -> ModelManifest:
    """Write the sum of an adapter and its base as a checkpoint folder that needs neither.

    Raises:
        InputError: `folder` is no adapter, or one for another base model.

    Examples:
        >>> from peft import LoraConfig, get_peft_model
        >>> from sam_pet.models import load_model, merge_adapter, save_adapter
        >>> base = load_model("nano-untrained")
        >>> adapted = get_peft_model(base.model, LoraConfig(r=2, target_modules=["q_proj"]))
        >>> _ = save_adapter(adapted, base, base.record, "adapter")
        >>> merge_adapter("adapter", "merged").sha256 == load_model("merged").sha256
        True
    """
    folder = Path(folder)
    if not (folder / ADAPTER_CONFIG).is_file():
        raise InputError(f"{folder} is no adapter: it has no {ADAPTER_CONFIG}; give an adapter's folder")
    _require_other_folder(out, folder)
    loaded = load_model(folder, base=base)
    record = refitted(loaded, loaded.record)
    return _kept(loaded, record, out) or save_model(loaded.model, record, out, loaded.parts)


def _require_other_folder(out: str | Path, source: str | Path) -> None:
    """Raise an InputError if a model would be written over what it is made of."""
    entry = registry.find(source) if isinstance(source, str) else None
    place = entry.folder if entry is not None else Path(source).expanduser()
    if place is not None and place.exists() and Path(out).resolve() in (place.resolve(), *place.resolve().parents):
        raise InputError(f"cannot write {out}: {place} lies there, which is read; give another folder")


def _kept(loaded: LoadedModel, record: ModelManifest, folder: str | Path) -> ModelManifest | None:
    """The record of the checkpoint that is already there, if it is this one; None where there is none.

    Raises:
        InputError: it is another one, or this one with parts that were trained for it since.
    """
    earlier = read_manifest(Path(folder))
    if earlier is None:
        return None
    same = earlier.part_hashes == record.part_hashes and earlier.name == record.name
    if same and earlier.settings == record.settings and earlier.sha256 == weights_sha256(loaded.model):
        return earlier
    raise InputError(f"{folder} holds another checkpoint ({earlier.name}); give another folder, or remove it")
