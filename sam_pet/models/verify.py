"""Whether the files of models are still the ones that were written or fetched."""

from __future__ import annotations

from pathlib import Path

from sam_pet.errors import InputError
from sam_pet.models import registry
from sam_pet.models.hashes import check_sha256, read_hashes
from sam_pet.models.loading import load_model
from sam_pet.models.manifest import CONFIG, ModelManifest, read_manifest, weights_name


def verify(source: str | Path) -> dict[str, str]:
    """The SHA-256 of each file of a model, by file name, all of them as recorded.

    Args:
        source: a name of the registry or a checkpoint folder.

    Raises:
        InputError: a file is missing or is another than recorded, or nothing is recorded.

    Examples:
        >>> from sam_pet.models.verify import verify
        >>> sorted(verify("default"))[:2]
        ['appearance.safetensors', 'config.json']
    """
    entry = registry.find(source) if isinstance(source, str) else None
    if entry is None:
        folder = Path(source)
        if not folder.is_dir():
            raise registry.unknown(source)
        return _verify_files(folder, _recorded(folder))
    if not entry.here:
        raise InputError(f"{entry.name} is not here; fetch it with: sam-pet models fetch {entry.name}")
    if entry.repository is not None:
        recorded = read_hashes(entry.location)
        return _verify_files(entry.location, {file: recorded.get(file) for file in entry.files})
    return {} if entry.folder is None else _verify_files(entry.folder, _recorded(entry.folder))


def record_of(source: str | Path) -> ModelManifest:
    """What a model says of itself as it would be used, an adapter with what its base brings."""
    return load_model(source).record


def verify_all() -> dict[str, dict[str, str]]:
    """`verify` of every named model that is here."""
    return {name: verify(name) for name, entry in registry.entries().items() if entry.here}


def _recorded(folder: Path) -> dict[str, str | None]:
    record = read_manifest(folder)
    if record is None:
        return {**read_hashes(folder)}
    return {
        weights_name(folder): record.sha256,
        CONFIG: record.config_sha256,
        **{part.file: part.sha256 for part in record.parts.values()},
    }


def _verify_files(folder: Path, recorded: dict[str, str | None]) -> dict[str, str]:
    if not recorded or None in recorded.values():
        raise InputError(f"no SHA-256 is recorded for {folder}; convert it with: sam-pet models convert")
    missing = next((file for file in recorded if not (folder / file).is_file()), None)
    if missing is not None:
        raise InputError(f"{folder / missing} is missing; fetch or write it again")
    return {file: check_sha256(folder / file, str(sha256)) for file, sha256 in recorded.items()}
