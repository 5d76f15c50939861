"""What a session knows as bytes that hold no code: JSON and tensors in one safetensors file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch

from sam_pet.boxes import MaskBox
from sam_pet.prompts import Box, Click, Rejection, Scribble
from sam_pet.proposers.lesion import Lesion, Outlines
from sam_pet.sam2.clips import Clip
from sam_pet.sam2.memory import Memory, MemoryBank
from sam_pet.session.state import Entry

_TREE = "tree"
_CLASSES: dict[str, type[Any]] = {
    c.__name__: c for c in (MaskBox, Box, Click, Clip, Entry, Lesion, Memory, MemoryBank, Outlines, Rejection, Scribble)
}
# One key each marks what JSON has no form for.
_OBJECT, _TENSOR, _ARRAY, _TUPLE, _MAP = "object", "tensor", "array", "tuple", "map"


def pack(value: Any) -> bytes:
    """Numbers, strings, sequences, mappings, tensors, arrays, and the dataclasses that lesions are made of.

    What is met twice is written once.

    Raises:
        TypeError: anything else.
    """
    packer = _Packer()
    tree = {"value": packer.encode(value), "objects": packer.objects}
    return safetensors.torch.save(packer.tensors, metadata={_TREE: json.dumps(tree)})


class _Packer:
    def __init__(self) -> None:
        self.objects: list[Any] = []
        self.tensors: dict[str, torch.Tensor] = {}
        # By identity; the value is kept too, or another could take its place in memory.
        self._known: dict[int, tuple[Any, Any]] = {}

    def encode(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, tuple | list):
            return {_TUPLE: [self.encode(item) for item in value]}
        if isinstance(value, Mapping):
            return {_MAP: [[self.encode(key), self.encode(item)] for key, item in value.items()]}
        if id(value) not in self._known:
            self._known[id(value)] = (value, self._add(value))
        return self._known[id(value)][1]

    def _add(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor | np.ndarray):
            name = str(len(self.tensors))
            kind, tensor = (_TENSOR, value) if isinstance(value, torch.Tensor) else (_ARRAY, _tensor(value))
            # Copies: safetensors refuses tensors that share memory.
            self.tensors[name] = tensor.detach().cpu().contiguous().clone()
            return {kind: name}
        if _CLASSES.get(type(value).__name__) is not type(value):
            raise TypeError(f"state of type {type(value).__name__} cannot be packed")
        fields = {f.name: self.encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
        self.objects.append([type(value).__name__, fields])
        return {_OBJECT: len(self.objects) - 1}


def _tensor(array: npt.NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


def unpack(blob: bytes, device: torch.device | str = "cpu") -> Any:
    """The inverse of `pack`; lists come back as tuples, tensors on `device`."""
    tensors = safetensors.torch.load(blob)
    length = int.from_bytes(blob[:8], "little")
    tree = json.loads(json.loads(blob[8 : 8 + length])["__metadata__"][_TREE])
    placed = {name: tensor.to(device) for name, tensor in tensors.items()}
    objects: list[Any] = []

    def decode(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        ((kind, content),) = node.items()
        if kind == _TUPLE:
            return tuple(decode(item) for item in content)
        if kind == _MAP:
            return {decode(key): decode(item) for key, item in content}
        if kind == _OBJECT:
            return objects[content]
        return placed[content] if kind == _TENSOR else tensors[content].numpy()

    for name, fields in tree["objects"]:
        objects.append(_CLASSES[name](**{field: decode(item) for field, item in fields.items()}))
    return decode(tree["value"])
