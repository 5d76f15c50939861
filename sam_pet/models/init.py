"""The weights a model starts from when it is trained from nothing."""

from __future__ import annotations

import torch
from torch import nn

_SMALL = {
    "no_memory_embedding",
    "memory_temporal_positional_encoding",
    "no_object_pointer",
    "occlusion_spatial_embedding_parameter",
}
_LAYER_SCALE = 0.1


@torch.no_grad()
def init_weights(model: nn.Module) -> None:
    """Draw the weights anew from the global generator.

    `transformers` starts every layer at a spread of 0.02, made for wide models: in a narrow one attention is then flat,
    and a small SAM 2 learns to ignore where the prompt is. Linear layers start as Glorot and Bengio (2010) advise
    instead, embeddings at unit spread, and the memory fuser's layer scale above 0.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Embedding):
            module.reset_parameters()
    for name, parameter in model.named_parameters():
        last = name.rsplit(".", 1)[-1]
        if last in _SMALL:
            nn.init.trunc_normal_(parameter, std=0.02)
        elif last == "scale":
            nn.init.constant_(parameter, _LAYER_SCALE)
