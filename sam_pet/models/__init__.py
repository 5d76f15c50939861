"""Models: architectures, checkpoints, and where weights come from.

What needs torch is imported when it is first asked for: names and files of models are at hand at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sam_pet.models.adapters import attach_adapter, save_adapter
    from sam_pet.models.architectures import architecture, set_image_size
    from sam_pet.models.checkpoint import LoadedModel, save_model, untrained
    from sam_pet.models.loading import load_model, merge_adapter
    from sam_pet.models.manifest import ModelManifest

_HOME = {
    "attach_adapter": "adapters",
    "save_adapter": "adapters",
    "architecture": "architectures",
    "set_image_size": "architectures",
    "LoadedModel": "checkpoint",
    "save_model": "checkpoint",
    "untrained": "checkpoint",
    "load_model": "loading",
    "merge_adapter": "loading",
    "ModelManifest": "manifest",
}

__all__ = [
    "LoadedModel",
    "ModelManifest",
    "architecture",
    "attach_adapter",
    "load_model",
    "merge_adapter",
    "save_adapter",
    "save_model",
    "set_image_size",
    "untrained",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
