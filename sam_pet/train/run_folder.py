"""The folder of a run: recipe, environment, data fingerprint, metrics, and the state to resume from."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import time
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import yaml

from sam_pet.audit import LOG, PROGRAM, AuditLog, begin, seal
from sam_pet.audit import environment as audited
from sam_pet.audit.environment import versions
from sam_pet.audit.log import Act
from sam_pet.audit.seal import MANIFEST, files_below, require_own
from sam_pet.errors import InputError, one_line
from sam_pet.files import replacing, write_json
from sam_pet.models.manifest import read_manifest
from sam_pet.train.recipe import Recipe, read_recipe

_PACKAGES = ("sam-pet", "torch", "transformers", "peft", "accelerate", "numpy", "SimpleITK", "monai")
_POLL_S = 0.2
_RUN, _RECIPE, _ENVIRONMENT = "training", "recipe.yaml", "environment.json"
# What may differ between a run and its continuation.
_FREE = (
    *("out", "workers", "save_every", "validation", "store", "folds", "half"),
    *("contour", "appearance", "classifier", "ranker"),
)


class RunFolder:
    """Where a run keeps what it needs to be understood and continued."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint"

    def require_own(self, command: str) -> None:
        """Raise an InputError if a run of `finetune` or `train` would replace here what it has not made."""
        require_own(self.path, _RUN, command)
        if not (self.path / _ENVIRONMENT).exists() and not (self.path / LOG).exists():
            files = () if command == "train" else (_RECIPE, "data.json", "metrics.jsonl", "state.pt")
            for name in (*files, "checkpoint", MANIFEST):
                if (self.path / name).exists():
                    raise InputError(f"cannot write {self.path / name}: it is of no earlier run; give another out=")

    def open(self, recipe: Recipe, crops: Sequence[Path]) -> None:
        """Start the folder, or check that the run in it is the same one.

        Raises:
            InputError: the folder holds a run of another recipe.
        """
        path = self.path / _RECIPE
        earlier = self.recipe()
        if earlier is not None:
            old, new = _bound(earlier), _bound(recipe)
            changed = [key for key in new if new[key] != old[key]]
            if changed:
                raise InputError(
                    f"finetune: {self.path} holds a run with another {changed[0]}; "
                    "give another out= or remove the folder"
                )
        self.path.mkdir(parents=True, exist_ok=True)
        # First, for it tells that the other files are those of a run.
        write_json(environment(), self.path / _ENVIRONMENT)
        if earlier != recipe:
            with replacing(path) as temporary:
                text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
                temporary.write_text(text, encoding="utf-8")
        names = "\n".join(p.name for p in crops)
        write_json({"crops": len(crops), "sha256": hashlib.sha256(names.encode()).hexdigest()}, self.path / "data.json")

    def begin(self, command: str, recipe: Recipe, base: Mapping[str, str], cases: Sequence[str], device: str) -> None:
        """Start or go on with the log of the run.

        Args:
            command: `finetune` or `train`.
            recipe: of the run; the log gets its SHA-256, for it may name folders.
            base: facts of the model that training starts from, see `LoadedModel.facts`.
            cases: their fingerprints, see `ExampleStore.fingerprint`.
            device: that is trained on.
        """
        about = {"recipe": recipe_sha256(recipe), "base": dict(base), "cases": list(cases)}
        begin(self.log, {"run": _RUN, "command": command, "environment": audited(device), **about})

    def note(self, action: str, details: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Add to the log what was done and what came of it."""
        self.log.append(Act(PROGRAM, action, details, result))

    def seal(self, command: str, recipe: Recipe) -> None:
        """Write the manifest: the hashes of the run's files but for examples and what TensorBoard shows."""
        record = read_manifest(self.checkpoint)
        weights = {} if record is None else record.hashes
        store = recipe.store or self.path / "examples"
        without = {"tensorboard", "assembled", *([store.name] if store.parent == self.path else [])}
        content = {"run": _RUN, "command": command, "name": recipe.name, "checkpoint": weights}
        seal(self.log, content, files_below(self.path, without))

    @cached_property
    def log(self) -> AuditLog:
        return AuditLog(self.path / LOG)

    def recipe(self) -> Recipe | None:
        """The recipe of the run in the folder, None where there is none.

        Raises:
            InputError: it is damaged.
        """
        path = self.path / _RECIPE
        if not path.is_file():
            return None
        try:
            return read_recipe(path)
        except InputError as error:
            raise InputError(f"finetune: {error}; restore it, or remove {self.path} to start the run anew") from error

    def is_finished(self, recipe: Recipe) -> bool:
        """Whether the run of this recipe has come to its end and its checkpoint is there.

        Raises:
            InputError: what the run keeps is damaged.
        """
        earlier = self.recipe()
        if earlier is None or _bound(earlier) != _bound(recipe):
            return False
        record = read_manifest(self.checkpoint)
        if record is None or record.training.get("steps") != recipe.steps:
            return False
        state = self.load_state()
        return state is None or state["done"] == recipe.steps

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """What was logged, a mapping a line; a line that a killed run left unfinished is dropped."""
        found = []
        for line in self._metrics_file.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, RecursionError):
                content = json.loads(line)
                if isinstance(content, dict) and isinstance(content.get("step"), int):
                    found.append(content)
        return found

    @property
    def _metrics_file(self) -> Path:
        return self.path / "metrics.jsonl"

    def measure(self, step: int, **values: float) -> None:
        """One line of metrics, and the same for TensorBoard."""
        with self._metrics_file.open("a+b") as stream:
            # A killed run may have left half a line.
            if stream.tell() and (stream.seek(-1, os.SEEK_END), stream.read(1))[1] != b"\n":
                stream.write(b"\n")
            stream.write((json.dumps({"step": step, **values}) + "\n").encode())
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
        with replacing(self.state_file) as temporary:
            torch.save(state, temporary)

    @property
    def state_file(self) -> Path:
        return self.path / "state.pt"

    def load_state(self) -> dict[str, Any] | None:
        """What `save_state` has kept, see `read_state`."""
        return read_state(self.state_file)


