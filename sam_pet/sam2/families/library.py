"""The way to `transformers`: its names, loaded without what SAM has no use for.

`transformers` asks torch for its compiler and for tensors spread over machines while it is being loaded, for language
models alone; that takes more processor time than all else there is to load. Here both stand aside meanwhile: what is
wanted of the compiler is fetched when it is first called, and `transformers` finds a torch without distributed tensors,
as there are for some systems. Processes that another one has launched side by side load it whole.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch

_COMPILER = "torch._dynamo"
# The one class of the compiler that is imported by name.
_GET_ITEM = f"{_COMPILER}._trace_wrapped_higher_order_op"


class _Later(ModuleType):
    """Stands for a module of decorators and classes; each comes from the module itself once it is used."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return functools.partial(_later, self.__name__, name)


def _later(module: str, name: str, function: Callable[..., Any] | None = None, *args: Any, **options: Any) -> Any:
    def real() -> Any:
        return getattr(importlib.import_module(module), name)

    if not callable(function):
        # A class, or a decorator with arguments.
        return real()() if function is None and not args and not options else functools.partial(_later, module, name)

    @functools.wraps(function)
    def first(*given: Any, **named: Any) -> Any:
        return real()(function, *args, **options)(*given, **named)

    return first


@contextmanager
def _aside() -> Iterator[None]:
    """A torch without compiler and distributed tensors, for as long as `transformers` is being loaded."""
    # Torchvision, which `transformers` takes along where it is, needs the compiler's own modules.
    whole = "LOCAL_RANK" in os.environ or importlib.util.find_spec("torchvision") is not None
    if whole or "transformers.modeling_utils" in sys.modules:
        yield
        return
    missing = [name for name in (_COMPILER, _GET_ITEM) if name not in sys.modules]
    standing = {name: _Later(name) for name in missing}
    available, distributed = torch.distributed.is_available, torch.distributed
    sys.modules.update(standing)
    if _COMPILER in standing:
        torch._dynamo = standing[_COMPILER]
    distributed.is_available = lambda: False
    try:
        yield
    finally:
        distributed.is_available = available
        if _COMPILER in standing:
            del torch._dynamo
        for name, module in standing.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


with _aside():
    import transformers
    import transformers.models.sam2_video.modeling_sam2_video
    from transformers.initialization import no_init_weights as no_init_weights

__version__: str = transformers.__version__


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        # With a `__path__` this module would be a package, and import `transformers` once more under its own name.
        raise AttributeError(name)
    return getattr(transformers, name)
