"""The way to `transformers`: its names, loaded without what SAM has no use for.

`transformers` reads the sources of all its models for a list of what there is, twice, and asks for torch's compiler and
for tensors spread over machines, for language models alone, and for SciPy's optimizers for losses; that takes more
processor time than all else there is to load. Here they stand aside meanwhile: the list is made when a name is wanted
that only it tells of, functions of the compiler and of SciPy are fetched when they are first called, and `transformers`
finds a torch without distributed tensors, as there are for some systems. Processes that another one has launched side
by side load it whole.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

import torch

_NAME = "transformers"
_COMPILER = "torch._dynamo"
# The one class of the compiler that is imported by name.
_GET_ITEM = f"{_COMPILER}._trace_wrapped_higher_order_op"
_OPTIMIZE = "scipy.optimize"
# Where the names are that a SAM 2 needs; any other one is asked of the whole.
_HOMES = {
    "AutoConfig": "models.auto",
    "AutoModel": "models.auto",
    "EdgeTamVideoConfig": "models.edgetam_video",
    "EdgeTamVideoModel": "models.edgetam_video",
    "EdgeTamVisionConfig": "models.edgetam",
    "PreTrainedConfig": "configuration_utils",
    "PreTrainedModel": "modeling_utils",
    "Sam2VideoConfig": "models.sam2_video",
    "Sam2VideoModel": "models.sam2_video",
    "Sam3TrackerVideoConfig": "models.sam3_tracker_video",
    "Sam3TrackerVideoModel": "models.sam3_tracker_video",
}


class _Package(ModuleType):
    """A package of `transformers` whose own code is run when a name is wanted that is not one of its modules'."""

    @classmethod
    def stand(cls, name: str) -> None:
        """Put one in its place, as if it had been imported."""
        spec = importlib.util.find_spec(name)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        package = cls(name)
        package.__spec__, package.__file__, package.__package__ = spec, spec.origin, name
        package.__path__ = list(spec.submodule_search_locations or [])
        vars(package)["__version__"] = importlib.metadata.version(_NAME)
        sys.modules[name] = package
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], last, package)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if importlib.util.find_spec(f"{self.__name__}.{name}") is not None:
            return importlib.import_module(f"{self.__name__}.{name}")
        return getattr(self._whole, name)

    def __dir__(self) -> list[str]:
        return dir(self._whole)

    @functools.cached_property
    def _whole(self) -> ModuleType:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return importlib.import_module(self.__name__)


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


class _Functions(ModuleType):
    """Stands for a module of functions; it is loaded when one is first called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **options: getattr(importlib.import_module(self.__name__), name)(*args, **options)


@contextmanager
def _aside() -> Iterator[None]:
    """Everything as the module says, for as long as `transformers` is being loaded."""
    # Torchvision, which `transformers` takes along where it is, needs the compiler's own modules.
    whole = "LOCAL_RANK" in os.environ or importlib.util.find_spec("torchvision") is not None
    if whole or "transformers.modeling_utils" in sys.modules:
        yield
        return
    for name in (_NAME, f"{_NAME}.models"):
        if name not in sys.modules:
            _Package.stand(name)
    kinds = {_COMPILER: _Later, _GET_ITEM: _Later, _OPTIMIZE: _Functions}
    standing = {name: kind(name) for name, kind in kinds.items() if name not in sys.modules}
    sys.modules.update(standing)
    with ExitStack() as stack:
        if _COMPILER in standing:
            stack.enter_context(_replaced(torch, "_dynamo", standing[_COMPILER]))
        stack.enter_context(_replaced(torch.distributed, "is_available", lambda: False))
        utils = importlib.import_module(f"{_NAME}.utils")
        # Else it would run the code of `transformers` itself once more.
        stack.enter_context(_replaced(utils, "direct_transformers_import", lambda _: sys.modules[_NAME]))
        yield
    for name, module in standing.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]


@contextmanager
def _replaced(module: ModuleType, name: str, value: object) -> Iterator[None]:
    before = vars(module).get(name)
    setattr(module, name, value)
    try:
        yield
    finally:
        delattr(module, name) if before is None else setattr(module, name, before)


def _tensor_on_demand(name: str) -> ModuleType:
    """peft takes `torch.distributed.tensor` for loaded by `transformers`."""
    if name == "tensor":
        return importlib.import_module("torch.distributed.tensor")
    raise AttributeError(f"module 'torch.distributed' has no attribute {name!r}")


with _aside():
    import transformers
    import transformers.models.sam2_video.modeling_sam2_video
    from transformers.initialization import no_init_weights as no_init_weights

if torch.distributed.is_available():
    vars(torch.distributed).setdefault("__getattr__", _tensor_on_demand)
__version__: str = transformers.__version__


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        # With a `__path__` this module would be a package, and import `transformers` once more under its own name.
        raise AttributeError(name)
    if name in _HOMES:
        return getattr(importlib.import_module(f"{_NAME}.{_HOMES[name]}"), name)
    return getattr(transformers, name)
