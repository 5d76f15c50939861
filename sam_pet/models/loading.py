"""One verb for every kind of weights."""

from __future__ import annotations

from pathlib import Path

from sam_pet.models.checkpoint import LoadedModel, ModelRecord, load_folder, untrained, weights_sha256


def load_model(source: str | Path, image_size: int | None = None) -> LoadedModel:
    folder = Path(source)
    if folder.is_dir():
        return load_folder(folder, str(source), image_size)
    model = untrained("nano", image_size)
    sha256 = weights_sha256(model)
    return LoadedModel(model, ModelRecord(name="nano-untrained", sha256=sha256), sha256, str(source))
