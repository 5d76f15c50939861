"""The cases of a recipe: folders and phantoms alike, and which of them networks never see."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sam_pet.cases import Case, find_cases
from sam_pet.errors import InputError
from sam_pet.files import clear_left, partial_prefix
from sam_pet.geometry import Grid
from sam_pet.models.hashes import home
from sam_pet.phantom import (
    Phantom,
    make_atypical,
    make_phantom,
    make_warped,
    make_wide,
    make_wide_drawn,
    read_patients,
    write_folder,
)
from sam_pet.phantom.frame import parse_grid
from sam_pet.phantom.patients import RealPatient
from sam_pet.phantom.tissue import Tracer
from sam_pet.train.recipe import Data, Recipe, Validation, seeds
from sam_pet.train.store import ExampleStore, digest, made

# Cases, and how often they are drawn from beside the other groups.
Groups = Sequence[tuple[Sequence[Case], float]]
# Phantoms of another version of the generator are made anew.
_PHANTOMS = 1


def example_store(recipe: Recipe) -> ExampleStore:
    """Where a run keeps its examples: by default where others have, too."""
    return ExampleStore(recipe.store or home() / "examples")


def cases_of(data: Data, store: ExampleStore, training: bool = True, workers: int = 0) -> list[Case]:
    """The cases of one entry of a recipe: for training or for validation, where nnU-Net's splits tell them apart.

    Phantoms that are not there yet are made, by `workers` processes.

    Raises:
        InputError: no such folder, case or fold, or a patient on both sides of a fold.
    """
    if data.folder is None:
        cases = _phantoms(data, store, workers)
    elif data.splits is None:
        cases = find_cases(data.folder, data.cases)
    else:
        cases = _side(data, data.folder, data.splits, training)
    return cases if data.ct else [replace(case, ct=None) for case in cases]


def validation_cases(validation: Validation, store: ExampleStore) -> list[Case]:
    """The cases a recipe validates on, no more than it says."""
    return [case for data in validation.data for case in cases_of(data, store, training=False)][: validation.limit]


def split(groups: Groups, folds: int) -> tuple[Groups, Groups]:
    """The cases that networks learn from, and one in `folds` patients of each group, which they never see.

    Studies of a patient stay together, also where they are in several groups.
    """
    held: set[str] = set()
    taken: set[str] = set()
    for cases, _ in groups:
        patients = sorted({case.patient for case in cases} - held - taken)
        held.update(patients[folds - 1 :: folds])
        taken.update(set(patients) - held)
    return _only(groups, taken), _only(groups, held)


def _only(groups: Groups, patients: set[str]) -> Groups:
    kept = [([case for case in cases if case.patient in patients], weight) for cases, weight in groups]
    return [(cases, weight) for cases, weight in kept if cases]


def _side(data: Data, folder: Path, splits: Path, training: bool) -> list[Case]:
    try:
        folds = json.loads(splits.read_text(encoding="utf-8"))
        fold = folds[data.fold]
        train, val = list(fold["train"]), list(fold["val"])
        if not all(isinstance(name, str) for name in (*train, *val)):
            raise TypeError("no names")
    except FileNotFoundError as error:
        raise InputError(f"recipe: no such file: {splits}") from error
    except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"recipe: {splits} has no fold {data.fold} with train and val; name another") from error
    cases = find_cases(folder, train if training else val)
    kept = {c.patient for c in find_cases(folder, val if training else train)}
    shared = sorted({c.patient for c in cases} & kept)
    if shared:
        raise InputError(
            f"recipe: {splits} has patient {shared[0]} on both sides of fold {data.fold}; "
            "keep a patient's studies together"
        )
    return cases


@dataclass(frozen=True)
class _Plan:
    """A phantom to be made."""

    seed: int
    tracer: Tracer
    name: str
    variant: str
    grid: Grid | None
    patient: RealPatient | None
    coarsest_mm: float

    def make(self) -> Phantom:
        if self.patient is not None:
            return make_wide(self.seed, self.patient, coarsest_mm=self.coarsest_mm)
        if self.variant == "warped" and self.grid is not None:
            return make_warped(self.seed, self.tracer, self.grid)
        if self.variant == "wide":
            return make_wide_drawn(self.seed, self.tracer, self.grid)
        phantom = make_phantom(self.seed, self.tracer, self.grid)
        return make_atypical(phantom) if self.variant == "atypical" else phantom


def _phantoms(data: Data, store: ExampleStore, workers: int) -> list[Case]:
    """Phantoms as folders of cases, made where they are not there yet."""
    assert data.phantoms is not None
    maps = None if data.maps is None else read_patients(data.maps)
    grid = None if data.grid is None else parse_grid(data.grid)
    # Maps count by their content, wherever they lie.
    content = [] if maps is None else [[store.sha256(p.organs), p.name, p.lesions, p.strokes] for p in maps]
    key = digest([_PHANTOMS, data.grid, data.variant, *([data.coarsest_mm, *content] if maps else [])])[:16]
    folder = store.folder / "phantoms" / key
    plans = []
    for seed in seeds(data.phantoms):
        patient = None if maps is None else maps[seed % len(maps)]
        tracer: Tracer = patient.tracer if patient is not None else "psma" if seed % 2 else "fdg"
        name = f"{tracer}_{seed}sim_{data.variant}"
        plans.append(_Plan(seed, tracer, name, data.variant, grid, patient, data.coarsest_mm))
    names = made(plans, partial(_phantom, folder), workers, "phantoms")
    return find_cases(folder, names) if names else []


def _phantom(folder: Path, plan: _Plan) -> str:
    """The name of a phantom, whose folder is whole or absent."""
    # The label is written last: without one it is what an earlier version left unfinished.
    if not (folder / plan.name / "SEG.nii.gz").is_file():
        shutil.rmtree(folder / plan.name, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        clear_left(folder)
        scratch = Path(tempfile.mkdtemp(prefix=partial_prefix(), dir=folder))
        try:
            write_folder(plan.make(), plan.name, scratch, instances=False)
            # Another run may have made the same meanwhile.
            with suppress(OSError):
                (scratch / plan.name).rename(folder / plan.name)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return plan.name
