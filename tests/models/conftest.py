"""Meta's own SAM 2 models, built from Meta's own configurations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch


@pytest.fixture(scope="session")
def meta_model() -> Callable[..., Any]:
    """Builds `SAM2Base` of a configuration such as "sam2.1/sam2.1_hiera_t"; a seed fills every weight at random."""

    def build(config: str, *overrides: str, seed: int | None = None) -> Any:
        import sam2  # noqa: F401  registers its configurations with hydra
        from hydra import compose
        from hydra.utils import instantiate
        from omegaconf import OmegaConf
        from transformers.initialization import no_init_weights

        content = compose(config_name=f"configs/{config}.yaml", overrides=list(overrides))
        OmegaConf.resolve(content)
        if seed is None:
            with no_init_weights():
                return instantiate(content.model, _recursive_=True)
        torch.manual_seed(seed)
        model = instantiate(content.model, _recursive_=True).eval()
        with torch.no_grad():
            for parameter in model.parameters():  # some start at zero and would hide a lost key
                parameter.add_(torch.randn_like(parameter) * 0.02)
        return model

    return build
