"""Models with random weights in which every part has a say."""

from __future__ import annotations

from typing import Any

import torch
from transformers import Sam2VideoModel

from sam_pet.models.architectures import architecture


def shake(model: torch.nn.Module, seed: int) -> None:
    """Move every weight, those that start at zero too, so that no term of a sum can be forgotten unseen."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            spread = 0.5 * parameter.std().item() if parameter.numel() > 1 and parameter.std() > 0 else 0.1
            parameter += spread * torch.randn(parameter.shape, generator=generator)


def random_model(name: str = "nano", image_size: int = 128, seed: int = 0) -> Any:
    """A model whose object score says that every lesion is on every frame, so that masks are compared and not -1024."""
    torch.manual_seed(seed)
    model = Sam2VideoModel(architecture(name, image_size)).eval()
    shake(model, seed)
    with torch.no_grad():
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(20.0)
    return model


def frames(count: int, image_size: int, seed: int = 0) -> torch.Tensor:
    """Frames (count, 3, S, S) of smooth noise that drifts from one to the next."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, 3, count + 2, 8, 8, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(count, image_size, image_size), mode="trilinear")
    return smooth[0].transpose(0, 1).contiguous()
