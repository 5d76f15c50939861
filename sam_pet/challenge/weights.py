"""Which weights the container runs with: uploaded ones, else those inside it; and which detector answers first."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sam_pet.detection.nnunet_folder import PLANS, is_nnunet
from sam_pet.errors import InputError, one_line
from sam_pet.files import file_sha256
from sam_pet.models import registry
from sam_pet.models.manifest import ADAPTER_CONFIG, CONFIG, META_SUFFIXES

if TYPE_CHECKING:
    from sam_pet.models.checkpoint import LoadedModel

logger = logging.getLogger(__name__)

_BASE = "base"


@dataclass(frozen=True)
class Weights:
    """Words or a path for `load_model`; of an adapter also the folder of its base, if that was uploaded with it.

    `detector` is the folder of nnU-Net v2 that gives the first answer, if one was uploaded.
    """

    source: str
    base: Path | None = None
    detector: Path | None = None

    @property
    def identity(self) -> str:
        """A SHA-256 that tells weights apart without loading them."""
        folder = registry.find(self.source)
        own = Path(self.source) if folder is None else folder.location
        paths = [own, *(path for path in (self.base, self.detector) if path is not None)]
        digest = hashlib.sha256()
        for path in paths:
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    digest.update(f"{file.name} {file_sha256(file)}\n".encode())
        return digest.hexdigest()

    def load(self) -> LoadedModel:
        """The model.

        Raises:
            InputError: see `load_model`; or its weights are untrained.
        """
        from sam_pet.models.loading import load_model

        loaded = load_model(self.source, base=self.base)
        if not loaded.record.trained:
            raise InputError(f"the model {self.source!r} is untrained; put trained weights into checkpoints/default")
        return loaded


EMBEDDED = Weights(registry.DEFAULT)


def find_weights(uploaded: Path, tell: Callable[[str], None] = lambda _: None) -> list[Weights]:
    """What to try, in this order: a model in the folder of uploads, then the one inside the container.

    An upload is a checkpoint folder, an adapter (with its base model in `base/`, unless that is the embedded one), or a
    `.pt` file, at the top of the folder or one folder below. With it, or alone, may come a detector: a folder that
    nnU-Net v2 has trained, up to three folders below, as its results lie.

    Args:
        uploaded: the folder; it need not be there, nor be readable.
        tell: called with what is wrong where there is an upload that cannot be used.
    """
    try:
        found = _found(uploaded)
        # Known are no weights by their names alone: they must be readable.
        _ = [weights.identity for weights in found[:-1]]
        if found == [EMBEDDED] and uploaded.is_dir() and any(uploaded.glob("*")):
            tell("the uploaded weights cannot be used")
        return found
    except (OSError, InputError) as error:
        logger.error("the model in %s cannot be read: %s", uploaded, one_line(error))
        tell("the uploaded weights cannot be used")
        return [EMBEDDED]


def _found(uploaded: Path) -> list[Weights]:
    detector = _detector(uploaded)
    found = _models(uploaded, detector)
    return [replace(weights, detector=detector) for weights in found]


def _detector(uploaded: Path) -> Path | None:
    places = (path.parent for depth in ("", "*/", "*/*/", "*/*/*/") for path in sorted(uploaded.glob(depth + PLANS)))
    return next((folder for folder in places if is_nnunet(folder)), None)


def _models(uploaded: Path, detector: Path | None) -> list[Weights]:
    folders = [uploaded, *sorted(p for p in uploaded.glob("*") if p.is_dir())] if uploaded.is_dir() else []
    # The checkpoints of a detector are no tracker's.
    folders = [path for path in folders if detector is None or (path != detector and detector not in path.parents)]
    for folder in folders:
        if (folder / ADAPTER_CONFIG).is_file():
            bases = (folder / _BASE, uploaded / _BASE)
            return [Weights(str(folder), next((b for b in bases if (b / CONFIG).is_file()), None)), EMBEDDED]
    for folder in folders:
        if (folder / CONFIG).is_file():
            return [Weights(str(folder)), EMBEDDED]
        files = sorted(p for p in folder.iterdir() if p.suffix in META_SUFFIXES and not p.name.startswith("."))
        if files:
            return [Weights(str(files[0])), EMBEDDED]
    if detector is None and any(uploaded.glob("*")):
        logger.error("%s holds no model that is known (checkpoint folder, adapter, .pt); it is not used", uploaded)
    return [EMBEDDED]
