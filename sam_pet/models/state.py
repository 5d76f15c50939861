"""State dicts as they come: without the prefixes that wrappers leave in their keys, and with numbers only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from sam_pet.errors import InputError

State = dict[str, torch.Tensor]

# What DDP and DataParallel, torch.compile, FSDP and activation checkpointing put between a model's name and its parts'.
_WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})


def unwrapped(state: Mapping[str, torch.Tensor], where: str | Path) -> State:
    """The state with keys as the model itself has them, wherever in it wrappers were.

    Raises:
        InputError: two keys become one; `where` says whose they are.
    """
    found: State = {}
    for key, value in state.items():
        short = ".".join(part for part in str(key).split(".") if part not in _WRAPPERS)
        if short in found:
            raise InputError(f"{where} holds {short} twice, with a wrapper's prefix and without; save one of them")
        found[short] = value
    return found


def without_prefix(state: State, known: str) -> State:
    """The state without what stands before the key `known` in it, where all keys begin so: a trainer's own name."""
    prefixes = {key[: -len(known)] for key in state if key.endswith(f".{known}")}
    if known in state or len(prefixes) != 1:
        return state
    prefix = prefixes.pop()
    if not all(key.startswith(prefix) for key in state):
        return state
    return {key.removeprefix(prefix): value for key, value in state.items()}


def require_numbers(state: Mapping[str, torch.Tensor], where: str | Path) -> None:
    """Raise an InputError that names the first weights of a state that are not real numbers, or NaN or infinite."""
    for key, value in state.items():
        if value.layout != torch.strided or value.is_meta or value.is_complex() or value.is_quantized:
            raise InputError(
                f"{where} holds weights in {key} that are no plain numbers (sparse, quantised, complex, or empty of "
                "content); save them as floats, where they come from"
            )
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise InputError(
                f"{where} holds NaN or infinite weights in {key}: its training has failed, or the file is damaged; "
                "take an earlier checkpoint or fetch it again"
            )
