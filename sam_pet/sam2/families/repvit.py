"""RepViT (Wang et al. 2024, arXiv 2307.09283), EdgeTAM's image trunk.

Published checkpoints name it by its `timm` architecture; `timm` cannot be imported without `torchvision`, so the
network is written here under the same parameter names. Its batch statistics are those it was trained with, always:
clips are too few to estimate others from, and adapters could not store them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from sam_pet.errors import InputError
from sam_pet.sam2.families.library import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel, __version__

# Blocks and widths of the four stages.
_ARCHITECTURES = {
    "repvit_m1": ((2, 2, 14, 2), (48, 96, 192, 384)),
    "repvit_nano": ((1, 1, 1, 1), (16, 24, 32, 48)),
}


class RepVitConfig(PreTrainedConfig):  # type: ignore[misc]
    """A RepViT by name; it is written to `config.json` as `timm` models are, so that `transformers` reads it."""

    model_type = "sam_pet_repvit"

    def __init__(self, architecture: str = "repvit_m1", timm: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.architecture = architecture
        self.timm = timm or {
            "model_type": "timm_wrapper",
            "architecture": architecture,
            "model_args": {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
            "num_classes": 0,
            "label_names": [],
        }

    @classmethod
    def of(cls, content: dict[str, Any]) -> Self:
        """From the description of a `timm` backbone.

        Raises:
            InputError: it is no RepViT that is known here.
        """
        architecture = str(content.get("architecture", "")).partition(".")[0]
        if architecture not in _ARCHITECTURES:
            known = ", ".join(_ARCHITECTURES)
            raise InputError(f"the image trunk {architecture!r} is not supported; supported are {known}")
        return cls(architecture, content)

    def to_dict(self) -> dict[str, Any]:
        return {"transformers_version": __version__, **self.timm}

    @property
    def widths(self) -> tuple[int, ...]:
        return _ARCHITECTURES[self.architecture][1]


@dataclass
class FeatureMaps:
    """What the neck takes: maps (n, C, S / s, S / s) of strides s = 4, 8, 16, 32."""

    last_hidden_state: list[Tensor]
    hidden_states: None = None


class RepVit(PreTrainedModel):  # type: ignore[misc]
    """The trunk; frames (n, 3, S, S) in, `FeatureMaps` out."""

    config_class = RepVitConfig
    base_model_prefix = "timm_model"
    main_input_name = "pixel_values"

    def __init__(self, config: RepVitConfig) -> None:
        super().__init__(config)
        depths, widths = _ARCHITECTURES[config.architecture]
        self.timm_model = nn.ModuleDict({"stem": _stem(widths[0])})
        for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            narrower = widths[stage - 1] if stage else None
            self.timm_model[f"stages_{stage}"] = _Stage(narrower, width, depth)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Layers draw their own."""

    def get_input_embeddings(self) -> nn.Module:
        return self.timm_model["stem"]

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, pixel_values: Tensor, **_: Any) -> FeatureMaps:
        maps, last = [], self.timm_model["stem"](pixel_values)
        for stage in range(len(self.timm_model) - 1):
            last = self.timm_model[f"stages_{stage}"](last)
            maps.append(last)
        return FeatureMaps(maps)


def _conv_norm(inward: int, outward: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    layers = nn.Sequential()
    layers.add_module("c", nn.Conv2d(inward, outward, kernel, stride, kernel // 2, groups=groups, bias=False))
    layers.add_module("bn", nn.BatchNorm2d(outward))
    return layers


def _stem(width: int) -> nn.Sequential:
    layers = nn.Sequential()
    layers.add_module("conv1", _conv_norm(3, width // 2, 3, stride=2))
    layers.add_module("act1", nn.GELU())
    layers.add_module("conv2", _conv_norm(width // 2, width, 3, stride=2))
    return layers


class _TokenMixer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = _conv_norm(width, width, 3, groups=width)
        self.conv1 = _conv_norm(width, width, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.conv(x) + self.conv1(x) + x
        return mixed


class _ChannelMixer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = _conv_norm(width, 2 * width)
        self.act = nn.GELU()
        self.conv2 = _conv_norm(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.conv2(self.act(self.conv1(x)))
        return mixed


class _SqueezeExcite(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        squeezed = max(8, int(width / 4 + 4) // 8 * 8)
        self.fc1 = nn.Conv2d(width, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights: Tensor = self.fc2(torch.relu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * weights.sigmoid()


class _Block(nn.Module):
    def __init__(self, width: int, excited: bool) -> None:
        super().__init__()
        self.token_mixer = _TokenMixer(width)
        self.se = _SqueezeExcite(width) if excited else nn.Identity()
        self.channel_mixer = _ChannelMixer(width)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.se(self.token_mixer(x))
        changed: Tensor = self.channel_mixer(mixed)
        return mixed + changed


class _Downsample(nn.Module):
    def __init__(self, narrow: int, wide: int) -> None:
        super().__init__()
        self.pre_block = _Block(narrow, excited=False)
        self.spatial_downsample = _conv_norm(narrow, narrow, 3, stride=2, groups=narrow)
        self.channel_downsample = _conv_norm(narrow, wide)
        self.ffn = _ChannelMixer(wide)

    def forward(self, x: Tensor) -> Tensor:
        smaller: Tensor = self.channel_downsample(self.spatial_downsample(self.pre_block(x)))
        changed: Tensor = self.ffn(smaller)
        return smaller + changed


class _Stage(nn.Module):
    def __init__(self, narrower: int | None, width: int, depth: int) -> None:
        super().__init__()
        self.downsample = nn.Identity() if narrower is None else _Downsample(narrower, width)
        self.blocks = nn.Sequential(*(_Block(width, excited=number % 2 == 0) for number in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        deeper: Tensor = self.blocks(self.downsample(x))
        return deeper


AutoConfig.register(RepVitConfig.model_type, RepVitConfig)
AutoModel.register(RepVitConfig, RepVit)
