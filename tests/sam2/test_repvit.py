"""EdgeTAM's trunk against what `timm` 1.0.31 has under the same names (`repvit_m1.dist_in1k`, features only)."""

from __future__ import annotations

import hashlib

import pytest
import torch

from sam_pet.errors import InputError
from sam_pet.sam2.families.repvit import RepVit, RepVitConfig

NAMES_AND_SHAPES = "8102cc5ba81a581994bf2c82d768cec2366d7c6330b9ba78fcc8a79d08efe928"
# Mean and spread of the four maps, for the weights and the picture of the test below.
MAPS = [(0.00239, 0.23762), (-0.04177, 0.28711), (-0.02084, 0.36591), (0.00278, 0.31242)]


@torch.no_grad()
def test_names_shapes_and_features_are_those_of_timm() -> None:
    model = RepVit(RepVitConfig("repvit_m1")).eval()
    state = {key.removeprefix("timm_model."): value for key, value in model.state_dict().items()}
    lines = "\n".join(f"{key} {tuple(value.shape)}" for key, value in sorted(state.items()))
    assert hashlib.sha256(lines.encode()).hexdigest() == NAMES_AND_SHAPES
    generator = torch.Generator().manual_seed(0)
    for key in sorted(state):
        value = state[key]
        if value.dim() == 4:
            value.copy_((torch.rand(value.shape, generator=generator) - 0.5) * (6 / value[0].numel()) ** 0.5)
        elif value.is_floating_point():
            middle = 0.9 if key.endswith(("running_var", "bn.weight")) else -0.1
            value.copy_(torch.rand(value.shape, generator=generator) * 0.2 + middle)
    maps = model(torch.rand(1, 3, 64, 64, generator=generator)).last_hidden_state
    assert [m.shape[-1] for m in maps] == [16, 8, 4, 2]
    assert [(m.mean().item(), m.std().item()) for m in maps] == [pytest.approx(pair, abs=2e-5) for pair in MAPS]


def test_training_leaves_its_batch_statistics_alone() -> None:
    model = RepVit(RepVitConfig("repvit_nano")).train()
    before = {key: value.clone() for key, value in model.named_buffers()}
    model(torch.rand(2, 3, 64, 64))
    assert all(torch.equal(value, before[key]) for key, value in model.named_buffers())


def test_another_timm_trunk_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="image trunk 'resnet50' is not supported; supported are repvit_m1"):
        RepVitConfig.of({"model_type": "timm_wrapper", "architecture": "resnet50.a1_in1k"})
