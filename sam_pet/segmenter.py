"""A segmenter: a loaded model, ready to open studies."""

from __future__ import annotations

import logging
import os
from functools import cached_property
from typing import TYPE_CHECKING, Self

import torch

from sam_pet.errors import InputError
from sam_pet.models.checkpoint import LoadedModel
from sam_pet.models.loading import load_model
from sam_pet.models.manifest import ModelManifest
from sam_pet.models.parts import NAMES
from sam_pet.proposers.outlines import Proposers
from sam_pet.proposers.sam2 import Sam2Proposer
from sam_pet.sam2.steps import Sam2Steps
from sam_pet.session.engine import LesionSegmenter
from sam_pet.session.session import Session
from sam_pet.study import Study
from sam_pet.threads import fit_to_work

if TYPE_CHECKING:
    from sam_pet.detection.classifier import LesionClassifier
    from sam_pet.proposers.ranker import OutlineRanker

logger = logging.getLogger(__name__)


class Segmenter:
    """A SAM 2 model with the recipes it was trained for.

    Args:
        loaded: model and record, see `sam_pet.models.load_model`.
        device: "auto" takes a GPU where there is one, else names a torch device.

    Raises:
        InputError: the device is not to be had.

    Examples:
        >>> from sam_pet import Segmenter
        >>> from sam_pet.demo import small_phantom
        >>> segmenter = Segmenter.from_pretrained("default", device="cpu")
        >>> session = segmenter.open(small_phantom().study)
        >>> session.add_click((30, 22, 59))
        0
    """

    def __init__(self, loaded: LoadedModel, device: str = "auto") -> None:
        self.record: ModelManifest = loaded.record
        self.settings = loaded.record.settings
        self.sha256 = loaded.sha256
        self.source = loaded.source
        self.facts = loaded.facts
        self._parts = loaded.parts
        where = find_device(device)
        self.core = Sam2Steps(loaded.model.eval().to(where), memory_filter=self.record.memory_filter)
        if where.type == "cpu":
            fit_to_work(self.core.multiply_adds)
        self.contour = None if loaded.contour is None else loaded.contour.to(where)

    @classmethod
    def from_pretrained(
        cls, source: str | os.PathLike[str] = "default", device: str = "auto", image_size: int | None = None
    ) -> Self:
        """Load a model by name ("default"), hub id, checkpoint or adapter folder, or a Meta or MedSAM2 `.pt` file.

        Args:
            source: where the weights are; `sam-pet models list` shows the names.
            device: see `Segmenter`.
            image_size: side of the model's input in pixels, where it is to differ from the checkpoint's.

        Raises:
            InputError: nothing of that name, or a damaged or foreign file.
        """
        return cls(load_model(os.fspath(source), image_size), device)

    @cached_property
    def lesion_classifier(self) -> LesionClassifier | None:
        """The lesion classifier stored with the weights, for first answers; None if there is none.

        Raises:
            InputError: its file, or that of the network beside it, cannot be used.
        """
        if "judge" not in self._parts:
            return None
        from sam_pet.detection.appearance import Appearance
        from sam_pet.detection.classifier import LesionClassifier

        seen = Appearance.read(self._parts["appearance"]) if "appearance" in self._parts else None
        return LesionClassifier.read(self._parts["judge"], seen)

    @cached_property
    def ranker(self) -> OutlineRanker | None:
        """What picks a lesion's outline, stored with the weights; None if there is none.

        Raises:
            InputError: its file cannot be used.
        """
        if "ranker" not in self._parts:
            return None
        from sam_pet.proposers.ranker import OutlineRanker

        return OutlineRanker.read(self._parts["ranker"])

    def warn_of_weights(self) -> None:
        """Log a warning where the weights are random, or parts were fitted to other weights than these."""
        if not self.record.trained:
            logger.warning("the model %r is untrained: its masks mean nothing", self.record.name)
        for name, others in self.record.stale.items():
            fitted = " and ".join(f"another {NAMES[other]}" for other in others)
            logger.warning("the %s of %r was fitted to %s; train it again", NAMES[name], self.record.name, fitted)

    def tracker(self, study: Study) -> LesionSegmenter:
        """The model on one study, without a session."""
        return LesionSegmenter(self.proposers(study), self.ranker, self.settings.strokes)

    def proposers(self, study: Study) -> Proposers:
        """What proposes outlines in a study: SAM 2 and the networks stored with it."""
        sam2 = Sam2Proposer(study, self.core, self.record.frames, self.record.clip, self.settings.tracking)
        return Proposers(sam2, self.contour, self.settings.outlines)

    def open(self, study: Study, look_alikes: bool = True) -> Session:
        """A new session on a study; for `look_alikes` see `Session`."""
        return Session(study, self, look_alikes)


def find_device(name: str) -> torch.device:
    """The torch device of a name; "auto" is CUDA, else Apple's MPS, else the CPU."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device: {name!r} is not to be had here; use auto or cpu") from error
    return device
