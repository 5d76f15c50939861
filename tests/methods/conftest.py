"""The methods that need no download, once a session."""

from __future__ import annotations

import pytest
import torch

from sam_pet.methods import make_method
from sam_pet.methods.unet_click import Settings, build, save

CLASSICAL = ["threshold41", "threshold50", "suv4", "percist", "stable-region", "random-walker", "geodesic"]
LEARNED = ["sam-pet:nano-untrained", "sam2-stock:nano-untrained", "sam2-slices:nano-untrained", "unet-click"]


@pytest.fixture(scope="session")
def methods(tmp_path_factory):
    """By name: all methods that run on what is installed, the learned ones with random weights."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("unet-click")
    settings = Settings(spacing_mm=4.0, channels=(4, 8))
    save(build(settings), settings, {}, folder)
    made = {name: make_method(name) for name in (*CLASSICAL, *LEARNED[:3])}
    return {**made, "unet-click": make_method(f"unet-click:{folder}")}
