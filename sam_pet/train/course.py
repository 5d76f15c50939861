"""The whole course of a recipe: tracker, networks, ranker, classifier, and the checkpoint that holds them all."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sam_pet.errors import InputError
from sam_pet.files import partial_prefix, write_json
from sam_pet.models.checkpoint import LoadedModel, add_part, finish_folder, replacing_folder
from sam_pet.models.fp16 import write_fp16
from sam_pet.models.loading import checkpoint_folder, load_model
from sam_pet.models.manifest import WEIGHTS, read_manifest, require_manifest
from sam_pet.models.parts import PARTS
from sam_pet.segmenter import find_device
from sam_pet.train.data import Groups, cases_of, example_store, split
from sam_pet.train.recipe import Recipe
from sam_pet.train.run_folder import RunFolder, environment
from sam_pet.train.stages import MAKERS, STAGES, Work, parts_of
from sam_pet.train.store import ExampleStore, digest
from sam_pet.train.tracker import Validate, finetune

logger = logging.getLogger(__name__)
TRACKER = "tracker"
# Stages of another version of the code are run anew.
_FORMAT = 1
_KEY = "key.json"


def train(
    recipe: Recipe,
    validate: Validate | None = None,
    device: str = "auto",
    only: str | None = None,
    start: str | None = None,
) -> Path:
    """Run a recipe's stages and return the folder of the complete checkpoint.

    Each stage is named by the content of what it depends on: the files of its cases, its settings, the parts that it is
    fitted to. Where that stands it is not run again. Killed and started again the course goes on and gives the same
    bytes on the same machine, on a CPU.

    Args:
        recipe: see `sam_pet.train.recipe`; parts that it does not name are those of its base.
        validate: as `sam_pet.train.tracker.finetune` takes it.
        device: for the networks: auto, cpu, cuda, mps.
        only: this stage alone, after others that are done.
        start: this stage and those after it anew.

    Raises:
        InputError: a faulty case or recipe, an unknown stage, or nothing to learn from.
    """
    RunFolder(recipe.out).require_own("train")
    course = _Course(recipe, device)
    for name in (only, start):
        if name is not None and name not in course.names:
            raise InputError(f"train: there is no stage {name!r} in this recipe; it has {', '.join(course.names)}")
    if start is not None:
        for name in course.names[course.names.index(start) :]:
            _remove(recipe.out / name)
    course.begin()
    loaded = course.tracker(validate, run=only in (None, TRACKER))
    for stage, part in parts_of(recipe):
        if only is None or stage == only or course.is_done(stage):
            loaded = course.part(stage, part, loaded)
    made = course.export() if all(map(course.is_done, course.names)) else recipe.out
    course.run.seal("train", recipe)
    return made


class _Course:
    def __init__(self, recipe: Recipe, device: str) -> None:
        self.recipe = recipe
        self.run = RunFolder(recipe.out)
        self.device = find_device(device)
        self._asked = device
        self.store: ExampleStore = example_store(recipe)
        self.names = [TRACKER, *(stage for stage, _ in parts_of(recipe))]
        groups = [(cases_of(data, self.store, workers=recipe.workers), data.weight) for data in recipe.train]
        self.seen, self.held = _sides(recipe, groups)
        if not (self.seen or self.held) or (len(self.names) > 1 and not self.held):
            raise InputError(
                f"train: too few patients to keep one in {recipe.folds} from the networks; give more, or lower folds"
            )

    def begin(self) -> None:
        """Start or go on with the log of the run."""
        base = load_model(self.recipe.base, self.recipe.image_size).facts
        cases = [self.store.fingerprint(case) for side in (self.seen, self.held) for group, _ in side for case in group]
        self.run.begin("train", self.recipe, base, cases, str(self.device))

    def tracker(self, validate: Validate | None, *, run: bool) -> LoadedModel:
        """The checkpoint of the first stage, with the base's other parts."""
        recipe = self.recipe
        folder = recipe.out / TRACKER
        without = {"out", "store", "folds", "workers", "save_every", "validation", "settings", *STAGES}
        settings = recipe.model_dump(mode="json", exclude=without)
        facts = [settings, load_model(recipe.base, recipe.image_size).hashes, self._cases(self.seen)]
        if self._begin(TRACKER, facts):
            if not run:
                raise InputError("train: the tracker is not trained yet; leave --only out, or give --only tracker")
            metrics = self._tracked(folder, validate)
            self._finish(TRACKER, {"steps": recipe.steps, **metrics})
        work = self._assembled
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(folder / "checkpoint", work)
        if recipe.half and recipe.mode == "full":
            write_fp16(load_model(work).model, work / WEIGHTS)
        record = require_manifest(work)
        decide = record.settings.with_given(recipe.settings)
        finish_folder(work, record.model_copy(update={"settings": decide}), {})
        return load_model(work)

    def _tracked(self, folder: Path, validate: Validate | None) -> dict[str, Any]:
        """Train the tracker, or take the base's."""
        if not self.recipe.stages:
            shutil.copytree(checkpoint_folder(self.recipe.base), folder / "checkpoint", dirs_exist_ok=True)
            return {}
        own = self.recipe.model_copy(update={"out": folder, "store": self.store.folder})
        finetune(own, validate, self.seen, "cpu" if self._asked == "cpu" else "auto")
        metrics: dict[str, Any] = require_manifest(folder / "checkpoint").training.get("metrics", {})
        return metrics

    def part(self, stage: str, name: str, loaded: LoadedModel) -> LoadedModel:
        """The checkpoint with one part more."""
        maker = MAKERS[name]
        fitted_to = {other: loaded.hashes[other] for other in maker.fitted_to if other in loaded.hashes}
        settings = getattr(self.recipe, stage).model_dump(mode="json")
        known = {**fitted_to, **(loaded.record.settings.changes if TRACKER in fitted_to else {})}
        facts = [settings, self.recipe.seed, known, self._cases(self.seen), self._cases(self.held)]
        if settings.get("start") == "base":
            facts.append(loaded.hashes.get(name))
        folder = self.recipe.out / stage
        if self._begin(stage, facts):
            made = maker.make(
                Work(self.recipe, self.store, self.seen, self.held, self.device, folder, loaded, self._assembled)
            )
            made.write(folder / PARTS[name])
            self._finish(stage, made.facts)

        def copy(path: Path) -> None:
            shutil.copyfile(folder / PARTS[name], path)

        add_part(self._assembled, name, copy, fitted_to)
        return load_model(self._assembled)

    def export(self) -> Path:
        """Give the assembled checkpoint its record, and move it to its place."""
        record = require_manifest(self._assembled)
        target = self.recipe.out / "checkpoint"
        stages = self._rows(record.training.get("stages", []))
        earlier = read_manifest(target)
        same = (record.settings, stages)
        if earlier is not None and (earlier.settings, earlier.training.get("stages")) == same:
            # Parts may have been trained into it since.
            logger.info("checkpoint: done")
            shutil.rmtree(self._assembled, ignore_errors=True)
            return target
        training = {
            **record.training,
            "stages": stages,
            "environment": environment(),
            "patients": {"seen": _patients(self.seen), "held": _patients(self.held)},
        }
        # Parts that learned from other data than the base did may be under another licence.
        stated = "licence" in self.recipe.model_fields_set
        changes = {"training": training, "licence": self.recipe.licence if stated else record.licence}
        if self.recipe.attribution:
            training["attribution"] = self.recipe.attribution
        with replacing_folder(target) as temporary:
            shutil.copytree(self._assembled, temporary, dirs_exist_ok=True)
            record = finish_folder(temporary, record.model_copy(update=changes), {})
        self.run.note("checkpoint", {}, record.hashes)
        shutil.rmtree(self._assembled, ignore_errors=True)
        return target

    def _rows(self, of_base: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The lines of all stages in the card: this run's, and the base's of parts that it did not make."""
        rows = {row["stage"]: row for row in of_base} | {stage: self.row(stage) for stage in self.names}
        return [rows[stage] for stage in (TRACKER, *STAGES) if stage in rows]

    def is_done(self, stage: str) -> bool:
        return (self.recipe.out / stage / "done.json").is_file()

    def row(self, stage: str) -> dict[str, Any]:
        """A stage's line in the card."""
        done = self._done(stage)
        return {"stage": stage, "key": done["key"][:12], **done["facts"]}

    @property
    def _assembled(self) -> Path:
        return self.recipe.out / "assembled"

    def _begin(self, stage: str, facts: Any) -> bool:
        """Whether a stage is to be run; what was made from other facts is removed."""
        folder = self.recipe.out / stage
        key = digest([_FORMAT, stage, facts])
        file = folder / _KEY
        if file.is_file() and _kept(file) == key:
            done = self.is_done(stage)
            logger.info("%s: %s", stage, "done" if done else "goes on")
            return not done
        _remove(folder)
        write_json(key, file)
        logger.info("%s: starts", stage)
        return True

    def _finish(self, stage: str, facts: dict[str, Any]) -> None:
        folder = self.recipe.out / stage
        key = _kept(folder / _KEY)
        seconds = round(time.time() - (folder / _KEY).stat().st_mtime)
        write_json({"key": key, "seconds": seconds, "facts": facts}, folder / "done.json")
        self.run.note("stage", {"stage": stage, "key": key}, facts)
        logger.info("%s: done after %d s", stage, seconds)

    def _done(self, stage: str) -> dict[str, Any]:
        found: dict[str, Any] = _kept(self.recipe.out / stage / "done.json", {"key": str, "facts": dict})
        return found

    def _cases(self, groups: Groups) -> list[Any]:
        return [[sorted(map(self.store.fingerprint, cases)), weight] for cases, weight in groups]


def _sides(recipe: Recipe, groups: Groups) -> tuple[Groups, Groups]:
    """The cases that networks learn from, and those that they never see: all, where no network is trained."""
    parts = {stage for stage, _ in parts_of(recipe)}
    learn = parts - {"ranker"}
    if recipe.classifier is not None and recipe.classifier.start == "base":
        learn.discard("classifier")
    if not recipe.stages and not learn:
        return [], groups
    held = [group for group, data in zip(groups, recipe.train, strict=True) if data.held]
    if held:
        return [group for group, data in zip(groups, recipe.train, strict=True) if not data.held], held
    return split(groups, recipe.folds) if parts else (groups, [])


def _kept(file: Path, parts: Mapping[str, type] = MappingProxyType({})) -> Any:
    """What a stage has kept of itself, with these parts.

    Raises:
        InputError: it is damaged.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        whole = all(isinstance(content[name], kind) for name, kind in parts.items())
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        whole = False
    if not whole:
        raise InputError(f"train: {file} is damaged; restore it, or remove {file.parent} to have its stage run again")
    return content


def _remove(stage: Path) -> None:
    """Take away the folder of an earlier run's stage.

    Raises:
        InputError: it is none.
    """
    if not stage.exists():
        return
    if not (stage / _KEY).is_file() and (stage.is_file() or any(stage.iterdir())):
        raise InputError(f"train: {stage} is no folder of an earlier run and would be removed; give another out=")
    # Killed meanwhile, nothing half is taken for a stage.
    scratch = stage.rename(stage.parent / f"{partial_prefix()}{stage.name}")
    shutil.rmtree(scratch, ignore_errors=True)


def _patients(groups: Groups) -> int:
    return len({case.patient for cases, _ in groups for case in cases})
