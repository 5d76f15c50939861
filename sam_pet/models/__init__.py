"""Models: architectures, checkpoints, and where weights come from."""

from sam_pet.models.architectures import architecture, set_image_size
from sam_pet.models.checkpoint import LoadedModel, ModelRecord, save_model, untrained
from sam_pet.models.loading import load_model

__all__ = [
    "LoadedModel",
    "ModelRecord",
    "architecture",
    "load_model",
    "save_model",
    "set_image_size",
    "untrained",
]
