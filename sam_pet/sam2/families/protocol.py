"""What the tracker and the loader need of a family of SAM video models; nothing else knows which family it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from torch import Tensor

from sam_pet.sam2.features import Features


class SamFamily(Protocol):
    """A loaded model of one family, and, as class members, how such models are described, built and stored.

    Shapes: n frames of side S pixels, coarse features (n, C, h, h), t tokens of width D in a memory.
    """

    title: ClassVar[str]
    model_type: ClassVar[str]
    """The `model_type` of its `config.json`."""
    lora_targets: ClassVar[Mapping[str, str]]
    """Which modules play which role in a recipe's `lora.targets`, as regular expressions."""
    model: Any

    def __init__(self, model: Any) -> None: ...

    @classmethod
    def read_config(cls, content: dict[str, Any]) -> Any:
        """The configuration in the content of a `config.json`."""
        ...

    @classmethod
    def set_image_size(cls, config: Any, image_size: int) -> None:
        """Make a configuration take images of another size; the weights stay valid. Raises InputError."""
        ...

    @classmethod
    def build(cls, config: Any) -> Any:
        """A model with this configuration, its weights those it starts with."""
        ...

    @classmethod
    def own_name(cls, key: str) -> str | None:
        """What the model calls a tensor of a published file; None if the tracker does without it."""
        ...

    @property
    def image_size(self) -> int:
        """S."""
        ...

    @property
    def stride(self) -> int:
        """Pixels between neighbours in the coarse features."""
        ...

    @property
    def memory_frames(self) -> int:
        """How many slices back a slice can remember."""
        ...

    @property
    def conditioning_frames(self) -> int | None:
        """How many prompted slices are shown at once, the nearest ones; None without a limit."""
        ...

    @property
    def pointers(self) -> int:
        """How many slices back object pointers are shown."""
        ...

    def encode(self, frames: Tensor) -> Features:
        """The features of frames (n, 3, S, S); gradients flow."""
        ...

    def prompt(self, points: Tensor, labels: Tensor, logits: Tensor | None) -> tuple[Tensor, Tensor]:
        """Sparse and dense embeddings of points (n, p, 2), labels (n, p) and earlier logits (n, 1, 4h, 4h)."""
        ...

    def decode(
        self, conditioned: Tensor, features: Features, prompts: tuple[Tensor, Tensor], several: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits (n, m, 4h, 4h), expected IoUs (n, m), mask tokens (n, m or 1, C) and object scores (n, 1)."""
        ...

    def attend(self, coarse: Tensor, memory: Tensor, positions: Tensor, frames: int, pointers: int) -> Tensor:
        """Coarse features conditioned on memory (n, frames * t + pointers, D) with positions of the same shape.

        The last `pointers` tokens are object pointers.
        """
        ...

    def write_memory(self, coarse: Tensor, mask: Tensor, present: Tensor) -> Tensor:
        """The memory tokens (n, t, D) of masks (n, 1, 16h, 16h), scaled for the encoder, with presence (n, 1)."""
        ...

    def token_positions(self, height: int, width: int) -> Tensor:
        """Spatial encodings (t, D) of a memory's tokens, for coarse features of this size."""
        ...
