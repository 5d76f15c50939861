"""The folder of a run: recipe, environment, data fingerprint, metrics, and the state to resume from."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import subprocess
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import yaml

from sam_pet.errors import InputError
from sam_pet.files import replacing, write_json
from sam_pet.train.recipe import Recipe

_PACKAGES = ("sam-pet", "torch", "transformers", "peft", "accelerate", "numpy", "SimpleITK", "monai")
_POLL_S = 0.2
# What may differ between a run and its continuation.
_FREE = (
    *("out", "workers", "save_every", "validation", "store", "folds", "half"),
    *("refiner", "contour", "ranker", "appearance", "classifier"),
)


class RunFolder:
    """Where a run keeps what it needs to be understood and continued."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint"

    def open(self, recipe: Recipe, crops: Sequence[Path]) -> None:
        """Start the folder, or check that the run in it is the same one.

        Raises:
            InputError: the folder holds a run of another recipe.
        """
        path = self.path / "recipe.yaml"
        if path.is_file():
            earlier = Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
            old, new = (r.model_dump(mode="json", exclude=set(_FREE)) for r in (earlier, recipe))
            changed = [key for key in new if new[key] != old[key]]
            if changed:
                raise InputError(
                    f"finetune: {self.path} holds a run with another {changed[0]}; "
                    "give another out= or remove the folder"
                )
        self.path.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
        write_json(environment(), self.path / "environment.json")
        names = "\n".join(p.name for p in crops)
        write_json({"crops": len(crops), "sha256": hashlib.sha256(names.encode()).hexdigest()}, self.path / "data.json")

    def log(self, step: int, **values: float) -> None:
        """One line of metrics, and the same for TensorBoard."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        self._board.flush()

    def mark(self, step: int) -> None:
        """Tell the other processes that the main one has validated at a step."""
        self._mark.write_text(str(step), encoding="utf-8")

    def wait_for(self, step: int) -> None:
        """Wait until the main process has validated at a step; where that one dies, the launcher ends this one, too."""
        while not self._mark.is_file() or int(self._mark.read_text(encoding="utf-8") or 0) < step:
            time.sleep(_POLL_S)

    @property
    def _mark(self) -> Path:
        return self.path / "validated"

    @cached_property
    def _board(self) -> Any:
        from torch.utils.tensorboard.writer import SummaryWriter

        return SummaryWriter(str(self.path / "tensorboard"))

    def save_state(self, state: dict[str, Any]) -> None:
        with replacing(self.path / "state.pt") as temporary:
            torch.save(state, temporary)

    def load_state(self) -> dict[str, Any] | None:
        return read_state(self.path / "state.pt")


def read_state(path: Path) -> dict[str, Any] | None:
    """What a training has kept to go on from; None where it has not yet.

    Raises:
        InputError: the file is not whole.
    """
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises errors of the archive, of pickle, and its own
        raise InputError(
            f"{path} is no whole state of a training: it was cut short or changed; remove it to train from the start"
        ) from error
    return state


def environment() -> dict[str, Any]:
    """Versions, machine and git revision."""
    versions: dict[str, str | None] = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    revision = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "packages": versions,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "revision": revision.stdout.strip() or None,
    }
