"""Weights of the small networks as they are stored: in half precision."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
from torch import nn

from sam_pet.files import replacing


def write_fp16(network: nn.Module, path: Path) -> None:
    """Store a network's weights in half precision, its buffers as they are."""
    buffers = dict(network.named_buffers())
    state = {k: v.contiguous() if k in buffers else v.half().contiguous() for k, v in network.state_dict().items()}
    with replacing(path) as temporary:
        safetensors.torch.save_file(state, temporary, metadata={"format": "pt"})
