"""LoRA on all of a SAM video model: the image trunk, and what carries a lesion from slice to slice."""

from __future__ import annotations

import re
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from sam_pet.sam2.families import adapt
from sam_pet.train.recipe import Lora


def add_lora(model: Any, lora: Lora) -> PeftModel:
    """The model with adapters on every linear layer and every plain convolution of the targets; the rest is frozen.

    Before training the adapters are the identity.
    """
    wanted = re.compile("|".join(adapt(model).lora_targets[target] for target in lora.targets))
    names = [
        name
        for name, module in model.named_modules()
        if wanted.match(name)
        and (isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1))
    ]
    config = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=names, bias="none"
    )
    return get_peft_model(model, config)


def parameter_counts(model: nn.Module) -> tuple[int, int]:
    """Numbers of trainable and of all parameters."""
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(n for n, trained in sizes if trained), sum(n for n, _ in sizes)
