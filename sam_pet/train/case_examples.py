"""The examples that need a case and no model, as files of a store; processes make them.

The tracer is what the study itself says, as in use.
"""

from __future__ import annotations

from pathlib import Path

import cc3d
import numpy as np

from sam_pet.boxes import CONNECTIVITY
from sam_pet.cases import Case
from sam_pet.detection.coarse_study import CoarseStudy
from sam_pet.detection.detect import AUTO, CandidateTable, find_candidates
from sam_pet.detection.features import NAMES
from sam_pet.study import Study
from sam_pet.train.candidate_examples import sample
from sam_pet.train.simulated_prompts import lesions_of
from sam_pet.train.store import ExampleStore
from sam_pet.train.volume_examples import save_cubes, training_cubes


def cubes_file(store: ExampleStore, seed: int, case: Case) -> Path:
    """The cubes round the lesions of a case, see `volume_examples`."""

    def make(path: Path) -> None:
        study = case.study()
        save_cubes(list(training_cubes(study, lesions_of(case, study, 0.0)[0], np.random.default_rng(seed))), path)

    return store.get("cubes", [store.fingerprint(case), seed], make)


def candidates_file(store: ExampleStore, case: Case) -> Path:
    """The candidates of a case, see `candidate_examples`; its scene is made on the way."""

    def make(path: Path) -> None:
        study = case.study()
        table = find_candidates(study)
        scene_file(store, case, study, table)
        labels = cc3d.connected_components(case.mask(study.grid), connectivity=CONNECTIVITY)
        sample(study, labels, table).save(path)

    return store.get("candidates", [store.fingerprint(case), AUTO, list(NAMES)], make)


def scene_file(
    store: ExampleStore, case: Case, study: Study | None = None, table: CandidateTable | None = None
) -> Path:
    """A case as the appearance network looks at it; `study` and `table` are the case's, where they are at hand."""

    def make(path: Path) -> None:
        seen = case.study() if study is None else study
        known = find_candidates(seen) if table is None else table
        CoarseStudy.of(seen, known.body, known.tracer).save(path)

    return store.get("scenes", [store.fingerprint(case), AUTO], make)
