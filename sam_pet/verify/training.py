"""A training run, trained again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sam_pet.cases import Case
from sam_pet.errors import InputError, one_line
from sam_pet.models.loading import load_model
from sam_pet.models.manifest import require_manifest
from sam_pet.models.verify import verify as verify_model
from sam_pet.train.course import train
from sam_pet.train.data import cases_of, example_store
from sam_pet.train.recipe import Recipe
from sam_pet.train.run_folder import RunFolder, recipe_sha256
from sam_pet.train.tracker import finetune
from sam_pet.verify.checks import NOT_RERUN, Asked, Check, compared
from sam_pet.verify.trail import Trail
from sam_pet.verify.weights import check_facts

_AGAIN = "checkpoint trained again"


def check_training(trail: Trail, asked: Asked) -> Iterator[Check]:
    """Recipe, base, cases and checkpoint against the log, and the whole run again."""
    course = (trail.folder / "tracker" / "recipe.yaml").is_file()
    try:
        recipe = RunFolder(trail.folder / "tracker" if course else trail.folder).recipe()
    except InputError as error:
        yield Check("recipe", "differs", one_line(error))
        return
    if recipe is None or not trail.start:
        yield Check("recipe", "unchecked", "the log does not tell of it")
        return
    yield compared("recipe", recipe_sha256(recipe) == trail.start.get("recipe"), why="the run had another one")
    yield _check_checkpoint(trail)
    base, checks = check_facts("base weights", recipe.base, partial(_base, recipe), trail.start.get("base", {}))
    yield from checks
    with tempfile.TemporaryDirectory(prefix="sam-pet-") as scratch:
        recipe = _moved(recipe, Path(scratch), asked.cases)
        same, checks = _check_cases(trail, recipe, asked.rerun)
        yield from checks
        device = str(trail.start.get("environment", {}).get("device"))
        if not asked.rerun:
            yield NOT_RERUN
        elif base is None or not same:
            yield Check(_AGAIN, "unchecked", "it takes the base and the cases of the run")
        elif " processes" in device or not _to_be_had(device, asked.device):
            yield Check(_AGAIN, "unchecked", f"the run was on {device}")
        else:
            yield from _again(trail, recipe, asked.device, course)


def _base(recipe: Recipe) -> tuple[str, dict[str, str]]:
    return recipe.base, load_model(recipe.base, recipe.image_size).facts


def _moved(recipe: Recipe, scratch: Path, cases: Path | None) -> Recipe:
    """The recipe in another folder, and with other cases where some are given and one entry names a folder."""
    data = recipe.train
    if cases is not None:
        if sum(one.folder is not None for one in data) != 1:
            raise InputError("verify: the recipe does not name one folder of cases; leave --cases out")
        data = [one if one.folder is None else one.model_copy(update={"folder": cases}) for one in data]
    return recipe.model_copy(update={"out": scratch / "run", "store": scratch / "examples", "train": data})


def _check_checkpoint(trail: Trail) -> Check:
    checkpoint = trail.folder / "checkpoint"
    try:
        verify_model(checkpoint)
        found: dict[str, Any] = require_manifest(checkpoint).hashes
    except InputError as error:
        return Check("checkpoint", "differs", one_line(error))
    same = found == trail.manifest.get("checkpoint")
    return compared("checkpoint", same, "weights and parts as recorded", "other weights than the run made")


def _check_cases(trail: Trail, recipe: Recipe, rerun: bool) -> tuple[bool, list[Check]]:
    if not rerun and any(data.phantoms is not None for data in recipe.train):
        return False, [Check("inputs", "unchecked", "phantoms would have to be made again")]
    store = example_store(recipe)
    try:
        cases: list[Case] = [case for data in recipe.train for case in cases_of(data, store)]
        now = {case.name: store.fingerprint(case) for case in cases}
    except InputError as error:
        return False, [Check("inputs", "unchecked", one_line(error))]
    recorded = trail.start.get("cases", [])
    others = [name for name, sha256 in now.items() if sha256 not in recorded]
    checks = [Check(f"case {name}", "differs", "its files are not those of the run") for name in others]
    if not checks:
        whole = sorted(now.values()) == sorted(recorded)
        checks = [compared("inputs", whole, f"{len(now)} cases as recorded", "other cases than the run had")]
    return all(check.status == "agrees" for check in checks), checks


def _to_be_had(then: str, asked: str) -> bool:
    from sam_pet.segmenter import find_device

    return find_device(asked).type == then.partition(":")[0]


def _again(trail: Trail, recipe: Recipe, device: str, course: bool) -> Iterator[Check]:
    made = train(recipe, device=device) if course else finetune(recipe, device="cpu" if device == "cpu" else "auto")
    recorded = trail.manifest.get("checkpoint", {})
    for name, sha256 in require_manifest(made).hashes.items():
        yield compared(f"{name} trained again", recorded.get(name) == sha256, "the same bytes", "other weights")
    if not course:
        then, now = ({m["step"]: m for m in RunFolder(f).metrics} for f in (trail.folder, recipe.out))
        wrong = [step for step, m in now.items() if any(then.get(step, {}).get(k) != m[k] for k in m if k != "seconds")]
        yield compared("losses computed again", not wrong, f"{len(now)} lines", f"others at step {wrong[:1]}")
    if recipe.validation is not None:
        yield Check("validation", "unchecked", "its figures are not computed again")
