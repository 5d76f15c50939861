"""Interactive whole-body PET/CT lesion segmentation with SAM 2.

import sam_pet

study = sam_pet.read_study(ct="ct.mha", pet="pet.mha")
session = sam_pet.Segmenter.from_pretrained("default").open(study)
session.add_click((163, 118, 123))
session.save("out/")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sam_pet.threads import set_defaults as _set_thread_defaults

if TYPE_CHECKING:
    from sam_pet.errors import InputError
    from sam_pet.geometry import Grid
    from sam_pet.prompt_files import read_prompts
    from sam_pet.prompts import Box, Click, Scribble
    from sam_pet.segmenter import Segmenter
    from sam_pet.session.session import Session
    from sam_pet.study import Study, read_study

__version__ = "0.1.0"

# Where each public name lives; imported when it is first used, so that `import sam_pet` loads neither torch nor ITK.
_HOMES = {
    "Box": "prompts",
    "Click": "prompts",
    "Grid": "geometry",
    "InputError": "errors",
    "Scribble": "prompts",
    "Segmenter": "segmenter",
    "Session": "session.session",
    "Study": "study",
    "read_prompts": "prompt_files",
    "read_study": "study",
}

__all__ = [
    "Box",
    "Click",
    "Grid",
    "InputError",
    "Scribble",
    "Segmenter",
    "Session",
    "Study",
    "__version__",
    "read_prompts",
    "read_study",
]


_set_thread_defaults()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sam_pet' has no attribute {name!r}")
    return getattr(import_module(f"sam_pet.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