def _bound(recipe: Recipe) -> dict[str, Any]:
    """What a run and its continuation have in common."""
    return recipe.model_dump(mode="json", exclude=set(_FREE))


def read_state(path: Path) -> dict[str, Any] | None:
    """What a training has kept to go on from; None where it has not yet.

    Raises:
        InputError: the file is not whole.
    """
    if not path.is_file():
        return None
    try:
        # Its checksums are not looked at by torch.
        with zipfile.ZipFile(path) as parts:
            if (damaged := parts.testzip()) is not None:
                raise ValueError(f"{damaged} does not fit its checksum")
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or not isinstance(state.get("done"), int):
            raise ValueError("it does not say how far the run was")
    except Exception as error:  # zipfile and torch raise what their parts raise
        raise damaged_state(path, error) from error
    return state


def damaged_state(path: Path, error: Exception) -> InputError:
    """The error for a state that cannot be gone on from."""
    return InputError(
        f"{path} is damaged ({one_line(error)[:100]}); restore it from a copy, or remove it to train from the start"
    )


def recipe_sha256(recipe: Recipe) -> str:
    """The SHA-256 of all that a run's weights depend on in a recipe."""
    settings = recipe.model_dump(mode="json", exclude={"out", "workers", "save_every", "validation", "store"})
    if not settings["settings"]:
        del settings["settings"]  # what runs of recipes without them were named by
    for data in settings["train"]:
        # Cases go by their content, wherever they lie.
        del data["folder"], data["splits"], data["cases"]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def environment() -> dict[str, Any]:
    """Versions, machine and git revision."""
    return {
        "packages": versions(_PACKAGES),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "revision": _revision(),
    }


def _revision() -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    asked = [git, "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    return subprocess.run(asked, capture_output=True, encoding="utf-8", check=False).stdout.strip() or None
