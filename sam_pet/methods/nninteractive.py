"""nnInteractive (Isensee et al. 2025, arXiv 2503.08373) behind the protocol of methods.

It takes one image, so it is given the PET alone, and one object; each stroke corrects that object. The code is
Apache-2.0, the published weights are CC BY-NC-SA 4.0: not for commercial use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sam_pet.errors import InputError
from sam_pet.files import file_sha256
from sam_pet.methods.method import Mask, MethodSession, obey
from sam_pet.readers.stroke import Stroke
from sam_pet.segmenter import find_device
from sam_pet.study import Study


@dataclass(frozen=True)
class NnInteractive:
    """Clicks are its points, scribbles its scribbles, boxes its 2-D boxes."""

    name: str
    folder: Path
    facts: Mapping[str, str]

    def open(self, study: Study) -> MethodSession:
        from nnInteractive.inference.inference_session import nnInteractiveInferenceSession

        engine = nnInteractiveInferenceSession(device=find_device("auto"), torch_n_threads=1, enable_undo=False)
        engine.initialize_from_trained_model_folder(str(self.folder))
        return _Session(study, engine)


class _Session:
    def __init__(self, study: Study, engine: Any) -> None:
        self._engine = engine
        self._strokes: list[Stroke] = []
        # It wants [channel, x, y, z], and its mask as an array to write to.
        self._buffer = np.zeros(study.grid.size, np.uint8)
        engine.set_image(np.ascontiguousarray(study.pet.T)[None])
        engine.set_target_buffer(self._buffer)

    def add(self, stroke: Stroke) -> None:
        self._strokes.append(stroke)
        include = stroke.label == "tumor"
        low, high = stroke.voxels.min(axis=0), stroke.voxels.max(axis=0) + 1
        bounds = [[int(a), int(b)] for a, b in zip(low, high, strict=True)]
        if stroke.kind == "box":
            self._engine.add_bbox_interaction(bounds, include_interaction=include)
        elif stroke.kind == "click":
            self._engine.add_point_interaction(tuple(stroke.voxels[0].tolist()), include_interaction=include)
        else:
            drawn = np.zeros(high - low, np.uint8)
            drawn[tuple((stroke.voxels - low).T)] = 1
            self._engine.add_scribble_interaction(drawn, include_interaction=include, interaction_bbox=bounds)

    @property
    def mask(self) -> Mask:
        return obey((np.ascontiguousarray(self._buffer.T) > 0).astype(np.uint8), self._strokes)


def make_nninteractive(name: str) -> NnInteractive:
    """The method with the default model, which must have been downloaded.

    Raises:
        InputError: the package or the weights are not installed.
    """
    try:
        from nnInteractive.model_management import get_default_model_id, get_model_root_dir, is_model_downloaded
    except ModuleNotFoundError as error:
        raise InputError(
            f"method {name} needs {error.name}; pip install 'sam-pet[nninteractive]', then fetch its weights "
            "(CC BY-NC-SA 4.0) with nninteractive-download-model"
        ) from error
    root = get_model_root_dir()
    downloaded = sorted(path.name for path in (root / "models").glob("*") if is_model_downloaded(path.name, root))
    if not downloaded:
        raise InputError(
            f"method {name}: no weights in {root}; fetch them (CC BY-NC-SA 4.0, not for commercial use) with "
            "nninteractive-download-model, or name their folder in NNINTERACTIVE_MODEL_DIR"
        )
    model = downloaded[0]
    if len(downloaded) > 1:
        default = get_default_model_id(root)
        model = default if default in downloaded else model
    folder = root / "models" / model
    weights = sorted(folder.rglob("checkpoint_final.pth"))
    return NnInteractive(name, folder, {"model": model, **({"sha256": file_sha256(weights[0])} if weights else {})})
